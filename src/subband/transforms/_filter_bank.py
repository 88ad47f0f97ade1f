"""Two-channel filter banks over any number of axes, written for the CPU caches.

Leading axes are cut into chunks that stay in the cache through all steps. In every chunk the innermost axis is filtered
in blocks and the others as rows (see `_correlate`); what blocks leave in an unusual order is put right by the copy into
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

from subband.transforms._correlate import BlockFilter, RowFilter
from subband.transforms._memory_layout import MemoryLayout, chunks
from subband.transforms.filters import FilterBank
from subband.transforms.padding import extend, fold

__all__ = ["Axis", "analysis", "band_length", "extension", "signal_length", "synthesis"]


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

    Those after it include the one that makes an odd length even. In mode `periodization`, where that one repeats the
    last sample, `extend` adds it by itself.

    Example:
        >>> extension(13, 8, "symmetric"), extension(13, 8, "periodization")
        ((6, 7), (3, 3))
    """
    if mode == "periodization":
        return num_taps // 2 - 1, num_taps // 2 - 1
    # The remainder is decided here, not carried along: symbolic sizes (compiler, exporter) then stay simple.
    return num_taps - 2, num_taps - 1 if length % 2 else num_taps - 2


def analysis(x: Tensor, axes: Sequence[Axis], stack: int | None) -> Tensor | tuple[Tensor, ...]:
    """All `2^n` bands of one level.

    Args:
        x: Any shape, real.
        axes: The transformed axes.
        stack: Negative position of the band axis, or `None` for separate tensors.

    Returns:
        Bands in sorted key order, letter i of the key standing for `axes[i]`.

    Example:
        >>> from subband.transforms.filters import HAAR
        >>> low, high = analysis(torch.tensor([3.0, 1.0]), [Axis(-1, HAAR, "zero")], None)
        >>> low.tolist(), high.tolist()
        ([2.828427...], [1.414213...])
    """
    layout = MemoryLayout.of(x, [a.axis for a in axes])
    bands, result = _band_memory(x, axes, layout, stack)
    source = layout.flat(x)
    steps = [_AnalysisStep(axis, i, layout.places[i], source.ndim) for i, axis in enumerate(axes)]
    steps.sort(key=lambda step: -step.place)
    for chunk in chunks(source):
        parts = {(0,) * len(axes): source[chunk]}
        for step in steps:
            parts = {new_key: band for key, part in parts.items() for new_key, band in step(key, part)}
        for key, band in zip(product((0, 1), repeat=len(axes)), bands, strict=True):
            steps[0].deliver(parts, key, band[chunk])
    return result if isinstance(result, Tensor) or stack is None else torch.stack(result, stack)


def synthesis(bands: Sequence[Tensor], axes: Sequence[Axis], lengths: Sequence[int] | None = None) -> Tensor:
    """Signal made of `2^n` bands.

    Args:
        bands: In sorted key order, any common shape, real.
        axes: The transformed axes.
        lengths: Without it the inverse of `analysis`. With it, for signals of these lengths along `axes`, the adjoint
            of the analysis with the time-reversed filters: the bands go on with zeros, and what arrives beyond the ends
            is folded back.

    Returns:
        The signal.

    Example:
        >>> from subband.transforms.filters import HAAR
        >>> synthesis([torch.tensor([1.0]), torch.tensor([1.0])], [Axis(-1, HAAR, "zero")])
        tensor([1.4142, 0.0000])
    """
    layout = MemoryLayout.of(bands[0], [a.axis for a in axes])
    sources = [layout.flat(band) for band in bands]
    counts = [bands[0].shape[a.axis] for a in axes]
    wanted = lengths or [signal_length(n, a.bank.num_taps, a.mode) for n, a in zip(counts, axes, strict=True)]
    result = layout.empty(bands[0], wanted)
    target = layout.flat_view(result)
    is_adjoint, is_last = lengths is not None, [place == target.ndim - 1 for place in layout.places]
    steps = [
        _SynthesisStep(*parts, is_adjoint=is_adjoint)
        for parts in zip(axes, counts, wanted, layout.places, is_last, strict=True)
    ]
    steps.sort(key=lambda step: -step.place)
    keep: list[slice] = [slice(None)] * target.ndim
    for step in steps:
        keep[step.place] = step.kept
    for chunk in chunks(target):
        z = _interleaved([source[chunk] for source in sources], layout.places, steps[0].margins)
        for step in steps[:-1]:
            z = step(z)
        steps[-1].deliver(z, target[chunk], keep)
    return layout.logical(result)


def _band_memory(
    x: Tensor, axes: Sequence[Axis], layout: MemoryLayout, stack: int | None
) -> tuple[list[Tensor], Tensor | tuple[Tensor, ...]]:
    """Flat views to write the bands to, and what they are views of: the stacked result or separate bands."""
    counts = [band_length(x.shape[a.axis], a.bank.num_taps, a.mode) for a in axes]
    number = 1 << len(axes)
    if stack is not None and layout.can_stack(x.ndim + 1 + stack):
        shape = list(x.shape)
        for axis, count in zip(axes, counts, strict=True):
            shape[axis.axis] = count
        shape.insert(x.ndim + 1 + stack, number)
        result = x.new_empty(shape)
        return [layout.flat_view(band) for band in result.unbind(stack)], result
    bands = [layout.empty(x, counts) for _ in range(number)]
    return [layout.flat_view(band) for band in bands], tuple(layout.logical(band) for band in bands)


_Key = tuple[int, ...]


class _AnalysisStep:
    """Analysis of one axis, prepared once for all chunks.

    Args:
        axis: The axis.
        position: Its position in the keys.
        place: Its number in the flat tensor.
        ndim: Axes of the flat tensor.
    """

    def __init__(self, axis: Axis, position: int, place: int, ndim: int) -> None:
        self.axis, self.position, self.place = axis, position, place
        filters = (axis.bank.dec_lo[::-1], axis.bank.dec_hi[::-1])
        self.rows = RowFilter(filters, stride=2) if place < ndim - 1 else None
        self.blocks = BlockFilter(filters, stride=2) if place == ndim - 1 else None

    def __call__(self, key: _Key, x: Tensor) -> list[tuple[_Key, Tensor]]:
        """Both bands of a part, with bit 0 and 1 in their keys; the innermost axis leaves them together, in blocks."""
        length, mode = x.shape[self.place], self.axis.mode
        left, right = extension(length, self.axis.bank.num_taps, mode)
        if self.blocks is not None:
            count = band_length(length, self.axis.bank.num_taps, mode)
            wide = extend(x, left, right + 2 * (-count % self.blocks.block), mode, -1)
            return [(key, self.blocks(wide.view(-1, wide.shape[-1])).view(*x.shape[:-1], -1))]
        assert self.rows is not None
        wide = extend(x.reshape(prod(x.shape[: self.place]), length, -1), left, right, mode, -2)
        shape = (*x.shape[: self.place], -1, *x.shape[self.place + 1 :])
        return [(self._with_bit(key, bit), band.view(shape)) for bit, band in enumerate(self.rows(wide))]

    def deliver(self, parts: dict[_Key, Tensor], key: _Key, target: Tensor) -> None:
        """Copy one band to its place; called for the step of the innermost transformed axis."""
        if self.blocks is None:
            target.copy_(parts[key])
            return
        block, bit = self.blocks.block, key[self.position]
        half = parts[self._with_bit(key, 0)].unflatten(-1, (-1, 2, block))[..., bit, :]  # (..., nb, block)
        num_whole, rest = divmod(target.shape[-1], block)
        if num_whole:
            target[..., : num_whole * block].unflatten(-1, (num_whole, block)).copy_(half[..., :num_whole, :])
        if rest:
            target[..., num_whole * block :].copy_(half[..., num_whole, :rest])

    def _with_bit(self, key: _Key, bit: int) -> _Key:
        return (*key[: self.position], bit, *key[self.position + 1 :])


class _SynthesisStep:
    """Synthesis of one axis of interleaved bands, prepared once for all chunks.

    Args:
        axis: The axis.
        count: Coefficients per band along it.
        length: Samples of the signal along it.
        place: Its number in the flat tensor.
        is_last: Whether it is the innermost axis of the flat tensor.
        is_adjoint: Whether the bands go on with zeros beyond their ends, and the signal is folded back.

    Attributes:
        margins: Zeros that the interleaved bands need before and after them along the innermost axis.
        kept: Where the signal lies along the filtered axis.
    """

    def __init__(self, axis: Axis, count: int, length: int, place: int, is_last: bool, *, is_adjoint: bool) -> None:
        num_taps, self.length, self.place, self.is_last = axis.bank.num_taps, length, place, is_last
        self.is_periodic = axis.mode == "periodization"
        zeros = num_taps - 2 if is_adjoint and not self.is_periodic else 0
        # With L/4 coefficients of the neighboring periods on both sides every periodic sum is complete.
        self.wrap = 2 * (num_taps // 4) if self.is_periodic else 0
        filters = _synthesis_filters(axis.bank)
        self.rows = RowFilter(filters, stride=2, padding=zeros)
        self.blocks = BlockFilter(filters, stride=2, interleaved=True)
        num_samples = 2 * (count + self.wrap + zeros) - num_taps + 2
        self.spare = -num_samples % (2 * self.blocks.block)
        self.margins = (zeros, zeros + self.spare) if is_last and not self.is_periodic else (0, 0)
        # How much is folded back, and by which rule. A repeated last sample (odd length, periodization) folds like one
        # that mode `constant` has added.
        self.left, self.right, self.mode = 0, length % 2 if is_adjoint else 0, "constant"
        if is_adjoint and not self.is_periodic:
            self.mode = axis.mode
            self.left, self.right = extension(length, num_taps, axis.mode)
        start = 1 - num_taps // 2 + self.wrap if self.is_periodic else self.left
        self.kept = slice(start, start + length)

    def __call__(self, z: Tensor) -> Tensor:
        """The signal along the axis in place of its bands; `kept` says where in the result."""
        if self.is_last:
            if self.is_periodic:
                z = extend(z, self.wrap, self.wrap + self.spare, "periodic", -1)
            signal = self.blocks(z.view(-1, z.shape[-1])).view(*z.shape[:-1], -1)
        else:
            signal = torch.stack(self._phases(z), self.place + 1).flatten(self.place, self.place + 1)
        whole = signal.narrow(self.place, self.kept.start - self.left, self.left + self.length + self.right)
        before, kept, after = whole.split([self.left, self.length, self.right], self.place)
        fold(before, kept, after, self.mode, self.place)
        return signal

    def deliver(self, z: Tensor, target: Tensor, keep: Sequence[slice]) -> None:
        """The same for the last step, written to its place without a detour where that is possible."""
        if self.is_last or self.is_periodic:
            target.copy_(self(z)[tuple(keep)])
            return
        others = list(keep)
        others[self.place] = slice(None)
        even, odd = (phase[tuple(others)] for phase in self._phases(z))
        half, at = self.left // 2, self.place
        for bit, phase in enumerate((even, odd)):
            part = target[(slice(None),) * at + (slice(bit, None, 2),)]
            part.copy_(phase.narrow(at, half, part.shape[at]))
        if self.left + self.right:
            before = torch.stack((even.narrow(at, 0, half), odd.narrow(at, 0, half)), at + 1).flatten(at, at + 1)
            rest = half + self.length // 2
            ends = [phase.narrow(at, rest, phase.shape[at] - rest) for phase in (even, odd)]
            after = torch.stack(ends, at + 1).flatten(at, at + 1)
            fold(before, target, after.narrow(at, self.length % 2, self.right), self.mode, at)

    def _phases(self, z: Tensor) -> list[Tensor]:
        """Even and odd samples of any other axis, from interleaved bands."""
        if self.is_periodic:
            z = extend(z, self.wrap, self.wrap, "periodic", self.place - z.ndim)
        flat = z.view(prod(z.shape[: self.place]), z.shape[self.place], -1)
        return [phase.view(*z.shape[: self.place], -1, *z.shape[self.place + 1 :]) for phase in self.rows(flat)]


def _interleaved(bands: Sequence[Tensor], places: Sequence[int], margins: tuple[int, int]) -> Tensor:
    """All bands in one tensor, twice as long along every transformed axis, and wider by zeros along the last axis."""
    (before, after), last = margins, bands[0].ndim - 1
    shape = [2 * n if i in places else n for i, n in enumerate(bands[0].shape)]
    width = shape[-1]
    shape[-1] += before + after
    z = bands[0].new_empty(shape)
    z[..., :before] = 0
    z[..., before + width :] = 0
    by_key = dict(zip(product((0, 1), repeat=len(places)), bands, strict=True))
    for key, band in by_key.items():
        index: list[slice] = [slice(None)] * band.ndim
        for place, bit in zip(places, key, strict=True):
            index[place] = slice(bit, None, 2)
        if last not in places:
            z[tuple(index)] = band
        elif key[places.index(last)] == 0:
            # Neighbors in memory are the parts of one complex number: much faster than writing every other number.
            other = tuple(1 if place == last else bit for place, bit in zip(places, key, strict=True))
            index[last] = slice(before // 2, (before + width) // 2)
            target = torch.view_as_complex(z.unflatten(-1, (-1, 2)))[tuple(index)]
            torch.complex(band, by_key[other], out=target)
    return z


def _synthesis_filters(bank: FilterBank) -> tuple[list[float], list[float]]:
    """Filters of the interleaved bands that give the even and the odd samples."""
    filters: tuple[list[float], list[float]] = ([], [])
    for phase in (0, 1):
        for t in range(bank.num_taps - 2, -1, -2):
            filters[phase].extend((bank.rec_lo[t + phase], bank.rec_hi[t + phase]))
    return filters
