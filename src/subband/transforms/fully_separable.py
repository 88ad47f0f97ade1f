"""The fully separable wavelet transform: every axis is decomposed to the end before the next one.

Unlike `wavedecn`, which transforms the approximation along all axes before it goes on to the next level, this gives
bands of every combination of levels, one per axis. Other names are tensor-product, hyperbolic or anisotropic wavelet
transform (DeVore, Konyagin and Temlyakov, "Hyperbolic wavelet approximation", Constructive Approximation 14, 1998).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from subband.transforms._multilevel import decompose, reconstruct
from subband.transforms._static import from_json, plain_sizes, static_wavelet, to_json
from subband.transforms.arguments import Names, check_dtype, negative_axes, per_axis
from subband.transforms.filters import FilterBank, WaveletLike, filter_banks

__all__ = ["SeparableCoeffs", "fswavedecn", "fswaverecn"]

_HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True, eq=False, repr=False)
class SeparableCoeffs:
    """Result of `fswavedecn`.

    Along every transformed axis the coefficients of all levels follow each other in `array`, coarsest first. Bands are
    read by one number per axis: 0 for the approximation of that axis, 1 for its coarsest details, up to the number of
    levels for the finest. The object is a pytree with `array` as its only tensor.

    Attributes:
        array: All coefficients.
        wavelets: Wavelet of every axis; `None` if taps are tensors.
        modes: Boundary mode of every axis.
        axes: Transformed axes, counted from the end.
        sizes: Per axis the samples before the transform of every level, the coarsest first.
        lengths: Per axis the number of coefficients of the approximation and of every level of details.

    Example:
        >>> coeffs = fswavedecn(torch.rand(8, 16), levels=(1, 2))
        >>> coeffs.approx.shape, coeffs[1, 2].shape, coeffs.detail_keys()
        (torch.Size([4, 4]), torch.Size([4, 8]), [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2)])
    """

    array: Tensor
    wavelets: tuple[str | FilterBank, ...] | None
    modes: tuple[str, ...]
    axes: tuple[int, ...]
    sizes: tuple[tuple[int | None, ...], ...]
    lengths: tuple[tuple[int, ...], ...]

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of levels of every axis."""
        return tuple(len(lengths) - 1 for lengths in self.lengths)

    @property
    def approx(self) -> Tensor:
        """The band that is an approximation along every axis."""
        return self[(0,) * len(self.axes)]

    def detail_keys(self) -> list[tuple[int, ...]]:
        """Keys of all other bands, sorted.

        Example:
            >>> fswavedecn(torch.rand(8, 8), levels=1).detail_keys()
            [(0, 1), (1, 0), (1, 1)]
        """
        return list(product(*(range(level + 1) for level in self.levels)))[1:]

    def __getitem__(self, key: int | tuple[int, ...]) -> Tensor:
        key = (key,) if isinstance(key, int) else key
        if len(key) != len(self.axes) or not all(0 <= i <= level for i, level in zip(key, self.levels, strict=True)):
            raise KeyError(f"key must be one number per axis up to {self.levels}, got {key}")
        band = self.array
        for axis, lengths, index in zip(self.axes, self.lengths, key, strict=True):
            band = band.narrow(axis, sum(lengths[:index]), lengths[index])
        return band

    def __repr__(self) -> str:
        static = f"wavelets={self.wavelets!r}, modes={self.modes!r}, axes={self.axes}, lengths={self.lengths}"
        return f"SeparableCoeffs({tuple(self.array.shape)}, {static})"

    def map(self, function: Callable[[Tensor], Tensor]) -> "SeparableCoeffs":
        """Apply a function to the array of all coefficients.

        Args:
            function: From the array to one of the same shape, such as a threshold.

        Example:
            >>> fswavedecn(torch.ones(4)).map(lambda array: 2 * array).inverse().round(decimals=4).tolist()
            [2.0, 2.0, 2.0, 2.0]
        """
        return replace(self, array=function(self.array))

    def inverse(self) -> Tensor:
        """Reconstruct the signal, see `fswaverecn`.

        Example:
            >>> x = torch.rand(5, 7)
            >>> torch.allclose(fswavedecn(x, levels=1).inverse(), x, atol=1e-6)
            True
        """
        return fswaverecn(self)


def fswavedecn(
    x: Tensor,
    wavelet: WaveletLike = "haar",
    mode: Names = "symmetric",
    levels: int | Sequence[int | None] | None = None,
    axes: int | Sequence[int] | None = None,
) -> SeparableCoeffs:
    """Fully separable wavelet transform: all levels along one axis, then all levels along the next.

    Args:
        x: Any shape, floating or complex, any range.
        wavelet: Wavelet, or one per axis.
        mode: Boundary mode, or one per axis.
        levels: Number of levels, or one per axis; `dwt_max_level` of an axis where it is `None`.
        axes: Axes to transform, each at most once; all axes if not given.

    Returns:
        The coefficients.

    Raises:
        TypeError: If `x` is neither floating nor complex.
        ValueError: If a name or axis is unknown, an axis is repeated or empty, a level is negative, or there are not as
            many levels as axes.

    Warns:
        UserWarning: If a level is larger than `dwt_max_level` of its axis.

    Example:
        >>> fswavedecn(torch.rand(3, 32, 32), "db2", levels=(1, 3), axes=(-2, -1)).array.shape
        torch.Size([3, 34, 39])
    """
    check_dtype(x, "x")
    axes = negative_axes((axes,) if isinstance(axes, int) else axes, x.ndim)
    banks = filter_banks(wavelet, len(axes))
    modes = per_axis(mode, len(axes), "mode")
    numbers = [levels] * len(axes) if levels is None or isinstance(levels, int) else list(levels)
    if len(numbers) != len(axes):
        raise ValueError(f"levels must be one number or one per axis ({len(axes)}), got {len(numbers)}")
    array = x.float() if x.dtype in _HALF else x
    sizes, lengths = [], []
    for axis, bank, name, level in zip(axes, banks, modes, numbers, strict=True):
        coeffs = decompose(array, bank, name, level, (axis,), bare=True)
        sizes.append(tuple(size for (size,) in coeffs.sizes))
        lengths.append(tuple(band.shape[axis] for band in coeffs))
        array = torch.cat(tuple(coeffs), axis)
    names = static_wavelet(wavelet, banks)
    wavelets = (names,) * len(axes) if isinstance(names, str) else names
    return SeparableCoeffs(array.to(x.dtype), wavelets, modes, axes, tuple(sizes), tuple(lengths))


def fswaverecn(coeffs: SeparableCoeffs, wavelet: WaveletLike | None = None) -> Tensor:
    """Inverse of `fswavedecn`.

    Args:
        coeffs: Result of `fswavedecn`.
        wavelet: Wavelet, or one per axis; the remembered one if not given. Must be given for learnable taps.

    Returns:
        The signal in its original size.

    Raises:
        ValueError: If the wavelet is neither given nor remembered, or `coeffs.array` has another shape than it had.

    Example:
        >>> x = torch.rand(5, 20, 21)
        >>> torch.allclose(fswaverecn(fswavedecn(x, "db2", axes=(1, 2))), x, atol=1e-5)
        True
    """
    if wavelet is None:
        wavelet = coeffs.wavelets
    if wavelet is None:
        raise ValueError("wavelet must be given for coefficients that do not remember one with fixed taps")
    shape = [coeffs.array.shape[axis] for axis in coeffs.axes]
    if shape != [sum(lengths) for lengths in coeffs.lengths]:
        raise ValueError(f"coeffs.array must fit coeffs.lengths, got {shape} samples along the axes {coeffs.axes}")
    array = coeffs.array.float() if coeffs.array.dtype in _HALF else coeffs.array
    banks = filter_banks(wavelet, len(coeffs.axes))
    for axis, bank, mode, sizes, lengths in zip(
        coeffs.axes, banks, coeffs.modes, coeffs.sizes, coeffs.lengths, strict=True
    ):
        array = reconstruct(array.split(lengths, axis), bank, mode, (axis,), sizes[-1] if sizes else None)
    return array.to(coeffs.array.dtype)


def _flatten(coeffs: SeparableCoeffs) -> tuple[list[Any], tuple[Any, ...]]:
    sizes, lengths = plain_sizes(coeffs.sizes), plain_sizes(coeffs.lengths)
    if any(None in level for level in lengths):
        raise ValueError(
            "axes of SeparableCoeffs must not be dynamic in an exported program, since bands are cut by length"
        )
    return [coeffs.array], (coeffs.wavelets, coeffs.modes, coeffs.axes, sizes, lengths)


def _unflatten(children: Iterable[Any], context: tuple[Any, ...]) -> SeparableCoeffs:
    (array,) = children
    return SeparableCoeffs(array, *context)


def _flatten_with_keys(coeffs: SeparableCoeffs) -> tuple[list[Any], tuple[Any, ...]]:
    children, context = _flatten(coeffs)
    return [(pytree.GetAttrKey("array"), children[0])], context


pytree.register_pytree_node(
    SeparableCoeffs,
    _flatten,
    _unflatten,
    serialized_type_name="subband.transforms.SeparableCoeffs",
    to_dumpable_context=to_json,
    from_dumpable_context=from_json,
    flatten_with_keys_fn=_flatten_with_keys,
)
