"""What is measured of one network on the test set, in running sums."""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

import torch
from torch import Tensor

from subband.data.images.unlabelled import UnlabelledSpec
from subband.data.spec import ClipSpec
from subband.metrics.descriptors import MetricInfo
from subband.metrics.generation import FrechetWaveletDistance, ReconstructionScores, WaveletStatisticsDistance
from subband.metrics.generation_descriptors import GENERATION_METRICS
from subband.metrics.video import FrameLPIPS
from subband.models.generation.objectives import BITS_OF_BYTES
from subband.tasks.generation.networks import as_images, as_input, coded_numbers, has_likelihood

__all__ = ["DrawnScores", "ReconstructionRow", "packet_levels"]

_MOST_LEVELS, _COARSEST = 4, 4  # levels of a packet; side of what is left of an image
_SMALLEST_LPIPS = 32


def packet_levels(height: int, width: int) -> int:
    """Levels of the transforms by which drawn images are compared with real ones; 0 if the sides do not divide.

    Example:
        >>> packet_levels(128, 128), packet_levels(32, 32), packet_levels(16, 24), packet_levels(9, 9)
        (4, 3, 2, 0)
    """
    levels = 0
    while levels < _MOST_LEVELS and all(
        side % 2 ** (levels + 1) == 0 and side >> (levels + 1) >= _COARSEST for side in (height, width)
    ):
        levels += 1
    return levels


class ReconstructionRow:
    """Scores of a network that reconstructs, or of a transform without training.

    Args:
        model: The network.
        spec: Shape of the images.
        lpips_weights: File with AlexNet's weights, or None.
        device: Where images are.
        bound_samples: Samples of every image for the tight bound on its likelihood; 1 leaves it out.

    Attributes:
        newest: Reconstructions of the newest batch, None for a network that only draws.
    """

    metrics: ClassVar[tuple[MetricInfo, ...]] = GENERATION_METRICS
    """What `compute` gives."""

    def __init__(
        self,
        model: Any,
        spec: UnlabelledSpec,
        lpips_weights: str | None,
        device: torch.device,
        *,
        bound_samples: int = 1,
    ) -> None:
        self.bound_samples = bound_samples if has_likelihood(model) and hasattr(model, "importance_bound") else 1
        self.model, self.count = model, math.prod(spec.shape)
        self.is_trained = any(True for _ in model.parameters())
        self.has_code = hasattr(model, "reconstruct")
        self.newest: Tensor | None = None
        self._fit = ReconstructionScores().to(device)
        self._lpips = _lpips_if_possible(spec, lpips_weights)
        if self._lpips is not None:
            self._lpips = self._lpips.to(device)
        self._sums: dict[str, float] = {}
        self._images = 0

    def add(self, images: Tensor, generator: torch.Generator) -> None:
        """Add images `(B, C, H, W)` in [0, 1]; the generator is for noise on them and on codes."""
        if not self.has_code:
            return
        self._images += len(images)
        if self.is_trained:
            self._add_bound(images, generator)
        outputs = self.model.reconstruct(as_input(self.model, images, generator) if self.is_trained else images)
        self.newest = as_images(self.model, outputs) if self.is_trained else outputs.clamp(0, 1)
        self._score(self.newest, images)

    def _score(self, recon: Tensor, images: Tensor) -> None:
        """Compare reconstructed images `(B, C, H, W)` with the images themselves."""
        self._fit.update(recon, images)
        if self._lpips is not None:
            self._lpips.update(recon[:, None], images[:, None])

    def _add_bound(self, images: Tensor, generator: torch.Generator) -> None:
        """Add what the network says of its own loss: rate and bits, and the error of noisy reconstructions."""
        inputs = as_input(self.model, images, generator)
        output = self.model(inputs, generator=generator)
        errors = (as_images(self.model, output.recon) - images).square().flatten(1).mean(1)
        self._add("mse_noisy", errors.double().sum().item())
        for name in ("rate", "bits_per_dim"):
            if name in output.parts:
                self._add(name, len(images) * output.parts[name].item())
        if self.bound_samples > 1:
            nats = -self.model.importance_bound(inputs, self.bound_samples, generator=generator).double().sum()
            self._add("bits_tight", nats.item() / (self.count * math.log(2)) + len(images) * BITS_OF_BYTES)

    def _add(self, name: str, total: float) -> None:
        self._sums[name] = self._sums.get(name, 0.0) + total

    def compute(self) -> dict[str, float | None]:
        """All metrics; what was not measured is None."""
        found: dict[str, float | None] = {name: total / self._images for name, total in self._sums.items()}
        if self.has_code:
            found |= self._fit.compute()
            own = coded_numbers(self.model) if self.is_trained else self.model.coded_numbers(self.count)
            found["coded"] = None if own is None else own / self.count
        if self._lpips is not None and self._images:
            found["lpips"] = self._lpips.compute().item()
        return {item.key: found.get(item.key) for item in self.metrics}


class DrawnScores:
    """Distances of drawn images from real ones.

    Args:
        spec: Shape of the images.
        device: Where they are.

    Attributes:
        remark: Why the distances are rough, once they were computed of few images.
    """

    def __init__(self, spec: UnlabelledSpec, device: torch.device) -> None:
        self.remark: str | None = None
        levels = packet_levels(spec.height, spec.width)
        self._metrics = {
            "fwd": FrechetWaveletDistance(levels).to(device),
            "wsd": WaveletStatisticsDistance(levels).to(device),
        }
        self._metrics = self._metrics if levels else {}

    def add(self, images: Tensor, *, is_real: bool) -> None:
        """Add images `(B, C, H, W)` in [0, 1] of either kind."""
        for metric in self._metrics.values():
            metric.update(images, is_real=is_real)

    def compute(self) -> dict[str, float | None]:
        """Both distances; none of images whose sides do not divide, or if there is one image of a kind alone."""
        counts = [metric.drawn_count.item() for metric in self._metrics.values()]
        counts += [metric.real_count.item() for metric in self._metrics.values()]
        if not counts or min(counts) < 2:
            return {}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found: dict[str, float | None] = {name: metric.compute().item() for name, metric in self._metrics.items()}
        few = [str(item.message) for item in caught if "images are few" in str(item.message)]
        self.remark = few[-1] if few else None  # of the distance with more features
        return found


def _lpips_if_possible(spec: UnlabelledSpec, weights: str | None) -> FrameLPIPS | None:
    if weights is None or min(spec.height, spec.width) < _SMALLEST_LPIPS:
        return None
    clips = ClipSpec(in_frames=1, out_frames=1, channels=spec.channels, height=spec.height, width=spec.width)
    try:
        return FrameLPIPS(clips, weights)
    except ModuleNotFoundError as error:
        warnings.warn(f"{str(error).rstrip('.')}; LPIPS is left out.", stacklevel=2)
        return None
