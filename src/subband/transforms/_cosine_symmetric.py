"""Sums of cosines of types 1 and 4, whose matrices are symmetric: each is its own inverse but for a factor.

Type 1 is `y_k = x_0 + (-1)^k x_{n-1} + 2 sum_{0 < i < n-1} x_i cos(pi k i / (n - 1))`, type 4
`y_k = 2 sum_i x_i cos(pi (2k + 1) (2i + 1) / 4n)`. Short axes are multiplied by the matrix of cosines, long ones go
through a Fourier transform of twice the length.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from subband.transforms._cosine import LONGEST_MATRIX, precise_dtype

__all__ = ["symmetric_sums"]


def symmetric_sums(x: Tensor, kind: int, power: float, axes: tuple[int, ...], *, orthogonalize: bool) -> Tensor:
    """Transform of a real tensor along some of its axes.

    Args:
        x: Any shape; along every axis at least one sample, for type 1 two.
        kind: 1 or 4.
        power: The sums along an axis are multiplied by the order of the transform, `2 (n - 1)` or `2n`, to this power.
        axes: Negative axis numbers.
        orthogonalize: Whether to multiply the first and the last sample by `sqrt(2)` and divide the first and the last
            coefficient by it (type 1 only).

    Returns:
        Tensor of the same shape.

    Example:
        >>> symmetric_sums(torch.tensor([1.0, 2.0, 1.0]), 1, 0.0, (-1,), orthogonalize=False)
        tensor([ 6.,  0., -2.])
    """
    for axis in axes:
        rows, length = x.movedim(axis, -1), x.shape[axis]
        order = 2 * (length - 1) if kind == 1 else 2 * length
        ends = None
        if orthogonalize and kind == 1:
            ends = x.new_ones(length)
            ends[:: length - 1] = math.sqrt(2)
            rows = rows * ends
        sums = rows @ _matrix(length, kind, x) if length <= LONGEST_MATRIX else _by_fourier(rows, kind)
        sums = sums * order**power
        x = (sums if ends is None else sums / ends).movedim(-1, axis)
    return x.contiguous()


def _matrix(length: int, kind: int, like: Tensor) -> Tensor:
    """`(n, n)`, a row for every sample."""
    index = torch.arange(length, device=like.device)
    numbers, period = (index, 2 * (length - 1)) if kind == 1 else (2 * index + 1, 8 * length)
    steps = numbers[:, None] * numbers % period  # small numbers have exact cosines
    matrix = 2 * torch.cos(steps.to(precise_dtype(like)) * (2 * math.pi / period))
    if kind == 1:
        matrix[:: length - 1] /= 2
    return matrix.to(like.dtype)


def _by_fourier(rows: Tensor, kind: int) -> Tensor:
    length = rows.shape[-1]
    if kind == 1:
        return torch.fft.rfft(torch.cat((rows, rows[..., 1:-1].flip(-1)), -1)).real
    angles = torch.arange(length, dtype=precise_dtype(rows), device=rows.device) * (-math.pi / (2 * length))
    turns = torch.polar(torch.ones_like(angles), angles)
    half = torch.polar(torch.ones_like(angles), angles - math.pi / (4 * length))
    dtype = torch.complex128 if rows.dtype == torch.float64 else torch.complex64
    spectrum = torch.fft.fft(rows * turns.to(dtype), 2 * length)[..., :length]
    return 2 * (spectrum * half.to(dtype)).real
