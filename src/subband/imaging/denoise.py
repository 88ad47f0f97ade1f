"""Noise removal by shrinking wavelet coefficients.

White noise has the same strength in every wavelet coefficient, whereas a photograph gathers in few large ones;
coefficients below a threshold are therefore mostly noise. VisuShrink takes one threshold for all (Donoho and Johnstone,
"Ideal spatial adaptation by wavelet shrinkage", Biometrika 1994), BayesShrink one for every subband (Chang, Yu and
Vetterli, "Adaptive wavelet thresholding for image denoising and compression", IEEE Transactions on Image Processing
2000). Cycle spinning averages over shifts of the image, which removes most artefacts of the decimated transform
(Coifman and Donoho, "Translation-invariant de-noising", 1995).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from subband.imaging._color import from_ycbcr, sigma_in_ycbcr, to_ycbcr
from subband.transforms import Coeffs, WaveletLike, dwt2, dwt_max_level, wavedec2, waverec2

__all__ = ["denoise_wavelet", "estimate_sigma"]

ShrinkMethod = Literal["bayes", "visu"]
ThresholdRule = Literal["soft", "hard"]
ColorSpace = Literal["rgb", "ycbcr"]

_QUARTILE = 0.6744897501960817  # upper quartile of the standard normal distribution


def estimate_sigma(x: Tensor, wavelet: WaveletLike = "db2", mode: str = "symmetric") -> Tensor:
    """Standard deviation of white Gaussian noise in images, from the images themselves.

    The median magnitude of the finest diagonal band, over 0.6745 (Donoho and Johnstone 1994, section 4.2). Coefficients
    that are exactly zero do not count: they come from areas without any noise, such as clipped ones. The numbers are
    those of `skimage.restoration.estimate_sigma`.

    Args:
        x: Images, `(..., H, W)`, real floating dtype, any range.
        wavelet: Wavelet, any that `dwt2` knows.
        mode: Boundary mode.

    Returns:
        One number per image and channel, `(...)`, in the units of `x`; 0 where the diagonal band is zero throughout.

    Raises:
        TypeError: If `x` is not real and floating.
        ValueError: If `x` is not `(..., H, W)` with at least one pixel, or a name is unknown.

    Example:
        >>> noise = 0.1 * torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
        >>> estimate_sigma(0.5 + noise)
        tensor(0.0960)
    """
    _check(x)
    diagonal = dwt2(_at_least_float32(x), wavelet, mode)[..., 3, :, :].abs().flatten(-2)
    ordered = diagonal.sort(-1).values  # zeros first
    count = (diagonal > 0).sum(-1, keepdim=True)
    first = diagonal.shape[-1] - count
    middle = torch.cat((first + (count - 1) // 2, first + count // 2), -1).clamp(0, diagonal.shape[-1] - 1)
    median = ordered.gather(-1, middle).mean(-1)
    return (median / _QUARTILE).to(x.dtype)


def denoise_wavelet(
    x: Tensor,
    sigma: float | Tensor | None = None,
    *,
    method: ShrinkMethod = "bayes",
    threshold: ThresholdRule = "soft",
    wavelet: WaveletLike = "db2",
    mode: str = "symmetric",
    level: int | None = None,
    cycle_spins: int = 0,
    color: ColorSpace = "rgb",
) -> Tensor:
    """Remove white Gaussian noise from images by wavelet shrinkage.

    With the same options the numbers are those of `skimage.restoration.denoise_wavelet` and `cycle_spin`.

    Args:
        x: Images, `(..., H, W)`, real floating dtype, any range.
        sigma: Standard deviation of the noise in the units of `x`: one number, or a tensor `(...)` with one per image
            and channel; estimated by `estimate_sigma` with `wavelet` if not given.
        method: `bayes`, a threshold `sigma^2 / sigma_x` for every subband, where `sigma_x` is the standard deviation of
            the noise-free subband; or `visu`, the threshold `sigma * sqrt(2 ln(HW))` for all, which leaves hardly any
            noise and less texture.
        threshold: `soft` shrinks what it keeps by the threshold, `hard` does not.
        wavelet: Wavelet, any that `wavedec2` knows; the thresholds are meant for orthogonal ones. On photographs the
            short `haar` and `db2` do best, `haar` only with cycle spinning.
        mode: Boundary mode.
        level: Levels of the transform; three less than the most that make sense if not given, but at least one.
        cycle_spins: Averages over all shifts by 0 to this many pixels along both axes, n spins cost `(n + 1)^2`
            transforms.
        color: `rgb` treats every channel by itself, `ycbcr` brightness and two color differences (BT.601), for which
            `x` must be `(..., 3, H, W)`.

    Returns:
        Images of the shape and dtype of `x`; values may leave the range of `x` a little.

    Raises:
        TypeError: If `x` is not real and floating.
        ValueError: If a name is unknown, `sigma` is negative or has another shape, a number is negative, or `x` has no
            pixels.

    Example:
        >>> clean = torch.linspace(0, 1, 128).expand(128, 128)
        >>> noisy = clean + 0.1 * torch.randn(128, 128, generator=torch.Generator().manual_seed(0))
        >>> denoised = denoise_wavelet(noisy, cycle_spins=1)
        >>> bool((denoised - clean).square().mean() < 0.2 * (noisy - clean).square().mean())
        True
    """
    _check(x)
    _check_options(x, method, threshold, cycle_spins, color)
    noisy = _at_least_float32(x)
    given = None if sigma is None else _per_channel(sigma, noisy)
    if color == "ycbcr":
        noisy = to_ycbcr(noisy)
        given = None if given is None else sigma_in_ycbcr(given)
    noise = estimate_sigma(noisy, wavelet, mode) if given is None else given
    level = _default_level(noisy, wavelet) if level is None else level
    total = torch.zeros_like(noisy)
    for shift in ((down, right) for down in range(cycle_spins + 1) for right in range(cycle_spins + 1)):
        coeffs = wavedec2(noisy.roll(shift, (-2, -1)), wavelet, mode, level)
        shrunk = _shrink(coeffs, noise, method, threshold, noisy.shape[-2] * noisy.shape[-1])
        total += waverec2(shrunk).roll((-shift[0], -shift[1]), (-2, -1))
    denoised = total / (cycle_spins + 1) ** 2
    return (from_ycbcr(denoised) if color == "ycbcr" else denoised).to(x.dtype)


def _shrink(coeffs: Coeffs, sigma: Tensor, method: str, threshold: str, num_pixels: int) -> Coeffs:
    noise = sigma[..., None, None]
    universal = noise * math.sqrt(2 * math.log(num_pixels))

    def shrink(band: Tensor) -> Tensor:
        limit = universal if method == "visu" else _bayes_threshold(band, noise)
        if threshold == "hard":
            return torch.where(band.abs() < limit, 0, band)
        return band.sign() * (band.abs() - limit).clamp_min(0)

    return coeffs.map(shrink)


def _bayes_threshold(band: Tensor, noise: Tensor) -> Tensor:
    """Chang et al. 2000, equations 12 to 14; a band weaker than the noise gets a threshold that leaves nothing."""
    variance = band.square().mean((-2, -1), keepdim=True) - noise.square()
    return noise.square() / variance.clamp_min(torch.finfo(band.dtype).eps).sqrt()


def _default_level(x: Tensor, wavelet: WaveletLike) -> int:
    most = min(dwt_max_level(length, wavelet) for length in x.shape[-2:])
    return max(most - 3, min(most, 1))


def _per_channel(sigma: float | Tensor, x: Tensor) -> Tensor:
    values = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
    if values.ndim and values.shape != x.shape[:-2]:
        raise ValueError(f"sigma must be one number or of shape {tuple(x.shape[:-2])}, got {tuple(values.shape)}")
    if not bool((values >= 0).all()):
        raise ValueError(f"sigma must not be negative, got {sigma}")
    return values.expand(x.shape[:-2])


def _at_least_float32(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _check(x: Tensor) -> None:
    if not x.is_floating_point():
        raise TypeError(f"x must be real and floating, got {x.dtype}; convert it with .float()")
    if x.ndim < 2 or 0 in x.shape[-2:]:
        raise ValueError(f"x must be (..., H, W) with at least one pixel, got {tuple(x.shape)}")


def _check_options(x: Tensor, method: str, threshold: str, cycle_spins: int, color: str) -> None:
    for name, value, known in (
        ("method", method, ("bayes", "visu")),
        ("threshold", threshold, ("soft", "hard")),
        ("color", color, ("rgb", "ycbcr")),
    ):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
    if cycle_spins < 0:
        raise ValueError(f"cycle_spins must not be negative, got {cycle_spins}")
    if color == "ycbcr" and (x.ndim < 3 or x.shape[-3] != 3):
        raise ValueError(f"color 'ycbcr' needs x of shape (..., 3, H, W), got {tuple(x.shape)}")
