"""Accuracy of classifiers on images without their high frequencies, without their low ones, and after JPEG coding.

Wang et al., High-frequency component helps explain the generalization of convolutional neural networks, CVPR 2020, ask
the first two questions. Their radius counts entries of the centerd spectrum; ours is its share of the Nyquist
frequency, so that it means the same for every image size: radius 0.25 of a 32 x 32 image is their radius 4.

The distorted image is what the network would have seen, after resizing and cropping.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.config import RecipeConfig
from subband.data.labelled.images import ImageData
from subband.data.loader import SampleLoader
from subband.tasks.classification.task import top_hits
from subband.transforms import irfft2, radial_frequency, rfft2

__all__ = ["QUALITIES", "RADII", "distortions", "high_pass", "jpeg", "low_pass", "robustness"]

RADII = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
QUALITIES = (5, 10, 25, 50, 75, 95)

_MAX_RADIUS = 1.5  # the corners of the spectrum lie at the square root of 2
_NYQUIST = 0.5  # cycles per pixel
_ROUNDING = 1e-6  # entries that lie on the circle count as inside


def low_pass(images: Tensor, radius: float) -> Tensor:
    """Images without the frequencies beyond a radius: a sharp circle in the spectrum.

    Args:
        images: `(B, C, H, W)` in [0, 1].
        radius: Share of the Nyquist frequency; 0 leaves the mean, anything above the square root of 2 the whole image.

    Returns:
        `(B, C, H, W)`; the ringing of the sharp edge is clipped to [0, 1].

    Raises:
        ValueError: If the radius is not in [0, 1.5].

    Example:
        >>> stripes = torch.tensor([0.25, 0.75]).repeat(1, 1, 4, 2)
        >>> low_pass(stripes, 0.9)[0, 0, 0].tolist(), low_pass(stripes, 1.0)[0, 0, 0].tolist()
        ([0.5, 0.5, 0.5, 0.5], [0.25, 0.75, 0.25, 0.75])
    """
    return _filtered(images, _inside(images, radius))


def high_pass(images: Tensor, radius: float) -> Tensor:
    """Images without the frequencies up to a radius, but with their mean, so that most values stay in range.

    Args:
        images: `(B, C, H, W)` in [0, 1].
        radius: Share of the Nyquist frequency; 0 leaves the whole image.

    Returns:
        `(B, C, H, W)`, clipped to [0, 1].

    Raises:
        ValueError: If the radius is not in [0, 1.5].

    Example:
        >>> stripes = torch.tensor([0.25, 0.75]).repeat(1, 1, 4, 2)
        >>> high_pass(stripes, 0.9)[0, 0, 0].tolist(), high_pass(stripes, 1.0)[0, 0, 0].tolist()
        ([0.25, 0.75, 0.25, 0.75], [0.5, 0.5, 0.5, 0.5])
    """
    keep = ~_inside(images, radius)
    keep[0, 0] = True
    return _filtered(images, keep)


def jpeg(images: Tensor, quality: int) -> Tensor:
    """Images after coding as JPEG with half the resolution in color (4:2:0).

    Args:
        images: `(B, 3, H, W)` in [0, 1], rounded to 8 bits first.
        quality: Of libjpeg, 1 to 100.

    Returns:
        `(B, 3, H, W)` in [0, 1], in steps of 1/255.

    Raises:
        ValueError: If the quality is not in [1, 100].
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"a JPEG quality must lie between 1 and 100, got {quality}.")
    pixels = (images.float() * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    coded = np.stack([_coded(image, quality) for image in pixels])
    return torch.from_numpy(coded).permute(0, 3, 1, 2).to(images) / 255


def distortions(radii: Sequence[float] = RADII, qualities: Sequence[int] = QUALITIES) -> list[tuple[str, float | None]]:
    """Every distortion with its strength, in the order of the rows of `robustness`.

    Raises:
        ValueError: If a radius or quality is out of range.

    Example:
        >>> distortions(radii=[0.5], qualities=[80, 20])
        [('none', None), ('low_pass', 0.5), ('high_pass', 0.5), ('jpeg', 20), ('jpeg', 80)]
    """
    strengths: dict[str, Sequence[float]] = {"low_pass": radii, "high_pass": radii, "jpeg": qualities}
    cases = [(name, value) for name, values in strengths.items() for value in sorted(set(values))]
    for name, value in cases:  # a bad strength shows on a small image, before any work
        _DISTORTIONS[name](torch.zeros(1, 3, 8, 8), value)
    return [("none", None), *cases]


@torch.inference_mode()
def robustness(
    recipe: RecipeConfig,
    model: nn.Module,
    data: ImageData,
    device: torch.device,
    *,
    radii: Sequence[float] = RADII,
    qualities: Sequence[int] = QUALITIES,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> list[dict[str, Any]]:
    """Accuracy of a classifier on the test set as it is, and distorted in every way.

    Args:
        recipe: Says the batch size.
        model: In evaluation mode, on the device, for the classes of the data.
        data: Its test set counts.
        device: Where to compute.
        radii: Of the low-pass and high-pass filters.
        qualities: Of JPEG.
        progress: Wraps the batches of the test set, to show how far it is.

    Returns:
        For every distortion `distortion` (`none`, `low_pass`, `high_pass`, `jpeg`), `strength` (None, radius, radius,
        quality), `top1`, `top5` (with more than five classes), `cross_entropy` and the number of `images`.

    Raises:
        ValueError: If a radius or quality is out of range.
    """
    cases = distortions(radii, qualities)
    totals: list[dict[str, float]] = [{} for _ in cases]
    prepare = data.spec.preprocessing
    batch_size = recipe.evaluation.batch_size or recipe.data.batch_size
    options: dict[str, Any] = {"shuffle": False, "drop_last": False, "seed": recipe.seed, "device": device}
    for inputs, labels in progress(
        SampleLoader(data.test, batch_size, num_workers=recipe.data.num_workers, **options)  # type: ignore[arg-type]
    ):
        inputs, labels = inputs.to(device), labels.to(device)
        images = prepare.denormalize(inputs).clamp(0, 1)
        for (name, strength), total in zip(cases, totals, strict=True):
            seen = inputs if strength is None else prepare.normalize(_DISTORTIONS[name](images, strength))
            for key, value in _sums(model(seen).float(), labels).items():
                total[key] = total.get(key, 0.0) + value
    count = len(data.test)
    return [
        {
            "distortion": name,
            "strength": strength,
            **{key: value / count for key, value in total.items()},
            "images": count,
        }
        for (name, strength), total in zip(cases, totals, strict=True)
    ]


_DISTORTIONS: dict[str, Callable[[Tensor, Any], Tensor]] = {"low_pass": low_pass, "high_pass": high_pass, "jpeg": jpeg}


def _sums(logits: Tensor, labels: Tensor) -> dict[str, float]:
    hits = {name: float(right.sum()) for name, right in top_hits(logits, labels).items()}
    entropy = F.cross_entropy(logits.cpu().double(), labels.cpu(), reduction="sum")  # Metal has no float64
    return hits | {"cross_entropy": entropy.item()}


def _inside(images: Tensor, radius: float) -> Tensor:
    """Which entries of the half spectrum lie within a radius, `(H, W // 2 + 1)`."""
    if not 0 <= radius <= _MAX_RADIUS:
        raise ValueError(f"a radius must lie between 0 and {_MAX_RADIUS} (1 is the Nyquist frequency), got {radius:g}.")
    frequency = radial_frequency(images.shape[-2], images.shape[-1]).to(images.device)
    return frequency <= radius * _NYQUIST + _ROUNDING


def _filtered(images: Tensor, keep: Tensor) -> Tensor:
    spectrum = rfft2(images.float()) * keep
    return irfft2(spectrum, (images.shape[-2], images.shape[-1])).clamp(0, 1).to(images.dtype)


def _coded(pixels: np.ndarray, quality: int) -> np.ndarray:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(buffer) as image:
        return np.array(image)
