"""One level of the wavelet transform of small tensors in main memory, in few calls.

A picture of 8 x 8 is filtered in less time than it takes to call a kernel, so here only calls count: one lookup an axis
makes the windows of the extended signal, they become the columns of a matrix, and one product gives all bands, by
differentiable operations. The work grows with the product of the filter lengths; larger tensors have
`_filter_bank`.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.functional import pad

from subband.transforms import _filter_bank
from subband.transforms._filter_bank import Axis
from subband.transforms._product import from_left
from subband.transforms.filters import FilterBank
from subband.transforms.padding import extend

__all__ = ["analysis", "is_small", "synthesis"]

_MOST_WORK = 1 << 16  # multiplications that take about as long as the preparations of `_filter_bank`
_CODES = {torch.float32: "f", torch.float64: "d"}  # of module `array`
_PLAIN_TYPES = (Tensor, Parameter)
_COPIES = ("constant", "symmetric", "reflect", "periodic", "periodization")  # modes that repeat samples as they are


def is_small(x: Tensor, axes: Sequence[Axis], num_values: int) -> bool:
    """Whether this way is open, and faster.

    Args:
        x: The signal, or a tensor of bands.
        axes: The transformed axes.
        num_values: How many numbers come out.

    Example:
        >>> from subband.transforms.filters import HAAR
        >>> is_small(torch.rand(8), [Axis(-1, HAAR, "zero")], 8)
        True
    """
    work, place = num_values, -len(axes)
    for axis in axes:
        if axis.axis != place:
            return False
        work *= len(axis.bank.dec_lo)
        place += 1
    return 0 < work <= _MOST_WORK and x.dtype in _CODES and x.device.type == "cpu" and type(x) in _PLAIN_TYPES


def analysis(x: Tensor, axes: Sequence[Axis], stack: int | None) -> Tensor | tuple[Tensor, ...]:
    """All `2^n` bands, as `_filter_bank.analysis` gives them; the axes are the last ones, in their order.

    Example:
        >>> from subband.transforms.filters import HAAR
        >>> low, high = analysis(torch.tensor([3.0, 1.0]), [Axis(-1, HAAR, "zero")], None)
        >>> low.tolist(), high.tolist()
        ([2.828427...], [1.414213...])
    """
    num_axes, num_batch = len(axes), x.ndim - len(axes)
    matrix = _analysis_matrix(tuple(axis.bank for axis in axes), x.dtype)
    bands = from_left(matrix, _columns(*_extended(x, axes), num_batch, 0))
    counts = [_filter_bank.band_length(x.shape[axis.axis], len(axis.bank.dec_lo), axis.mode) for axis in axes]
    bands = bands.view(*x.shape[:num_batch], 1 << num_axes, *counts)
    if stack is None:  # tensors that do not share memory
        copies: tuple[Tensor, ...] = torch.unbind_copy(bands, num_batch)  # type: ignore[func-returns-value, assignment]
        return tuple(copies)
    return (bands if stack == -num_axes - 1 else bands.movedim(num_batch, stack)).contiguous()


def synthesis(bands: Sequence[Tensor], axes: Sequence[Axis], stack: int | None) -> Tensor:
    """Inverse of `analysis`, as `_filter_bank.synthesis` computes it.

    Args:
        bands: `2^n` tensors in sorted key order, or one stacked tensor.
        axes: The transformed axes, the last ones in their order.
        stack: Negative position of the band axis, or `None` for separate tensors.

    Example:
        >>> from subband.transforms.filters import HAAR
        >>> synthesis([torch.tensor([1.0]), torch.tensor([1.0])], [Axis(-1, HAAR, "zero")], None)
        tensor([1.4142, 0.0000])
    """
    num_axes = len(axes)
    z = torch.stack(tuple(bands), -num_axes - 1) if stack is None else bands[0]
    if stack not in (None, -num_axes - 1):
        z = z.movedim(stack, -num_axes - 1)
    num_batch, windows = z.ndim - num_axes - 1, []
    for axis, bank, mode in axes:
        # A quarter of the filter beyond both ends makes every periodic sum complete.
        wrap = bank.num_taps // 4 if mode == "periodization" else 0
        windows.append(_Windows(z.shape[axis], wrap, wrap, "periodic", bank.num_taps // 2, 1))
    matrix = _synthesis_matrix(tuple(axis.bank for axis in axes), z.dtype)
    phases = from_left(matrix, _columns(z, windows, num_batch, 1))
    counts = [window.number for window in windows]
    phases = phases.view(*z.shape[:num_batch], *(2,) * num_axes, *counts)
    order = [place for i in range(num_axes) for place in (num_batch + num_axes + i, num_batch + i)]
    signal = phases.permute(*range(num_batch), *order).reshape(*z.shape[:num_batch], *(2 * n for n in counts))
    for axis, bank, mode in axes:
        if mode == "periodization" and signal.shape[axis] != 2 * z.shape[axis]:
            first = 1 - bank.num_taps // 2 + 2 * (bank.num_taps // 4)
            signal = signal.narrow(axis, first, 2 * z.shape[axis]).contiguous()
    return signal


class _Windows(NamedTuple):
    """Windows along one axis: `size` samples each, `step` apart, of a signal that is extended on both sides."""

    length: int
    left: int
    right: int
    mode: str
    size: int
    step: int

    @property
    def number(self) -> int:
        whole = self.length + (self.length % 2 if self.mode == "periodization" else 0)
        return (self.left + whole + self.right - self.size) // self.step + 1


def _extended(x: Tensor, axes: Sequence[Axis]) -> tuple[Tensor, list[_Windows]]:
    """The signal, extended where samples have to be computed, and the windows of all axes."""
    zeros: list[int] = []
    windows = []
    for axis, bank, mode in axes:
        length, num_taps = x.shape[axis], len(bank.dec_lo)
        left, right = _filter_bank.extension(length, num_taps, mode)
        zeros[:0] = (left, right) if mode == "zero" else (0, 0)  # the last axis comes first
        if mode in _COPIES and (length > 1 or mode != "reflect"):
            windows.append(_Windows(length, left, right, mode, num_taps, 2))
            continue
        if mode != "zero":
            x = extend(x, left, right, mode, axis)
        windows.append(_Windows(left + length + right, 0, 0, "constant", num_taps, 2))
    return (pad(x, zeros) if any(zeros) else x), windows


def _columns(x: Tensor, windows: Sequence[_Windows], num_batch: int, num_kept: int) -> Tensor:
    """One column per window.

    Args:
        x: Batch axes, `num_kept` axes that belong to the columns, transformed axes.
        windows: One for every transformed axis.
        num_batch: Number of batch axes.
        num_kept: 0 or 1.
    """
    num_axes, batch = len(windows), x.shape[:num_batch]
    for axis, window in zip(range(-num_axes, 0), windows, strict=True):
        x = x.index_select(axis, torch.frombuffer(_places(window), dtype=torch.int32))
    first = num_batch + num_kept
    x = x.view(*x.shape[:first], *(n for window in windows for n in (window.size, window.number)))
    if num_axes > 1:
        inside, outside = range(first, x.ndim, 2), range(first + 1, x.ndim, 2)
        x = x.permute(*range(first), *inside, *outside)
    return x.reshape(*batch, -1, prod(window.number for window in windows))


def _analysis_matrix(banks: tuple[FilterBank, ...], dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(_analysis_numbers(banks, _CODES[dtype]), dtype=dtype).view(1 << len(banks), -1)


def _synthesis_matrix(banks: tuple[FilterBank, ...], dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(_synthesis_numbers(banks, _CODES[dtype]), dtype=dtype).view(1 << len(banks), -1)


# What is kept between calls are numbers, no tensors: they belong to no device, no graph and no mode of PyTorch.
@lru_cache(maxsize=64)
def _analysis_numbers(banks: tuple[FilterBank, ...], code: str) -> array[float]:
    """Products of the filters of all axes: a row for every band."""
    pairs = [(bank.dec_lo[::-1], bank.dec_hi[::-1]) for bank in banks]
    rows = product(*pairs)
    return array(code, [prod(taps) for row in rows for taps in product(*row)])


@lru_cache(maxsize=64)
def _synthesis_numbers(banks: tuple[FilterBank, ...], code: str) -> array[float]:
    """Products of the filters of all axes: a row for every combination of even and odd samples."""
    numbers: list[float] = []
    for phases in product((0, 1), repeat=len(banks)):
        pairs = [
            [taps[bank.num_taps - 2 + phase :: -2] for taps in (bank.rec_lo, bank.rec_hi)]
            for phase, bank in zip(phases, banks, strict=True)
        ]
        numbers += [prod(taps) for band in product(*pairs) for taps in product(*band)]
    return array(code, numbers)


@lru_cache(maxsize=64)
def _places(windows: _Windows) -> array[int]:
    """Which samples are in the windows: the first of every window, then the second of every window, ..."""
    length, left, right, mode, size, step = windows
    samples = list(range(length))
    if mode == "constant":
        extended = [0] * left + samples + [length - 1] * right
    else:
        if mode == "symmetric":
            samples += samples[::-1]
        elif mode == "reflect":
            samples += samples[-2:0:-1]
        elif mode == "periodization":
            samples += samples[-1:] * (length % 2)
        first, total = -left % len(samples), (windows.number - 1) * step + size
        extended = (samples * ((first + total) // len(samples) + 1))[first:]
    last = (windows.number - 1) * step + 1
    return array("i", [place for j in range(size) for place in extended[j : j + last : step]])
