"""From the bands of several levels back to the signal, given as plain dictionaries of tensors.

The containers and the functions `waverec*` both stand on this; it knows neither.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from subband.transforms.arguments import Names, check_dtype, negative_axes
from subband.transforms.details import DETAIL_KEYS_2D, Details
from subband.transforms.dwt import idwtn
from subband.transforms.filters import FilterBank, WaveletLike, filter_banks

__all__ = ["detail_bands", "first_band", "merge_levels", "split_levels"]

_HALF = (torch.float16, torch.bfloat16)


def detail_bands(item: Any) -> dict[str, Tensor]:
    """The bands of one level that are there, by key.

    Args:
        item: A tensor, a tuple `(cH, cV, cD)`, a mapping, or `None`; single bands may be `None`, too.

    Raises:
        TypeError: If `item` is anything else.

    Example:
        >>> band = torch.ones(2)
        >>> list(detail_bands(band)), list(detail_bands((band, None, band))), detail_bands(None)
        (['d'], ['da', 'dd'], {})
    """
    if item is None:
        return {}
    if isinstance(item, Tensor):
        return {"d": item}
    pairs: Iterable[tuple[str, Tensor | None]]
    if isinstance(item, (Details, Mapping)):
        pairs = item.items()
    elif isinstance(item, (tuple, list)) and len(item) == 3:
        pairs = zip(DETAIL_KEYS_2D, item, strict=True)
    else:
        raise TypeError(f"details must be a tensor, a tuple (cH, cV, cD), a mapping or None, got {type(item).__name__}")
    return {key: band for key, band in pairs if band is not None}


def split_levels(coeffs: Iterable[Any]) -> tuple[Tensor | None, list[dict[str, Tensor]]]:
    """Approximation, and bands of every level.

    Args:
        coeffs: `approx, details, ..., details`, coarsest first.

    Raises:
        TypeError: If a part is of another type, or integers.

    Example:
        >>> approx, (coarse, fine) = split_levels([torch.ones(2), None, torch.ones(4)])
        >>> list(coarse), list(fine)
        ([], ['d'])
    """
    approx, *details = coeffs
    if approx is not None:
        check_dtype(approx, "coeffs")
    return approx, [detail_bands(item) for item in details]


def first_band(approx: Tensor | None, levels: Sequence[Mapping[str, Tensor]]) -> Tensor:
    """Some band, which has the dtype and the number of dimensions of all.

    Args:
        approx: The approximation, if there is one.
        levels: The other bands, see `split_levels`.

    Raises:
        ValueError: If there is none.

    Example:
        >>> first_band(None, [{}, {"d": torch.ones(2)}]).tolist()
        [1.0, 1.0]
    """
    bands = [band for item in levels for band in item.values()] + ([] if approx is None else [approx])
    if not bands:
        raise ValueError("coeffs must hold at least one band")
    return bands[0]


def merge_levels(
    approx: Tensor | None,
    levels: Sequence[dict[str, Tensor]],
    wavelet: WaveletLike | None,
    mode: Names,
    axes: Sequence[int],
    size: int | Sequence[int] | None,
    *,
    known_sizes: Sequence[Sequence[int | None]] | None = None,
) -> Tensor:
    """The signal.

    Args:
        approx: The approximation; `None` stands for zeros.
        levels: Bands by key, one dictionary a level, the coarsest first; missing bands stand for zeros.
        wavelet: Wavelet, one or one per axis; needed unless there are no levels.
        mode: Boundary mode, one or one per axis.
        axes: Transformed axes.
        size: Samples of the signal to keep along every axis, or `None` for the known size, or else for all.
        known_sizes: The same for every level, the coarsest first.

    Returns:
        The signal, in the dtype of the bands; half precision is kept in float32 until the last level is done.

    Raises:
        ValueError: If bands are missing or do not fit, or the wavelet is missing.

    Example:
        >>> fine = {"d": torch.zeros(2)}
        >>> merge_levels(torch.tensor([2.0]), [{}, fine], "haar", "zero", (-1,), None).round(decimals=4).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    band = first_band(approx, levels)
    axes = negative_axes(axes, band.ndim)
    if wavelet is None and levels:
        raise ValueError("wavelet must be given for coefficients that do not remember one with fixed taps")
    sizes: list[Sequence[int | None] | None] = [None] * len(levels) if known_sizes is None else list(known_sizes)
    if size is not None:
        size = (size,) if isinstance(size, int) else tuple(size)
        if not levels:
            return _crop(band, axes, size, 0)
        sizes[-1] = size
    banks = filter_banks(wavelet, len(axes)) if wavelet is not None and levels else ()
    for index, (item, kept) in enumerate(zip(levels, sizes, strict=True)):
        approx = _one_level(approx, item, (banks, mode, axes), kept, len(levels) - index)
    assert approx is not None
    return approx.to(band.dtype) if band.dtype in _HALF else approx


def _one_level(
    approx: Tensor | None,
    bands: dict[str, Tensor],
    options: tuple[tuple[FilterBank, ...], Names, tuple[int, ...]],
    size: Sequence[int | None] | None,
    level: int,
) -> Tensor | None:
    """The approximation one level below; nothing if nothing is given yet."""
    axes = options[2]
    if approx is None and not bands:
        return None
    for key, band in bands.items():
        if len(key) != len(axes) or set(key) - {"a", "d"} or "d" not in key:
            raise ValueError(f"details must have keys of {len(axes)} letters with a 'd', got {key!r} at level {level}")
        if band.dtype in _HALF:
            bands = {**bands, key: band.float()}
    if approx is not None and bands:
        approx = _match(approx, bands, axes, level)
    if approx is not None:
        bands = {**bands, "a" * len(axes): approx.float() if approx.dtype in _HALF else approx}
    return _crop(idwtn(bands, *options), axes, size, level)


def _match(approx: Tensor, bands: dict[str, Tensor], axes: tuple[int, ...], level: int) -> Tensor:
    """The approximation without its last sample along every axis where it is one longer than the details."""
    shape = next(iter(bands.values())).shape
    for band in bands.values():
        if band.shape != shape:
            raise ValueError(
                f"details must agree in shape, got {tuple(shape)} and {tuple(band.shape)} at level {level}"
            )
    if approx.shape == shape:
        return approx
    if approx.ndim != len(shape):
        raise ValueError(f"coeffs must agree in dimensions, got {approx.ndim} and {len(shape)} at level {level}")
    for axis in range(-approx.ndim, 0):
        have, want = approx.shape[axis], shape[axis]
        if have == want + 1 and axis in axes:
            approx = approx.narrow(axis, 0, want)
        elif have != want:
            raise ValueError(
                f"coeffs must fit together, but at level {level} along axis {axis} the approximation has {have} "
                f"samples and the details have {want}"
            )
    return approx


def _crop(signal: Tensor, axes: tuple[int, ...], size: Sequence[int | None] | None, level: int) -> Tensor:
    """Keep `size` samples per axis; synthesis gives at most one too many."""
    if size is None:
        return signal
    full = [signal.shape[axis] for axis in axes]
    if len(size) != len(axes):
        raise ValueError(f"size must be one number per axis ({len(axes)}), got {len(size)}")
    for axis, length, kept in zip(axes, full, size, strict=True):
        if kept is None or kept == length:
            continue
        if kept != length - 1 or level == 0:
            raise ValueError(f"size must be equal to or one below {full} at level {level}, got {list(size)}")
        signal = signal.narrow(axis, 0, kept)
    return signal
