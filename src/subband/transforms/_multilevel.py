"""The loops over levels behind `wavedec*` and `waverec*`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from subband.transforms._static import static_wavelet
from subband.transforms.arguments import Names, check_dtype, negative_axes, per_axis
from subband.transforms.coeffs import Coeffs, Details
from subband.transforms.dwt import dwtn, idwtn
from subband.transforms.filters import FilterBank, WaveletLike, filter_banks
from subband.transforms.lengths import check_level
from subband.transforms.padding import check_mode

__all__ = ["decompose", "detail_bands", "parse", "reconstruct", "transformed_axes"]

_HALF = (torch.float16, torch.bfloat16)


def decompose(
    x: Tensor, wavelet: WaveletLike, mode: Names, level: int | None, axes: Sequence[int] | None, *, bare: bool = False
) -> Coeffs:
    """Several levels over any axes.

    Args:
        x: Signal.
        wavelet: Wavelet, or one per axis.
        mode: Boundary mode, or one per axis.
        level: Number of levels, or `None` for the largest useful one.
        axes: Axes to transform, or `None` for all.
        bare: Store the only detail band of a level as a tensor, not as `Details`.

    Returns:
        The coefficients; half precision is kept in float32 until the last level is done.
    """
    check_dtype(x, "x")
    axes = negative_axes(axes, x.ndim)
    banks = filter_banks(wavelet, len(axes))
    modes = per_axis(mode, len(axes), "mode")
    for name in modes:
        check_mode(name)
    level = check_level([x.shape[axis] for axis in axes], [len(bank.dec_lo) for bank in banks], level)
    approx = x.float() if x.dtype in _HALF and level else x
    details: list[Any] = []
    sizes: list[tuple[int, ...]] = []
    for _ in range(level):
        sizes.append(tuple(approx.shape[axis] for axis in axes))
        bands = dwtn(approx, banks, modes, axes)
        approx = bands.pop("a" * len(axes))
        details.append(bands["d"] if bare else Details(bands))
    remembered = static_wavelet(wavelet, banks), mode if isinstance(mode, str) else modes, axes, tuple(sizes[::-1])
    coeffs = Coeffs(approx, tuple(details[::-1]), *remembered)
    return coeffs if approx.dtype == x.dtype else coeffs.to(x.dtype)


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
        pairs = zip(("da", "ad", "dd"), item, strict=True)
    else:
        raise TypeError(f"details must be a tensor, a tuple (cH, cV, cD), a mapping or None, got {type(item).__name__}")
    return {key: band for key, band in pairs if band is not None}


def reconstruct(
    coeffs: Any,
    wavelet: WaveletLike | None,
    mode: Names | None,
    axes: Sequence[int] | None,
    size: int | Sequence[int] | None,
) -> Tensor:
    """Inverse of `decompose`, of a container or of PyWavelets' plain structure.

    Args:
        coeffs: `[approx, details, ..., details]`, coarsest first.
        wavelet: Wavelet, one or one per axis, or `None` for the remembered one.
        mode: Boundary mode, one or one per axis, or `None` for the remembered one.
        axes: Axes, or `None` for the remembered ones; the last ones where nothing is remembered.
        size: Samples to keep along every axis, or `None` for the remembered numbers.

    Returns:
        The signal.
    """
    approx, levels = parse(coeffs)
    known = coeffs if isinstance(coeffs, Coeffs) else None
    bands = [band for item in levels for band in item.values()] + ([] if approx is None else [approx])
    if not bands:
        raise ValueError("coeffs must hold at least one band")
    axes = transformed_axes(axes, coeffs, levels, bands[0].ndim)
    if wavelet is None and known is not None:
        wavelet = known.wavelet
    if wavelet is None and levels:
        raise ValueError("wavelet must be given for coefficients that do not remember one with fixed taps")
    if mode is None:
        mode = known.mode if known is not None else "symmetric"
    sizes: list[Any] = [None] * len(levels)
    if known is not None and known.axes == axes:
        sizes = list(known.sizes)
    if size is not None:
        size = (size,) if isinstance(size, int) else tuple(size)
        if not levels:
            return _crop(bands[0], axes, size, 0)
        sizes[-1] = size
    banks = filter_banks(wavelet, len(axes)) if levels else ()
    dtype = bands[0].dtype
    for index, (item, kept) in enumerate(zip(levels, sizes, strict=True)):
        approx = _one_level(approx, item, (banks, mode, axes), kept, len(levels) - index)
    assert approx is not None
    return approx.to(dtype) if dtype in _HALF else approx


def parse(coeffs: Any) -> tuple[Tensor | None, list[dict[str, Tensor]]]:
    """Approximation and bands of every level of a container or of PyWavelets' plain structure.

    Args:
        coeffs: `[approx, details, ..., details]`, coarsest first.

    Raises:
        TypeError: If `coeffs` or a part of it is of another type, or integers.

    Example:
        >>> approx, (coarse, fine) = parse([torch.ones(2), None, torch.ones(4)])
        >>> list(coarse), list(fine)
        ([], ['d'])
    """
    if not isinstance(coeffs, (Coeffs, list, tuple)) or not len(coeffs):
        raise TypeError(f"coeffs must be Coeffs or a non-empty list or tuple, got {type(coeffs).__name__}")
    approx, *details = coeffs
    if approx is not None:
        check_dtype(approx, "coeffs")
    return approx, [detail_bands(item) for item in details]


def transformed_axes(
    axes: Sequence[int] | None, coeffs: Any, levels: list[dict[str, Tensor]], ndim: int
) -> tuple[int, ...]:
    """The axes given, else those remembered, else the last ones, as many as a key has letters.

    Args:
        axes: What the user gave.
        coeffs: `Coeffs` or a plain structure.
        levels: Its bands, see `parse`.
        ndim: Dimensions of a band.

    Example:
        >>> transformed_axes(None, [], [{"da": torch.ones(2, 3, 3)}], 3)
        (-2, -1)
    """
    if axes is None and isinstance(coeffs, Coeffs):
        axes = coeffs.axes
    if axes is None:
        axes = range(-next((len(key) for bands in levels for key in bands), ndim), 0)
    return negative_axes(axes, ndim)


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
                f"coeffs must fit together, but at level {level} along axis {axis} the approximation has {have} samples "
                f"and the details have {want}"
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
