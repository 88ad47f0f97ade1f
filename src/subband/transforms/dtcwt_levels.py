"""Single levels of the dual-tree complex wavelet transform of images, and their inverses.

`subband.transforms.dtcwt2` and its inverse are loops over these. Levels are counted from 1, the finest. Tensors have
single or double precision, which callers see to.
"""

import torch  # noqa: F401  the examples below use it
from torch import Tensor

from subband.transforms._dtcwt_axis import MergeFirst, MergeTrees, SplitFirst, SplitTrees
from subband.transforms._dtcwt_directions import JoinDirections, SplitDirections
from subband.transforms._linear import LinearMap, apply
from subband.transforms.dtcwt_filters import FirstLevel, LaterLevels
from subband.transforms.padding import extend

__all__ = ["even_sided", "merge_level", "split_level"]


def even_sided(x: Tensor) -> Tensor:
    """Images as level 1 takes them: an odd side gets its last row or column twice.

    Args:
        x: Images, `(..., H, W)`.

    Example:
        >>> even_sided(torch.zeros(3, 4)).shape
        torch.Size([4, 4])
    """
    for axis in (-2, -1):
        x = extend(x, 0, x.shape[axis] % 2, "constant", axis)
    return x


def split_level(
    x: Tensor,
    number: int,
    first: FirstLevel,
    later: LaterLevels,
    *,
    mode: str = "symmetric",
    with_high: bool = True,
) -> tuple[Tensor, Tensor | None]:
    """One level of the analysis.

    Args:
        x: Images of even sides for level 1, later the low-pass images of the level before, `(..., H, W)`. Before a
            later level a side that does not divide by four gets its outermost rows or columns twice on both ends.
        number: Number of the level.
        first: Filters of level 1.
        later: Filters of the later levels.
        mode: How level 1 goes on beyond the borders, `symmetric` or `zero`; later levels are symmetric.
        with_high: Whether to compute the bands.

    Returns:
        low: Low-pass images, `(..., H, W)` at level 1 and half as large later.
        high: Complex bands, `(..., 6, h, w)` with half the sides of `low`, or `None`.

    Example:
        >>> from subband.transforms.dtcwt_filters import first_level, later_levels
        >>> banks = first_level("legall"), later_levels("qshift_a")
        >>> low, high = split_level(torch.rand(6, 8), 1, *banks)
        >>> low.shape, high.shape, split_level(low, 2, *banks)[0].shape
        (torch.Size([6, 8]), torch.Size([6, 3, 4]), torch.Size([4, 4]))
    """
    maps: list[LinearMap] = [SplitFirst(first.dec_lo, first.dec_hi, axis, mode, with_high) for axis in (-2, -1)]
    if number > 1:
        for axis in (-2, -1):
            missing = x.shape[axis] % 4 // 2
            x = extend(x, missing, missing, "constant", axis)
        maps = [SplitTrees(later, axis, with_high) for axis in (-2, -1)]
    rows, columns = maps
    if not with_high:
        return apply(columns, *apply(rows, x))[0], None
    low, high = apply(rows, x)
    low, vertical = apply(columns, low)
    horizontal, diagonal = apply(columns, high)
    return low, apply(SplitDirections(), horizontal, diagonal, vertical)


def merge_level(
    x: Tensor,
    high: Tensor | None,
    number: int,
    first: FirstLevel,
    later: LaterLevels,
    *,
    mode: str = "symmetric",
    is_coarsest: bool = False,
) -> Tensor:
    """One level of the synthesis; the arguments not named here are those of `split_level`.

    Args:
        x: Low-pass images, `(..., H, W)`: what the next coarser level gave, or the low-pass image of the transform.
        high: Complex bands, `(..., 6, H / 2, W / 2)`, or sides by one shorter where rows or columns had been added to
            the low-pass image; `None` stands for zeros.
        number: Number of the level.
        first: Filters of level 1.
        later: Filters of the later levels.
        mode: How level 1 goes on beyond the borders.
        is_coarsest: Whether `x` has no added rows and columns for sure.

    Returns:
        Images of twice the sides of `high`, at later levels of four times.

    Raises:
        ValueError: If `x` and `high` do not fit together, or a side of `x` is odd.

    Example:
        >>> from subband.transforms.dtcwt_filters import first_level, later_levels
        >>> banks = first_level("legall"), later_levels("qshift_a")
        >>> x = torch.rand(6, 8)
        >>> torch.allclose(merge_level(*split_level(x, 1, *banks), 1, *banks), x, atol=1e-6)
        True
    """
    if high is not None:
        x = _fitted(x, high, number, most=0 if is_coarsest else 2)
    elif x.shape[-2] % 2 or x.shape[-1] % 2:
        raise ValueError(f"the low-pass image of level {number} must have even sides, got {tuple(x.shape[-2:])}")
    with_high = high is not None
    maps: list[LinearMap] = [MergeFirst(first.rec_lo, first.rec_hi, axis, mode, with_high) for axis in (-2, -1)]
    if number > 1:
        maps = [MergeTrees(later, axis, with_high) for axis in (-2, -1)]
    rows, columns = maps
    if high is None:
        return apply(rows, apply(columns, x))
    horizontal, diagonal, vertical = apply(JoinDirections(), high)
    return apply(rows, apply(columns, x, vertical), apply(columns, horizontal, diagonal))


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
