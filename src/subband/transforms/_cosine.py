"""Sums of cosines along axes of a tensor: the common core of the cosine transforms of types 2 and 3.

Type 2 is `y_k = c_k sum_i x_i cos(pi k (2i + 1) / 2n)`, type 3 its transpose. Short axes are multiplied by the matrix
of cosines. Long ones go through a Fourier transform of the samples in the order even, then odd reversed (Makhoul, A
fast cosine transform in one and two dimensions, IEEE Trans. ASSP 28, 1980).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from subband.transforms._linear import LinearMap, apply

__all__ = ["Scale", "cosine_matrix", "cosine_sums"]

_LONGEST_MATRIX = 128
_CHUNK = 2**18  # elements; the passes over one chunk stay in the cache of a core


class Scale(NamedTuple):
    """Factors of the sums for a length n: `c_0 = first * n^power`, all other `c_k = rest * n^power`."""

    first: float
    rest: float
    power: float


def cosine_matrix(length: int, scale: Scale, like: Tensor) -> Tensor:
    """Matrix of a transform of type 2.

    Args:
        length: Number of samples n.
        scale: Factors of the rows.
        like: Tensor whose dtype and device the result takes.

    Returns:
        `(n, n)`, `c_k cos(pi k (2i + 1) / 2n)` at row k and column i.

    Example:
        >>> cosine_matrix(2, Scale(1.0, 2.0**0.5, -0.5), torch.zeros(()))
        tensor([[ 0.7071,  0.7071],
                [ 0.7071, -0.7071]])
    """
    index = torch.arange(length, device=like.device)
    steps = index[:, None] * (2 * index + 1) % (4 * length)  # of pi / 2n; small numbers have exact cosines
    matrix = torch.cos(steps.to(_precise(like)) * (math.pi / (2 * length)))
    return (_factors(length, length, scale, like)[:, None] * matrix).to(like.dtype)


def cosine_sums(x: Tensor, kind: int, scale: Scale, axes: tuple[int, ...]) -> Tensor:
    """Transform of a real tensor along some of its axes.

    Args:
        x: Any shape, at least one sample along every axis.
        kind: 2 or 3.
        scale: Factors of the sums.
        axes: Negative axis numbers.

    Returns:
        Tensor of the same shape.

    Example:
        >>> cosine_sums(torch.tensor([1.0, 1.0]), 2, Scale(2.0, 2.0, 0.0), (-1,)).round(decimals=4)
        tensor([4., 0.])
    """
    long = [axis for axis in axes if x.shape[axis] > _LONGEST_MATRIX]
    for axis in axes:
        if axis not in long:
            matrix = cosine_matrix(x.shape[axis], scale, x)
            x = _multiply(x, matrix if kind == 2 else matrix.mT, axis)
    if not long:
        return x
    last = tuple(range(-len(long), 0))
    y = apply(_LongSums(kind, len(long), scale), x.movedim(long, last))
    return y.movedim(last, long).contiguous()


def _multiply(x: Tensor, matrix: Tensor, axis: int) -> Tensor:
    if axis == -1:
        return x @ matrix.mT
    if axis == -2:
        return matrix @ x
    return (matrix @ x.flatten(axis + 1)).unflatten(-1, x.shape[axis + 1 :])


def _precise(like: Tensor) -> torch.dtype:
    """Dtype for tables of factors; Apple's devices have no float64."""
    return torch.float32 if like.device.type == "mps" else torch.float64


def _factors(count: int, length: int, scale: Scale, like: Tensor) -> Tensor:
    """The first `count` factors `c_k` of a transform of `length` samples."""
    power = length**scale.power
    factors = torch.full((count,), scale.rest * power, dtype=_precise(like), device=like.device)
    factors[0] = scale.first * power
    return factors


class _Axis(NamedTuple):
    """Tables of one long axis, for both kinds."""

    order: Tensor
    """Where the samples go: even, then odd reversed, for type 2, and back for type 3."""
    phase: Tensor
    """Half-sample phase times the factor of the sum."""
    partner: Tensor
    """Outer axes: the mirrored frequencies. Last axis: interleaved real and imaginary parts from or to coefficients."""


@dataclass(frozen=True)
class _LongSums(LinearMap):
    """The transform along the last `num_axes` axes by one Fourier transform over all of them.

    On all of these axes but the last the data is complex, and the transforms of its two parts are told apart by adding
    up mirrored frequencies; on the last one a real Fourier transform gives the conjugate spectrum of the mirrored
    signal, whose parts are the coefficients from the front and from the back.
    """

    kind: int
    num_axes: int
    scale: Scale

    def eager(self, *tensors: Tensor) -> Tensor:
        (x,) = tensors
        flat = x.reshape(-1, *x.shape[-self.num_axes :])
        result = torch.empty_like(flat, memory_format=torch.contiguous_format)
        if x.numel() == 0:
            return result.view(x.shape)
        tables = self._tables(x)
        count = max(1, _CHUNK // flat[0].numel())
        for part, target in zip(flat.split(count), result.split(count), strict=True):
            self._compute(part, tables, target)
        return result.view(x.shape)

    def traced(self, *tensors: Tensor) -> Tensor:
        (x,) = tensors
        return self._compute(x, self._tables(x), None)

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        return replace(self, kind=5 - self.kind)

    def _tables(self, x: Tensor) -> list[_Axis]:
        axes = range(-self.num_axes, -1)
        return [*(self._outer(x.shape[axis], axis, x) for axis in axes), self._last(x.shape[-1], x)]

    def _outer(self, length: int, axis: int, like: Tensor) -> _Axis:
        index = torch.arange(length, device=like.device)
        phase = self._phase(length, length, like, -1 if self.kind == 2 else 1) / 2
        mirror = -index % length
        return _Axis(self._order(index), phase.view(-1, *(1,) * (-axis - 1)), mirror)

    def _last(self, length: int, like: Tensor) -> _Axis:
        index, half = torch.arange(length, device=like.device), length // 2 + 1
        phase = self._phase(half, length, like, 1 if self.kind == 2 else -1)
        if self.kind == 2:
            partner = torch.where(index < half, 2 * index, 2 * (length - index) + 1)
            return _Axis(self._order(-index % length), phase, partner)
        phase[1:] /= 2
        partner = torch.stack([index[:half], -index[:half] % length], -1).flatten()
        return _Axis(-self._order(index) % length, phase, partner)

    def _order(self, index: Tensor) -> Tensor:
        length = len(index)
        if self.kind == 2:
            return torch.where(2 * index < length, 2 * index, 2 * (length - index) - 1)
        return torch.where(index % 2 == 0, index // 2, length - (index + 1) // 2)

    def _phase(self, count: int, length: int, like: Tensor, sign: int) -> Tensor:
        factors = _factors(count, length, self.scale, like)
        angle = torch.arange(count, dtype=factors.dtype, device=like.device) * (sign * math.pi / (2 * length))
        return torch.complex((factors * angle.cos()).to(like.dtype), (factors * angle.sin()).to(like.dtype))

    def _compute(self, x: Tensor, tables: list[_Axis], out: Tensor | None) -> Tensor:
        return (self._analyze if self.kind == 2 else self._synthesize)(x, tables, out)

    def _analyze(self, x: Tensor, tables: list[_Axis], out: Tensor | None) -> Tensor:
        axes = tuple(range(-self.num_axes, 0))
        for axis, table in zip(axes, tables, strict=True):
            x = _take(x, table.order, axis)
        z = torch.fft.rfftn(x, dim=axes).mul_(tables[-1].phase)
        z = self._add_mirrored(z, tables)
        return _take(torch.view_as_real(z).flatten(-2), tables[-1].partner, -1, out)

    def _synthesize(self, x: Tensor, tables: list[_Axis], out: Tensor | None) -> Tensor:
        axes, size = tuple(range(-self.num_axes, 0)), x.shape[-self.num_axes :]
        z = torch.view_as_complex(_take(x, tables[-1].partner, -1).unflatten(-1, (-1, 2))).mul_(tables[-1].phase)
        torch.view_as_real(z)[..., 0, 1].zero_()  # there is no coefficient beyond the last one
        z = self._add_mirrored(z, tables)
        x = torch.fft.irfftn(z, s=size, dim=axes, norm="forward")
        for axis, table in zip(axes[:-1], tables[:-1], strict=True):
            x = _take(x, table.order, axis)
        return _take(x, tables[-1].order, -1, out)

    def _add_mirrored(self, z: Tensor, tables: list[_Axis]) -> Tensor:
        for axis, table in zip(range(-self.num_axes, -1), tables[:-1], strict=True):
            conjugate = table.phase.conj_physical()  # lazily conjugated factors would slow the product down
            if self.kind == 2:
                mirrored = _take(z, table.partner, axis).mul_(conjugate)
            else:
                mirrored = _take(z * conjugate, table.partner, axis)
            z = z.mul_(table.phase).add_(mirrored)
        return z


def _take(x: Tensor, index: Tensor, axis: int, out: Tensor | None = None) -> Tensor:
    """`index_select`, which is many times faster along the last axis of a matrix than of other tensors."""
    if axis != -1:
        return x.index_select(axis, index)
    rows, shape = x.reshape(-1, x.shape[-1]), (*x.shape[:-1], len(index))
    if out is not None:
        return torch.index_select(rows, -1, index, out=out.view(len(rows), len(index)))
    return rows.index_select(-1, index).view(shape)
