"""The wavelet transform over several levels, and its inverse.

Every level transforms the approximation of the level before. The numbers are those of PyWavelets; the result is a
`Coeffs`, which behaves as PyWavelets' list and remembers wavelet, mode, axes and sizes, so that its inverse needs no
arguments and gives back signals of odd length as they were.
"""

from collections.abc import Sequence
from typing import Any

import torch  # noqa: F401  the examples below use it
from torch import Tensor

from subband.transforms._multilevel import decompose, reconstruct
from subband.transforms.arguments import Names
from subband.transforms.coeffs import Coeffs
from subband.transforms.filters import WaveletLike

__all__ = ["wavedec", "wavedec2", "wavedec3", "wavedecn", "waverec", "waverec2", "waverec3", "waverecn"]


def wavedec(
    x: Tensor, wavelet: WaveletLike = "haar", mode: str = "symmetric", level: int | None = None, axis: int = -1
) -> Coeffs:
    """Wavelet transform over several levels along one axis.

    Args:
        x: Any shape, floating or complex, any range. Half precision is computed in float32.
        wavelet: Wavelet.
        mode: Boundary mode, one of `subband.transforms.MODES`.
        level: Number of levels; `dwt_max_level` of the axis if not given. 0 returns the signal itself.
        axis: Axis to transform.

    Returns:
        `approx, detail_n, ..., detail_1`, coarsest first; the details are tensors.

    Raises:
        TypeError: If `x` is neither floating nor complex.
        ValueError: If `wavelet`, `mode` or `axis` is unknown, `level` is negative, or the axis is empty.

    Warns:
        UserWarning: If `level` is larger than `dwt_max_level`.

    Example:
        >>> approx, coarse, fine = wavedec(torch.tensor([4.0, 2.0, 1.0, 1.0]))
        >>> [band.round(decimals=4).tolist() for band in (approx, coarse, fine)]
        [[4.0], [2.0], [1.414..., 0.0]]
    """
    return decompose(x, wavelet, mode, level, (axis,), bare=True)


def wavedec2(
    x: Tensor,
    wavelet: WaveletLike = "haar",
    mode: Names = "symmetric",
    level: int | None = None,
    axes: Sequence[int] = (-2, -1),
) -> Coeffs:
    """Wavelet transform over several levels along two axes.

    Args:
        x: Images, `(..., H, W)` with the default axes, floating or complex, any range.
        wavelet: Wavelet, or one per axis.
        mode: Boundary mode, or one per axis.
        level: Number of levels; the smaller `dwt_max_level` of the two axes if not given.
        axes: Rows axis and columns axis.

    Returns:
        `approx, details_n, ..., details_1`, coarsest first; details unpack as `(cH, cV, cD)`, see `Details`.

    Raises:
        TypeError: If `x` is neither floating nor complex.
        ValueError: If a name or axis is unknown, an axis is repeated or empty, or `level` is negative.

    Warns:
        UserWarning: If `level` is larger than `dwt_max_level` of an axis.

    Example:
        >>> approx, *details = wavedec2(torch.rand(2, 3, 32, 48), "db2", level=2)
        >>> approx.shape, [item.d.shape[-2:] for item in details]
        (torch.Size([2, 3, 10, 14]), [torch.Size([10, 14]), torch.Size([17, 25])])
    """
    return decompose(x, wavelet, mode, level, _exactly(2, axes))


def wavedec3(
    x: Tensor,
    wavelet: WaveletLike = "haar",
    mode: Names = "symmetric",
    level: int | None = None,
    axes: Sequence[int] = (-3, -2, -1),
) -> Coeffs:
    """Wavelet transform over several levels along three axes.

    Args:
        x: Clips or volumes, `(..., T, H, W)` with the default axes, floating or complex, any range.
        wavelet: Wavelet, or one per axis.
        mode: Boundary mode, or one per axis.
        level: Number of levels; the smallest `dwt_max_level` of the three axes if not given.
        axes: Axes to transform.

    Returns:
        `approx, details_n, ..., details_1`, coarsest first; details are mappings with the keys `aad` to `ddd`.

    Raises:
        TypeError: If `x` is neither floating nor complex.
        ValueError: If a name or axis is unknown, an axis is repeated or empty, or `level` is negative.

    Warns:
        UserWarning: If `level` is larger than `dwt_max_level` of an axis.

    Example:
        >>> coeffs = wavedec3(torch.rand(2, 8, 16, 16), level=2)
        >>> coeffs.approx.shape, list(coeffs[1])
        (torch.Size([2, 2, 4, 4]), ['aad', 'ada', 'add', 'daa', 'dad', 'dda', 'ddd'])
    """
    return decompose(x, wavelet, mode, level, _exactly(3, axes))


def wavedecn(
    x: Tensor,
    wavelet: WaveletLike = "haar",
    mode: Names = "symmetric",
    level: int | None = None,
    axes: int | Sequence[int] | None = None,
) -> Coeffs:
    """Wavelet transform over several levels along any axes.

    Args:
        x: Any shape, floating or complex, any range.
        wavelet: Wavelet, or one per axis.
        mode: Boundary mode, or one per axis.
        level: Number of levels; the smallest `dwt_max_level` of the axes if not given.
        axes: Axes to transform, each at most once; all axes if not given.

    Returns:
        `approx, details_n, ..., details_1`, coarsest first; letter i of a key belongs to `axes[i]`.

    Raises:
        TypeError: If `x` is neither floating nor complex.
        ValueError: If a name or axis is unknown, an axis is repeated or empty, or `level` is negative.

    Warns:
        UserWarning: If `level` is larger than `dwt_max_level` of an axis.

    Example:
        >>> coeffs = wavedecn(torch.rand(5, 16, 3, 16), ("db2", "haar"), level=1, axes=(1, 3))
        >>> {key: tuple(band.shape) for key, band in coeffs[1].items()}
        {'ad': (5, 9, 3, 8), 'da': (5, 9, 3, 8), 'dd': (5, 9, 3, 8)}
    """
    return decompose(x, wavelet, mode, level, (axes,) if isinstance(axes, int) else axes)


def waverec(
    coeffs: Any,
    wavelet: WaveletLike | None = None,
    mode: str | None = None,
    axis: int | None = None,
    size: int | None = None,
) -> Tensor:
    """Inverse of `wavedec`.

    An approximation that is one longer than the details of its level loses its last sample, as in PyWavelets.

    Args:
        coeffs: `Coeffs`, or a list `[approx, detail_n, ..., detail_1]`, in which `None` stands for zeros.
        wavelet: Wavelet; the remembered one if not given.
        mode: Boundary mode; the remembered one if not given, `symmetric` for a list.
        axis: Axis of the transform; the remembered one if not given, the last one for a list.
        size: Samples to keep; the size before the transform if remembered, else all of them.

    Returns:
        The signal.

    Raises:
        TypeError: If `coeffs` is of another type, or a band is neither floating nor complex.
        ValueError: If the wavelet is neither given nor remembered, bands do not fit together (the message names level
            and axis), all bands are missing, or `size` does not fit.

    Example:
        >>> x = torch.rand(3, 21)
        >>> coeffs = wavedec(x, "db2")
        >>> waverec(coeffs).shape, waverec(coeffs.to_list(), "db2").shape
        (torch.Size([3, 21]), torch.Size([3, 22]))
    """
    return reconstruct(coeffs, wavelet, mode, _default((-1,), (axis,) if axis is not None else None, coeffs), size)


def waverec2(
    coeffs: Any,
    wavelet: WaveletLike | None = None,
    mode: Names | None = None,
    axes: Sequence[int] | None = None,
    size: Sequence[int] | None = None,
) -> Tensor:
    """Inverse of `wavedec2`.

    Args:
        coeffs: `Coeffs`, or a list `[approx, (cH, cV, cD), ..., (cH, cV, cD)]`; `None` stands for zeros in place of a
            band or of a whole level.
        wavelet: Wavelet, or one per axis; the remembered one if not given.
        mode: Boundary mode, or one per axis; the remembered one if not given, `symmetric` for a list.
        axes: Rows axis and columns axis; the remembered ones if not given, the last two for a list.
        size: Rows and columns to keep; the size before the transform if remembered, else all of them.

    Returns:
        The images.

    Raises:
        TypeError: If `coeffs` is of another type, or a band is neither floating nor complex.
        ValueError: If the wavelet is neither given nor remembered, bands do not fit together (the message names level
            and axis), all bands are missing, or `size` does not fit.

    Example:
        >>> x = torch.rand(3, 21, 30)
        >>> torch.allclose(waverec2(wavedec2(x, "bior2.2", level=2)), x, atol=1e-5)
        True
    """
    axes = None if axes is None else _exactly(2, axes)
    return reconstruct(coeffs, wavelet, mode, _default((-2, -1), axes, coeffs), size)


def waverec3(
    coeffs: Any,
    wavelet: WaveletLike | None = None,
    mode: Names | None = None,
    axes: Sequence[int] | None = None,
    size: Sequence[int] | None = None,
) -> Tensor:
    """Inverse of `wavedec3`.

    Args:
        coeffs: `Coeffs`, or a list `[approx, {key: band}, ..., {key: band}]`; missing keys and `None` stand for zeros.
        wavelet: Wavelet, or one per axis; the remembered one if not given.
        mode: Boundary mode, or one per axis; the remembered one if not given, `symmetric` for a list.
        axes: Axes of the transform; the remembered ones if not given, the last three for a list.
        size: Samples to keep per axis; the size before the transform if remembered, else all of them.

    Returns:
        The clips or volumes.

    Raises:
        TypeError: If `coeffs` is of another type, or a band is neither floating nor complex.
        ValueError: If the wavelet is neither given nor remembered, bands do not fit together (the message names level
            and axis), all bands are missing, or `size` does not fit.

    Example:
        >>> x = torch.rand(3, 7, 8, 9)
        >>> torch.allclose(waverec3(wavedec3(x, level=2)), x, atol=1e-6)
        True
    """
    axes = None if axes is None else _exactly(3, axes)
    return reconstruct(coeffs, wavelet, mode, _default((-3, -2, -1), axes, coeffs), size)


def waverecn(
    coeffs: Any,
    wavelet: WaveletLike | None = None,
    mode: Names | None = None,
    axes: int | Sequence[int] | None = None,
    size: int | Sequence[int] | None = None,
) -> Tensor:
    """Inverse of `wavedecn`, and of every other transform that returns a `Coeffs`.

    Args:
        coeffs: `Coeffs`, or a list `[approx, {key: band}, ..., {key: band}]`; missing keys and `None` stand for zeros.
        wavelet: Wavelet, or one per axis; the remembered one if not given.
        mode: Boundary mode, or one per axis; the remembered one if not given, `symmetric` for a list.
        axes: Axes of the transform; the remembered ones if not given. For a list the last ones, as many as a key has
            letters.
        size: Samples to keep per axis; the size before the transform if remembered, else all of them.

    Returns:
        The signal.

    Raises:
        TypeError: If `coeffs` is of another type, or a band is neither floating nor complex.
        ValueError: If the wavelet is neither given nor remembered, bands do not fit together (the message names level
            and axis), all bands are missing, or `size` does not fit.

    Example:
        >>> x = torch.rand(11, 4, 10)
        >>> torch.allclose(waverecn(wavedecn(x, "db3", level=1, axes=(2, 0))), x, atol=1e-5)
        True
    """
    return reconstruct(coeffs, wavelet, mode, (axes,) if isinstance(axes, int) else axes, size)


def _exactly(num_axes: int, axes: Sequence[int]) -> tuple[int, ...]:
    if len(axes) != num_axes:
        raise ValueError(f"axes must be {num_axes} numbers, got {tuple(axes)}")
    return tuple(axes)


def _default(default: tuple[int, ...], axes: tuple[int, ...] | None, coeffs: Any) -> tuple[int, ...] | None:
    """The axes of a call: those given, else those a container remembers (`None`), else the default."""
    return default if axes is None and not isinstance(coeffs, Coeffs) else axes
