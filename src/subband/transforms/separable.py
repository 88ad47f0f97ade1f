"""Analysis and synthesis along one axis with any filter bank.

Both are sums of shifted copies of the even and the odd samples, times the taps: plain operations that exist for every
dtype and device, and that a compiler fuses into one loop.
"""

from collections.abc import Iterable

import torch  # noqa: F401  the examples below use it
from torch import Tensor

from subband.transforms.filters import FilterBank
from subband.transforms.haar import halves, interleave
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
    num_taps = len(bank.dec_lo)
    if mode == "periodization":
        x = extend(x, num_taps // 2 - 1, num_taps // 2 - 1, mode, axis)
    else:
        x = extend(x, num_taps - 2, num_taps - 2 + x.shape[axis] % 2, mode, axis)
    phases = halves(x, axis)
    if axis == -1:
        phases = phases[0].contiguous(), phases[1].contiguous()  # strided loads would cost more in every term below
    count = x.shape[axis] // 2 - num_taps // 2 + 1
    return (
        _weighted_sum((phases[j % 2].narrow(axis, j // 2, count), tap) for j, tap in enumerate(bank.dec_lo[::-1])),
        _weighted_sum((phases[j % 2].narrow(axis, j // 2, count), tap) for j, tap in enumerate(bank.dec_hi[::-1])),
    )


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
    num_taps = len(bank.rec_lo)
    length = signal_length(low.shape[axis], num_taps, mode)
    first = 0
    if mode == "periodization":
        # The bands are periodic: with L/4 coefficients of the neighbouring periods on both sides every sum is complete.
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


def _weighted_sum(terms: Iterable[tuple[Tensor, float]]) -> Tensor:
    """Sum of tensors times numbers; zeros, with which PyWavelets fills up biorthogonal filters, cost nothing."""
    used = [(part, weight) for part, weight in terms if weight != 0.0]
    total = used[0][0] * used[0][1]
    for part, weight in used[1:]:
        total.add_(part, alpha=weight)
    return total
