"""Kernels of the undecimated wavelet transform for tensors in main memory.

Filters are either one convolution per band or, where no convolution kernel is fast, sums of shifted pieces; in both
cases pieces are so small that sums grow in the cache. All tensors are contiguous, all taps are numbers.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, TypeVar

import torch
from torch import Tensor

from subband.transforms._correlate import correlate
from subband.transforms.padding import extend

__all__ = ["as_keys_of", "haar_analysis", "haar_synthesis", "merge_axis", "outermost_first", "split_axis", "wrap"]

_T = TypeVar("_T")
_BLOCK = 1 << 17  # samples whose intermediate results stay in the second-level cache
_WIDE_ROW = 8  # from here on a depthwise convolution fills vector registers
_MANY_TAPS = 24  # from here on a convolution along the contiguous axis pays


def wrap(x: Tensor, num_taps: int, axis: int, step: int, *, advance: int) -> Tensor:
    """Continue periodically so that every sample has all the neighbors its filter reaches.

    Args:
        x: Any shape.
        num_taps: Number of taps, even.
        axis: Negative axis number.
        step: Distance of the taps.
        advance: 1 if the filter reaches one tap further ahead than back (analysis), 0 for the opposite (synthesis).

    Example:
        >>> wrap(torch.tensor([1.0, 2.0, 3.0, 4.0]), 4, -1, 1, advance=1).tolist()
        [4.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0]
    """
    return extend(x, step * (num_taps // 2 - advance), step * (num_taps // 2 - 1 + advance), "periodic", axis)


def split_axis(x: Tensor, pair: tuple[Any, Any], axis: int, step: int) -> list[Tensor]:
    """Low and high band of one axis.

    Example:
        >>> split_axis(torch.tensor([1.0, 3.0, 5.0, 1.0]), ((0.5, 0.5), (0.5, -0.5)), -1, 2)
        [tensor([3., 2., 3., 2.]), tensor([-2.,  1.,  2., -1.])]
    """
    wrapped = wrap(x, len(pair[0]), axis, step, advance=1)
    if _has_convolution(x, pair, axis, step):
        return _convolved(wrapped, pair, axis, step)
    return [_weighted_sum([(wrapped, taps)], axis, step) for taps in pair]


def merge_axis(low: Tensor, high: Tensor, pair: tuple[Any, Any], axis: int, step: int) -> Tensor:
    """Sum of both filtered bands of one axis.

    Example:
        >>> low, high = torch.tensor([3.0, 2.0, 3.0, 2.0]), torch.tensor([-2.0, 1.0, 2.0, -1.0])
        >>> merge_axis(low, high, ((0.5, 0.5), (-0.5, 0.5)), -1, 2)
        tensor([1., 3., 5., 1.])
    """
    bands = [wrap(band, len(pair[0]), axis, step, advance=0) for band in (low, high)]
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
    # Samples that are `step` apart are neighbors along the first axis of this view; the second one is a batch.
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
    if not terms:
        return total.zero_()
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


def haar_analysis(x: Tensor, axes: tuple[int, ...], step: int, scale: float) -> tuple[Tensor, ...]:
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
    return as_keys_of(bands, axes)


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


def haar_synthesis(bands: Sequence[Tensor], axes: tuple[int, ...], step: int, scale: float) -> Tensor:
    """`scale * (a[k] + a[k - step] + d[k] - d[k - step])` for every pair of bands, block by block."""
    outer, *inner = sorted(axes)
    total = torch.empty_like(bands[0])
    out = total.view(-1, *total.shape[outer:])
    items = [band.view(out.shape) for band in outermost_first(bands, axes)]
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


def as_keys_of(bands: Sequence[_T], axes: tuple[int, ...]) -> tuple[_T, ...]:
    """Sort bands by keys whose letters belong to `axes`.

    Args:
        bands: Sorted by keys whose letters belong to the axes from the outermost to the innermost.
        axes: Different negative axis numbers.

    Example:
        >>> as_keys_of(["aa", "ad", "da", "dd"], (-1, -2))
        ('aa', 'da', 'ad', 'dd')
    """
    order = sorted(axes)
    return tuple(bands[_number(key, axes, order)] for key in product((0, 1), repeat=len(axes)))


def outermost_first(bands: Sequence[_T], axes: tuple[int, ...]) -> tuple[_T, ...]:
    """Inverse of `as_keys_of`.

    Example:
        >>> outermost_first(["aaa", "aad", "ada", "add", "daa", "dad", "dda", "ddd"], (-1, -3, -2))
        ('aaa', 'daa', 'aad', 'dad', 'ada', 'dda', 'add', 'ddd')
    """
    order = sorted(axes)
    return tuple(bands[_number(key, order, axes)] for key in product((0, 1), repeat=len(axes)))


def _number(key: tuple[int, ...], axes: Sequence[int], order: Sequence[int]) -> int:
    """Number of the band with letters `key` for `axes` where bands are counted by `order`."""
    letters = dict(zip(axes, key, strict=True))
    return sum(letters[axis] << place for place, axis in enumerate(reversed(order)))
