"""The loops over levels behind `swt*` and `iswt*`."""

import math
import warnings
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from subband.transforms._circular import CircularAnalysis, CircularSynthesis, circular
from subband.transforms.arguments import check_dtype, negative_axes
from subband.transforms.filters import FilterBank, WaveletLike, filter_banks

__all__ = ["decompose", "reconstruct", "swt_max_level"]


def swt_max_level(input_len: int) -> int:
    """Number of levels possible for a signal: how often its length is divisible by two.

    Args:
        input_len: Samples along the axis.

    Raises:
        ValueError: If `input_len` is below one.

    Example:
        >>> swt_max_level(224), swt_max_level(12), swt_max_level(7)
        (5, 2, 0)
    """
    if input_len < 1:
        raise ValueError(f"input_len must be at least 1, got {input_len}")
    return (input_len & -input_len).bit_length() - 1


def decompose(
    x: Tensor, wavelet: WaveletLike, level: int | None, start_level: int, axes: Sequence[int] | None, norm: bool
) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """The coarsest approximation and all bands of every level, coarsest first."""
    check_dtype(x, "x")
    axes = negative_axes(axes, x.ndim)
    banks = filter_banks(wavelet, len(axes))
    if start_level < 0:
        raise ValueError(f"start_level must not be negative, got {start_level}")
    if level is None:
        level = min(swt_max_level(x.shape[axis]) for axis in axes) - start_level
    if level < 1:
        raise ValueError(f"level must be at least 1, got {level} for the shape {tuple(x.shape)}")
    _check_lengths(x, axes, start_level + level)
    if norm and not torch.compiler.is_compiling():  # a warning would break the graph
        _warn_unless_orthogonal(banks)
    factor = math.sqrt(0.5) if norm else 1.0
    filters = tuple((_correlated(bank.dec_lo, factor), _correlated(bank.dec_hi, factor)) for bank in banks)
    keys, approx = _keys(len(axes)), x.to(_working_dtype(x))
    levels: list[dict[str, Tensor]] = []
    for number in range(start_level, start_level + level):
        analysis = CircularAnalysis(filters, axes, 1 << number)
        levels.append(dict(zip(keys, circular(analysis, approx), strict=True)))
        approx = levels[-1][keys[0]]
    levels = [{key: band.to(x.dtype) for key, band in bands.items()} for bands in reversed(levels)]
    return levels[0][keys[0]], levels


def reconstruct(coeffs: Sequence[Any], wavelet: WaveletLike, axes: Sequence[int] | None, norm: bool) -> Tensor:
    """Inverse of `decompose`, of coefficients as `swtn` returns them."""
    approx, levels = _levels(coeffs)
    tensors = [band for bands in ({"": approx}, *levels) for band in bands.values() if band is not None]
    if not tensors:
        raise ValueError("coeffs must hold at least one tensor")
    like, axes = tensors[0], negative_axes(axes, tensors[0].ndim)
    keys = _keys(len(axes))
    for number, bands in zip(range(len(levels), 0, -1), levels, strict=True):
        _check_bands(bands, keys, like, number)
    _check_lengths(like, axes, len(levels))
    factor = 0.5 * math.sqrt(2) if norm else 0.5
    banks = filter_banks(wavelet, len(axes))
    filters = tuple((_correlated(bank.rec_lo, factor), _correlated(bank.rec_hi, factor)) for bank in banks)
    signal = _or_zeros(approx, like)
    for number, bands in zip(reversed(range(len(levels))), levels, strict=True):
        details = [_or_zeros(bands.get(key), like) for key in keys[1:]]
        signal = circular(CircularSynthesis(filters, axes, 1 << number), signal, *details)
    return signal.to(like.dtype)


def _keys(num_axes: int) -> list[str]:
    return ["".join(letters) for letters in product("ad", repeat=num_axes)]


def _working_dtype(x: Tensor) -> torch.dtype:
    """Half precision is kept in float32 over all levels."""
    return torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype


def _correlated(taps: Any, factor: float) -> Any:
    """Taps in the order in which they meet the samples, times a factor."""
    return factor * taps.flip(0) if isinstance(taps, Tensor) else tuple(factor * tap for tap in reversed(taps))


def _or_zeros(band: Tensor | None, like: Tensor) -> Tensor:
    dtype = _working_dtype(like)
    return torch.zeros_like(like, dtype=dtype) if band is None else band.to(dtype)


def _check_lengths(x: Tensor, axes: tuple[int, ...], level: int) -> None:
    for axis in axes:
        if x.shape[axis] == 0 or x.shape[axis] % (1 << level):
            raise ValueError(
                f"the length along axis {axis} must be divisible by {1 << level} for level {level}, got {x.shape[axis]}"
            )


def _warn_unless_orthogonal(banks: tuple[FilterBank, ...]) -> None:
    if any(not bank.is_learnable and bank.dec_lo != bank.rec_lo[::-1] for bank in banks):
        warnings.warn("norm=True keeps the energy only with orthogonal wavelets", UserWarning, stacklevel=4)


def _levels(coeffs: Sequence[Any]) -> tuple[Tensor | None, list[Mapping[str, Tensor | None]]]:
    """The coarsest approximation and the bands of every level."""
    if not coeffs:
        raise ValueError("coeffs must hold at least one level")
    if not isinstance(coeffs[0], Mapping):
        return coeffs[0], list(coeffs[1:])
    approx = next((band for key, band in coeffs[0].items() if "d" not in key), None)
    return approx, list(coeffs)


def _check_bands(bands: Mapping[str, Tensor | None], keys: list[str], like: Tensor, level: int) -> None:
    for key, band in bands.items():
        if key not in keys:
            raise ValueError(
                f"coeffs must have keys of {len(keys[0])} letters 'a' and 'd', got {key!r} at level {level}"
            )
        if band is None:
            continue
        check_dtype(band, "coeffs")
        if band.shape != like.shape or band.dtype != like.dtype:
            raise ValueError(
                f"coeffs must agree in shape and dtype, got {tuple(band.shape)}, {band.dtype} for {key!r} at level "
                f"{level} and {tuple(like.shape)}, {like.dtype}"
            )
