"""Dual-tree complex wavelet transform of images.

Two wavelet trees run in parallel along each axis, on the even and on the odd samples. Their filters are half a sample
apart, so that the outputs of both trees together form complex coefficients whose magnitude hardly changes when the
image is shifted, in six directions.

Sources: Kingsbury, Image processing with complex wavelets, Phil. Trans. R. Soc. A 357, 1999; Selesnick, Baraniuk and
Kingsbury, The dual-tree complex wavelet transform, IEEE Signal Processing Magazine 22(6), 2005.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from subband.transforms._dtcwt_axis import MergeFirst, MergeTrees, SplitFirst, SplitTrees, interleave
from subband.transforms._linear import LinearMap, apply
from subband.transforms.arguments import check_dtype, in_float32
from subband.transforms.dtcwt_filters import FirstLevel, LaterLevels, first_level, later_levels
from subband.transforms.padding import crop, extend

__all__ = ["DTCWTCoeffs", "dtcwt2", "idtcwt2"]

_S = math.sqrt(0.5)
_HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True, eq=False)
class DTCWTCoeffs:
    """Coefficients of a dual-tree complex wavelet transform; a pytree whose leaves are the tensors.

    Coefficients made elsewhere fit in: `yl` and `yh` of pytorch_wavelets are `low` and `torch.view_as_real` of every
    entry of `highs`; the highpasses of the NumPy package `dtcwt` have the six directions last, `(h, w, 6)`, instead of
    before the rows.

    Attributes:
        low: Real low-pass image, `(..., H / 2**(J - 1), W / 2**(J - 1))` for J levels if the sides of the image divide;
            sides are rounded up to even numbers otherwise.
        highs: One complex tensor per level, the finest first, `(..., 6, H / 2**j, W / 2**j)` at level j. The directions
            are those of edges at 15, 45, 75, 105, 135 and 165 degrees.
        size: `(H, W)` of the image, to which the inverse crops; `None` keeps the even size.
        biort: Filters of level 1.
        qshift: Filters of the later levels.
    """

    low: Tensor
    highs: tuple[Tensor, ...]
    size: tuple[int, int] | None = None
    biort: str = "near_sym_a"
    qshift: str = "qshift_a"

    def map(self, function: Callable[[Tensor], Tensor]) -> "DTCWTCoeffs":
        """Apply a function to the complex bands of every level and leave the low-pass image alone.

        Args:
            function: From the bands of a level to their replacement, such as a threshold.

        Example:
            >>> coeffs = dtcwt2(torch.rand(8, 8), level=1)
            >>> coeffs.map(torch.zeros_like).highs[0].abs().max()
            tensor(0.)
        """
        return replace(self, highs=tuple(function(high) for high in self.highs))


def dtcwt2(x: Tensor, level: int = 3, biort: str = "near_sym_a", qshift: str = "qshift_a") -> DTCWTCoeffs:
    """Dual-tree complex wavelet transform of the last two axes.

    Equal to the NumPy package `dtcwt`, whose rules for odd sizes it follows: an odd side gets its last row or column
    twice, and the low-pass image before level 2 and later gets its outermost rows or columns twice on both sides if it
    does not divide by four.

    Args:
        x: Images, `(..., H, W)`, real, any range.
        level: Number of levels J; 0 gives the image back.
        biort: Filters of level 1: `antonini`, `legall`, `near_sym_a` or `near_sym_b`.
        qshift: Filters of the later levels: `qshift_06`, `qshift_a`, `qshift_b`, `qshift_c` or `qshift_d`.

    Returns:
        The low-pass image in the dtype of `x`, and complex bands in its precision (complex64 for half precision).

    Raises:
        ValueError: If a name is unknown, `level` is negative, or `x` has fewer than two axes or an empty side.
        TypeError: If `x` is an integer or complex tensor.

    Example:
        >>> image = torch.zeros(3, 64, 50)
        >>> image[:, 32:] = 1.0
        >>> coeffs = dtcwt2(image, level=2)
        >>> coeffs.low.shape, [high.shape for high in coeffs.highs]
        (torch.Size([3, 32, 26]), [torch.Size([3, 6, 32, 25]), torch.Size([3, 6, 16, 13])])
        >>> [round(float(energy)) for energy in coeffs.highs[1].abs().square().sum((0, 2, 3))]  # a horizontal edge
        [14, 0, 0, 0, 0, 14]
        >>> torch.allclose(idtcwt2(coeffs), image, atol=1e-5)
        True
    """
    _check_image(x)
    if level < 0:
        raise ValueError(f"level must not be negative, got {level}")
    signal = x.float() if x.dtype in _HALF else x
    low, highs = in_float32(_analyze, signal, first=first_level(biort), later=later_levels(qshift), level=level)
    return DTCWTCoeffs(low.to(x.dtype), tuple(highs), (x.shape[-2], x.shape[-1]), biort, qshift)


def idtcwt2(coeffs: DTCWTCoeffs) -> Tensor:
    """Inverse dual-tree complex wavelet transform.

    Args:
        coeffs: What `dtcwt2` returns, or bands made elsewhere.

    Returns:
        Images, `(..., H, W)` with `coeffs.size` rows and columns, in the dtype of `coeffs.low`.

    Raises:
        ValueError: If a filter name is unknown, the bands of two levels do not fit together, or `coeffs.size` is larger
            than the image.
        TypeError: If `coeffs.low` is complex or integer, or a band is not complex.

    Example:
        >>> image = torch.rand(2, 3, 33, 20)
        >>> denoised = idtcwt2(dtcwt2(image, level=2).map(lambda band: band * (band.abs() > 0.1)))
        >>> denoised.shape
        torch.Size([2, 3, 33, 20])
    """
    _check_real(coeffs.low, "coeffs.low")
    _check_bands(coeffs.highs)
    low = coeffs.low.float() if coeffs.low.dtype in _HALF else coeffs.low
    first, later = first_level(coeffs.biort), later_levels(coeffs.qshift)
    image = in_float32(_synthesize, low, *coeffs.highs, first=first, later=later)
    return (image if coeffs.size is None else crop(image, coeffs.size)).to(coeffs.low.dtype)


def _analyze(x: Tensor, *, first: FirstLevel, later: LaterLevels, level: int) -> tuple[Tensor, list[Tensor]]:
    for axis in (-2, -1):
        x = extend(x, 0, x.shape[axis] % 2, "constant", axis)
    highs = []
    for number in range(level):
        maps: list[LinearMap] = [SplitFirst(first.dec_lo, first.dec_hi, axis) for axis in (-2, -1)]
        if number > 0:
            for axis in (-2, -1):
                missing = x.shape[axis] % 4 // 2
                x = extend(x, missing, missing, "constant", axis)
            maps = [SplitTrees(later, axis) for axis in (-2, -1)]
        rows, columns = maps
        low, high = apply(rows, x)
        x, vertical = apply(columns, low)
        horizontal, diagonal = apply(columns, high)
        highs.append(_directions(horizontal, diagonal, vertical))
    return x, highs


def _synthesize(x: Tensor, *highs: Tensor, first: FirstLevel, later: LaterLevels) -> Tensor:
    for number in reversed(range(len(highs))):
        x = _fitted(x, highs[number], number + 1, most=0 if number == len(highs) - 1 else 2)
        maps: list[LinearMap] = [MergeFirst(first.rec_lo, first.rec_hi, axis) for axis in (-2, -1)]
        if number > 0:
            maps = [MergeTrees(later, axis) for axis in (-2, -1)]
        rows, columns = maps
        horizontal, diagonal, vertical = _bands(highs[number])
        x = apply(rows, apply(columns, x, vertical), apply(columns, horizontal, diagonal))
    return x


def _fitted(x: Tensor, high: Tensor, level: int, most: int) -> Tensor:
    """The low-pass image of a level without what was added before the next one: up to `most` rows and columns."""
    for axis in (-2, -1):
        length = 2 * high.shape[axis]
        if x.shape[axis] - length not in (0, most):
            shapes = f"{tuple(x.shape[-2:])} and {tuple(high.shape[-2:])}"
            raise ValueError(
                f"coeffs.highs of level {level} must have half the sides of its low-pass image, got {shapes}"
            )
        x = x.narrow(axis, (x.shape[axis] - length) // 2, length)
    return x


def _directions(horizontal: Tensor, diagonal: Tensor, vertical: Tensor) -> Tensor:
    """Three real bands `(..., 2h, 2w)` to six complex ones `(..., 6, h, w)`.

    The four trees lie side by side in blocks of 2x2; sum and difference of two of them cancel one of the two quadrants
    of the spectrum each, which is what makes the six bands directional.
    """
    real: list[Tensor] = []
    imag: list[Tensor] = []
    for position, band in enumerate((horizontal, diagonal, vertical)):
        (a, b), (c, d) = ((band[..., i::2, 0::2], band[..., i::2, 1::2]) for i in (0, 1))
        real[position:position] = [a - d, a + d]
        imag[position:position] = [b + c, b - c]
    return torch.complex(torch.stack(real, -3).mul_(_S), torch.stack(imag, -3).mul_(_S))


def _bands(high: Tensor) -> list[Tensor]:
    """Inverse of `_directions`: horizontal, diagonal and vertical band."""
    real, imag = (_S * high.real).unbind(-3), (_S * high.imag).unbind(-3)
    bands = []
    for i in range(3):
        a, d = real[i] + real[5 - i], real[5 - i] - real[i]
        b, c = imag[i] + imag[5 - i], imag[i] - imag[5 - i]
        bands.append(interleave([interleave([a, b], -1), interleave([c, d], -1)], -2))
    return bands


def _check_real(x: Tensor, name: str) -> None:
    check_dtype(x, name)
    if x.is_complex():
        raise TypeError(f"{name} must be real, got {x.dtype}; transform its real and imaginary part one by one")


def _check_image(x: Tensor) -> None:
    _check_real(x, "x")
    if x.ndim < 2 or 0 in x.shape[-2:]:
        raise ValueError(f"x must be (..., H, W) with at least one pixel, got {tuple(x.shape)}")


def _check_bands(highs: Iterable[Tensor]) -> None:
    for number, high in enumerate(highs, 1):
        if not high.is_complex():
            raise TypeError(f"coeffs.highs of level {number} must be complex, got {high.dtype}")
        if high.ndim < 3 or high.shape[-3] != 6:
            raise ValueError(f"coeffs.highs of level {number} must be (..., 6, h, w), got {tuple(high.shape)}")


def _flatten(coeffs: DTCWTCoeffs) -> tuple[list[Any], tuple[Any, ...]]:
    size = coeffs.size
    if size is not None and any(isinstance(n, torch.SymInt) for n in size):
        size = None  # an axis that is unknown while a program is exported; the inverse then keeps the even size
    return [coeffs.low, coeffs.highs], (size, coeffs.biort, coeffs.qshift)


def _flatten_with_keys(coeffs: DTCWTCoeffs) -> tuple[list[Any], tuple[Any, ...]]:
    leaves, context = _flatten(coeffs)
    return list(zip((pytree.GetAttrKey("low"), pytree.GetAttrKey("highs")), leaves, strict=True)), context


def _unflatten(leaves: Iterable[Any], context: tuple[Any, ...]) -> DTCWTCoeffs:
    return DTCWTCoeffs(*leaves, *context)


pytree.register_pytree_node(
    DTCWTCoeffs,
    _flatten,
    _unflatten,
    serialized_type_name="subband.transforms.DTCWTCoeffs",
    to_dumpable_context=lambda context: [context[0] and list(context[0]), *context[1:]],
    from_dumpable_context=lambda context: (context[0] and tuple(context[0]), *context[1:]),
    flatten_with_keys_fn=_flatten_with_keys,
)
