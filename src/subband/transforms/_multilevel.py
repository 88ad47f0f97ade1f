"""The loops over levels behind `wavedec*` and `waverec*`."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from subband.transforms._levels import first_band, merge_levels, split_levels
from subband.transforms._static import static_wavelet
from subband.transforms.arguments import Names, check_dtype, negative_axes, per_axis
from subband.transforms.coeffs import Coeffs
from subband.transforms.details import Details
from subband.transforms.dwt import dwtn
from subband.transforms.filters import WaveletLike, filter_banks
from subband.transforms.lengths import check_level
from subband.transforms.padding import check_mode

__all__ = ["decompose", "parse", "reconstruct", "transformed_axes"]

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
    axes = transformed_axes(axes, coeffs, levels, first_band(approx, levels).ndim)
    if not isinstance(coeffs, Coeffs):
        return merge_levels(approx, levels, wavelet, "symmetric" if mode is None else mode, axes, size)
    return merge_levels(
        approx,
        levels,
        coeffs.wavelet if wavelet is None else wavelet,
        coeffs.mode if mode is None else mode,
        axes,
        size,
        known_sizes=coeffs.sizes if coeffs.axes == axes else None,
    )


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
    return split_levels(coeffs)


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
