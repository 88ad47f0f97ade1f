"""Undecimated (stationary) wavelet transforms: every band keeps the resolution of the input.

Level l filters the approximation of level l - 1 with the taps `2^(l - 1)` samples apart instead of keeping every other
sample (the algorithm "à trous"). Moving the signal moves all bands with it, which is why denoising and detection prefer
this transform; the price is `2^n` times the memory per level for n axes. The signal is continued periodically, and its
length must be divisible by `2^level`.

Calls, results and numbers are those of PyWavelets. Coefficients are plain lists, coarsest level first.
"""

from collections.abc import Sequence
from typing import Any

import torch  # noqa: F401  the examples below use it
from torch import Tensor

from subband.transforms._atrous import decompose, reconstruct, swt_max_level
from subband.transforms.filters import WaveletLike

__all__ = ["iswt", "iswt2", "iswtn", "swt", "swt2", "swt_max_level", "swtn"]


def swt(
    x: Tensor,
    wavelet: WaveletLike = "haar",
    level: int | None = None,
    start_level: int = 0,
    axis: int = -1,
    trim_approx: bool = False,
    norm: bool = False,
) -> list[Any]:
    """Stationary wavelet transform along one axis.

    Args:
        x: Any shape, floating or complex, any range. Half precision is computed in float32.
        wavelet: Wavelet.
        level: Number of levels; as many as possible if not given.
        start_level: Number of finest levels to skip: the first filters are applied to `x` with their taps
            `2^start_level` samples apart.
        axis: Axis to transform; its length must be divisible by `2^(level + start_level)`.
        trim_approx: Return only the coarsest approximation.
        norm: Divide the filters by `sqrt(2)`, so that an orthogonal wavelet with `trim_approx` keeps the energy.

    Returns:
        `[(approx_n, detail_n), ..., (approx_1, detail_1)]`, or with `trim_approx`
        `[approx_n, detail_n, ..., detail_1]`; all tensors have the shape of `x`.

    Raises:
        TypeError: If `x` is neither floating nor complex.
        ValueError: If `wavelet` or `axis` is unknown, the length does not fit, or there are no levels.

    Warns:
        UserWarning: If `norm` is asked for and the wavelet is not orthogonal.

    Example:
        >>> approx, detail = swt(torch.tensor([4.0, 2.0, 2.0, 0.0]), level=1, norm=True)[0]
        >>> approx.tolist(), detail.tolist()
        ([3.0, 2.0, 1.0, 2.0], [1.0, 0.0, 1.0, -2.0])
    """
    approx, levels = decompose(x, wavelet, level, start_level, (axis,), norm)
    if trim_approx:
        return [approx, *(bands["d"] for bands in levels)]
    return [(bands["a"], bands["d"]) for bands in levels]


def iswt(coeffs: Sequence[Any], wavelet: WaveletLike = "haar", norm: bool = False, axis: int = -1) -> Tensor:
    """Inverse of `swt`.

    Both ways to undo a level, from its even and from its odd samples, are averaged. Approximations other than the
    coarsest one are not used.

    Args:
        coeffs: List of `swt` with or without `trim_approx`; `None` stands for zeros.
        wavelet: Wavelet.
        norm: What `swt` was given.
        axis: Axis of the transform.

    Returns:
        The signal.

    Raises:
        TypeError: If coefficients are neither floating nor complex.
        ValueError: If tensors do not agree in shape and dtype, the length does not fit, or a name or axis is unknown.

    Example:
        >>> x = torch.rand(3, 16)
        >>> torch.allclose(iswt(swt(x, "db2", level=2), "db2"), x, atol=1e-6)
        True
    """
    return iswtn(_as_dictionaries(coeffs, ("d",)), wavelet, (axis,), norm)


def swt2(
    x: Tensor,
    wavelet: WaveletLike = "haar",
    level: int | None = None,
    start_level: int = 0,
    axes: Sequence[int] = (-2, -1),
    trim_approx: bool = False,
    norm: bool = False,
) -> list[Any]:
    """Stationary wavelet transform along two axes.

    Args:
        x: Images, `(..., H, W)` with the default axes, floating or complex, any range.
        wavelet: Wavelet, or one per axis.
        level: Number of levels; as many as both axes allow if not given.
        start_level: Number of finest levels to skip, see `swt`.
        axes: Rows axis and columns axis; their lengths must be divisible by `2^(level + start_level)`.
        trim_approx: Return only the coarsest approximation.
        norm: Divide the filters by `sqrt(2)`, see `swt`.

    Returns:
        `[(cA_n, (cH_n, cV_n, cD_n)), ..., (cA_1, (cH_1, cV_1, cD_1))]`, or with `trim_approx`
        `[cA_n, (cH_n, cV_n, cD_n), ..., (cH_1, cV_1, cD_1)]`. cH = `lh` is low along the width and high along the
        height, cV = `hl` the other way round; all tensors have the shape of `x`.

    Raises:
        TypeError: If `x` is neither floating nor complex.
        ValueError: If there are not two axes, a name or axis is unknown, a size does not fit, or there are no levels.

    Warns:
        UserWarning: If `norm` is asked for and a wavelet is not orthogonal.

    Example:
        >>> approx, coarse, fine = swt2(torch.rand(2, 3, 32, 32), "db2", level=2, trim_approx=True)
        >>> approx.shape, [band.shape for band in fine][0]
        (torch.Size([2, 3, 32, 32]), torch.Size([2, 3, 32, 32]))
    """
    approx, levels = decompose(x, wavelet, level, start_level, _two(axes), norm)
    details = [(bands["da"], bands["ad"], bands["dd"]) for bands in levels]
    if trim_approx:
        return [approx, *details]
    return [(bands["aa"], detail) for bands, detail in zip(levels, details, strict=True)]


def iswt2(
    coeffs: Sequence[Any], wavelet: WaveletLike = "haar", norm: bool = False, axes: Sequence[int] = (-2, -1)
) -> Tensor:
    """Inverse of `swt2`.

    Args:
        coeffs: List of `swt2` with or without `trim_approx`; `None` stands for zeros, also instead of three details.
        wavelet: Wavelet, or one per axis.
        norm: What `swt2` was given.
        axes: Axes of the transform.

    Returns:
        The images.

    Raises:
        TypeError: If coefficients are neither floating nor complex.
        ValueError: If tensors do not agree in shape and dtype, a size does not fit, or a name or axis is unknown.

    Example:
        >>> x = torch.rand(3, 16, 8)
        >>> torch.allclose(iswt2(swt2(x, "db2", level=2), "db2"), x, atol=1e-6)
        True
    """
    return iswtn(_as_dictionaries(coeffs, ("da", "ad", "dd")), wavelet, _two(axes), norm)


def swtn(
    x: Tensor,
    wavelet: WaveletLike = "haar",
    level: int | None = None,
    start_level: int = 0,
    axes: Sequence[int] | None = None,
    trim_approx: bool = False,
    norm: bool = False,
) -> list[Any]:
    """Stationary wavelet transform along any axes.

    Args:
        x: Any shape, floating or complex, any range. Half precision is computed in float32.
        wavelet: Wavelet, or one per axis.
        level: Number of levels; as many as all axes allow if not given.
        start_level: Number of finest levels to skip, see `swt`.
        axes: Axes to transform, each at most once; all axes if not given. Their lengths must be divisible by
            `2^(level + start_level)`.
        trim_approx: Return only the coarsest approximation.
        norm: Divide the filters by `sqrt(2)`, see `swt`.

    Returns:
        One dictionary per level from key to band, coarsest first; letter i of a key belongs to `axes[i]`. With
        `trim_approx` the coarsest approximation comes first and the dictionaries hold details only. All tensors have
        the shape of `x`.

    Raises:
        TypeError: If `x` is neither floating nor complex.
        ValueError: If a name or axis is unknown, an axis is repeated, a length does not fit, or there are no levels.

    Warns:
        UserWarning: If `norm` is asked for and a wavelet is not orthogonal.

    Example:
        >>> (bands,) = swtn(torch.rand(2, 4, 8, 8), level=1, axes=(1, 2, 3))
        >>> sorted(bands)
        ['aaa', 'aad', 'ada', 'add', 'daa', 'dad', 'dda', 'ddd']
    """
    approx, levels = decompose(x, wavelet, level, start_level, axes, norm)
    if not trim_approx:
        return levels
    return [approx, *({key: band for key, band in bands.items() if "d" in key} for bands in levels)]


def iswtn(
    coeffs: Sequence[Any], wavelet: WaveletLike = "haar", axes: Sequence[int] | None = None, norm: bool = False
) -> Tensor:
    """Inverse of `swtn`.

    Args:
        coeffs: List of `swtn` with or without `trim_approx`; missing bands and `None` stand for zeros.
        wavelet: Wavelet, or one per axis.
        axes: Axes of the transform; all axes if not given.
        norm: What `swtn` was given.

    Returns:
        The signal.

    Raises:
        TypeError: If coefficients are neither floating nor complex.
        ValueError: If keys do not fit the axes, tensors do not agree in shape and dtype, a length does not fit, or a
            name or axis is unknown.

    Example:
        >>> x = torch.rand(4, 8, 8)
        >>> torch.allclose(iswtn(swtn(x, "db2", level=2), "db2"), x, atol=1e-5)
        True
    """
    return reconstruct(coeffs, wavelet, axes, norm)


def _two(axes: Sequence[int]) -> tuple[int, ...]:
    if len(axes) != 2:
        raise ValueError(f"axes must be two axes, got {tuple(axes)}")
    return tuple(axes)


def _as_dictionaries(coeffs: Sequence[Any], keys: tuple[str, ...]) -> list[Any]:
    """Coefficients of one or two axes in the form of `swtn`."""

    def named(details: Any) -> dict[str, Tensor | None]:
        bands = (details,) if len(keys) == 1 else details
        return dict.fromkeys(keys) if details is None else dict(zip(keys, bands, strict=True))

    if not coeffs or not isinstance(coeffs[0], (tuple, list)):
        return [*coeffs[:1], *map(named, coeffs[1:])]
    return [{"a" * len(keys[0]): approx, **named(details)} for approx, details in coeffs]
