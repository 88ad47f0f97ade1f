"""Analysis and synthesis along one axis with any filter bank."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.transforms.filters import FilterBank
from subband.transforms.padding import extend

__all__ = ["analyze", "band_length", "signal_length", "synthesize"]


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


def analyze(x: Tensor, bank: FilterBank, mode: str, axis: int) -> tuple[Tensor, Tensor]:
    """Low and high band of one axis: `band[k] = sum_j taps[j] * x[2k + 1 - j]` on the extended signal.

    Args:
        x: Any shape, at least one sample along `axis`; floating or complex dtype.
        bank: Filters with L taps.
        mode: Boundary mode.
        axis: Negative axis number.

    Returns:
        Two tensors with `band_length` samples along `axis`.

    Example:
        >>> from subband.transforms.filters import filter_bank
        >>> low, high = analyze(torch.ones(8), filter_bank("db2"), "symmetric", -1)
        >>> low.shape, torch.allclose(high, torch.zeros(5), atol=1e-6)
        (torch.Size([5]), True)
    """
    if axis == -1:
        rows = x.unsqueeze(-1) if x.ndim == 1 else x.transpose(-2, -1)
        low, high = analyze(rows, bank, mode, -2)
        return (low[:, 0], high[:, 0]) if x.ndim == 1 else (low.transpose(-2, -1), high.transpose(-2, -1))
    num_taps = len(bank.dec_lo)
    if mode == "periodization":
        x = extend(x, num_taps // 2 - 1, num_taps // 2 - 1, mode, axis)
    else:
        x = extend(x, num_taps - 2, num_taps - 2 + x.shape[axis] % 2, mode, axis)
    columns = _columns(x, axis)
    weights = (_depthwise(taps[::-1], columns) for taps in (bank.dec_lo, bank.dec_hi))
    low, high = (F.conv2d(columns, weight, stride=(2, 1), groups=columns.shape[1]) for weight in weights)
    return _uncolumns(low, x.shape, axis), _uncolumns(high, x.shape, axis)


def synthesize(low: Tensor, high: Tensor, bank: FilterBank, mode: str, axis: int) -> Tensor:
    """Inverse of `analyze`, the result one longer for odd signals.

    Args:
        low: Low band.
        high: High band, of the same shape.
        bank: Filters with L taps.
        mode: Boundary mode of the analysis; only `periodization` makes a difference.
        axis: Negative axis number.

    Returns:
        The signal, `signal_length` samples along `axis`.

    Example:
        >>> from subband.transforms.filters import filter_bank
        >>> x, bank = torch.rand(3, 9), filter_bank("db2")
        >>> y = synthesize(*analyze(x, bank, "zero", -1), bank, "zero", -1)
        >>> y.shape, torch.allclose(y[:, :9], x, atol=1e-5)
        (torch.Size([3, 10]), True)
    """
    if axis == -1:
        bands = [band.unsqueeze(-1) if low.ndim == 1 else band.transpose(-2, -1) for band in (low, high)]
        signal = synthesize(bands[0], bands[1], bank, mode, -2)
        return signal[:, 0] if low.ndim == 1 else signal.transpose(-2, -1)
    num_taps = len(bank.rec_lo)
    length = signal_length(low.shape[axis], num_taps, mode)
    first = 0
    if mode == "periodization":
        # The bands are periodic: with L/4 coefficients of the neighbouring periods on both sides every sum is complete.
        wrap = num_taps // 4
        low, high = extend(low, wrap, wrap, "periodic", axis), extend(high, wrap, wrap, "periodic", axis)
        first = 1 - num_taps // 2 + 2 * wrap
    signal = _upsample(low, bank.rec_lo, axis) + _upsample(high, bank.rec_hi, axis)
    return signal.narrow(axis, first, length)


def _upsample(band: Tensor, taps: Sequence[float], axis: int) -> Tensor:
    columns = _columns(band, axis)
    padding = (len(taps) - 2, 0)  # the samples that only part of the taps would reach
    signal = F.conv_transpose2d(
        columns, _depthwise(taps, columns), stride=(2, 1), padding=padding, groups=columns.shape[1]
    )
    return _uncolumns(signal, band.shape, axis)


def _columns(x: Tensor, axis: int) -> Tensor:
    """`(P, S, N, 1)` view with everything before the axis as batch and everything after it as channels.

    For contiguous input this is the channels-last memory format, the fast one of depthwise convolutions, without a copy.
    """
    before, length, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    if math.prod(after) == 0:  # a convolution needs channels, but may do without a batch
        return x.reshape(0, 1, length, 1)
    return x.reshape(math.prod(before), length, math.prod(after)).transpose(1, 2).unsqueeze(-1)


def _uncolumns(columns: Tensor, shape: torch.Size, axis: int) -> Tensor:
    """Back from `_columns` to `shape` with the new length along the axis."""
    return columns.squeeze(-1).transpose(1, 2).reshape(*shape[:axis], columns.shape[2], *shape[axis + 1 :])


def _depthwise(taps: Sequence[float], columns: Tensor) -> Tensor:
    weight = torch.tensor(taps, dtype=columns.dtype, device=columns.device)
    return weight.reshape(1, 1, -1, 1).expand(columns.shape[1], 1, -1, 1)
