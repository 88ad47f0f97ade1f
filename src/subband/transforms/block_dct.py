"""Discrete cosine transform of square blocks, as in JPEG.

JPEG's formula for 8x8 blocks is the orthonormal transform of type 2; JPEG subtracts 128 from pixels in `[0, 255]`
before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.transforms._cosine import Scale, cosine_matrix
from subband.transforms._linear import LinearMap, apply
from subband.transforms._parts import on_parts
from subband.transforms.arguments import check_dtype, in_float32
from subband.transforms.padding import crop, pad_to_multiple

__all__ = ["BlockLayout", "BlockOrder", "block_dct2", "block_frequencies", "block_idct2", "zigzag_order"]

BlockLayout = Literal["spatial", "channels"]
BlockOrder = Literal["raster", "zigzag"]

_ORTHONORMAL = Scale(1.0, 2.0**0.5, -0.5)


def zigzag_order(block: int = 8) -> tuple[int, ...]:
    """Order of the coefficients of a block by diagonals, from low to high frequencies, as JPEG stores them.

    Args:
        block: Side of the block.

    Returns:
        For every place in the order the raster index `block * row + column`.

    Raises:
        ValueError: If `block` is not a positive integer.

    Example:
        >>> [divmod(index, 8) for index in zigzag_order()[:6]]
        [(0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (0, 2)]
    """

    def place(index: int) -> tuple[int, int]:
        row, column = divmod(index, block)
        return row + column, row if (row + column) % 2 else column

    return tuple(sorted(range(_check_block(block) ** 2), key=place))


def block_frequencies(block: int = 8, order: BlockOrder = "raster", keep: Sequence[int] | None = None) -> list[int]:
    """Raster indices of the coefficients that `block_dct2` returns with `layout="channels"`.

    Args:
        block: Side of the block.
        order: Order of the coefficients.
        keep: Places in that order that are kept; all if not given.

    Returns:
        `block * row + column` of every kept coefficient.

    Raises:
        ValueError: If `order` is unknown or `keep` is empty, has repetitions or numbers beyond the block.

    Example:
        >>> block_frequencies(8, "zigzag", keep=[0, 2, 3])
        [0, 8, 16]
    """
    if order not in ("raster", "zigzag"):
        raise ValueError(f"order must be 'raster' or 'zigzag', got {order!r}")
    indices = zigzag_order(block) if order == "zigzag" else range(_check_block(block) ** 2)
    if keep is None:
        return list(indices)
    if not keep or len(set(keep)) != len(keep) or not all(0 <= place < len(indices) for place in keep):
        raise ValueError(f"keep must be different places between 0 and {len(indices) - 1}, got {list(keep)}")
    return [indices[place] for place in keep]


def block_dct2(
    x: Tensor,
    block: int = 8,
    *,
    layout: BlockLayout = "spatial",
    order: BlockOrder = "raster",
    keep: Sequence[int] | None = None,
    pad: Literal["replicate"] | None = None,
) -> Tensor:
    """Orthonormal cosine transform (type 2) of every block of an image.

    The first coefficient of a block is `block` times its mean.

    Args:
        x: Images, `(..., H, W)`, for `layout="channels"` `(..., C, H, W)`; floating or complex, any range.
        block: Side b of the blocks.
        layout: `spatial` puts the coefficients of a block where its pixels were, `channels` makes a channel of every
            frequency: all of the first image channel, then all of the second, and so on.
        order: Order of the frequencies in `layout="channels"`: row by row (row is the frequency along the height) or
            in JPEG's zigzag.
        keep: Places in `order` of the frequencies to compute in `layout="channels"`; all if not given.
        pad: Repeat the last row and column until blocks fit, or refuse other sizes.

    Returns:
        `(..., H, W)`, or `(..., C * K, H / b, W / b)` for K frequencies, with H and W rounded up to whole blocks.

    Raises:
        TypeError: If `x` is an integer tensor.
        ValueError: If an option is unknown, one of `order` and `keep` is given for `layout="spatial"`, or the sides are
            not multiples of `block`.

    Example:
        >>> x = torch.ones(1, 3, 16, 24)
        >>> block_dct2(x)[0, 0, :8, :8].abs().sum().round()
        tensor(8.)
        >>> block_dct2(x, layout="channels", order="zigzag", keep=range(10)).shape
        torch.Size([1, 30, 2, 3])
    """
    check_dtype(x, "x")
    _check(x, block, layout, order, keep)
    if pad not in (None, "replicate"):
        raise ValueError(f"pad must be 'replicate' or None, got {pad!r}")
    height, width = x.shape[-2:]
    if pad is not None:
        x, _ = pad_to_multiple(x, block, pad)
    elif height % block or width % block:
        raise ValueError(
            f"height and width must be multiples of block={block} unless pad='replicate', got {height}x{width}"
        )
    if layout == "spatial":
        return _run(lambda part: _to_spatial(part, cosine_matrix(block, _ORTHONORMAL, part)), x)
    frequencies = tuple(block_frequencies(block, order, keep))
    return _run(partial(apply, _Channels(block, frequencies)), x)


def block_idct2(
    coeffs: Tensor,
    block: int = 8,
    *,
    layout: BlockLayout = "spatial",
    order: BlockOrder = "raster",
    keep: Sequence[int] | None = None,
    size: tuple[int, int] | None = None,
) -> Tensor:
    """Inverse of `block_dct2`.

    Args:
        coeffs: `(..., H', W')`, for `layout="channels"` `(..., C * K, h, w)` with K frequencies; floating or complex.
        block: Side b of the blocks.
        layout: Where the coefficients are, see `block_dct2`.
        order: Order of the frequencies in `layout="channels"`.
        keep: Places in `order` of the frequencies that are there in `layout="channels"`; the others count as zero.
        size: Height and width of the image if it was padded.

    Returns:
        Images, `(..., H, W)` or `(..., C, H, W)`.

    Raises:
        TypeError: If `coeffs` is an integer tensor.
        ValueError: If an option is unknown, one of `order` and `keep` is given for `layout="spatial"`, the shape does
            not fit `block` and `keep`, or `size` is not the size of an image of so many blocks.

    Example:
        >>> x = torch.rand(2, 3, 21, 30)
        >>> coeffs = block_dct2(x, layout="channels", pad="replicate")
        >>> coeffs.shape, torch.allclose(block_idct2(coeffs, layout="channels", size=(21, 30)), x, atol=1e-5)
        (torch.Size([2, 192, 3, 4]), True)
    """
    check_dtype(coeffs, "coeffs")
    _check(coeffs, block, layout, order, keep)
    if layout == "spatial":
        if coeffs.shape[-2] % block or coeffs.shape[-1] % block:
            raise ValueError(f"coeffs must have sides that are multiples of {block}, got {tuple(coeffs.shape)}")
        x = _run(lambda part: _to_spatial(part, cosine_matrix(block, _ORTHONORMAL, part).mT), coeffs)
    else:
        frequencies = tuple(block_frequencies(block, order, keep))
        if coeffs.shape[-3] % len(frequencies):
            raise ValueError(
                f"coeffs must have a multiple of {len(frequencies)} channels, got shape {tuple(coeffs.shape)}"
            )
        x = _run(partial(apply, _Channels(block, frequencies, is_inverse=True)), coeffs)
    return x if size is None else _crop(x, size, block)


def _check_block(block: int) -> int:
    if not isinstance(block, int) or isinstance(block, bool) or block < 1:
        raise ValueError(f"block must be a positive integer, got {block!r}")
    return block


def _check(x: Tensor, block: int, layout: str, order: str, keep: Sequence[int] | None) -> None:
    _check_block(block)
    if layout not in ("spatial", "channels"):
        raise ValueError(f"layout must be 'spatial' or 'channels', got {layout!r}")
    if layout == "spatial" and (order != "raster" or keep is not None):
        raise ValueError("order and keep need layout='channels', got layout='spatial'")
    num_axes = 2 if layout == "spatial" else 3
    if x.ndim < num_axes:
        raise ValueError(f"layout={layout!r} needs at least {num_axes} axes, got shape {tuple(x.shape)}")


def _run(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return in_float32(lambda part: on_parts(function, part), x)


def _to_spatial(x: Tensor, matrix: Tensor) -> Tensor:
    """`matrix` times every block times its transpose."""
    block, (height, width) = len(matrix), x.shape[-2:]
    rows = matrix @ x.reshape(*x.shape[:-2], height // block, block, width)
    if width // block % 2 == 0:
        matrix = torch.block_diag(matrix, matrix)  # one product for two blocks keeps the processor busier
    return (rows.unflatten(-1, (-1, len(matrix))) @ matrix.mT).reshape(x.shape)


@dataclass(frozen=True)
class _Channels(LinearMap):
    """Images `(..., C, H, W)` to coefficients `(..., C * K, h, w)`, or the transposed map.

    The first is one convolution, but the transposed convolution of PyTorch is ten times slower than a matrix product
    over the channels followed by a pixel shuffle, so backward passes need this class.
    """

    block: int
    frequencies: tuple[int, ...]
    is_inverse: bool = False

    def eager(self, *tensors: Tensor) -> Tensor:
        (x,) = tensors
        *batch, channels, height, width = x.shape
        filters, count, block = self._filters(x), len(self.frequencies), self.block
        if self.is_inverse:
            blocks = filters.flatten(1).mT @ x.reshape(*batch, channels // count, count, height * width)
            return F.pixel_shuffle(blocks.unflatten(-1, (height, width)), block).squeeze(-3)
        coeffs = F.conv2d(x.reshape(-1, 1, height, width), filters, stride=block)
        return coeffs.view(*batch, channels * count, height // block, width // block)

    def traced(self, *tensors: Tensor) -> Tensor:
        return self.eager(*tensors)

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        return replace(self, is_inverse=not self.is_inverse)

    def _filters(self, like: Tensor) -> Tensor:
        """Outer products of cosines, `(K, 1, b, b)`."""
        matrix = cosine_matrix(self.block, _ORTHONORMAL, like)
        products = (matrix[:, None, :, None] * matrix[:, None, :]).view(-1, 1, self.block, self.block)
        if self.frequencies == tuple(range(self.block**2)):
            return products
        return products.index_select(0, torch.tensor(self.frequencies, device=like.device))


def _crop(x: Tensor, size: tuple[int, int], block: int) -> Tensor:
    padded = tuple(-(-side // block) * block for side in size)
    if padded != tuple(x.shape[-2:]):
        raise ValueError(
            f"size {size[0]}x{size[1]} does not fit blocks of {block} that make {x.shape[-2]}x{x.shape[-1]} pixels"
        )
    return crop(x, size)
