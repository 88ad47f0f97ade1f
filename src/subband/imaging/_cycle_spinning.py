"""Averages over shifts of an image with fewer transforms than shifts.

Shifts of an image by an even number of pixels have the same coefficients at the finest level, moved by half that
number, but for those next to the border. All of them therefore share one undecimated band per parity and one synthesis
of the sum of their shrunk coefficients. The few coefficients next to the border, which each shift has for itself, come
from the transform of a short image made of nothing but its first and last rows, or columns. Coarser levels, a quarter
of the work, are computed for every shift. The numbers are those of one transform per shift.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from subband.imaging._shrinkage import Shrinkage
from subband.transforms import extend
from subband.transforms.padding import fold

__all__ = ["average_over_shifts"]

_CHUNK = 1 << 20  # samples worked on at a time, so that large photographs need little memory

Shift = tuple[int, int]
Window = tuple[slice, slice]


def average_over_shifts(x: Tensor, shrinkage: Shrinkage, level: int, num_spins: int) -> Tensor:
    """Mean of the denoised shifts of images, shifted back.

    Args:
        x: Planes, `(P, H, W)`.
        shrinkage: How to denoise.
        level: Levels of the transform.
        num_spins: Largest shift n along both axes; all `(n + 1)^2` pairs from 0 on are taken.

    Returns:
        Planes, `(P, H, W)`.
    """
    size = max(1, _CHUNK // (x.shape[-2] * x.shape[-1]))
    parts = zip(x.split(size), shrinkage.noise.split(size), strict=True)
    means = [_average(part, replace(shrinkage, noise=noise), level, num_spins) for part, noise in parts]
    return means[0] if len(means) == 1 else torch.cat(means)


def _average(x: Tensor, shrinkage: Shrinkage, level: int, num_spins: int) -> Tensor:
    if num_spins == 0 or level == 0:
        return shrinkage.denoised(x, level)
    # Every shifted image is a window of this one; results are added up in the same place.
    wide = extend(extend(x, num_spins, 0, "periodic", -2), num_spins, 0, "periodic", -1)
    total = torch.zeros_like(wide)
    lines = tuple(
        _Line.of(length, bank.num_taps, mode, num_spins)
        for length, bank, mode in zip(x.shape[-2:], shrinkage.banks, shrinkage.modes, strict=True)
    )
    if num_spins > 1 and all(line.is_long for line in lines):
        _add_sharing(total, wide, shrinkage, level, lines)
    else:
        _add_one_by_one(total, wide, shrinkage, level, lines)
    for axis, line in zip((-2, -1), lines, strict=True):
        before, total = total.split((num_spins, line.length), axis)
        fold(before, total, total.narrow(axis, 0, 0), "periodic", axis)
    return total / (num_spins + 1) ** 2


class _Line(NamedTuple):
    """How shifts along one axis share their coefficients of the finest level.

    Coefficient k of a shifted signal sees its samples `2 k - left` to `2 k - left + num_taps - 1`.

    Attributes:
        length: Samples of the signal.
        num_taps: Taps of the filters.
        left: Samples that the boundary mode adds before the signal.
        count: Coefficients of a band.
        num_spins: Largest shift.
    """

    length: int
    num_taps: int
    left: int
    count: int
    num_spins: int

    @classmethod
    def of(cls, length: int, num_taps: int, mode: str, num_spins: int) -> _Line:
        """The line of a boundary mode."""
        left, count = num_taps - 2, (length + num_taps - 1) // 2
        if mode == "periodization":
            left, count = num_taps // 2 - 1, (length + 1) // 2
        return cls(length, num_taps, left, count, num_spins)

    @property
    def is_long(self) -> bool:
        """Whether there are coefficients to share."""
        return self.length >= 4 * self.num_taps

    @property
    def inside(self) -> slice:
        """The coefficients that no border reaches."""
        return slice((self.left + 1) // 2, (self.length - self.num_taps + self.left) // 2 + 1)

    @property
    def tail(self) -> int:
        """Samples at the end of the signal that decide its last coefficients; at the start it is `num_taps`."""
        return self.num_taps + self.length % 2

    @property
    def has_border(self) -> bool:
        """Whether there are coefficients that a border reaches."""
        return self.inside != slice(0, self.count)

    def parity(self, shift: int) -> int:
        """Which of the two shared bands holds the coefficients of a shift: the one from sample 0 or 1 of `wide` on."""
        return (self.num_spins - shift - self.left) % 2

    def place(self, shift: int) -> slice:
        """Where the shared band, one of mode `zero`, holds the coefficients `inside`."""
        distance = self.num_spins - shift - self.left - self.parity(shift)
        start = self.inside.start + distance // 2 + self.num_taps // 2 - 1
        return slice(start, start + self.inside.stop - self.inside.start)

    def ends_of_signal(self, x: Tensor, axis: int) -> Tensor:
        """The short signal of the first and the last samples."""
        return torch.cat((x.narrow(axis, 0, self.num_taps), x.narrow(axis, self.length - self.tail, self.tail)), axis)

    def ends_of_band(self, band: Tensor, axis: int) -> Tensor:
        """The coefficients of the short signal: those that a border reaches are the same."""
        kept = self.inside.stop - (self.length - self.num_taps - self.tail) // 2
        rest = self.count - self.inside.stop
        return torch.cat((band.narrow(axis, 0, kept), band.narrow(axis, self.inside.stop, rest)), axis)

    def is_border(self, like: Tensor) -> Tensor:
        """1 for coefficients that a border reaches, else 0, `(count,)`."""
        mask = torch.ones(self.count, device=like.device, dtype=like.dtype)
        mask[self.inside] = 0
        return mask


def _window(shift: Shift, lines: Sequence[_Line]) -> Window:
    rows, columns = (
        slice(line.num_spins - distance, line.num_spins - distance + line.length)
        for line, distance in zip(lines, shift, strict=True)
    )
    return rows, columns


def _groups(shifts: Sequence[Shift], size: int) -> Iterator[Sequence[Shift]]:
    """As many shifts at a time as fit into memory."""
    count = max(1, _CHUNK // size)
    for first in range(0, len(shifts), count):
        yield shifts[first : first + count]


def _add_one_by_one(total: Tensor, wide: Tensor, shrinkage: Shrinkage, level: int, lines: Sequence[_Line]) -> None:
    shifts = list(product(range(lines[0].num_spins + 1), repeat=2))
    for group in _groups(shifts, wide.numel()):
        images = torch.stack([wide[..., *_window(shift, lines)] for shift in group])
        for shift, image in zip(group, shrinkage.denoised(images, level), strict=True):
            total[..., *_window(shift, lines)] += image


def _add_sharing(total: Tensor, wide: Tensor, shrinkage: Shrinkage, level: int, lines: Sequence[_Line]) -> None:
    shifts = list(product(range(lines[0].num_spins + 1), repeat=2))
    plain = replace(shrinkage, modes=("zero", "zero"))
    for parities in product((0, 1), repeat=2):
        image = wide[..., parities[0] :, parities[1] :]
        low, details = plain.analysis(image)
        shared = _Shared((low, *details), tuple(torch.zeros_like(band) for band in (low, *details)), lines)
        same = [s for s in shifts if all(line.parity(d) == p for line, d, p in zip(lines, s, parities, strict=True))]
        for group in _groups(same, wide.numel() // 4):
            images = [wide[..., *_window(shift, lines)] for shift in group]
            borders = [_Border(axis, images, lines, shrinkage) for axis in (-2, -1) if lines[axis].has_border]
            shared.shrink_low(group, borders, shrinkage, level)
            for number in range(1, 4):
                shared.shrink_detail(number, group, borders, shrinkage)
            for border in borders:
                border.add_to([total[..., *_window(shift, lines)] for shift in group])
        total[..., parities[0] :, parities[1] :] += plain.synthesis((shared.sums[0], shared.sums[1:]), image)


class _Shared(NamedTuple):
    """The coefficients of the finest level for all shifts of one parity.

    Attributes:
        bands: Approximation and details in mode `zero`, `(P, h, w)` each.
        sums: What the shifts leave of them, of the same shapes.
        lines: Rows and columns.
    """

    bands: tuple[Tensor, ...]
    sums: tuple[Tensor, ...]
    lines: Sequence[_Line]

    def places(self, group: Sequence[Shift]) -> list[Window]:
        """Where the inner coefficients of some shifts are."""
        return [(self.lines[0].place(down), self.lines[1].place(right)) for down, right in group]

    def shrink_low(
        self, group: Sequence[Shift], borders: Sequence[_Border], shrinkage: Shrinkage, level: int
    ) -> None:
        """Denoise the approximations of some shifts by the coarser levels."""
        places, inside = self.places(group), (self.lines[0].inside, self.lines[1].inside)
        low = self.bands[0]
        whole = low.new_empty(len(group), len(low), self.lines[0].count, self.lines[1].count)
        for image, place in zip(whole, places, strict=True):
            image[..., *inside] = low[..., *place]
        for border in borders:
            border.copy_low(whole)
        whole = shrinkage.denoised(whole, level - 1)
        for image, place in zip(whole, places, strict=True):
            self.sums[0][..., *place] += image[..., *inside]
        for border in borders:
            border.take_low(whole)

    def shrink_detail(
        self, number: int, group: Sequence[Shift], borders: Sequence[_Border], shrinkage: Shrinkage
    ) -> None:
        """Shrink one detail of some shifts, each by its own threshold."""
        places = self.places(group)
        views = [self.bands[number][..., *place] for place in places]
        energy = torch.stack([view.square().sum((-2, -1), keepdim=True) for view in views])
        for border in borders:
            energy = energy + border.energy(number)
        limits = shrinkage.limit(energy / (self.lines[0].count * self.lines[1].count))
        for place, view, limit in zip(places, views, limits, strict=True):
            self.sums[number][..., *place] += shrinkage.shrunk(view, limit)
        for border in borders:
            border.shrink(number, limits)


class _Border:
    """The coefficients of some shifts that the border along one axis reaches.

    Args:
        axis: -2 for those next to the first and the last row, -1 for those next to the first and the last column but
            not in the corners.
        images: The shifted images, `(P, H, W)` each.
        lines: Rows and columns.
        shrinkage: How to denoise.
    """

    def __init__(self, axis: int, images: Sequence[Tensor], lines: Sequence[_Line], shrinkage: Shrinkage) -> None:
        self.axis, self.line, self.shrinkage = axis, lines[axis], shrinkage
        self.images = torch.stack([self.line.ends_of_signal(image, axis) for image in images])
        low, details = shrinkage.analysis(self.images)
        self.bands = [low, *details]
        self.mask = self.line.ends_of_band(self.line.is_border(low), -1)
        if axis == -2:
            self.mask = self.mask[:, None]
        else:
            self.mask = self.mask * (1 - lines[0].is_border(low))[:, None]

    def copy_low(self, whole: Tensor) -> None:
        """Write the approximations into the whole ones, `(G, P, h, w)`."""
        first, rest = self.line.inside.start, self.line.count - self.line.inside.stop
        low = self.bands[0]
        whole.narrow(self.axis, 0, first).copy_(low.narrow(self.axis, 0, first))
        last = low.narrow(self.axis, low.shape[self.axis] - rest, rest)
        whole.narrow(self.axis, self.line.count - rest, rest).copy_(last)

    def take_low(self, whole: Tensor) -> None:
        """Take the denoised approximations from the whole ones."""
        self.bands[0] = self.line.ends_of_band(whole, self.axis) * self.mask

    def energy(self, number: int) -> Tensor:
        """Sum of squares of a detail, `(G, P, 1, 1)`."""
        return (self.bands[number].square() * self.mask).sum((-2, -1), keepdim=True)

    def shrink(self, number: int, limits: Tensor) -> None:
        """Shrink a detail by the thresholds of its shifts, `(G, P, 1, 1)`."""
        self.bands[number] = self.shrinkage.shrunk(self.bands[number], limits) * self.mask

    def add_to(self, images: Sequence[Tensor]) -> None:
        """Add what the coefficients contribute to the denoised images."""
        low, *details = self.bands
        line, axis = self.line, self.axis
        for image, part in zip(images, self.shrinkage.synthesis((low, tuple(details)), self.images), strict=True):
            first, last = part.split((line.num_taps, line.tail), axis)
            image.narrow(axis, 0, line.num_taps).add_(first)
            image.narrow(axis, line.length - line.tail, line.tail).add_(last)
