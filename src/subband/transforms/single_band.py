"""One band of a wavelet transform without the others, and the signal of one band alone, as in PyWavelets."""

from __future__ import annotations

from typing import Literal

import torch  # noqa: F401  the examples below use it
from torch import Tensor

from subband.transforms.arguments import check_dtype, integer, negative_axes
from subband.transforms.dwt import dwt, idwt
from subband.transforms.filters import WaveletLike, filter_banks
from subband.transforms.padding import extend

__all__ = ["downcoef", "upcoef"]


def downcoef(
    part: Literal["a", "d"],
    data: Tensor,
    wavelet: WaveletLike = "haar",
    mode: str = "symmetric",
    level: int = 1,
    *,
    axis: int = -1,
) -> Tensor:
    """Approximation or details of one level along one axis.

    Args:
        part: `a` for the approximation, `d` for the details.
        data: Any shape, floating or complex, any range.
        wavelet: Wavelet.
        mode: Boundary mode.
        level: Level of the band.
        axis: Axis to transform.

    Raises:
        TypeError: If `data` is neither floating nor complex, or `level` is no integer.
        ValueError: If `part`, `wavelet`, `mode` or `axis` is unknown, or `level` is below 1.

    Example:
        >>> downcoef("d", torch.tensor([3.0, 1.0, 2.0, 2.0]), level=2)
        tensor([0.])
    """
    level = _checked_level(part, level)
    for _ in range(level - 1):
        data, _ = dwt(data, wavelet, mode, axis)
    approx, detail = dwt(data, wavelet, mode, axis)
    return approx if part == "a" else detail


def upcoef(
    part: Literal["a", "d"],
    coeffs: Tensor,
    wavelet: WaveletLike = "haar",
    level: int = 1,
    take: int = 0,
    *,
    axis: int = -1,
) -> Tensor:
    """What one band of one level adds to the signal along one axis, with all samples that its filters reach.

    Args:
        part: `a` if `coeffs` is an approximation, `d` if it holds details.
        coeffs: The band, any shape, floating or complex.
        wavelet: Wavelet.
        level: Level of the band.
        take: Samples to keep in the middle; 0 for all.
        axis: Axis of the transform.

    Returns:
        The signal, `2 n + K - 2` samples for n coefficients and K taps at level 1.

    Raises:
        TypeError: If `coeffs` is neither floating nor complex, or `level` or `take` is no integer.
        ValueError: If `part`, `wavelet` or `axis` is unknown, `level` is below 1, or `take` is negative.

    Example:
        >>> x = torch.arange(1.0, 7.0)
        >>> low, high = dwt(x, "db2", "smooth")
        >>> parts = upcoef("a", low, "db2", take=6), upcoef("d", high, "db2", take=6)
        >>> (parts[0] + parts[1]).round(decimals=4).tolist()
        [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    """
    level, take = _checked_level(part, level), integer(take, "take")
    check_dtype(coeffs, "coeffs")
    (axis,) = negative_axes((axis,), coeffs.ndim, "axis")
    if take < 0:
        raise ValueError(f"take must not be negative, got {take}")
    reach = filter_banks(wavelet, 1)[0].num_taps // 2 - 1
    signal = coeffs
    for number in range(level):
        band = extend(signal, reach, reach, "zero", axis)
        is_detail = part == "d" and number == 0
        signal = idwt(None if is_detail else band, band if is_detail else None, wavelet, "zero", axis)
    spare = signal.shape[axis] - take
    return signal.narrow(axis, spare // 2, take) if 0 < take < signal.shape[axis] else signal


def _checked_level(part: str, level: int) -> int:
    if part not in ("a", "d"):
        raise ValueError(f"part must be 'a' or 'd', got {part!r}")
    level = integer(level, "level")
    if level < 1:
        raise ValueError(f"level must be at least 1, got {level}")
    return level
