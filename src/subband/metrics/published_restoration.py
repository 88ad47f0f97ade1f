"""Scores of restored frames as published code computes them, mostly in 8 bits; pure functions like those of `image`.

All take frames `(..., C, H, W)` in [0, 1], which those in 8 bits clip, and return one value per frame, `(...)`.

VD-Diff (Rao et al., ECCV 2024) rounds to 8 bits, and takes an SSIM whose window also spans the colors. ESTRNN (Zhong et
al., ECCV 2020) cuts the rest off instead, which darkens a frame by half a step on average, and takes scikit-image's
SSIM with a Gaussian window. `ssim_gaussian` is the latter without rounding. Super-resolution on Vid4, Vimeo-90K and
UDM10 is scored on luma, by BasicVSR++ (Chan et al., CVPR 2022) and its followers without cropping a border.
"""

import math

import torch
from torch import Tensor

from subband.metrics.image import psnr
from subband.transforms.arguments import check_real

__all__ = ["psnr_estrnn", "psnr_vddiff", "psnr_y", "ssim_estrnn", "ssim_gaussian", "ssim_vddiff", "ssim_y"]

_WINDOW, _SIGMA = 11, 1.5
_LEVELS = 255.0
_LUMA, _BLACK = (65.481 / 255, 128.553 / 255, 24.966 / 255), 16.0  # ITU-R BT.601, of levels: from 16 to 235


def psnr_vddiff(pred: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of every frame after rounding to 8 bits.

    Args:
        pred: Restored frames, `(..., C, H, W)` in [0, 1].
        target: True frames of the same shape.

    Returns:
        dB, `(...)`; infinite for frames that are equal in 8 bits.

    Example:
        >>> psnr_vddiff(torch.full((1, 4, 4), 0.6 / 255), torch.zeros(1, 4, 4))
        tensor(48.1308)
    """
    return psnr(_rounded(pred, "pred"), _rounded(target, "target"), _LEVELS)


def ssim_vddiff(pred: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of every frame with a window of 11 x 11 x 11 over rows, columns and colors.

    Frames are rounded to 8 bits; beyond their borders, and beyond the first and the last color, the nearest value is
    repeated. That makes it another figure than the usual SSIM.

    Args:
        pred: Restored frames, `(..., C, H, W)` in [0, 1].
        target: True frames of the same shape.

    Returns:
        At most 1, `(...)`.

    Example:
        >>> frames = torch.rand(2, 3, 16, 16)
        >>> ssim_vddiff(frames, frames)
        tensor([1., 1.])
    """
    return _ssim(_rounded(pred, "pred"), _rounded(target, "target"), axes=(-3, -2, -1), is_padded=True)


def psnr_estrnn(pred: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of every frame, cut off to 8 bits instead of rounded.

    Args:
        pred: Restored frames, `(..., C, H, W)` in [0, 1].
        target: True frames of the same shape, rounded, since they come from files of 8 bits.

    Returns:
        dB, `(...)`; infinite for frames that are equal in 8 bits.

    Example:
        >>> psnr_estrnn(torch.full((1, 4, 4), 0.6 / 255), torch.zeros(1, 4, 4))
        tensor(inf)
    """
    return psnr(_cut_off(pred, "pred"), _rounded(target, "target"), _LEVELS)


def ssim_estrnn(pred: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of every frame with a Gaussian window, as scikit-image computes it for bytes.

    Sigma 1.5, 11 x 11 values, covariances without the factor of samples, the mean over all windows inside the frame and
    over the colors; frames are cut off to 8 bits.

    Args:
        pred: Restored frames, `(..., C, H, W)` in [0, 1], both sides at least 11.
        target: True frames of the same shape, rounded.

    Returns:
        At most 1, `(...)`.

    Raises:
        ValueError: If a side is shorter than the window.

    Example:
        >>> frames = torch.zeros(2, 3, 16, 16)
        >>> ssim_estrnn(frames, frames)
        tensor([1., 1.])
    """
    return _ssim_inside(_cut_off(pred, "pred"), _rounded(target, "target"))


def ssim_gaussian(pred: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of every frame with a Gaussian window, as most papers on images print it.

    Sigma 1.5, 11 x 11 values, covariances without the factor of samples, the mean over all windows inside the frame and
    over the colors; frames are not rounded.

    Args:
        pred: Frames, `(..., C, H, W)` in [0, 1], both sides at least 11.
        target: True frames of the same shape.

    Returns:
        At most 1, `(...)`.

    Raises:
        ValueError: If a side is shorter than the window.

    Example:
        >>> frames = torch.zeros(2, 3, 16, 16)
        >>> ssim_gaussian(frames, frames)
        tensor([1., 1.])

    Source: Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment: From Error Visibility to Structural
    Similarity, IEEE Transactions on Image Processing 13, 2004.
    """
    check_real(pred, "pred")
    check_real(target, "target")
    dtype = torch.promote_types(pred.dtype, torch.float32)
    return _ssim_inside(_LEVELS * pred.to(dtype), _LEVELS * target.to(dtype))


def psnr_y(pred: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of the luma of every frame, the peak being 255.

    Frames are rounded to 8 bits, their luma (BT.601, from 16 to 235) is not. Every pixel counts, those at the border,
    too.

    Args:
        pred: Frames, RGB or gray, `(..., C, H, W)` in [0, 1]; gray ones count as three equal colors.
        target: True frames of the same shape.

    Returns:
        dB, `(...)`; infinite for frames that are equal in 8 bits.

    Raises:
        ValueError: If there are neither three colors nor one.

    Example:
        >>> psnr_y(torch.ones(3, 4, 4), torch.zeros(3, 4, 4))
        tensor(1.3219)
    """
    return psnr(_luma(pred, "pred"), _luma(target, "target"), _LEVELS)


def ssim_y(pred: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of the luma of every frame with a Gaussian window, see `psnr_y` and `ssim_gaussian`.

    Args:
        pred: Frames, RGB or gray, `(..., C, H, W)` in [0, 1], both sides at least 11.
        target: True frames of the same shape.

    Returns:
        At most 1, `(...)`.

    Raises:
        ValueError: If there are neither three colors nor one, or a side is shorter than the window.

    Example:
        >>> frames = torch.zeros(2, 3, 16, 16)
        >>> ssim_y(frames, frames)
        tensor([1., 1.])
    """
    return _ssim_inside(_luma(pred, "pred"), _luma(target, "target"))


def _luma(frames: Tensor, name: str) -> Tensor:
    """Luma `(..., 1, H, W)` of frames that are rounded to 8 bits."""
    if frames.ndim < 3 or frames.shape[-3] not in (1, len(_LUMA)):
        raise ValueError(f"{name} must be gray or RGB frames (..., C, H, W), got {tuple(frames.shape)}")
    levels = _rounded(frames, name)
    weights = levels.new_tensor(_LUMA)[:, None, None]
    return (weights * levels).sum(-3, keepdim=True) + _BLACK


def _rounded(frames: Tensor, name: str) -> Tensor:
    """Whole numbers from 0 to 255, still floating."""
    check_real(frames, name)
    return (frames.to(torch.promote_types(frames.dtype, torch.float32)).clamp(0, 1) * _LEVELS).round()


def _cut_off(frames: Tensor, name: str) -> Tensor:
    check_real(frames, name)
    # A byte that was divided by 255 must come back, although its product with 255 may lie a little below.
    exact = frames.to(torch.promote_types(frames.dtype, torch.float32)).clamp(0, 1) * _LEVELS
    nearest = exact.round()
    return torch.where((exact - nearest).abs() < 1e-3, nearest, exact.floor())


def _ssim_inside(pred: Tensor, target: Tensor) -> Tensor:
    """SSIM over rows and columns, of windows inside the frame."""
    if min(pred.shape[-2:]) < _WINDOW:
        height, width = pred.shape[-2:]
        raise ValueError(f"this SSIM needs frames of at least {_WINDOW}x{_WINDOW} pixels, got {height}x{width}")
    return _ssim(pred, target, axes=(-2, -1), is_padded=False)


def _ssim(pred: Tensor, target: Tensor, *, axes: tuple[int, ...], is_padded: bool) -> Tensor:
    """SSIM of frames of 255 levels with a Gaussian window along some axes."""
    if pred.shape != target.shape or pred.ndim < 3:
        raise ValueError(
            f"pred and target must be (..., C, H, W) alike, got {tuple(pred.shape)}, {tuple(target.shape)}"
        )
    means = torch.stack((pred, target, pred * pred, target * target, pred * target))
    for axis in axes:
        means = _smoothed(means, axis, is_padded)
    mean_p, mean_t, mean_pp, mean_tt, mean_pt = means
    c1, c2 = (0.01 * _LEVELS) ** 2, (0.03 * _LEVELS) ** 2
    product, squares = mean_p * mean_t, mean_p.square() + mean_t.square()
    luminance = (2 * product + c1) / (squares + c1)
    structure = (2 * (mean_pt - product) + c2) / (mean_pp + mean_tt - squares + c2)
    return (luminance * structure).mean((-3, -2, -1))


def _smoothed(x: Tensor, axis: int, is_padded: bool) -> Tensor:
    """`x` times a normal Gaussian window along an axis; where it is not padded the result is shorter by 10."""
    half = _WINDOW // 2
    taps = [math.exp(-(offset**2) / (2 * _SIGMA**2)) for offset in range(-half, half + 1)]
    if is_padded:
        places = torch.arange(-half, x.shape[axis] + half, device=x.device).clamp(0, x.shape[axis] - 1)
        x = x.index_select(axis, places)
    length = x.shape[axis] - _WINDOW + 1
    smoothed = torch.zeros_like(x.narrow(axis, 0, length))
    for place, tap in enumerate(taps):
        smoothed.add_(x.narrow(axis, place, length), alpha=tap / sum(taps))
    return smoothed
