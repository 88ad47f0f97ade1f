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
from subband.transforms._layout import Layout, chunks
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
    layout = Layout.of(x, [a.axis for a in axes])
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
        lengths: Without it the inverse of `analysis`. With it, for signals of these lengths along `axes`, the adjoint of
            the analysis with the time-reversed filters: the bands go on with zeros, and what arrives beyond the ends is
            folded back.

    Returns:
        The signal.

    Example:
        >>> from subband.transforms.filters import HAAR
        >>> synthesis([torch.tensor([1.0]), torch.tensor([1.0])], [Axis(-1, HAAR, "zero")])
        tensor([1.4142, 0.0000])
    """
    layout = Layout.of(bands[0], [a.axis for a in axes])
    sources = [layout.flat(band) for band in bands]
    wanted = lengths or [signal_length(bands[0].shape[a.axis], a.bank.num_taps, a.mode) for a in axes]
    result = layout.empty(bands[0], wanted)
    target = layout.flat_view(result)
    is_adjoint = lengths is not None
    parts = zip(axes, wanted, layout.places, strict=True)
    steps = [_SynthesisStep(axis, length, place, target.ndim, is_adjoint=is_adjoint) for axis, length, place in parts]
    steps.sort(key=lambda step: -step.place)
    for chunk in chunks(target):
        z = _interleaved([source[chunk] for source in sources], layout.places)
        keep: list[slice] = [slice(None)] * z.ndim
        for step in steps:
            z, keep[step.place] = step(z)
        target[chunk] = z[tuple(keep)]
    return layout.logical(result)


def _band_memory(
    x: Tensor, axes: Sequence[Axis], layout: Layout, stack: int | None
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
        length: Samples of the signal along it.
        place: Its number in the flat tensor.
        ndim: Axes of the flat tensor.
        is_adjoint: Whether the bands go on with zeros beyond their ends, and the signal is folded back.
    """

    def __init__(self, axis: Axis, length: int, place: int, ndim: int, *, is_adjoint: bool) -> None:
        self.axis, self.length, self.place, self.is_adjoint = axis, length, place, is_adjoint
        num_taps, self.is_periodic = axis.bank.num_taps, axis.mode == "periodization"
        # With L/4 coefficients of the neighbouring periods on both sides every periodic sum is complete.
        self.wrap = 2 * (num_taps // 4) if self.is_periodic else num_taps - 2 if is_adjoint else 0
        filters = _synthesis_filters(axis.bank)
        padding = 0 if self.is_periodic else self.wrap
        self.rows = RowFilter(filters, stride=2, padding=padding) if place < ndim - 1 else None
        self.blocks = BlockFilter(filters, stride=2, interleaved=True) if place == ndim - 1 else None

    def __call__(self, z: Tensor) -> tuple[Tensor, slice]:
        """The filtered tensor, and where along the axis the signal lies in it."""
        if self.blocks is not None:
            num_samples = z.shape[-1] + 2 * self.wrap - self.axis.bank.num_taps + 2
            spare = -num_samples % (2 * self.blocks.block)
            z_wide = extend(z, self.wrap, self.wrap + spare, "periodic" if self.is_periodic else "zero", -1)
            signal = self.blocks(z_wide.view(-1, z_wide.shape[-1])).view(*z.shape[:-1], -1)
            return signal, self._kept(signal, -1)
        assert self.rows is not None
        flat = z.view(prod(z.shape[: self.place]), z.shape[self.place], -1)
        if self.is_periodic:
            flat = extend(flat, self.wrap, self.wrap, "periodic", -2)
        even, odd = self.rows(flat)
        signal = torch.stack((even, odd), 2).flatten(1, 2)
        kept = self._kept(signal, -2)
        return signal.view(*z.shape[: self.place], -1, *z.shape[self.place + 1 :]), kept

    def _kept(self, signal: Tensor, at: int) -> slice:
        """Fold back what lies beyond the ends, and say where the signal starts and stops."""
        num_taps, mode = self.axis.bank.num_taps, self.axis.mode
        start = 1 - num_taps // 2 + self.wrap if self.is_periodic else 0
        if self.is_adjoint:
            # A repeated last sample (odd length, periodization) folds like one that mode `constant` has added.
            left, right = (0, self.length % 2) if self.is_periodic else extension(self.length, num_taps, mode)
            whole = signal.narrow(at, start, left + self.length + right)
            fold(whole, left, right, "constant" if self.is_periodic else mode, at)
            start += left
        return slice(start, start + self.length)


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


def _synthesis_filters(bank: FilterBank) -> tuple[list[float], list[float]]:
    """Filters of the interleaved bands that give the even and the odd samples."""
    filters: tuple[list[float], list[float]] = ([], [])
    for phase in (0, 1):
        for t in range(bank.num_taps - 2, -1, -2):
            filters[phase].extend((bank.rec_lo[t + phase], bank.rec_hi[t + phase]))
    return filters
