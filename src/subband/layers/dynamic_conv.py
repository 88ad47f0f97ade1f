"""Convolution whose kernels differ from pixel to pixel, in plain PyTorch operations."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.transforms.arguments import check_real, in_float32

__all__ = ["dynamic_conv2d"]


def dynamic_conv2d(x: Tensor, kernels: Tensor, *, group_channels: int = 1) -> Tensor:
    """Correlate every pixel with a kernel of its own, zeros outside the image.

    With `k[r, s]` for row and column of the `(2P + 1) x (2P + 1)` kernel that belongs to channel and pixel, the result
    at `(i, j)` is the sum of `k[r, s] * x[i + r - P, j + s - P]`. Kernels given at a lower resolution are enlarged
    bilinearly, one tap at a time, so that never more than one number per channel and pixel is held for them.

    Sources: the per-pixel convolution of VD-Diff (Rao et al., ECCV 2024); with shared kernels, the involution of
    Li et al., CVPR 2021.

    Args:
        x: Features, `(B, C, H, W)`; half precision is computed in float32.
        kernels: `(B, G * K * K, h, w)` with K odd, read as `(B, G, K, K, h, w)` for `G = C / group_channels`; h and w
            at most H and W.
        group_channels: Consecutive channels that share a kernel.

    Returns:
        `(B, C, H, W)`.

    Raises:
        TypeError: If one of the tensors is not real.
        ValueError: If channels, kernels and sizes do not fit each other.

    Example:
        >>> x, kernels = torch.rand(1, 2, 8, 8), torch.zeros(1, 18, 1, 1)
        >>> kernels[:, 4::9] = 1  # the tap in the middle
        >>> torch.equal(dynamic_conv2d(x, kernels), x)
        True
    """
    check_real(x, "x")
    check_real(kernels, "kernels")
    groups, size = _checked(x, kernels, group_channels)
    result: Tensor = in_float32(_convolve, x, kernels, groups=groups, size=size)
    return result


def _convolve(x: Tensor, kernels: Tensor, *, groups: int, size: int) -> Tensor:
    reach, (height, width) = size // 2, x.shape[-2:]
    maps = _grouped(F.pad(x, (reach, reach, reach, reach)), groups)
    layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    out = None
    for number, tap in enumerate(kernels.unflatten(1, (groups, size * size)).unbind(2)):
        row, column = divmod(number, size)
        window = maps[..., row : row + height, column : column + width]
        kernel = tap.contiguous(memory_format=layout)  # (B, G, h, w)
        if kernel.shape[-2:] != (height, width):
            kernel = F.interpolate(kernel, (height, width), mode="bilinear", align_corners=False)
        kernel = kernel if maps.ndim == 4 else kernel.unsqueeze(2)
        out = window * kernel if out is None else torch.addcmul(out, window, kernel)
    assert out is not None
    return out.reshape(x.shape)


def _grouped(x: Tensor, groups: int) -> Tensor:
    """`(B, G, C / G, H, W)`; the given tensor `(B, C, H, W)` where every channel is a group of its own."""
    return x if groups == x.shape[1] else x.unflatten(1, (groups, -1))


def _checked(x: Tensor, kernels: Tensor, group_channels: int) -> tuple[int, int]:
    """Number of kernels of a pixel, and rows of one."""
    if x.ndim != 4 or kernels.ndim != 4 or x.shape[0] != kernels.shape[0]:
        raise ValueError(
            f"x and kernels must be (B, C, H, W) of one batch size, got {tuple(x.shape)} and {tuple(kernels.shape)}."
        )
    channels = x.shape[1]
    if group_channels < 1 or channels % group_channels:
        raise ValueError(f"group_channels must divide the {channels} channels of x, got {group_channels}.")
    groups = channels // group_channels
    size = math.isqrt(kernels.shape[1] // groups)
    if size % 2 == 0 or groups * size * size != kernels.shape[1]:
        raise ValueError(f"kernels must have {groups} * K * K channels with K odd, got {kernels.shape[1]}.")
    if kernels.shape[2] > x.shape[2] or kernels.shape[3] > x.shape[3]:
        raise ValueError(f"kernels must not be larger than x, got {tuple(kernels.shape)} for {tuple(x.shape)}.")
    return groups, size
