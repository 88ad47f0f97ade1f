"""All coefficients of a multi-level transform in one array or in one vector, and back.

The layouts are those of PyWavelets' `coeffs_to_array` and `ravel_coeffs`; axes that were not transformed are kept as
batch.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from subband.transforms._multilevel import parse, transformed_axes
from subband.transforms.arguments import check_dtype
from subband.transforms.coeffs import Coeffs
from subband.transforms.details import Details
from subband.transforms.padding import extend

__all__ = ["from_array", "from_vector", "to_array", "to_vector"]

_Bands = dict[str, Tensor]


def to_array(coeffs: Any, axes: Sequence[int] | None = None) -> Tensor:
    """Arrange the bands as a mosaic: the approximation in the first corner, finer levels around it.

    Letter `d` of a key places a band behind everything coarser along that axis, letter `a` at the beginning. Where
    bands overlap the border and do not fill their place, as in most modes but `periodization`, the rest is zero.

    Args:
        coeffs: `Coeffs`, or PyWavelets' plain structure with every band present.
        axes: Transformed axes; the remembered ones if not given, for a plain structure the last ones.

    Returns:
        With the default axes of `wavedec2` a tensor `(..., H', W')`, every axis as long as the approximation and the
        details of all levels together.

    Raises:
        ValueError: If a band is missing or bands do not fit together.

    Example:
        >>> from subband.transforms import wavedec2
        >>> coeffs = wavedec2(torch.rand(2, 3, 16, 16), level=2)
        >>> mosaic = to_array(coeffs)
        >>> mosaic.shape, torch.equal(mosaic[..., 8:, 8:], coeffs[-1].d)
        (torch.Size([2, 3, 16, 16]), True)
    """
    array, levels, axes = _complete(coeffs, axes)
    for bands in levels:
        array = _surround(array, bands, axes)
    return array


def from_array(array: Tensor, like: Any, axes: Sequence[int] | None = None) -> Any:
    """Cut a mosaic of `to_array` into bands.

    Args:
        array: Mosaic, any batch axes.
        like: Coefficients whose structure and shapes along `axes` the result shall have.
        axes: Transformed axes; the remembered ones if not given, for a plain structure the last ones.

    Returns:
        The same kind of structure as `like`; the bands are views of `array`.

    Raises:
        ValueError: If a band of `like` is missing or `array` has another shape along `axes`.

    Example:
        >>> from subband.transforms import wavedec2
        >>> coeffs = wavedec2(torch.rand(3, 13, 20), "db2", level=2)
        >>> again = from_array(to_array(coeffs), like=coeffs)
        >>> torch.equal(again.inverse(), coeffs.inverse())
        True
    """
    check_dtype(array, "array")
    approx, levels, axes = _complete(like, axes)
    starts = [approx.shape[axis] for axis in axes]
    ends = [
        n + sum(bands["d" * len(axes)].shape[axis] for bands in levels) for n, axis in zip(starts, axes, strict=True)
    ]
    if array.ndim < -min(axes) or [array.shape[axis] for axis in axes] != ends:
        raise ValueError(f"array must have {ends} samples along the axes {axes}, got shape {tuple(array.shape)}")
    parts = [_window(array, axes, [0] * len(axes), starts)]
    cut: list[_Bands] = []
    for bands in levels:
        places = {
            key: [start if letter == "d" else 0 for letter, start in zip(key, starts, strict=True)] for key in bands
        }
        lengths = [bands["d" * len(axes)].shape[axis] for axis in axes]
        cut.append({key: _window(array, axes, place, lengths) for key, place in places.items()})
        starts = [start + length for start, length in zip(starts, lengths, strict=True)]
    return _like(like, parts[0], cut)


def to_vector(coeffs: Any, axes: Sequence[int] | None = None) -> Tensor:
    """Write all bands one after the other, coarsest first, within a level in the order of sorted keys.

    Args:
        coeffs: `Coeffs`, or PyWavelets' plain structure with every band present.
        axes: Transformed axes; the remembered ones if not given, for a plain structure the last ones.

    Returns:
        `(..., N)`: the axes that were not transformed, in their order, and N coefficients.

    Raises:
        ValueError: If a band is missing.

    Example:
        >>> from subband.transforms import wavedec2
        >>> to_vector(wavedec2(torch.rand(2, 3, 16, 16), level=2)).shape
        torch.Size([2, 3, 256])
    """
    approx, levels, axes = _complete(coeffs, axes)
    order = sorted(axes)
    parts = [approx, *(band for bands in levels for band in bands.values())]
    return torch.cat([part.movedim(order, tuple(range(-len(axes), 0))).flatten(-len(axes)) for part in parts], -1)


def from_vector(vector: Tensor, like: Any, axes: Sequence[int] | None = None) -> Any:
    """Cut a vector of `to_vector` into bands.

    Args:
        vector: `(..., N)`, any batch axes.
        like: Coefficients whose structure and shapes along `axes` the result shall have.
        axes: Transformed axes; the remembered ones if not given, for a plain structure the last ones.

    Returns:
        The same kind of structure as `like`; the bands are views of `vector`.

    Raises:
        ValueError: If a band of `like` is missing or `vector` has another length.

    Example:
        >>> from subband.transforms import wavedecn
        >>> coeffs = wavedecn(torch.rand(8, 5, 8), "haar", axes=(0, 2))
        >>> again = from_vector(to_vector(coeffs), like=coeffs)
        >>> again.approx.shape, torch.equal(again[-1].d, coeffs[-1].d)
        (torch.Size([1, 5, 1]), True)
    """
    check_dtype(vector, "vector")
    approx, levels, axes = _complete(like, axes)
    order = sorted(axes)
    parts = [approx, *(band for bands in levels for band in bands.values())]
    shapes = [[part.shape[axis] for axis in order] for part in parts]
    counts = [math.prod(shape) for shape in shapes]
    if vector.shape[-1] != sum(counts):
        raise ValueError(f"vector must have {sum(counts)} entries along its last axis, got {vector.shape[-1]}")
    pieces: Iterator[Tensor] = iter(
        piece.unflatten(-1, shape).movedim(tuple(range(-len(axes), 0)), order)
        for piece, shape in zip(vector.split(counts, -1), shapes, strict=True)
    )
    approx = next(pieces)
    return _like(like, approx, [{key: next(pieces) for key in bands} for bands in levels])


def _complete(coeffs: Any, axes: Sequence[int] | None) -> tuple[Tensor, list[_Bands], tuple[int, ...]]:
    """Approximation, all bands of every level in the order of sorted keys, and the axes."""
    approx, levels = parse(coeffs)
    if approx is None:
        raise ValueError("coeffs must have an approximation")
    axes = transformed_axes(axes, coeffs, levels, approx.ndim)
    keys = ["".join(letters) for letters in product("ad", repeat=len(axes))][1:]
    for number, bands in enumerate(levels):
        if sorted(bands) != keys:
            level = len(levels) - number
            raise ValueError(f"coeffs must have the bands {', '.join(keys)} at level {level}, got {', '.join(bands)}")
    return approx, [{key: bands[key] for key in keys} for bands in levels], axes


def _surround(array: Tensor, bands: _Bands, axes: tuple[int, ...]) -> Tensor:
    """The mosaic with one more level."""
    parts = [array]
    for key, band in bands.items():
        for letter, axis in zip(key, axes, strict=True):
            missing = array.shape[axis] - band.shape[axis] if letter == "a" else 0
            if missing < 0:
                raise ValueError(f"coeffs must fit together, but band {key!r} is too long along axis {axis}")
            band = extend(band, 0, missing, "zero", axis)
        parts.append(band)
    for axis in reversed(axes):
        parts = [torch.cat(pair, axis) for pair in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _window(array: Tensor, axes: tuple[int, ...], starts: Sequence[int], lengths: Sequence[int]) -> Tensor:
    for axis, start, length in zip(axes, starts, lengths, strict=True):
        array = array.narrow(axis, start, length)
    return array


def _like(like: Any, approx: Tensor, levels: list[_Bands]) -> Any:
    """Bands in the structure of `like`."""
    _, *items = like
    details = [_details_like(item, bands) for item, bands in zip(items, levels, strict=True)]
    return replace(like, approx=approx, details=tuple(details)) if isinstance(like, Coeffs) else [approx, *details]


def _details_like(item: Any, bands: _Bands) -> Any:
    if isinstance(item, Details):
        return Details(bands)
    if isinstance(item, Tensor):
        return bands["d"]
    return dict(bands) if isinstance(item, Mapping) else (bands["da"], bands["ad"], bands["dd"])
