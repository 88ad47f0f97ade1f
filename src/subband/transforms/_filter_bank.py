"""Two-channel filter banks over any number of axes, written for the CPU caches.

Leading axes are cut into chunks that stay in the cache through all steps. In every chunk the innermost axis is filtered
in blocks (see `_correlate`) and the others as rows; what blocks leave in an unusual order is put right by the copy into
the result, which is needed anyway.

Analysis of one axis filters the extended signal with stride two. Synthesis is the same operation on the interleaved
bands `a[0], d[0], a[1], d[1], ...`, with two other filters that give the even and the odd samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from subband.transforms._correlate import along_blocks, along_rows, block_length
from subband.transforms.filters import FilterBank
from subband.transforms.padding import extend, fold

__all__ = ["Axis", "analysis", "band_length", "signal_length", "synthesis"]

_CHUNK_BYTES = 1 << 21  # what a chunk of the input may take of the second-level cache, with room for its bands


class Axis(NamedTuple):
    """How one axis is transformed.

    Attributes:
        axis: Negative axis number.
        bank: Filters.
        mode: Boundary mode.
    """

    axis: int
    bank: FilterBank
    mode: str


def band_length(length: int, num_taps: int, mode: str) -> int:
    """Number of coefficients per band of a signal.

    Args:
        length: Samples of the signal.
        num_taps: Taps of the filter.
        mode: Boundary mode.

    Example:
        >>> band_length(13, 8, "symmetric"), band_length(13, 8, "periodization")
        (10, 7)
    """
    return (length + 1) // 2 if mode == "periodization" else (length + num_taps - 1) // 2


def signal_length(length: int, num_taps: int, mode: str) -> int:
    """Number of samples that `length` coefficients per band give back.

    Args:
        length: Coefficients of one band.
        num_taps: Taps of the filter.
        mode: Boundary mode.

    Example:
        >>> signal_length(10, 8, "symmetric"), signal_length(7, 8, "periodization")
        (14, 14)
    """
    return 2 * length if mode == "periodization" else 2 * length - num_taps + 2


def extension(length: int, num_taps: int, mode: str) -> tuple[int, int]:
    """Samples that the analysis adds before and after a signal.

    The one that makes an odd length even counts among those after it; in mode `periodization` it repeats the last sample.
    """
    reach = num_taps // 2 - 1 if mode == "periodization" else num_taps - 2
    return reach, reach + length % 2


def analysis(x: Tensor, axes: Sequence[Axis], stack: int | None) -> Tensor | tuple[Tensor, ...]:
    """All `2^n` bands of one level.

    Args:
        x: Any shape, real.
        axes: The transformed axes.
        stack: Negative position of the band axis, or `None` for separate tensors.

    Returns:
        Bands in sorted key order, letter i of the key standing for `axes[i]`.
    """
    layout = _Layout.of(x, [a.axis for a in axes])
    counts = [band_length(x.shape[a.axis], a.bank.num_taps, a.mode) for a in axes]
    results = layout.allocate(x, counts, 1 << len(axes))
    flat_results = [layout.flat(result) for result in results]
    source = layout.flat(x.permute(layout.order).contiguous())
    steps = sorted(zip(layout.places, axes, range(len(axes)), strict=True), reverse=True)
    for first, last in _chunks(source):
        parts = {(0,) * len(axes): source[first:last]}
        block = 0
        for place, axis, i in steps:
            if place == source.ndim - 1:
                parts = {key: _analyze_last(part, axis) for key, part in parts.items()}
                block = block_length(axis.bank.num_taps, 2)
            else:
                parts = {
                    (*key[:i], bit, *key[i + 1 :]): band
                    for key, part in parts.items()
                    for bit, band in enumerate(_analyze_rows(part, axis, place))
                }
        targets = (flat_result[first:last] for flat_result in flat_results)
        for key, target in zip(product((0, 1), repeat=len(axes)), targets, strict=True):
            if block:
                _copy_blocks(target, parts[(*key[: steps[0][2]], 0, *key[steps[0][2] + 1 :])], block, key[steps[0][2]])
            else:
                target.copy_(parts[key])
    return layout.finish(results, stack)


def synthesis(bands: Sequence[Tensor], axes: Sequence[Axis], lengths: Sequence[int] | None = None) -> Tensor:
    """Signal made of `2^n` bands.

    Args:
        bands: In sorted key order, any common shape, real.
        axes: The transformed axes, with the synthesis filters to use.
        lengths: Without it the inverse of `analysis`. With it, its adjoint for signals of these lengths along `axes`: the
            bands go on with zeros, and what arrives beyond the ends is folded back.

    Returns:
        The signal.
    """
    layout = _Layout.of(bands[0], [a.axis for a in axes])
    sources = [layout.flat(band.permute(layout.order).contiguous()) for band in bands]
    wanted = lengths or [signal_length(bands[0].shape[a.axis], a.bank.num_taps, a.mode) for a in axes]
    (result,) = layout.allocate(bands[0], wanted, 1)
    flat_result = layout.flat(result)
    steps = sorted(zip(layout.places, axes, wanted, strict=True), reverse=True)
    for first, last in _chunks(flat_result):
        z = _interleaved([source[first:last] for source in sources], layout.places)
        keep: list[slice] = [slice(None)] * z.ndim
        for place, axis, length in steps:
            z, keep[place] = _synthesize(z, axis, place, length, is_adjoint=lengths is not None)
        flat_result[first:last] = z[tuple(keep)]
    return layout.logical(result)


class _Layout(NamedTuple):
    """Order of the axes in memory.

    Attributes:
        order: Axes from the outermost to the innermost.
        num_leading: How many of them, all of the untransformed ones before the first transformed one, are chunked.
        places: Where the transformed axes lie in the flattened tensor `(P, ...)`.
    """

    order: tuple[int, ...]
    num_leading: int
    places: tuple[int, ...]

    @classmethod
    def of(cls, x: Tensor, axes: Sequence[int]) -> _Layout:
        order = tuple(range(x.ndim))
        if not x.is_contiguous():
            by_stride = tuple(sorted(order, key=x.stride, reverse=True))
            order = by_stride if x.permute(by_stride).is_contiguous() else order
        positions = [order.index(x.ndim + axis) for axis in axes]
        num_leading = min(positions)
        return cls(order, num_leading, tuple(position - num_leading + 1 for position in positions))

    def flat(self, physical: Tensor) -> Tensor:
        """View `(P, ...)` of a tensor whose axes are in memory order."""
        return physical.reshape(prod(physical.shape[: self.num_leading]), *physical.shape[self.num_leading :])

    def allocate(self, like: Tensor, lengths: Sequence[int], number: int) -> list[Tensor]:
        """Tensors in memory order with other lengths along the transformed axes."""
        shape = [like.shape[i] for i in self.order]
        for place, length in zip(self.places, lengths, strict=True):
            shape[place - 1 + self.num_leading] = length
        return [like.new_empty(shape) for _ in range(number)]

    def logical(self, physical: Tensor) -> Tensor:
        """Back from memory order."""
        return physical.permute(tuple(self.order.index(i) for i in range(len(self.order))))

    def finish(self, results: list[Tensor], stack: int | None) -> Tensor | tuple[Tensor, ...]:
        bands = tuple(self.logical(result) for result in results)
        return bands if stack is None else torch.stack(bands, stack)


def _chunks(source: Tensor) -> list[tuple[int, int]]:
    """Ranges of the first axis that fit into the cache of every thread."""
    if source.shape[0] == 0 or source[0].numel() == 0:
        return []
    room = _CHUNK_BYTES * torch.get_num_threads()
    size = max(1, room // (source[0].numel() * source.element_size()))
    return [(first, min(first + size, source.shape[0])) for first in range(0, source.shape[0], size)]


def _extended(x: Tensor, axis: Axis, spare: int, at: int) -> Tensor:
    """The signal with what the filters reach beyond its ends, and `spare` samples more."""
    length, num_taps = x.shape[at], axis.bank.num_taps
    left, right = extension(length, num_taps, axis.mode)
    if axis.mode == "periodization":
        right -= length % 2  # `extend` makes the length even by itself
    return extend(x, left, right + spare, axis.mode, at)


def _analyze_last(x: Tensor, axis: Axis) -> Tensor:
    """Both bands of the innermost axis in blocks, `(..., nb * 2b)`."""
    block = block_length(axis.bank.num_taps, 2)
    count = band_length(x.shape[-1], axis.bank.num_taps, axis.mode)
    wide = _extended(x, axis, 2 * (-count % block), -1)
    filters = (axis.bank.dec_lo[::-1], axis.bank.dec_hi[::-1])
    return along_blocks(wide.view(-1, wide.shape[-1]), filters, stride=2).view(*x.shape[:-1], -1)


def _analyze_rows(x: Tensor, axis: Axis, place: int) -> list[Tensor]:
    """Both bands of an axis that is not the innermost one."""
    wide = _extended(x.reshape(prod(x.shape[:place]), x.shape[place], -1), axis, 0, -2)
    bands = along_rows(wide, (axis.bank.dec_lo[::-1], axis.bank.dec_hi[::-1]), stride=2)
    return [band.view(*x.shape[:place], -1, *x.shape[place + 1 :]) for band in bands]


def _copy_blocks(target: Tensor, blocks: Tensor, block: int, bit: int) -> None:
    """Put one band of the innermost axis, given in blocks of `(2, block)`, into its order."""
    half = blocks.unflatten(-1, (-1, 2, block))[..., bit, :]  # (..., nb, block)
    num_whole, rest = divmod(target.shape[-1], block)
    if num_whole:
        target[..., : num_whole * block].unflatten(-1, (num_whole, block)).copy_(half[..., :num_whole, :])
    if rest:
        target[..., num_whole * block :].copy_(half[..., num_whole, :rest])


def _interleaved(bands: Sequence[Tensor], places: Sequence[int]) -> Tensor:
    """All bands in one tensor, twice as long along every transformed axis."""
    shape = list(bands[0].shape)
    for place in places:
        shape[place] *= 2
    z = bands[0].new_empty(shape)
    for key, band in zip(product((0, 1), repeat=len(places)), bands, strict=True):
        index: list[slice] = [slice(None)] * z.ndim
        for place, bit in zip(places, key, strict=True):
            index[place] = slice(bit, None, 2)
        z[tuple(index)] = band
    return z


def _synthesize(z: Tensor, axis: Axis, place: int, length: int, *, is_adjoint: bool) -> tuple[Tensor, slice]:
    """Filter one axis of interleaved bands; also where along the axis the signal of the given length lies."""
    num_taps, is_last = axis.bank.num_taps, place == z.ndim - 1
    is_periodic = axis.mode == "periodization"
    flat = z.view(-1, z.shape[-1]) if is_last else z.view(prod(z.shape[:place]), z.shape[place], -1)
    at = -1 if is_last else -2
    wrap = 2 * (num_taps // 4) if is_periodic else num_taps - 2 if is_adjoint else 0
    num_samples = flat.shape[at] + 2 * wrap - num_taps + 2
    spare = -num_samples % (2 * block_length(num_taps, 2)) if is_last else 0
    filters = _synthesis_filters(axis.bank)
    if is_last:
        flat = extend(flat, wrap, wrap + spare, "periodic" if is_periodic else "zero", -1)
        signal = along_blocks(flat, filters, stride=2, interleaved=True).flatten(1)
    else:
        if is_periodic:
            flat = extend(flat, wrap, wrap, "periodic", -2)
        even, odd = along_rows(flat, filters, stride=2, padding=0 if is_periodic else wrap)
        signal = torch.stack((even, odd), 2).flatten(1, 2)
    start = 1 - num_taps // 2 + wrap if is_periodic else 0
    if is_adjoint:
        # A repeated last sample (odd length, periodization) folds like one that mode `constant` has added.
        left, right = (0, length % 2) if is_periodic else extension(length, num_taps, axis.mode)
        fold(signal.narrow(at, start, left + length + right), left, right, "constant" if is_periodic else axis.mode, at)
        start += left
    shape = (*z.shape[:place], -1, *z.shape[place + 1 :])
    return signal.view(shape), slice(start, start + length)


def _synthesis_filters(bank: FilterBank) -> tuple[list[float], list[float]]:
    """Filters of the interleaved bands that give the even and the odd samples."""
    filters = []
    for phase in (0, 1):
        taps: list[float] = []
        for t in range(bank.num_taps - 2, -1, -2):
            taps += (bank.rec_lo[t + phase], bank.rec_hi[t + phase])
        filters.append(taps)
    return filters[0], filters[1]
