"""One level of the undecimated wavelet transform over several axes, and the transposed map.

The algorithm "à trous" (M. Holschneider et al., 1989) filters the approximation of the level before with taps that stand
`step` samples apart, periodically continued. Analysis and synthesis are both sums of circular correlations and each is the
other's adjoint with the taps in reverse, so that one pair of maps is the transform, its inverse and both gradients.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

import torch
from torch import Tensor

from subband.transforms._arguments import in_float32
from subband.transforms._correlate import correlate, shifted_sum
from subband.transforms._linear import LinearMap, apply
from subband.transforms.padding import extend

__all__ = ["CircularAnalysis", "CircularSynthesis", "circular"]

_T = TypeVar("_T")
_BLOCK = 1 << 17  # samples whose intermediate results stay in the second-level cache
_WIDE_ROW = 8  # from here on a depthwise convolution fills vector registers
_MANY_TAPS = 24  # from here on a convolution along the contiguous axis pays


@dataclass(frozen=True)
class _Circular(LinearMap):
    """Filters along every axis, and the distance of their taps.

    Attributes:
        filters: Per axis the low-pass and the high-pass taps as they are correlated, numbers or 1-D tensors.
        axes: Different negative axis numbers.
        step: Distance of the taps.
    """

    filters: tuple[tuple[Any, Any], ...]
    axes: tuple[int, ...]
    step: int

    @property
    def is_learnable(self) -> bool:
        """Whether taps are tensors."""
        return any(isinstance(taps, Tensor) for pair in self.filters for taps in pair)

    def haar_scale(self, sign: float) -> float | None:
        """The common factor if all filters are sums `(c, c)` and differences `(sign c, -sign c)`."""
        scale = 1.0
        for low, high in self.filters:
            if len(low) != 2 or low[0] != low[1] or tuple(high) != (sign * low[0], -sign * low[0]):
                return None
            scale *= low[0]
        return scale

    def reversed_filters(self) -> tuple[tuple[Any, Any], ...]:
        """The filters of the adjoint."""
        return tuple((low[::-1], high[::-1]) for low, high in self.filters)


class CircularAnalysis(_Circular):
    """Bands in sorted key order: `band[k] = sum_m taps[m] * x[(k + step * (m - L / 2 + 1)) mod N]` along every axis."""

    def eager(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """See `LinearMap`."""
        (x,) = tensors
        if x.device.type != "cpu" or not x.numel():
            return self.traced(x)
        x = x.contiguous()
        scale = self.haar_scale(1.0)
        if scale is not None:
            return _haar_analysis(x, self.axes, self.step, scale)
        parts = [x]
        filters = dict(zip(self.axes, self.filters, strict=True))
        for axis in sorted(self.axes, reverse=True):  # the contiguous axis costs most, so it gets the fewest tensors
            pairs = [_split(part, filters[axis], axis, self.step) for part in parts]
            parts = [low for low, _ in pairs] + [high for _, high in pairs]
        return _sorted_keys(parts, self.axes)

    def traced(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """See `LinearMap`."""
        parts = list(tensors)
        for pair, axis in zip(self.filters, self.axes, strict=True):
            wrapped = [_wrapped(part, len(pair[0]), axis, self.step, advance=1) for part in parts]
            parts = [shifted_sum(part, taps, axis, dilation=self.step) for part in wrapped for taps in pair]
        return tuple(parts)

    def adjoint(self, *_: torch.Size) -> CircularSynthesis:
        """See `LinearMap`."""
        return CircularSynthesis(self.reversed_filters(), self.axes, self.step)


class CircularSynthesis(_Circular):
    """Adds up the bands: `y[k] = sum over bands and m of taps[m] * band[(k + step * (m - L / 2)) mod N]` along every axis."""

    def eager(self, *bands: Tensor) -> Tensor:
        """See `LinearMap`."""
        if bands[0].device.type != "cpu" or not bands[0].numel():
            return self.traced(*bands)
        bands = tuple(band.contiguous() for band in bands)
        scale = self.haar_scale(-1.0)
        if scale is not None:
            return _haar_synthesis(bands, self.axes, self.step, scale)
        parts = _sorted_axes(bands, self.axes)
        filters = dict(zip(self.axes, self.filters, strict=True))
        for axis in sorted(self.axes):
            half = len(parts) // 2
            pairs = zip(parts[:half], parts[half:], strict=True)
            parts = tuple(_merge(low, high, filters[axis], axis, self.step) for low, high in pairs)
        return parts[0]

    def traced(self, *bands: Tensor) -> Tensor:
        """See `LinearMap`."""
        parts: Sequence[Tensor] = bands
        for (low, high), axis in zip(self.filters[::-1], self.axes[::-1], strict=True):
            wrapped = [_wrapped(part, len(low), axis, self.step, advance=0) for part in parts]
            parts = [
                shifted_sum(a, low, axis, dilation=self.step) + shifted_sum(d, high, axis, dilation=self.step)
                for a, d in zip(wrapped[::2], wrapped[1::2], strict=True)
            ]
        return parts[0]

    def adjoint(self, *_: torch.Size) -> CircularAnalysis:
        """See `LinearMap`."""
        return CircularAnalysis(self.reversed_filters(), self.axes, self.step)


def circular(circular_map: CircularAnalysis | CircularSynthesis, *tensors: Tensor) -> Any:
    """Compute a map outside autocast such that it can be differentiated, also with respect to taps that are tensors.

    Example:
        >>> split = CircularAnalysis((((0.5, 0.5), (0.5, -0.5)),), axes=(-1,), step=1)
        >>> circular(split, torch.tensor([1.0, 3.0, 5.0, 1.0]))
        (tensor([2., 4., 3., 1.]), tensor([-1., -1.,  2.,  0.]))
    """
    return in_float32(_compute, *tensors, circular_map=circular_map)


def _compute(*tensors: Tensor, circular_map: CircularAnalysis | CircularSynthesis) -> Any:
    return circular_map.traced(*tensors) if circular_map.is_learnable else apply(circular_map, *tensors)


def _wrapped(x: Tensor, num_taps: int, axis: int, step: int, *, advance: int) -> Tensor:
    """Continue periodically so that every sample has all the neighbours its filter reaches."""
    return extend(x, step * (num_taps // 2 - advance), step * (num_taps // 2 - 1 + advance), "periodic", axis)


def _split(x: Tensor, pair: tuple[Any, Any], axis: int, step: int) -> list[Tensor]:
    """Low and high band of one axis."""
    wrapped = _wrapped(x, len(pair[0]), axis, step, advance=1)
    if _has_convolution(x, pair, axis, step):
        return _convolved(wrapped, pair, axis, step)
    return [_weighted_sum([(wrapped, taps)], axis, step) for taps in pair]


def _merge(low: Tensor, high: Tensor, pair: tuple[Any, Any], axis: int, step: int) -> Tensor:
    """Sum of both filtered bands of one axis."""
    bands = [_wrapped(band, len(pair[0]), axis, step, advance=0) for band in (low, high)]
    if _has_convolution(low, pair, axis, step):
        first, second = (_convolved(band, (taps,), axis, step)[0] for band, taps in zip(bands, pair, strict=True))
        return first.add_(second)
    return _weighted_sum(list(zip(bands, pair, strict=True)), axis, step)


def _has_convolution(x: Tensor, pair: tuple[Any, Any], axis: int, step: int) -> bool:
    """Whether a convolution kernel is faster than sums of shifted blocks: wide rows, or many taps."""
    if math.prod(x.shape[axis:]) // x.shape[axis] * step >= _WIDE_ROW:
        return x.dtype in (torch.float32, torch.complex64)
    return len(pair[0]) >= _MANY_TAPS


def _convolved(wrapped: Tensor, filters: tuple[Any, ...], axis: int, step: int) -> list[Tensor]:
    if step == 1:
        return correlate(wrapped, filters, axis)
    # Samples that are `step` apart are neighbours along the first axis of this view; the second one is a batch.
    phases = wrapped.unflatten(axis, (-1, step))
    return [part.flatten(axis - 1, axis) for part in correlate(phases, filters, axis - 1)]


def _weighted_sum(sources: Sequence[tuple[Tensor, Any]], axis: int, step: int) -> Tensor:
    """`shifted_sum` over several tensors, block by block, so that the sum stays in the cache while it grows."""
    first, taps = sources[0]
    shape = list(first.shape)
    shape[axis] -= (len(taps) - 1) * step
    total = first.new_empty(shape)
    out = total.view(-1, shape[axis], math.prod(shape[axis:]) // shape[axis])
    terms = [
        (source.reshape(out.shape[0], source.shape[axis], out.shape[2]), j * step, tap)
        for source, taps in sources
        for j, tap in enumerate(taps)
        if tap != 0.0  # PyWavelets fills biorthogonal filters up with zeros
    ]
    for batch, start, stop in _blocks(out):
        block = out[batch, start:stop]
        for number, (source, offset, tap) in enumerate(terms):
            piece = source[batch, start + offset : stop + offset]
            if number == 0:
                torch.mul(piece, tap, out=block)
            else:
                block.add_(piece, alpha=tap)
    return total


def _blocks(x: Tensor, shortest: int = 1) -> Iterator[tuple[slice, int, int]]:
    """Whole items of the first axis if they are small, else pieces of the second axis of one item after the other."""
    num_items, length = x.shape[:2]
    item = math.prod(x.shape[1:])
    if item < _BLOCK:
        count = _BLOCK // item
        for index in range(0, num_items, count):
            yield slice(index, index + count), 0, length
        return
    rows = max(_BLOCK * length // item, shortest)
    for index in range(num_items):
        for start in range(0, length, rows):
            yield slice(index, index + 1), start, min(start + rows, length)


def _haar_analysis(x: Tensor, axes: tuple[int, ...], step: int, scale: float) -> tuple[Tensor, ...]:
    """Sums and differences, block by block; nothing but the bands is written to main memory."""
    outer, *inner = sorted(axes)
    items = x.view(-1, *x.shape[outer:])
    bands = [torch.empty_like(x) for _ in range(1 << len(axes))]
    for batch, start, stop in _blocks(items, shortest=step):
        rows = stop - start
        wrapped = items.new_empty((len(items[batch]), rows + step, *items.shape[2:]))
        for place, first, count in _circular_pieces(start, rows + step, items.shape[1]):
            torch.mul(items[batch, first : first + count], scale, out=wrapped[:, place : place + count])
        places = [band.view(items.shape)[batch, start:stop] for band in bands]
        here, there = wrapped[:, :rows], wrapped[:, step:]
        if not inner:
            torch.add(here, there, out=places[0])
            torch.sub(here, there, out=places[1])
            continue
        parts = [here + there, here - there]
        for axis in inner[:-1]:
            parts = [half for part in parts for half in _butterfly(part, axis, step)]
        for part, low, high in zip(parts, places[::2], places[1::2], strict=True):
            _butterfly(part, inner[-1], step, low, high)
    return _sorted_keys(bands, axes)


def _butterfly(
    x: Tensor, axis: int, step: int, low: Tensor | None = None, high: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sums and differences of samples `step` apart along one whole axis."""
    low = torch.empty_like(x) if low is None else low
    high = torch.empty_like(x) if high is None else high
    split = x.shape[axis] - step
    for place, other, count in ((0, step, split), (split, 0, step)):
        here, there = x.narrow(axis, place, count), x.narrow(axis, other, count)
        torch.add(here, there, out=low.narrow(axis, place, count))
        torch.sub(here, there, out=high.narrow(axis, place, count))
    return low, high


def _haar_synthesis(bands: Sequence[Tensor], axes: tuple[int, ...], step: int, scale: float) -> Tensor:
    """`scale * (a[k] + a[k - step] + d[k] - d[k - step])` for every pair of bands, block by block."""
    outer, *inner = sorted(axes)
    total = torch.empty_like(bands[0])
    out = total.view(-1, *total.shape[outer:])
    items = [band.view(out.shape) for band in _sorted_axes(bands, axes)]
    for batch, start, stop in _blocks(out):
        parts = []
        for low, high in zip(items[: len(items) // 2], items[len(items) // 2 :], strict=True):
            part = low[batch, start:stop] + high[batch, start:stop]
            for place, first, count in _circular_pieces(start - step, stop - start, out.shape[1]):
                part[:, place : place + count] += low[batch, first : first + count]
                part[:, place : place + count] -= high[batch, first : first + count]
            parts.append(part)
        for axis in inner:
            half = len(parts) // 2
            parts = [_merged(low, high, axis, step) for low, high in zip(parts[:half], parts[half:], strict=True)]
        torch.mul(parts[0], scale, out=out[batch, start:stop])
    return total


def _merged(low: Tensor, high: Tensor, axis: int, step: int) -> Tensor:
    total, delayed = low + high, low - high
    split = total.shape[axis] - step
    total.narrow(axis, step, split).add_(delayed.narrow(axis, 0, split))
    total.narrow(axis, 0, step).add_(delayed.narrow(axis, split, step))
    return total


def _circular_pieces(start: int, count: int, length: int) -> list[tuple[int, int, int]]:
    """`count` samples from `start` on of a periodic signal as pieces `(place, first, count)` of one period."""
    pieces = []
    place = 0
    while place < count:
        first = (start + place) % length
        taken = min(count - place, length - first)
        pieces.append((place, first, taken))
        place += taken
    return pieces


def _sorted_keys(bands: Sequence[_T], axes: tuple[int, ...]) -> tuple[_T, ...]:
    """Bands whose keys have one letter per axis from the outermost to the innermost, as keys of `axes`."""
    order = sorted(axes)
    return tuple(bands[_number(key, axes, order)] for key in product((0, 1), repeat=len(axes)))


def _sorted_axes(bands: Sequence[_T], axes: tuple[int, ...]) -> tuple[_T, ...]:
    """Inverse of `_sorted_keys`."""
    order = sorted(axes)
    return tuple(bands[_number(key, order, axes)] for key in product((0, 1), repeat=len(axes)))


def _number(key: tuple[int, ...], axes: Sequence[int], order: Sequence[int]) -> int:
    """Number of the band with letters `key` for `axes` where bands are counted by `order`."""
    letters = dict(zip(axes, key, strict=True))
    return sum(letters[axis] << place for place, axis in enumerate(reversed(order)))
