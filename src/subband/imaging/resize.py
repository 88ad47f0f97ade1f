"""Resizing of images as MATLAB's `imresize` does it, which published low-resolution data sets are made with."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor

from subband.transforms.arguments import check_real, height_and_width, in_float32

__all__ = ["imresize"]

KERNEL_WIDTH = 4.0


def imresize(images: Tensor, *, scale: float | None = None, size: tuple[int, int] | None = None) -> Tensor:
    """Resize images by Keys' cubic kernel (a = -0.5), widened where they get smaller, with mirrored borders.

    Source: Keys, Cubic Convolution Interpolation for Digital Image Processing, IEEE TASSP 1981. Values are neither
    rounded nor clipped; results of 8 bits are `imresize(...).clamp(0, 1).mul(255).round()`.

    Args:
        images: `(..., H, W)`, real, any range.
        scale: Factor of both sides; sides that come out are rounded up.
        size: `(H', W')`, in place of a scale; each side then has a factor of its own.

    Returns:
        `(..., H', W')` in the dtype of the images; computed in at least float32.

    Raises:
        TypeError: If the images are not real.
        ValueError: If both scale and size are given or neither, a number is not positive, or a side is empty.

    Example:
        >>> imresize(torch.ones(1, 3, 16, 10), scale=0.25).shape
        torch.Size([1, 3, 4, 3])
    """
    check_real(images, "images")
    if (scale is None) == (size is None):
        raise ValueError("imresize needs a scale or a size, and not both.")
    sides = tuple(images.shape[-2:])
    if images.ndim < 2 or 0 in sides:
        raise ValueError(f"images must be (..., H, W) with pixels, got {tuple(images.shape)}.")
    if scale is not None:
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"scale must be positive, got {scale}.")
        wanted = tuple(math.ceil(side * scale - 1e-9) for side in sides)
        factors = (scale, scale)
    else:
        wanted = height_and_width(size)  # type: ignore[arg-type]
        if min(wanted) < 1:
            raise ValueError(f"size must be positive, got {size}.")
        factors = (wanted[0] / sides[0], wanted[1] / sides[1])
    rows, columns = (_weights(*facts) for facts in zip(sides, wanted, factors, strict=True))
    resized: Tensor = in_float32(lambda x: rows.to(x) @ x @ columns.to(x).mT, images)
    return resized


@functools.lru_cache(maxsize=64)
def _weights(length: int, new_length: int, factor: float) -> Tensor:
    """The matrix `(new_length, length)` that resizes one axis, float64."""
    narrow = min(factor, 1.0)  # the kernel is that much wider
    reach = KERNEL_WIDTH / narrow
    centers = (np.arange(new_length) + 0.5) / factor - 0.5
    first = np.floor(centers - reach / 2).astype(int)
    places = first[:, None] + np.arange(math.ceil(reach) + 2)
    values = _cubic(narrow * (centers[:, None] - places))
    values /= values.sum(1, keepdims=True)
    mirrored = np.minimum(places % (2 * length), 2 * length - 1 - places % (2 * length))
    matrix = np.zeros((new_length, length))
    np.add.at(matrix, (np.arange(new_length)[:, None], mirrored), values)
    return torch.from_numpy(matrix)


def _cubic(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    inner = 1.5 * x**3 - 2.5 * x**2 + 1
    outer = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, inner, np.where(x <= 2, outer, 0.0))
