"""Analysis and synthesis along one axis with any filter bank, as plain expressions.

These are the forms for compilers, exporters, devices other than the CPU, and taps that are learned: sums of shifted
copies of the even and the odd samples, which exist for every dtype and fuse into one loop. The CPU has `_filter_bank`.
"""

from collections.abc import Iterable

import torch  # noqa: F401  the examples below use it
from torch import Tensor

from subband.transforms._filter_bank import extension, signal_length
from subband.transforms.filters import FilterBank
from subband.transforms.haar import halves, interleave
from subband.transforms.padding import extend, fold

__all__ = ["analyze", "analyze_adjoint", "synthesize"]


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
        >>> from subband.transforms import Wavelet
        >>> low, high = analyze(torch.ones(8), Wavelet("db2").filter_bank, "symmetric", -1)
        >>> low.shape, torch.allclose(high, torch.zeros(5), atol=1e-6)
        (torch.Size([5]), True)
    """
    left, right = extension(x.shape[axis], bank.num_taps, mode)
    x = extend(x, left, right, mode, axis)
    phases = halves(x, axis)
    count = x.shape[axis] // 2 - bank.num_taps // 2 + 1
    low, high = (
        _weighted_sum(
            (phases[j % 2].narrow(axis, j // 2, count), taps[bank.num_taps - 1 - j]) for j in range(bank.num_taps)
        )
        for taps in (bank.dec_lo, bank.dec_hi)
    )
    return low, high


def analyze_adjoint(low: Tensor, high: Tensor, bank: FilterBank, mode: str, axis: int, length: int) -> Tensor:
    """Transposed map of `analyze`.

    Args:
        low: Low band.
        high: High band, of the same shape.
        bank: The filters given to `analyze`.
        mode: Boundary mode.
        axis: Negative axis number.
        length: Samples of the signal that was analyzed.

    Returns:
        A tensor with `length` samples along `axis`.

    Example:
        >>> from subband.transforms import Wavelet
        >>> analyze_adjoint(torch.ones(2), torch.zeros(2), Wavelet("haar").filter_bank, "zero", -1, 3)
        tensor([0.7071, 0.7071, 0.7071])
    """
    reach = bank.num_taps // 2 - 1
    if mode == "periodization":
        signal = synthesize(low, high, bank.time_reversed(), mode, axis)
        return _folded(signal, 0, length, "constant", axis)
    low, high = extend(low, reach, reach, "zero", axis), extend(high, reach, reach, "zero", axis)
    signal = synthesize(low, high, bank.time_reversed(), mode, axis)
    return _folded(signal, extension(length, bank.num_taps, mode)[0], length, mode, axis)


def _folded(signal: Tensor, left: int, length: int, mode: str, axis: int) -> Tensor:
    """The `length` samples after the first `left` ones, with all others folded back."""
    before, kept, after = signal.split((left, length, signal.shape[axis] - left - length), axis)
    fold(before, kept, after, mode, axis)
    return kept


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
        >>> from subband.transforms import Wavelet
        >>> x, bank = torch.rand(3, 9), Wavelet("db2").filter_bank
        >>> y = synthesize(*analyze(x, bank, "zero", -1), bank, "zero", -1)
        >>> y.shape, torch.allclose(y[:, :9], x, atol=1e-5)
        (torch.Size([3, 10]), True)
    """
    num_taps = bank.num_taps
    length = signal_length(low.shape[axis], num_taps, mode)
    first = 0
    if mode == "periodization":
        # The bands are periodic: with L/4 coefficients of the neighboring periods on both sides every sum is complete.
        wrap = num_taps // 4
        low, high = extend(low, wrap, wrap, "periodic", axis), extend(high, wrap, wrap, "periodic", axis)
        first = 1 - num_taps // 2 + 2 * wrap
    count = low.shape[axis] - num_taps // 2 + 1
    phases = [
        _weighted_sum(
            (band.narrow(axis, t, count), taps[num_taps - 2 + phase - 2 * t])
            for band, taps in ((low, bank.rec_lo), (high, bank.rec_hi))
            for t in range(num_taps // 2)
        )
        for phase in (0, 1)
    ]
    signal = interleave(phases[0], phases[1], axis)
    return signal.narrow(axis, first, length) if signal.shape[axis] != length else signal


def _weighted_sum(terms: Iterable[tuple[Tensor, float | Tensor]]) -> Tensor:
    """Sum of tensors times numbers; zeros, with which PyWavelets fills up biorthogonal filters, cost nothing."""
    products = [part * weight for part, weight in terms if isinstance(weight, Tensor) or weight != 0.0]
    return sum(products[1:], start=products[0])
