"""Numbers of levels and shapes of bands, in plain integers."""

import warnings
from collections.abc import Sequence
from itertools import product
from typing import Any

import torch

from subband.transforms._filter_bank import band_length
from subband.transforms.arguments import Names, negative_axes, per_axis
from subband.transforms.filters import WaveletLike, filter_banks
from subband.transforms.padding import check_mode

__all__ = ["check_level", "dwt_coeff_len", "dwt_max_level", "wavedecn_shapes"]


def dwt_max_level(data_len: int, filter_len: int | WaveletLike) -> int:
    """Largest level with at least one coefficient that the border does not touch.

    This is `floor(log2(N / (L - 1)))` for N samples and L taps, and 0 for signals shorter than L - 1.

    Args:
        data_len: Samples along the axis.
        filter_len: Number of taps, or a wavelet.

    Raises:
        ValueError: If there are fewer than two taps, or the wavelet is unknown.

    Example:
        >>> dwt_max_level(224, "haar"), dwt_max_level(224, "db5"), dwt_max_level(224, 10), dwt_max_level(5, 10)
        (7, 4, 4, 0)
    """
    num_taps = filter_len if isinstance(filter_len, int) else len(filter_banks(filter_len, 1)[0].dec_lo)
    if num_taps < 2:
        raise ValueError(f"filter_len must be at least 2, got {num_taps}")
    level = 0
    while (num_taps - 1) << (level + 1) <= data_len:
        level += 1
    return level


def dwt_coeff_len(data_len: int, filter_len: int, mode: str = "symmetric") -> int:
    """Number of coefficients per band of one level.

    Args:
        data_len: Samples along the axis.
        filter_len: Number of taps.
        mode: Boundary mode.

    Raises:
        ValueError: If `mode` is unknown, or a length is below one.

    Example:
        >>> dwt_coeff_len(13, 8), dwt_coeff_len(13, 8, "periodization")
        (10, 7)
    """
    check_mode(mode)
    if data_len < 1 or filter_len < 1:
        raise ValueError(f"data_len and filter_len must be at least 1, got {data_len} and {filter_len}")
    return band_length(data_len, filter_len, mode)


def check_level(lengths: Sequence[int], filter_lens: Sequence[int], level: int | None) -> int:
    """The level to use, with a warning if it is larger than useful, except in compiled code.

    Args:
        lengths: Samples along every transformed axis.
        filter_lens: Number of taps of every axis.
        level: Wanted level, or `None` for the largest useful one.

    Raises:
        ValueError: If `level` is negative.

    Example:
        >>> check_level((64, 32), (2, 8), None), check_level((64, 32), (2, 8), 1)
        (2, 1)
    """
    if level is None:
        return min(dwt_max_level(n, taps) for n, taps in zip(lengths, filter_lens, strict=True))
    if level < 0:
        raise ValueError(f"level must not be negative, got {level}")
    if torch.compiler.is_compiling():  # a warning would break the graph
        return level
    if level and any(n < (taps - 1) << level for n, taps in zip(lengths, filter_lens, strict=True)):
        warnings.warn(f"level {level} is so high that the border reaches every coefficient", UserWarning, stacklevel=4)
    return level


def wavedecn_shapes(
    shape: Sequence[int],
    wavelet: WaveletLike,
    mode: Names = "symmetric",
    level: int | None = None,
    axes: int | Sequence[int] | None = None,
) -> list[Any]:
    """Shapes of the bands of `wavedecn`.

    Args:
        shape: Shape of the signal.
        wavelet: Wavelet, or one per axis.
        mode: Boundary mode, or one per axis.
        level: Number of levels; the largest useful one if not given.
        axes: Axes to transform; all if not given.

    Returns:
        `[shape of the approximation, {key: shape}, ..., {key: shape}]`, coarsest first.

    Raises:
        ValueError: If a name or axis is unknown, an axis is repeated, or `level` is negative.

    Example:
        >>> wavedecn_shapes((64, 32), "db2", level=3, axes=(0,))
        [(10, 32), {'d': (10, 32)}, {'d': (18, 32)}, {'d': (33, 32)}]
    """
    axes = negative_axes((axes,) if isinstance(axes, int) else axes, len(shape))
    filter_lens = [len(bank.dec_lo) for bank in filter_banks(wavelet, len(axes))]
    modes = per_axis(mode, len(axes), "mode")
    sizes = list(shape)
    shapes: list[Any] = []
    for _ in range(check_level([shape[axis] for axis in axes], filter_lens, level)):
        for axis, filter_len, name in zip(axes, filter_lens, modes, strict=True):
            sizes[axis] = dwt_coeff_len(sizes[axis], filter_len, name)
        keys = ["".join(letters) for letters in product("ad", repeat=len(axes))]
        shapes.append({key: tuple(sizes) for key in keys[1:]})
    return [tuple(sizes), *reversed(shapes)]
