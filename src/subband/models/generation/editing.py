"""Local changes of the coefficients of images, and ways from one image to another through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.models.generation.distributions import laplace_from_normal, normal_from_laplace
from subband.models.generation.priors import PyramidPrior
from subband.models.generation.pyramid import BANDS, Pyramid, PyramidTransform
from subband.transforms import threshold

__all__ = ["ORIENTATIONS", "Band", "EditMode", "Walk", "edit", "latent_walk"]

Band: TypeAlias = "tuple[int, str | None]"
"""Level, 1 being the finest, and orientation; None for all three."""
EditMode: TypeAlias = Literal["scale", "threshold", "copy"]
Walk: TypeAlias = Literal["linear", "gaussianised"]
ORIENTATIONS = ("lh", "hl", "hh")
SMALLEST_SCALE = 1e-6  # of a band that is zero throughout
PARALLEL = 1e-4  # radians; the great circle is a line then


def edit(
    pyramid: Pyramid,
    mask: Tensor,
    values: Mapping[Band, float],
    mode: EditMode = "scale",
    other: Pyramid | None = None,
) -> Pyramid:
    """Change details where a mask says so.

    The mask of a level is the mean of the mask over the pixels that a coefficient stands for, so that edits fade out
    at its border. Where it is 0, coefficients stay as they are, bit by bit.

    Args:
        pyramid: Coefficients of all levels, bands `(B, 3C, h, w)`.
        mask: How much of the edit there shall be, in [0, 1], `(H, W)` of the images.
        values: What is done to which bands. In mode `scale` the factor: 0 removes a band, below 1 smooths, above 1
            sharpens. In mode `threshold` the size of coefficients, as of images in [-1, 1], below which all become
            zero; larger ones move towards it by as much. In mode `copy` the share that comes from `other`.
        mode: `scale`, `threshold` or `copy`.
        other: Coefficients of the same shapes, for `copy`.

    Raises:
        ValueError: If the mask has another size or leaves [0, 1], a level, orientation or mode is unknown, a threshold
            is negative, or `other` is missing, of other shapes, or given for nothing.

    Example:
        >>> pyramid = Pyramid(torch.zeros(1, 1, 1, 1), (torch.ones(1, 3, 1, 1),))
        >>> edit(pyramid, torch.ones(2, 2), {(1, "hh"): 0.25}).details[0].flatten()
        tensor([1.0000, 1.0000, 0.2500])
    """
    target = _target(pyramid, values, mode, other)
    mask = _checked_mask(pyramid, mask)
    details = []
    for place, detail in enumerate(pyramid.details):
        level = pyramid.levels - place
        pooled = F.avg_pool2d(mask.to(detail), 2**level)
        bands = list(detail.chunk(BANDS, 1))
        for (wanted, orientation), value in values.items():
            for index, name in enumerate(ORIENTATIONS):
                if wanted == level and orientation in (None, name):
                    bands[index] = bands[index] + pooled * (target(place, index, bands[index], value) - bands[index])
        details.append(torch.cat(bands, 1))
    return Pyramid(pyramid.approx, tuple(details))


def latent_walk(
    first: Pyramid,
    second: Pyramid,
    num: int,
    how: Walk = "linear",
    *,
    transform: PyramidTransform | None = None,
    prior: PyramidPrior | None = None,
) -> Pyramid:
    """Coefficients on the way from one image to another.

    Details are sparse: nearly all are small and a few large. Halfway between two images `linear` gives twice as many
    that are half as large. `gaussianised` takes every detail to the rank it has in a Laplace distribution, that rank to
    a standard normal number, the numbers of a level along a great circle, and back; details stay as sparse all the way.
    Approximations go in a straight line.

    Args:
        first: Coefficients of the one image, bands `(1, 3C, h, w)`.
        second: Coefficients of the other, of the same shapes.
        num: Images on the way, both ends included; at least 2.
        how: `linear` or `gaussianised`.
        transform: Of the coefficients, for `gaussianised` with a prior.
        prior: Says centres and scales of the Laplaces, given what is coarser on the way. By default the centres are 0
            and the scale of a band is its mean magnitude in both images.

    Returns:
        Bands `(num, 3C, h, w)`; the first and the last are the coefficients given, up to rounding.

    Raises:
        ValueError: If there are fewer than 2 images, the way is unknown, or the shapes differ.

    Example:
        >>> one, other = (Pyramid(torch.full((1, 1, 1, 1), v), (torch.full((1, 3, 1, 1), v),)) for v in (0.0, 1.0))
        >>> latent_walk(one, other, 3).approx.flatten()
        tensor([0.0000, 0.5000, 1.0000])
    """
    if num < 2:
        raise ValueError(f"num must be 2 at least, got {num}.")
    if how not in ("linear", "gaussianised"):
        raise ValueError(f"how must be linear or gaussianised, got {how!r}.")
    if [band.shape for band in first.bands] != [band.shape for band in second.bands]:
        raise ValueError("the coefficients of both images must have the same shapes.")
    steps = torch.linspace(0, 1, num, device=first.approx.device, dtype=first.approx.dtype).view(-1, 1, 1, 1)
    if how == "linear":
        return first.map(lambda a, b: torch.lerp(a, b, steps), second)
    approx = torch.lerp(first.approx, second.approx, steps)
    coarse, details = approx, []
    for level, ends in enumerate(zip(first.details, second.details, strict=True)):
        if prior is None or transform is None:
            centre, scale = torch.zeros_like(steps), _mean_magnitude(*ends)
        else:
            centre, scale = prior.details(level, coarse, prior.units.details[level])
        details.append(_normal_walk(ends, steps, centre, scale))
        if transform is not None:
            coarse = transform.join(coarse, details[-1])
    return Pyramid(approx, tuple(details))


def _normal_walk(ends: tuple[Tensor, Tensor], steps: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
    """Details of one level on the way; centres and scales are those of every step, or of all."""
    first, second = (
        normal_from_laplace((end - centre[place][None]) / scale[place][None])
        for end, place in zip(ends, (0, -1), strict=True)
    )
    return centre + scale * laplace_from_normal(_on_great_circle(first, second, steps))


def _on_great_circle(first: Tensor, second: Tensor, steps: Tensor) -> Tensor:
    cosine = torch.nn.functional.cosine_similarity(first.flatten(1), second.flatten(1), 1).clamp(-1, 1)
    angle = cosine.double().acos().to(steps)
    if angle < PARALLEL or torch.pi - angle < PARALLEL:
        return torch.lerp(first, second, steps)
    return (((1 - steps) * angle).sin() * first + (steps * angle).sin() * second) / angle.sin()


def _mean_magnitude(*ends: Tensor) -> Tensor:
    return torch.cat(ends).abs().mean((0, 2, 3), keepdim=True).clamp(min=SMALLEST_SCALE)


def _target(
    pyramid: Pyramid, values: Mapping[Band, float], mode: EditMode, other: Pyramid | None
) -> Callable[[int, int, Tensor, float], Tensor]:
    """What bands become where the mask is 1: from place, orientation, band and value."""
    for level, orientation in values:
        if not 1 <= level <= pyramid.levels:
            raise ValueError(f"level must lie within 1 and {pyramid.levels}, got {level}.")
        if orientation not in (None, *ORIENTATIONS):
            raise ValueError(f"orientation must be one of {', '.join(ORIENTATIONS)}, got {orientation!r}.")
    if (other is None) != (mode != "copy"):
        raise ValueError("other holds the coefficients that mode 'copy' takes; give it with that mode alone.")
    if mode == "scale":
        return lambda place, index, band, value: value * band
    if mode == "threshold":
        if any(value < 0 for value in values.values()):
            raise ValueError("a threshold must not be negative.")
        return lambda place, index, band, value: threshold(band, value)
    if mode != "copy" or other is None:
        raise ValueError(f"mode must be scale, threshold or copy, got {mode!r}.")
    if [band.shape for band in other.bands] != [band.shape for band in pyramid.bands]:
        raise ValueError("other must have coefficients of the same shapes.")
    return lambda place, index, band, value: torch.lerp(band, other.details[place].chunk(BANDS, 1)[index], value)


def _checked_mask(pyramid: Pyramid, mask: Tensor) -> Tensor:
    """The mask as `(1, 1, H, W)`."""
    height, width = pyramid.approx.shape[-2:]
    size = (height << pyramid.levels, width << pyramid.levels)
    if tuple(mask.shape) != size:
        raise ValueError(f"mask must be {size[0]} x {size[1]} as the image is, got {' x '.join(map(str, mask.shape))}.")
    if not bool(((mask >= 0) & (mask <= 1)).all()):
        raise ValueError("mask must lie in [0, 1].")
    return mask[None, None]
