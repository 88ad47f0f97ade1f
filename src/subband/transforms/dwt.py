"""One level of the discrete wavelet transform in one, two or n dimensions, and its inverse.

The numbers are those of PyWavelets in every boundary mode and for every length, odd and shorter than the filter
included. A band is named by one letter per axis, `a` for low-pass and `d` for high-pass, in the order in which the axes
are given. In two dimensions over rows and columns the usual names are `ll = aa`, `lh = da` (PyWavelets' cH: low along
the width, high along the height), `hl = ad` (cV) and `hh = dd` (cD).
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from subband.transforms import _maps, _operators
from subband.transforms._filter_bank import Axis, signal_length
from subband.transforms.arguments import (
    Names,
    check_dtype,
    check_tensor,
    exactly,
    in_float32,
    integers,
    negative_axes,
)
from subband.transforms.details import Details
from subband.transforms.filters import FilterBank, WaveletLike, filter_banks
from subband.transforms.haar import haar_analysis, haar_synthesis
from subband.transforms.padding import boundary_modes, extend

__all__ = ["dwt", "dwt2", "dwtn", "idwt", "idwt2", "idwtn"]

Details2 = tuple[Tensor | None, Tensor | None, Tensor | None]


def dwt(data: Tensor, wavelet: WaveletLike = "haar", mode: str = "symmetric", axis: int = -1) -> tuple[Tensor, Tensor]:
    """One level of the wavelet transform along one axis.

    Args:
        data: Any shape with N samples along `axis`, floating or complex, any range.
        wavelet: PyWavelets name.
        mode: Boundary mode, one of `subband.transforms.MODES`.
        axis: Axis to transform.

    Returns:
        approx: Low band with `(N + K - 1) // 2` samples for K taps, or `ceil(N / 2)` in mode `periodization`.
        detail: High band of the same shape.

    Raises:
        TypeError: If `data` is no tensor, or neither floating nor complex.
        ValueError: If `wavelet`, `mode` or `axis` is unknown, or the axis is empty.

    Example:
        >>> approx, detail = dwt(torch.tensor([3.0, 1.0, 2.0, 2.0]))
        >>> approx.tolist(), detail.tolist()
        ([2.828427..., 2.828427...], [1.414213..., 0.0])
    """
    bands = dwtn(data, wavelet, mode, exactly(1, axis, "axis"))
    return bands["a"], bands["d"]


def idwt(
    cA: Tensor | None,
    cD: Tensor | None,
    wavelet: WaveletLike = "haar",
    mode: str = "symmetric",
    axis: int = -1,
    *,
    size: int | None = None,
) -> Tensor:
    """Inverse of `dwt`.

    Args:
        cA: Low band with K samples along `axis`; `None` stands for zeros.
        cD: High band of the same shape; `None` stands for zeros. Bands of two dtypes are promoted to one.
        wavelet: PyWavelets name.
        mode: Boundary mode; only `periodization` makes a difference here.
        axis: Axis to transform.
        size: Samples to keep, the length before the transform; without it an odd signal comes back one longer.

    Returns:
        The signal.

    Raises:
        TypeError: If a band is neither floating nor complex.
        ValueError: If both bands are missing, their shapes differ, `size` does not fit, or a name is unknown.

    Example:
        >>> x = torch.tensor([1.0, 2.0, 4.0])
        >>> idwt(*dwt(x, "db2"), "db2", size=3).round(decimals=4).tolist()
        [1.0, 2.0, 4.0]
    """
    for name, band in (("cA", cA), ("cD", cD)):
        if band is not None:
            check_dtype(band, name)
    return idwtn({"a": cA, "d": cD}, wavelet, mode, exactly(1, axis, "axis"), size=size)


def dwt2(
    data: Tensor,
    wavelet: WaveletLike = "haar",
    mode: Names = "symmetric",
    axes: Sequence[int] = (-2, -1),
    *,
    stack: int | None = -3,
) -> Any:
    """One level of the two-dimensional wavelet transform.

    Args:
        data: Images, `(..., H, W)` with the default axes, floating or complex, any range.
        wavelet: PyWavelets name, or one per axis.
        mode: Boundary mode, or one per axis.
        axes: Rows axis and columns axis.
        stack: Position of the band axis in the result, or `None` for PyWavelets' nested tuple.

    Returns:
        `(..., 4, H', W')` with the bands `aa, ad, da, dd` = `ll, hl, lh, hh`; with `stack=None` the tuple
        `(cA, (cH, cV, cD))` = `aa, (da, ad, dd)`.

    Raises:
        TypeError: If `data` is no tensor, or neither floating nor complex.
        ValueError: If a name or axis is unknown, there are not two axes, an axis is repeated or empty.

    Example:
        >>> dwt2(torch.ones(2, 3, 4, 5)).shape
        torch.Size([2, 3, 4, 2, 3])
        >>> dwt2(torch.tensor([[1.0, 2.0], [3.0, 4.0]])).flatten().tolist()
        [5.0, -1.0, -2.0, 0.0]
    """
    bands = dwtn(data, wavelet, mode, exactly(2, axes), stack=stack)
    if stack is not None:
        return bands
    return bands["aa"], (bands["da"], bands["ad"], bands["dd"])


def idwt2(
    coeffs: Tensor | tuple[Tensor | None, Details2 | None],
    wavelet: WaveletLike = "haar",
    mode: Names = "symmetric",
    axes: Sequence[int] = (-2, -1),
    *,
    size: Sequence[int] | None = None,
    stack: int = -3,
) -> Tensor:
    """Inverse of `dwt2`.

    Args:
        coeffs: The stacked tensor, or the tuple `(cA, (cH, cV, cD))` in which `None` stands for zeros.
        wavelet: PyWavelets name, or one per axis.
        mode: Boundary mode, or one per axis; only `periodization` makes a difference here.
        axes: Rows axis and columns axis of the result.
        size: Rows and columns to keep, the size before the transform.
        stack: Position of the band axis in a stacked tensor; has no meaning for a tuple.

    Returns:
        The images.

    Raises:
        TypeError: If `coeffs` is of another type, or a band is neither floating nor complex.
        ValueError: If no band is given, there are more or fewer than three details or two axes, shapes differ, `size`
            does not fit, or a name or axis is unknown.

    Example:
        >>> x = torch.rand(2, 3, 7, 5)
        >>> torch.allclose(idwt2(dwt2(x, "db2"), "db2", size=(7, 5)), x, atol=1e-5)
        True
    """
    axes = exactly(2, axes)
    if isinstance(coeffs, Tensor):
        return idwtn(coeffs, wavelet, mode, axes, size=size, stack=stack)
    approx, (da, ad, dd) = _nested(coeffs)
    return idwtn({"aa": approx, "ad": ad, "da": da, "dd": dd}, wavelet, mode, axes, size=size)


def dwtn(
    data: Tensor,
    wavelet: WaveletLike = "haar",
    mode: Names = "symmetric",
    axes: Sequence[int] | None = None,
    *,
    stack: int | None = None,
) -> Any:
    """One level of the wavelet transform over any number of axes.

    Args:
        data: Any shape, floating or complex, any range. Half precision is computed in float32.
        wavelet: PyWavelets name, or one per axis.
        mode: Boundary mode, or one per axis, see `subband.transforms.MODES`.
        axes: Axes to transform, each at most once; all axes if not given.
        stack: Position of the band axis in the result, or `None` for a dictionary.

    Returns:
        A dictionary from key to band, or one tensor with a new axis of length S = `2^n`. Letter i of a key belongs to
        `axes[i]`; the order is that of sorted keys, in 3-D `aaa, aad, ada, add, daa, dad, dda, ddd`.

    Raises:
        TypeError: If `data` is no tensor, or neither floating nor complex.
        ValueError: If a name or axis is unknown, an axis is repeated or empty.

    Example:
        >>> clip = torch.rand(2, 3, 10, 16, 16)
        >>> dwtn(clip, axes=(-3, -2, -1), stack=2).shape
        torch.Size([2, 3, 8, 5, 8, 8])
        >>> sorted(dwtn(torch.rand(4, 4)))
        ['aa', 'ad', 'da', 'dd']
    """
    check_dtype(data, "data")
    axes = negative_axes(axes, data.ndim)
    banks = filter_banks(wavelet, len(axes))
    modes = boundary_modes(mode, len(axes))
    for axis in axes:
        if data.shape[axis] == 0:
            raise ValueError(f"data must have at least one sample along axis {axis}, got shape {tuple(data.shape)}")
    if stack is not None:
        (stack,) = negative_axes(stack, data.ndim + 1, "stack")
    return in_float32(_analysis, data, banks=banks, modes=modes, axes=axes, stack=stack)


def idwtn(
    coeffs: Mapping[str, Tensor | None] | Tensor,
    wavelet: WaveletLike = "haar",
    mode: Names = "symmetric",
    axes: Sequence[int] | None = None,
    *,
    size: int | Sequence[int] | None = None,
    stack: int | None = None,
) -> Tensor:
    """Inverse of `dwtn`.

    Args:
        coeffs: A dictionary from key to band, in which missing bands and `None` stand for zeros, or a stacked tensor.
            Bands of several dtypes are promoted to one.
        wavelet: PyWavelets name, or one per axis.
        mode: Boundary mode, or one per axis; only `periodization` makes a difference here.
        axes: Axes of the result that were transformed; all axes if not given.
        size: Samples to keep along every one of `axes`, the size before the transform.
        stack: Position of the band axis of a stacked tensor.

    Returns:
        The signal.

    Raises:
        TypeError: If `coeffs` is of another type, or a band is neither floating nor complex.
        ValueError: If no band is given, keys or shapes do not fit, `size` does not fit, or a name or axis is unknown.

    Example:
        >>> clip = torch.rand(1, 2, 5, 8, 7)
        >>> bands = dwtn(clip, axes=(2, 3, 4), stack=1)
        >>> torch.allclose(idwtn(bands, axes=(2, 3, 4), size=(5, 8, 7), stack=1), clip, atol=1e-6)
        True
    """
    if not isinstance(coeffs, Tensor | Mapping | Details):
        raise TypeError(f"coeffs must be a dictionary from key to band or a tensor, got {type(coeffs).__name__}")
    if isinstance(coeffs, Tensor) != (stack is not None):
        raise ValueError("stack must be given with a stacked tensor, and only then")
    if isinstance(coeffs, Tensor) and stack is not None:
        check_dtype(coeffs, "coeffs")
        axes = negative_axes(axes, coeffs.ndim - 1)
        (stack,) = negative_axes(stack, coeffs.ndim, "stack")
        if coeffs.shape[stack] != 1 << len(axes):
            raise ValueError(f"coeffs must have {1 << len(axes)} bands along axis {stack}, got {coeffs.shape[stack]}")
        bands: tuple[Tensor, ...] = (coeffs,)
        shape = coeffs.select(stack, 0).shape
    else:
        assert not isinstance(coeffs, Tensor)
        bands, axes = _complete(coeffs, axes)
        shape = bands[0].shape
    banks = filter_banks(wavelet, len(axes))
    modes = boundary_modes(mode, len(axes))
    sizes = _check_sizes(size, shape, banks, modes, axes)
    signal = in_float32(_synthesis, *bands, banks=banks, modes=modes, axes=axes, stack=stack)
    for axis, length in zip(axes, sizes, strict=True):
        if signal.shape[axis] != length:
            signal = signal.narrow(axis, 0, length)
    return signal


def _keys(num_axes: int) -> list[str]:
    return ["".join(letters) for letters in product("ad", repeat=num_axes)]


def _analysis(
    x: Tensor, *, banks: tuple[FilterBank, ...], modes: tuple[str, ...], axes: tuple[int, ...], stack: int | None
) -> dict[str, Tensor] | Tensor:
    if all(bank.is_haar for bank in banks):
        for axis, mode in zip(axes, modes, strict=True):
            if x.shape[axis] % 2:
                x = extend(x, 0, 0 if mode == "periodization" else 1, mode, axis)
        bands = haar_analysis(x, axes, stack)
        return bands if isinstance(bands, Tensor) else dict(zip(_keys(len(axes)), bands, strict=True))
    parts = _axes(axes, banks, modes)
    way = _operators if _operators.are_wanted(x, parts) else _maps
    result = way.analysis(x, parts, stack)
    return result if isinstance(result, Tensor) else dict(zip(_keys(len(axes)), result, strict=True))


def _synthesis(
    *bands: Tensor, banks: tuple[FilterBank, ...], modes: tuple[str, ...], axes: tuple[int, ...], stack: int | None
) -> Tensor:
    if all(bank.is_haar for bank in banks):
        return haar_synthesis(bands[0] if stack is not None else bands, axes, stack)
    parts = _axes(axes, banks, modes)
    way = _operators if _operators.are_wanted(bands[0], parts, stack) else _maps
    return way.synthesis(bands, parts, stack)


def _axes(axes: tuple[int, ...], banks: tuple[FilterBank, ...], modes: tuple[str, ...]) -> tuple[Axis, ...]:
    return tuple(Axis(*parts) for parts in zip(axes, banks, modes, strict=True))


def _nested(coeffs: Any) -> tuple[Any, Any]:
    """`(cA, (cH, cV, cD))`, checked."""
    if not isinstance(coeffs, tuple | list):
        check_tensor(coeffs, "coeffs")
    if len(coeffs) != 2:
        raise ValueError(f"coeffs must be a stacked tensor or (cA, (cH, cV, cD)), got {len(coeffs)} parts")
    approx, details = coeffs
    if details is None:
        return approx, (None, None, None)
    if not isinstance(details, tuple | list | Details):
        raise TypeError(f"details must be three bands (cH, cV, cD) or None, got {type(details).__name__}")
    if len(details) != 3:
        raise ValueError(f"details must be three bands (cH, cV, cD) or None, got {len(details)} bands")
    return approx, details


def _complete(
    coeffs: Mapping[str, Tensor | None] | Details, axes: Sequence[int] | None
) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    """All bands in sorted key order with zeros for the missing ones, and the axes."""
    given = {key: band for key, band in coeffs.items() if band is not None}
    if not given:
        raise ValueError("coeffs must hold at least one band")
    for key, band in given.items():
        check_dtype(band, f"coeffs[{key!r}]")
    first = next(iter(given.values()))
    negative = negative_axes(axes, first.ndim)
    keys = _keys(len(negative))
    for key, band in given.items():
        if key not in keys:
            raise ValueError(f"coeffs must have keys of {len(negative)} letters 'a' and 'd', got {key!r}")
        if band.shape != first.shape:
            raise ValueError(f"coeffs must agree in shape, got {tuple(first.shape)} and {tuple(band.shape)}")
    return tuple(given[key] if key in given else torch.zeros_like(first) for key in keys), negative


def _check_sizes(
    size: int | Sequence[int] | None,
    shape: torch.Size,
    banks: tuple[FilterBank, ...],
    modes: tuple[str, ...],
    axes: tuple[int, ...],
) -> list[int]:
    """Length to keep along every axis."""
    lengths = []
    for axis, bank, mode in zip(axes, banks, modes, strict=True):
        lengths.append(signal_length(shape[axis], len(bank.rec_lo), mode))
        if lengths[-1] <= 0:
            raise ValueError(f"coeffs must have at least {len(bank.rec_lo) // 2} samples along axis {axis}")
    if size is None:
        return lengths
    sizes = integers(size, "size")
    if len(sizes) != len(axes) or any(full - kept not in (0, 1) for kept, full in zip(sizes, lengths, strict=False)):
        raise ValueError(f"size must be one number per axis, equal to or one below {lengths}, got {list(sizes)}")
    return list(sizes)
