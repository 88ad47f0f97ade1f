"""Multiresolution analysis: a signal as a sum of signals, one for every band of a wavelet transform.

Every band is transformed back alone, so that its part has the size of the signal and lies where its cause lies,
whatever the wavelet. The inverse is the sum. Calls, results and numbers are those of PyWavelets.

Source: D. B. Percival and H. O. Mofjeld, Analysis of Subtidal Coastal Sea Level Fluctuations Using Wavelets, Journal of
the American Statistical Association 92, 1997.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from subband.transforms import _atrous
from subband.transforms._levels import detail_bands, merge_levels, split_levels
from subband.transforms._multilevel import decompose
from subband.transforms.arguments import Names, check_dtype, negative_axes
from subband.transforms.details import DETAIL_KEYS_2D
from subband.transforms.filters import WaveletLike

__all__ = ["imra", "imra2", "imran", "mra", "mra2", "mran"]

_HALF = (torch.float16, torch.bfloat16)


def mra(
    data: Tensor,
    wavelet: WaveletLike = "haar",
    level: int | None = None,
    axis: int = -1,
    transform: str = "swt",
    mode: str = "periodization",
) -> list[Tensor]:
    """Multiresolution analysis along one axis.

    Args:
        data: Any shape, floating or complex, any range.
        wavelet: Wavelet.
        level: Number of levels; as many as the transform takes if not given.
        axis: Axis to analyze.
        transform: `swt`, undecimated, for lengths that divide by `2^level`; or `dwt`.
        mode: Boundary mode; `swt` knows `periodization` only.

    Returns:
        `[approx_n, detail_n, ..., detail_1]`, all of the shape of `data`, which is their sum.

    Raises:
        TypeError: If `data` is neither floating nor complex.
        ValueError: If `transform`, `mode`, `wavelet` or `axis` is unknown, or the length does not fit.

    Example:
        >>> x = torch.rand(3, 16)
        >>> parts = mra(x, "db2", level=2)
        >>> [part.shape for part in parts], torch.allclose(imra(parts), x, atol=1e-6)
        ([torch.Size([3, 16]), torch.Size([3, 16]), torch.Size([3, 16])], True)
    """
    approx, levels = _parts(data, wavelet, level, (axis,), mode, _is_decimated(transform, "", mode))
    return [approx, *(parts["d"] for parts in levels)]


def imra(mra_coeffs: Sequence[Tensor]) -> Tensor:
    """Inverse of `mra`: the sum of the parts.

    Args:
        mra_coeffs: List of `mra`.

    Raises:
        TypeError: If a part is neither floating nor complex.
        ValueError: If there is no part.

    Example:
        >>> imra([torch.tensor([1.0, 1.0]), torch.tensor([0.5, -0.5])])
        tensor([1.5000, 0.5000])
    """
    return _total(mra_coeffs)


def mra2(
    data: Tensor,
    wavelet: WaveletLike = "haar",
    level: int | None = None,
    axes: Sequence[int] = (-2, -1),
    transform: str = "swt2",
    mode: Names = "periodization",
) -> list[Any]:
    """Multiresolution analysis along two axes.

    Args:
        data: Images, `(..., H, W)` with the default axes, floating or complex, any range.
        wavelet: Wavelet, or one per axis.
        level: Number of levels; as many as both axes allow if not given.
        axes: Rows axis and columns axis.
        transform: `swt2`, undecimated, for sides that divide by `2^level`; or `dwt2`.
        mode: Boundary mode, or one per axis; `swt2` knows `periodization` only.

    Returns:
        `[approx_n, (h_n, v_n, d_n), ..., (h_1, v_1, d_1)]`, all of the shape of `data`, which is their sum.

    Raises:
        TypeError: If `data` is neither floating nor complex.
        ValueError: If a name or axis is unknown, there are not two axes, or a side does not fit.

    Example:
        >>> x = torch.rand(3, 16, 13)
        >>> approx, (horizontal, vertical, diagonal) = mra2(x, "db2", level=1, transform="dwt2")
        >>> torch.allclose(approx + horizontal + vertical + diagonal, x, atol=1e-6)
        True
    """
    if len(axes) != 2:
        raise ValueError(f"axes must be two axes, got {tuple(axes)}")
    approx, levels = _parts(data, wavelet, level, axes, mode, _is_decimated(transform, "2", mode))
    return [approx, *(tuple(parts[key] for key in DETAIL_KEYS_2D) for parts in levels)]


def imra2(mra_coeffs: Sequence[Any]) -> Tensor:
    """Inverse of `mra2`: the sum of the parts.

    Args:
        mra_coeffs: List of `mra2`.

    Raises:
        TypeError: If a part is neither floating nor complex.
        ValueError: If there is no part.

    Example:
        >>> x = torch.rand(8, 8)
        >>> torch.allclose(imra2(mra2(x, "db2")), x, atol=1e-6)
        True
    """
    return _total(mra_coeffs)


def mran(
    data: Tensor,
    wavelet: WaveletLike = "haar",
    level: int | None = None,
    axes: Sequence[int] | None = None,
    transform: str = "swtn",
    mode: Names = "periodization",
) -> list[Any]:
    """Multiresolution analysis along any axes.

    Args:
        data: Any shape, floating or complex, any range.
        wavelet: Wavelet, or one per axis.
        level: Number of levels; as many as all axes allow if not given.
        axes: Axes to analyze, each at most once; all axes if not given.
        transform: `swtn`, undecimated, for lengths that divide by `2^level`; or `dwtn`.
        mode: Boundary mode, or one per axis; `swtn` knows `periodization` only.

    Returns:
        `[approx_n, {key: part}, ..., {key: part}]`, coarsest level first, all of the shape of `data`, which is their
        sum; letter i of a key belongs to `axes[i]`.

    Raises:
        TypeError: If `data` is neither floating nor complex.
        ValueError: If a name or axis is unknown, an axis is repeated, or a length does not fit.

    Example:
        >>> approx, parts = mran(torch.rand(3, 8, 8, 8), level=1, axes=(1, 2, 3))
        >>> approx.shape, list(parts)
        (torch.Size([3, 8, 8, 8]), ['aad', 'ada', 'add', 'daa', 'dad', 'dda', 'ddd'])
    """
    approx, levels = _parts(data, wavelet, level, axes, mode, _is_decimated(transform, "n", mode))
    return [approx, *levels]


def imran(mra_coeffs: Sequence[Any]) -> Tensor:
    """Inverse of `mran`: the sum of the parts.

    Args:
        mra_coeffs: List of `mran`.

    Raises:
        TypeError: If a part is neither floating nor complex.
        ValueError: If there is no part.

    Example:
        >>> x = torch.rand(4, 8, 6)
        >>> torch.allclose(imran(mran(x, "db2", level=1, axes=(0, 2))), x, atol=1e-6)
        True
    """
    return _total(mra_coeffs)


def _is_decimated(transform: str, suffix: str, mode: Names) -> bool:
    """Whether the transform is the decimated one."""
    if transform not in (f"swt{suffix}", f"dwt{suffix}"):
        raise ValueError(f"transform must be 'swt{suffix}' or 'dwt{suffix}', got {transform!r}")
    if transform.startswith("swt") and mode != "periodization":
        raise ValueError(f"mode must be 'periodization' for transform {transform!r}, got {mode!r}")
    return transform.startswith("dwt")


def _parts(
    data: Tensor,
    wavelet: WaveletLike,
    level: int | None,
    axes: Sequence[int] | None,
    mode: Names,
    is_decimated: bool,
) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """The part of the approximation, and the parts of all details of every level, coarsest first."""
    check_dtype(data, "data")
    axes = negative_axes(axes, data.ndim)
    x = data.float() if data.dtype in _HALF else data
    if is_decimated:
        coeffs = decompose(x, wavelet, mode, level, axes)
        approx, levels = split_levels(coeffs)

        def inverse(low: Tensor | None, bands: list[dict[str, Tensor]]) -> Tensor:
            return merge_levels(low, bands, wavelet, mode, axes, None, known_sizes=coeffs.sizes[-len(bands) :])

    else:
        approx, everything = _atrous.decompose(x, wavelet, level, 0, axes, norm=False)
        levels = [{key: band for key, band in bands.items() if "d" in key} for bands in everything]

        def inverse(low: Tensor | None, bands: list[dict[str, Tensor]]) -> Tensor:
            return _atrous.reconstruct([low, *bands], wavelet, axes, norm=False)

    def alone(number: int, bands: dict[str, Tensor], low: Tensor | None = None) -> Tensor:
        """The signal of some bands of one level; finer levels have none, coarser ones do not matter."""
        return inverse(low, [bands, *[{}] * (len(levels) - number - 1)]).to(data.dtype)

    if not levels:
        return data, []
    details = [{key: alone(number, {key: band}) for key, band in bands.items()} for number, bands in enumerate(levels)]
    return alone(0, {}, approx), details


def _total(mra_coeffs: Sequence[Any]) -> Tensor:
    bands = [[item] if isinstance(item, Tensor) else list(detail_bands(item).values()) for item in mra_coeffs]
    parts = [part for level in bands for part in level]
    if not parts:
        raise ValueError("mra_coeffs must hold at least one part")
    for part in parts:
        check_dtype(part, "every part of mra_coeffs")
    return sum(parts[1:], start=parts[0])
