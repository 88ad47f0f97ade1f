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
from typing import Any, NamedTuple

import torch
from torch import Tensor

from subband.imaging._shrinkage import Shrinkage
from subband.transforms import extend, iswt2, swt2
from subband.transforms.padding import fold

__all__ = ["average_over_shifts"]

_CHUNK = 1 << 22  # samples worked on at a time, so that large photographs need little memory

Shift = tuple[int, int]
Place = tuple[int, slice]


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
    if num_spins == 0 or level == 0 or len(x) == 0:
        return shrinkage.denoised(x, level)
    # Every shifted image is a window of this one, whose sides are even; results are added up in the same place.
    margins = [(num_spins, (length + num_spins) % 2) for length in x.shape[-2:]]
    wide = extend(extend(x, *margins[0], "periodic", -2), *margins[1], "periodic", -1)
    total = torch.zeros_like(wide)
    lines = tuple(
        _Line.of(length, bank.num_taps, mode, num_spins)
        for length, bank, mode in zip(x.shape[-2:], shrinkage.banks, shrinkage.modes, strict=True)
    )
    if num_spins > 1 and all(line.is_long for line in lines):
        _add_sharing(total, wide, shrinkage, level, lines)
    else:
        _add_one_by_one(total, wide, shrinkage, level, lines)
    for axis, line, (left, right) in zip((-2, -1), lines, margins, strict=True):
        before, middle, after = total.split((left, line.length, right), axis)
        total = middle.clone()
        fold(before, total, after, "periodic", axis)
    return total / (num_spins + 1) ** 2


class _Line(NamedTuple):
    """How shifts along one axis share their coefficients of the finest level.

    Coefficient k of a shifted signal sees its samples `2 k - left` to `2 k - left + num_taps - 1`.

    Attributes:
        length: Samples of the signal.
        num_taps: Taps of the filters.
        left: Samples that the boundary mode adds before the signal.
        num_coeffs: Coefficients of a band.
        num_spins: Largest shift.
    """

    length: int
    num_taps: int
    left: int
    num_coeffs: int
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
        return self.inside != slice(0, self.num_coeffs)

    def place(self, shift: int) -> Place:
        """Where an undecimated band of `wide` holds the coefficients `inside` of a shift: parity, and range in it."""
        # Its coefficient k begins at sample k - num_taps / 2 + 1.
        half, parity = divmod(self.num_spins - shift - self.left + self.num_taps // 2 - 1, 2)
        return parity, slice(half + self.inside.start, half + self.inside.stop)

    def ends_of_signal(self, x: Tensor, axis: int) -> Tensor:
        """The short signal of the first and the last samples."""
        return torch.cat((x.narrow(axis, 0, self.num_taps), x.narrow(axis, self.length - self.tail, self.tail)), axis)

    def ends_of_band(self, band: Tensor, axis: int) -> Tensor:
        """The coefficients of the short signal: those that a border reaches are the same."""
        kept = self.inside.stop - (self.length - self.num_taps - self.tail) // 2
        rest = self.num_coeffs - self.inside.stop
        return torch.cat((band.narrow(axis, 0, kept), band.narrow(axis, self.inside.stop, rest)), axis)

    def is_border(self, like: Tensor) -> Tensor:
        """1 for coefficients that a border reaches, else 0, `(count,)`."""
        mask = torch.ones(self.num_coeffs, device=like.device, dtype=like.dtype)
        mask[self.inside] = 0
        return mask


def _window(shift: Shift, lines: Sequence[_Line]) -> Any:
    """Index of a shifted image in `wide`."""
    starts = [line.num_spins - distance for line, distance in zip(lines, shift, strict=True)]
    rows, columns = (slice(start, start + line.length) for line, start in zip(lines, starts, strict=True))
    return ..., rows, columns


def _groups(shifts: Sequence[Shift], size: int) -> Iterator[Sequence[Shift]]:
    """As many shifts at a time as fit into memory."""
    count = max(1, _CHUNK // size)
    for first in range(0, len(shifts), count):
        yield shifts[first : first + count]


def _add_one_by_one(total: Tensor, wide: Tensor, shrinkage: Shrinkage, level: int, lines: Sequence[_Line]) -> None:
    shifts = [(down, right) for down, right in product(range(lines[0].num_spins + 1), repeat=2)]
    for group in _groups(shifts, wide.numel()):
        images = torch.stack([wide[_window(shift, lines)] for shift in group])
        for shift, image in zip(group, shrinkage.denoised(images, level), strict=True):
            total[_window(shift, lines)] += image


def _add_sharing(total: Tensor, wide: Tensor, shrinkage: Shrinkage, level: int, lines: Sequence[_Line]) -> None:
    ((low, details),) = swt2(wide, shrinkage.banks, 1)
    low, *details = map(_parities, (low, *details))
    sums = [torch.zeros_like(band) for band in (low, *details)]
    shifts = [(down, right) for down, right in product(range(lines[0].num_spins + 1), repeat=2)]
    for group in _groups(shifts, wide.numel() // 2):
        images = [wide[_window(shift, lines)] for shift in group]
        borders = [_Border(axis, images, lines, shrinkage) for axis in (-2, -1) if lines[axis].has_border]
        places = [tuple(map(_Line.place, lines, shift)) for shift in group]
        coarse = _low_bands(low, places, borders, lines)
        denoised = shrinkage.denoised(coarse, level - 1)
        for place, band in zip(places, denoised, strict=True):
            _at(sums[0], place).add_(band[..., lines[0].inside, lines[1].inside])
        for border in borders:
            border.take_low(denoised)
        for number, (band, result) in enumerate(zip(details, sums[1:], strict=True)):
            power = torch.stack([_at(band, place).square().sum((-2, -1), keepdim=True) for place in places])
            for border in borders:
                power = power + border.energy(number)
            limits = shrinkage.limit(power / (coarse.shape[-2] * coarse.shape[-1]))
            for place, limit in zip(places, limits, strict=True):
                _at(result, place).add_(shrinkage.shrunk(_at(band, place), limit))
            for border in borders:
                border.shrink(number, limits)
        for border in borders:
            border.add_to([total[_window(shift, lines)] for shift in group])
    low, *details = map(_together, sums)
    total += 4 * iswt2([(low, details)], shrinkage.banks)  # the inverse averages over the parities


def _parities(band: Tensor) -> Tensor:
    """Even and odd rows and columns apart: `(..., 2 h, 2 w)` to `(2, 2, ..., h, w)`."""
    apart = band.unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2))  # (..., h, 2, w, 2)
    return apart.movedim((-3, -1), (0, 1)).contiguous()


def _together(apart: Tensor) -> Tensor:
    """Inverse of `_parities`."""
    return apart.movedim((0, 1), (-3, -1)).flatten(-4, -3).flatten(-2)


def _at(apart: Tensor, place: Sequence[Place]) -> Tensor:
    """A view of the inner coefficients of one shift, `(P, h', w')`."""
    (down, rows), (right, columns) = place
    return apart[down, right, ..., rows, columns]


def _low_bands(
    low: Tensor, places: Sequence[Sequence[Place]], borders: Sequence[_Border], lines: Sequence[_Line]
) -> Tensor:
    """The whole approximations of some shifts, `(G, P, h, w)`."""
    whole = low.new_empty(len(places), low.shape[2], lines[0].num_coeffs, lines[1].num_coeffs)
    for index, place in enumerate(places):
        whole[index, ..., lines[0].inside, lines[1].inside] = _at(low, place)
    for border in borders:
        border.write_low(whole)
    return whole


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
        self.low, self.details = low, list(details)
        self.mask = self.line.ends_of_band(self.line.is_border(low), -1)
        if axis == -2:
            self.mask = self.mask[:, None]
        else:
            self.mask = self.mask * (1 - lines[0].is_border(low))[:, None]

    def write_low(self, whole: Tensor) -> None:
        """Complete whole approximations, `(G, P, h, w)`."""
        first, rest = self.line.inside.start, self.line.num_coeffs - self.line.inside.stop
        whole.narrow(self.axis, 0, first).copy_(self.low.narrow(self.axis, 0, first))
        last = self.low.narrow(self.axis, self.low.shape[self.axis] - rest, rest)
        whole.narrow(self.axis, self.line.num_coeffs - rest, rest).copy_(last)

    def take_low(self, whole: Tensor) -> None:
        """Take the denoised approximations from the whole ones."""
        self.low = self.line.ends_of_band(whole, self.axis) * self.mask

    def energy(self, number: int) -> Tensor:
        """Sum of squares of a detail, `(G, P, 1, 1)`."""
        return (self.details[number].square() * self.mask).sum((-2, -1), keepdim=True)

    def shrink(self, number: int, limits: Tensor) -> None:
        """Shrink a detail by the thresholds of its shifts, `(G, P, 1, 1)`."""
        self.details[number] = self.shrinkage.shrunk(self.details[number], limits) * self.mask

    def add_to(self, images: Sequence[Tensor]) -> None:
        """Add what the coefficients contribute to the denoised images."""
        line, axis = self.line, self.axis
        parts = self.shrinkage.synthesis((self.low, tuple(self.details)), self.images)
        for image, part in zip(images, parts, strict=True):
            first, last = part.split((line.num_taps, line.tail), axis)
            image.narrow(axis, 0, line.num_taps).add_(first)
            image.narrow(axis, line.length - line.tail, line.tail).add_(last)
