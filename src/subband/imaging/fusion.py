"""Several images of one scene in one: foci of a deep scene, exposures of a high contrast.

Where an image is sharp its details are large. The rule `largest` therefore takes every detail coefficient from the
image that is most active in a window around it, after a majority vote among the neighbors, and averages the coarse
brightness (Li, Manjunath and Mitra, "Multisensor image fusion using the wavelet transform", Graphical Models and Image
Processing 1995). Between exposures that rule exaggerates contrast: a longer exposure has larger details everywhere. The
rule `exposure` blends all coefficients with weights that prefer well exposed, contrasted and colorful places (Mertens,
Kautz and Van Reeth, "Exposure fusion", Pacific Graphics 2007), here in the subbands of a wavelet transform instead of a
Laplacian pyramid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.imaging._checks import check_finite, check_real
from subband.imaging._levels import default_level, levels_of
from subband.transforms import WaveletLike, wavedec2, waverec2
from subband.transforms.arguments import integer

__all__ = ["fuse"]

FusionRule = Literal["largest", "exposure"]

_SPREAD = 0.2  # width of the preference for medium brightness, Mertens et al. 2007, section 3.1


def fuse(
    images: Sequence[Tensor],
    *,
    rule: FusionRule = "largest",
    wavelet: WaveletLike = "sym4",
    mode: str = "symmetric",
    level: int | None = None,
    window: int = 3,
) -> Tensor:
    """Fuse images of one scene that differ in focus or exposure.

    The images must be aligned. The channels of a color image are taken from the same image at every place.

    Args:
        images: Two or more images `(..., C, H, W)` of one shape and one real floating dtype, in `[0, 1]`.
        rule: `largest` for images that differ in focus, `exposure` for those that differ in exposure.
        wavelet: Wavelet, or one per axis, any that `wavedec2` knows; smooth and nearly symmetric ones leave the fewest
            traces.
        mode: Boundary mode.
        level: Levels of the transform; the most that make sense if not given, but at least one.
        window: Odd side of the window that `largest` looks at and votes in; 1 compares single coefficients without a
            vote.

    Returns:
        The fused image, `(..., C, H, W)`; values may leave `[0, 1]` where the images contradict each other.

    Raises:
        TypeError: If the images are not real and floating, or not of one dtype, or a number is no integer.
        ValueError: If there are fewer than two, shapes differ or hold no pixels, a value is NaN or infinite, `rule` is
            unknown, `window` is not odd and positive, or `level` is negative.

    Example:
        >>> scene = torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(0))
        >>> blurred = torch.nn.functional.avg_pool2d(scene, 5, 1, 2)
        >>> left, right = scene.clone(), scene.clone()
        >>> left[..., 16:], right[..., :16] = blurred[..., 16:], blurred[..., :16]
        >>> fused = fuse([left, right], level=2)
        >>> bool((fused - scene).abs().mean() < 0.5 * (left - scene).abs().mean())
        True
    """
    window = integer(window, "window")
    _check(images, rule, window)
    stacked = torch.stack(tuple(images))  # (K, ..., C, H, W)
    if stacked.dtype in (torch.float16, torch.bfloat16):
        stacked = stacked.float()
    if level is None:
        coeffs = levels_of(stacked, wavelet, mode, default_level(stacked, wavelet))
    else:
        coeffs = wavedec2(stacked, wavelet, mode, level)
    if rule == "largest":
        details = coeffs.map(lambda band: _most_active(band, window)).details
        fused = replace(coeffs, approx=coeffs.approx.mean(0), details=details)
    else:
        weights = _exposure_weights(stacked)
        fused = coeffs.map_all(lambda band: (_resized(weights, band.shape) * band).sum(0))
    return waverec2(fused, wavelet).to(images[0].dtype)


def _most_active(band: Tensor, window: int) -> Tensor:
    """Of `(K, ..., C, h, w)` the most active image at every place, `(..., C, h, w)`."""
    activity = band.abs().amax(-3, keepdim=True)  # one decision for all channels, or edges would turn colored
    choice = _window(F.max_pool2d, activity, window).argmax(0)
    votes = F.one_hot(choice, len(band)).movedim(-1, 0).to(band.dtype)
    # The vote of the place itself only breaks ties.
    winner = (_window(F.avg_pool2d, votes, window) + 1e-3 * votes).argmax(0)
    return band.gather(0, winner.expand(band.shape[1:])[None])[0]


def _window(pool: Callable[..., Tensor], values: Tensor, window: int) -> Tensor:
    return pool(values.flatten(0, -3)[:, None], window, 1, window // 2).reshape(values.shape)


def _exposure_weights(images: Tensor) -> Tensor:
    """Weights `(K, ..., 1, H, W)` of `(K, ..., C, H, W)` with the sum one; Mertens et al. 2007, section 3.1."""
    well_exposed = (-(images - 0.5).square().sum(-3, keepdim=True) / (2 * _SPREAD**2)).exp()
    gray = images.mean(-3, keepdim=True)
    contrast = _laplacian(gray).abs()
    weights = well_exposed * contrast
    if images.shape[-3] > 1:
        weights = weights * images.std(-3, unbiased=False, keepdim=True)
    # Equal weights where none is left; 1e-12 in Mertens' program, for images of full contrast.
    largest = weights.detach().amax((0, -3, -2, -1), keepdim=True)
    weights = weights + torch.where(largest > 0, 1e-12 * largest, 1)
    return weights / weights.sum(0)


def _laplacian(gray: Tensor) -> Tensor:
    padded = F.pad(gray.flatten(0, -3)[:, None], (1, 1, 1, 1), mode="replicate")
    sides = padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:] + padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1]
    return (sides - 4 * padded[..., 1:-1, 1:-1]).reshape(gray.shape)


def _resized(weights: Tensor, shape: torch.Size) -> Tensor:
    """Weights at the resolution of a band: means over the pixels that one coefficient stands for."""
    means = F.adaptive_avg_pool2d(weights.flatten(0, -3)[:, None], (shape[-2], shape[-1]))
    return means.reshape(*weights.shape[:-2], *shape[-2:])


def _check(images: Sequence[Tensor], rule: str, window: int) -> None:
    if len(images) < 2:
        raise ValueError(f"images must hold at least two images, got {len(images)}")
    for image in images:
        check_real(image, "images")
    dtypes = list(dict.fromkeys(str(image.dtype) for image in images))
    if len(dtypes) > 1:
        raise TypeError(f"images must have one dtype, got {', '.join(dtypes)}; convert them with .to()")
    shapes = [tuple(image.shape) for image in images]
    if len(set(shapes)) > 1:
        raise ValueError(f"images must have one shape, got {', '.join(map(str, dict.fromkeys(shapes)))}")
    if len(shapes[0]) < 3 or 0 in shapes[0][-3:]:
        raise ValueError(f"images must be (..., C, H, W) with at least one pixel, got {shapes[0]}")
    for number, image in enumerate(images):
        check_finite(image, f"images[{number}]")
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be odd and positive, got {window}")
    if rule not in ("largest", "exposure"):
        raise ValueError(f"rule must be largest or exposure, got {rule!r}")
