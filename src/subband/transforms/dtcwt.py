"""Dual-tree complex wavelet transform of images.

Two wavelet trees run in parallel along each axis, on the even and on the odd samples. Their filters are half a sample
apart, so that the outputs of both trees together form complex coefficients whose magnitude hardly changes when the
image is shifted, in six directions.

Sources: Kingsbury, Image processing with complex wavelets, Phil. Trans. R. Soc. A 357, 1999; Selesnick, Baraniuk and
Kingsbury, The dual-tree complex wavelet transform, IEEE Signal Processing Magazine 22(6), 2005.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from subband.transforms._container import Container, iterate, join_replicas, register_container
from subband.transforms.arguments import check_dtype, check_tensor, in_float32, integer, without_autocast
from subband.transforms.details import shape_of
from subband.transforms.dtcwt_filters import FirstLevel, LaterLevels, first_level, later_levels
from subband.transforms.dtcwt_levels import even_sided, merge_level, split_level
from subband.transforms.padding import crop

__all__ = ["DTCWTCoeffs", "dtcwt2", "idtcwt2"]


@dataclass(eq=False, repr=False)
class DTCWTCoeffs(Container):
    """Coefficients of a dual-tree complex wavelet transform; a pytree whose leaves are the tensors.

    They unpack as the pair `low, highs`.

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
    highs: tuple[Tensor, ...] = ()
    size: tuple[int, int] | None = None
    biort: str = "near_sym_a"
    qshift: str = "qshift_a"

    def __post_init__(self) -> None:
        join_replicas(self, self.low)

    def __iter__(self) -> Iterator[Any]:
        return iterate(self, (self.low, self.highs))

    def __repr__(self) -> str:
        highs = "".join(f", {shape_of(high)}" for high in self.highs)
        return f"DTCWTCoeffs({shape_of(self.low)}{highs}, size={self.size}, {self.biort!r}, {self.qshift!r})"

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
    level = integer(level, "level")
    if level < 0:
        raise ValueError(f"level must not be negative, got {level}")
    signal = x.to(torch.promote_types(x.dtype, torch.float32))
    low, highs = in_float32(_analyze, signal, first=first_level(biort), later=later_levels(qshift), level=level)
    return DTCWTCoeffs(low.to(x.dtype), tuple(highs), (x.shape[-2], x.shape[-1]), biort, qshift)


def idtcwt2(coeffs: DTCWTCoeffs | tuple[Tensor, Sequence[Tensor]]) -> Tensor:
    """Inverse dual-tree complex wavelet transform.

    Args:
        coeffs: What `dtcwt2` returns, or bands made elsewhere; also a pair of the low-pass image and the bands of all
            levels, the finest first, which then belong to the default filters and an image of even sides.

    Returns:
        Images, `(..., H, W)` with `coeffs.size` rows and columns, in the dtype of `coeffs.low`, or in double precision
        if a band has it.

    Raises:
        ValueError: If a filter name is unknown, the bands of two levels do not fit together, or `coeffs.size` is larger
            than the image.
        TypeError: If `coeffs` is something else, `coeffs.low` is complex or integer, or a band is not complex.

    Example:
        >>> image = torch.rand(2, 3, 33, 20)
        >>> denoised = idtcwt2(dtcwt2(image, level=2).map(lambda band: band * (band.abs() > 0.1)))
        >>> denoised.shape
        torch.Size([2, 3, 33, 20])
    """
    coeffs = _parsed(coeffs)
    _check_real(coeffs.low, "coeffs.low")
    _check_bands(coeffs.highs)
    single = torch.promote_types(coeffs.low.dtype, torch.float32)
    dtype = single
    for high in coeffs.highs:
        dtype = torch.promote_types(dtype, high.real.dtype)
    low, highs = coeffs.low.to(dtype), [high.to(torch.promote_types(dtype, torch.complex64)) for high in coeffs.highs]
    with without_autocast(low.device):
        image = _synthesize(low, *highs, first=first_level(coeffs.biort), later=later_levels(coeffs.qshift))
    image = image if coeffs.size is None else crop(image, coeffs.size)
    return image.to(coeffs.low.dtype) if dtype == single else image


def _analyze(x: Tensor, *, first: FirstLevel, later: LaterLevels, level: int) -> tuple[Tensor, list[Tensor]]:
    x = even_sided(x)
    highs = []
    for number in range(1, level + 1):
        x, high = split_level(x, number, first, later)
        assert high is not None  # it was asked for
        highs.append(high)
    return x, highs


def _synthesize(x: Tensor, *highs: Tensor, first: FirstLevel, later: LaterLevels) -> Tensor:
    for number in range(len(highs), 0, -1):
        x = merge_level(x, highs[number - 1], number, first, later, is_coarsest=number == len(highs))
    return x


def _check_real(x: Tensor, name: str) -> None:
    check_dtype(x, name)
    if x.is_complex():
        raise TypeError(f"{name} must be real, got {x.dtype}; transform its real and imaginary part one by one")


def _check_image(x: Tensor) -> None:
    _check_real(x, "x")
    if x.ndim < 2 or 0 in x.shape[-2:]:
        raise ValueError(f"x must be (..., H, W) with at least one pixel, got {tuple(x.shape)}")


def _parsed(coeffs: Any) -> DTCWTCoeffs:
    """Coefficients from what the user gave."""
    if isinstance(coeffs, DTCWTCoeffs):
        return coeffs
    if not isinstance(coeffs, tuple | list) or len(coeffs) != 2 or not isinstance(coeffs[1], tuple | list):
        kind = type(coeffs).__name__
        raise TypeError(f"coeffs must be DTCWTCoeffs or a pair of the low-pass image and a list of bands, got {kind}")
    return DTCWTCoeffs(coeffs[0], tuple(coeffs[1]))


def _check_bands(highs: Iterable[Tensor]) -> None:
    for number, high in enumerate(highs, 1):
        check_tensor(high, f"coeffs.highs of level {number}")
        if not high.is_complex():
            raise TypeError(
                f"coeffs.highs of level {number} must be complex, got {high.dtype}; "
                "torch.view_as_complex joins real and imaginary parts"
            )
        if high.ndim < 3 or high.shape[-3] != 6:
            raise ValueError(f"coeffs.highs of level {number} must be (..., 6, h, w), got {tuple(high.shape)}")


def _flatten(coeffs: DTCWTCoeffs) -> tuple[list[Any], tuple[Any, ...]]:
    size = coeffs.size
    if size is not None and any(isinstance(n, torch.SymInt) for n in size):
        size = None  # an axis that is unknown while a program is exported; the inverse then keeps the even size
    return [coeffs.low, coeffs.highs], (size, coeffs.biort, coeffs.qshift)


def _keys(_: DTCWTCoeffs) -> list[Any]:
    return [pytree.GetAttrKey("low"), pytree.GetAttrKey("highs")]


def _unflatten(leaves: Iterable[Any], context: tuple[Any, ...]) -> DTCWTCoeffs:
    return DTCWTCoeffs(*leaves, *context)


register_container(
    DTCWTCoeffs,
    _flatten,
    _unflatten,
    _keys,
    to_json=lambda context: [context[0] and list(context[0]), *context[1:]],
    from_json=lambda context: (context[0] and tuple(context[0]), *context[1:]),
)
