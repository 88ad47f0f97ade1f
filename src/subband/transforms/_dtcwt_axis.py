"""The two filter steps of the dual-tree transform along one axis, and their inverses.

Both steps extend the signal symmetrically. With that, a step and the inverse step with the same filters are adjoint to
each other: at level 1 because the filters are symmetric, later because tree b is the mirror image of tree a and a
Q-shift filter is orthogonal to its own even shifts. Level 1 can also go on with zeros, with the same consequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from subband.transforms._correlate import correlate
from subband.transforms._linear import LinearMap
from subband.transforms.dtcwt_filters import LaterLevels
from subband.transforms.padding import extend

__all__ = ["MergeFirst", "MergeTrees", "SplitFirst", "SplitTrees", "interleave"]

Taps = tuple[float, ...]


def interleave(parts: Sequence[Tensor], axis: int) -> Tensor:
    """Samples of several tensors in turn.

    Args:
        parts: Tensors of one shape.
        axis: Negative axis number.

    Example:
        >>> interleave([torch.tensor([0, 2]), torch.tensor([1, 3])], -1).tolist()
        [0, 1, 2, 3]
    """
    return torch.stack(list(parts), axis).flatten(axis - 1, axis)


class _Traceable(LinearMap):
    """A map whose eager form is made of plain expressions once the compiler traces it, since `correlate` is."""

    def traced(self, *tensors: Tensor) -> Tensor | tuple[Tensor, ...]:
        return self.eager(*tensors)


@dataclass(frozen=True)
class SplitFirst(_Traceable):
    """Level 1: an axis of N samples to a low and a high band of N samples.

    Attributes:
        low: Symmetric low-pass taps.
        high: Symmetric high-pass taps, as many.
        axis: Negative axis number.
        mode: How the signal goes on beyond its ends, `symmetric` or `zero`.
        with_high: Whether there is a high band; the low one is alone otherwise.
    """

    low: Taps
    high: Taps
    axis: int
    mode: str = "symmetric"
    with_high: bool = True

    def eager(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """From x to low and high."""
        wide = _margins(tensors[0], len(self.low) // 2, self.axis, self.mode)
        return tuple(correlate(wide, (self.low, self.high)[: 1 + self.with_high], self.axis))

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        """Merge with the same taps."""
        return MergeFirst(self.low, self.high, self.axis, self.mode, self.with_high)


@dataclass(frozen=True)
class MergeFirst(_Traceable):
    """Level 1: sum of the filtered low and high band; the inverse of `SplitFirst` with the synthesis taps.

    Attributes:
        low: Symmetric low-pass taps.
        high: Symmetric high-pass taps, as many.
        axis: Negative axis number.
        mode: How the signal goes on beyond its ends, `symmetric` or `zero`.
        with_high: Whether there is a high band; the low one is alone otherwise.
    """

    low: Taps
    high: Taps
    axis: int
    mode: str = "symmetric"
    with_high: bool = True

    def eager(self, *tensors: Tensor) -> Tensor:
        """From low and high to x."""
        wide = [_margins(band, len(self.low) // 2, self.axis, self.mode) for band in tensors]
        parts = [
            correlate(band, (taps,), self.axis)[0] for band, taps in zip(wide, (self.low, self.high), strict=False)
        ]
        return parts[0] + parts[1] if self.with_high else parts[0]

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        """Split with the same taps."""
        return SplitFirst(self.low, self.high, self.axis, self.mode, self.with_high)


@dataclass(frozen=True)
class SplitTrees(_Traceable):
    """Later levels: an axis of N samples, N divisible by four, to a low and a high band of N / 2 samples.

    Tree a reads the even samples of the axis and tree b the odd ones. The low band has the outputs of tree a at its
    even places; the high band has them at its odd places, because the high-pass filters lean the other way.

    Attributes:
        bank: Filters of both trees.
        axis: Negative axis number.
        with_high: Whether there is a high band; the low one is alone otherwise.
    """

    bank: LaterLevels
    axis: int
    with_high: bool = True

    def eager(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """From x to low and high."""
        bank, axis = self.bank, self.axis
        wide = _margins(tensors[0], len(bank.low_a) - 2, axis)
        count = 1 + self.with_high
        low_a, *high_a = correlate(wide, (bank.low_a, bank.high_a)[:count], axis, stride=4, dilation=2)
        low_b, *high_b = correlate(_odd(wide, axis), (bank.low_b, bank.high_b)[:count], axis, stride=4, dilation=2)
        low = interleave([low_a, low_b], axis)
        return (low, interleave([*high_b, *high_a], axis)) if self.with_high else (low,)

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        """The inverse, since the filters are orthogonal."""
        return MergeTrees(self.bank, self.axis, self.with_high)


@dataclass(frozen=True)
class MergeTrees(_Traceable):
    """Later levels: the inverse of `SplitTrees`.

    Attributes:
        bank: Filters of both trees.
        axis: Negative axis number.
        with_high: Whether there is a high band; the low one is alone otherwise.
    """

    bank: LaterLevels
    axis: int
    with_high: bool = True

    def eager(self, *tensors: Tensor) -> Tensor:
        """From low and high to x."""
        bank, axis = self.bank, self.axis
        low, *high = (_margins(band, len(bank.low_a) // 2 - 1, axis) for band in tensors)
        shifted = [_odd(band, axis) for band in high]
        even_a, odd_a = self._tree([low, *shifted], (bank.low_a, bank.high_a))
        even_b, odd_b = self._tree([_odd(low, axis), *high], (bank.low_b, bank.high_b))
        return interleave([even_a, even_b, odd_a, odd_b], axis)

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        """The analysis, since the filters are orthogonal."""
        return SplitTrees(self.bank, self.axis, self.with_high)

    def _tree(self, bands: Sequence[Tensor], filters: tuple[Taps, Taps]) -> Sequence[Tensor]:
        """The even and the odd samples of one tree; each sees every second tap."""
        parts = [
            correlate(band, (taps[-2::-2], taps[::-2]), self.axis, stride=2, dilation=2)
            for band, taps in zip(bands, filters, strict=False)
        ]
        return [low + high for low, high in zip(*parts, strict=True)] if self.with_high else parts[0]


def _margins(x: Tensor, width: int, axis: int, mode: str = "symmetric") -> Tensor:
    return extend(x, width, width, mode, axis)


def _odd(x: Tensor, axis: int) -> Tensor:
    """The signal from its second sample on: every second one of these belongs to the other tree."""
    return x.narrow(axis, 1, x.shape[axis] - 1)
