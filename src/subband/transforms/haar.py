"""Fast path of the Haar wavelet: sums and differences of neighbors instead of convolutions.

One level over n axes works on even lengths only and needs no boundary rule. The eager kernels write every band straight
into its place; since writing into given memory is not differentiable, analysis and synthesis form a pair of linear
maps. The transform is orthonormal, so each one is the adjoint of the other and serves as its backward.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from subband.transforms._linear import LinearMap, Tensors, apply

__all__ = ["haar_analysis", "haar_synthesis", "halves", "interleave"]


def haar_analysis(x: Tensor, axes: tuple[int, ...], stack: int | None = None) -> Tensors:
    """All `2^n` Haar bands of one level over n axes.

    Args:
        x: Any shape, with even lengths along `axes`; floating or complex dtype.
        axes: Different negative axis numbers.
        stack: Negative position of the band axis in the result, or `None` for separate tensors.

    Returns:
        Bands in sorted key order, letter i of the key standing for `axes[i]`: one tensor with a band axis of length
        `2^n`, or a tuple of tensors.

    Example:
        >>> low, high = haar_analysis(torch.tensor([1.0, 3.0, 2.0, 2.0]), (-1,))
        >>> low.tolist(), high.tolist()
        ([2.828427..., 2.828427...], [-1.414213..., 0.0])
    """
    return apply(_Analysis(axes, stack), x)


def haar_synthesis(bands: Tensor | Sequence[Tensor], axes: tuple[int, ...], stack: int | None = None) -> Tensor:
    """Inverse of `haar_analysis` with the same `axes` and `stack`.

    Args:
        bands: One tensor with a band axis at `stack`, or `2^n` tensors of the same shape, in sorted key order.
        axes: Different negative axis numbers of the result.
        stack: Negative position of the band axis, or `None` for separate tensors.

    Returns:
        The signal, twice as long along `axes`.

    Example:
        >>> x = torch.rand(2, 4, 6)
        >>> torch.allclose(haar_synthesis(haar_analysis(x, (-2, -1)), (-2, -1)), x)
        True
    """
    return apply(_Synthesis(axes, stack), *((bands,) if isinstance(bands, Tensor) else bands))


@dataclass(frozen=True)
class _Analysis(LinearMap):
    axes: tuple[int, ...]
    stack: int | None

    def eager(self, *tensors: Tensor) -> Tensors:
        return _analysis_eager(tensors[0], self.axes, self.stack)

    def traced(self, *tensors: Tensor) -> Tensors:
        return _analysis_traced(tensors[0], self.axes, self.stack)

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        return _Synthesis(self.axes, self.stack)


@dataclass(frozen=True)
class _Synthesis(LinearMap):
    axes: tuple[int, ...]
    stack: int | None

    def eager(self, *bands: Tensor) -> Tensor:
        return _synthesis_eager(bands, self.axes, self.stack)

    def traced(self, *bands: Tensor) -> Tensor:
        return _synthesis_traced(bands if self.stack is None else bands[0].unbind(self.stack), self.axes)

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        return _Analysis(self.axes, self.stack)


def halves(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Views of the even and the odd samples along a negative axis.

    Example:
        >>> halves(torch.arange(5), -1)
        (tensor([0, 2, 4]), tensor([1, 3]))
    """
    before = (slice(None),) * (x.ndim + axis)
    even, odd = (*before, slice(0, None, 2)), (*before, slice(1, None, 2))
    return x[even], x[odd]


def interleave(even: Tensor, odd: Tensor, axis: int) -> Tensor:
    """Inverse of `halves` for an even length.

    Example:
        >>> interleave(torch.tensor([0, 2]), torch.tensor([1, 3]), -1)
        tensor([0, 1, 2, 3])
    """
    return torch.stack((even, odd), axis).flatten(axis - 1, axis)


def _outermost_first(axes: tuple[int, ...]) -> list[int]:
    """Positions in `axes`, those of contiguous memory last: strided steps then run over whole rows."""
    return sorted(range(len(axes)), key=axes.__getitem__)


def _bits_first(stacked: Tensor, axes: tuple[int, ...], stack: int) -> Tensor:
    """View of stacked bands with one leading axis of length 2 per transformed axis, the innermost one first."""
    num_axes, position = len(axes), stacked.ndim + stack
    bits = stacked.unflatten(position, (2,) * num_axes)
    return bits.movedim([position + i for i in reversed(_outermost_first(axes))], list(range(num_axes)))


def _scale(axes: tuple[int, ...]) -> float:
    return 0.5 ** (len(axes) / 2)


def _analysis_eager(x: Tensor, axes: tuple[int, ...], stack: int | None) -> Tensors:
    """Few calls on large tensors: every axis puts its low and its high half side by side in a new leading axis."""
    *outer, last = sorted(axes)
    parts = x
    for axis in outer:
        even, odd = halves(parts, axis)
        parts = x.new_empty((2, *even.shape))
        torch.add(even, odd, out=parts[0])
        torch.sub(even, odd, out=parts[1])
    scale = _scale(axes)
    even, odd = halves(parts.mul_(scale) if outer else parts * scale, last)  # (2, ..., 2) + shape of a band
    if stack is None:
        return _separate(even, odd, axes)
    shape = list(even.shape[len(outer) :])
    shape.insert(len(shape) + 1 + stack, 1 << len(axes))
    result = x.new_empty(shape)
    places = _bits_first(result, axes, stack)
    torch.add(even, odd, out=places[0])
    torch.sub(even, odd, out=places[1])
    return result


def _separate(even: Tensor, odd: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Last step of the analysis into tensors of their own, in sorted key order."""
    processed = _outermost_first(axes)
    bands = []
    for key in product((0, 1), repeat=len(axes)):
        *outer_bits, last_bit = (key[i] for i in processed)
        index = tuple(reversed(outer_bits))
        bands.append(torch.sub(even[index], odd[index]) if last_bit else torch.add(even[index], odd[index]))
    return tuple(bands)


def _analysis_traced(x: Tensor, axes: tuple[int, ...], stack: int | None) -> Tensors:
    """The same butterflies as plain expressions, for a compiler to fuse."""
    parts = [x]
    for axis in axes:
        parts = [part for pair in (halves(p, axis) for p in parts) for part in (pair[0] + pair[1], pair[0] - pair[1])]
    parts = [part * _scale(axes) for part in parts]
    return tuple(parts) if stack is None else torch.stack(parts, stack)


def _synthesis_eager(bands: tuple[Tensor, ...], axes: tuple[int, ...], stack: int | None) -> Tensor:
    stacked, stack = (torch.stack(bands), -bands[0].ndim - 1) if stack is None else (bands[0], stack)
    parts = _bits_first(stacked, axes, stack)
    for axis in sorted(axes, reverse=True):
        low, high = parts[0], parts[1]
        shape = list(low.shape)
        shape[axis] *= 2
        parts = low.new_empty(shape)
        even, odd = halves(parts, axis)
        torch.add(low, high, out=even)
        torch.sub(low, high, out=odd)
    return parts.mul_(_scale(axes))


def _synthesis_traced(bands: Sequence[Tensor], axes: tuple[int, ...]) -> Tensor:
    """The same butterflies as plain expressions; interleaving is a stack folded into the axis before it."""
    parts = list(bands)
    for axis in reversed(axes):
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [interleave(low + high, low - high, axis) for low, high in pairs]
    return parts[0] * _scale(axes)
