"""Block cosine transforms as modules: images to frequency channels and back.

Source of the channel layout: Xu et al., Learning in the Frequency Domain, CVPR 2020.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from subband.transforms import block_dct2, block_frequencies, block_idct2
from subband.transforms.block_dct import BlockOrder

__all__ = ["BlockDCT2d", "BlockIDCT2d"]

Places = tuple[int, ...]


class BlockDCT2d(nn.Module):
    """Orthonormal cosine transform of every block, with the frequencies as channels.

    Channels are sorted by image channel, then by frequency. There are no parameters and no buffers.

    Args:
        block: Side b of the blocks.
        order: Order of the frequencies, row by row or in JPEG's zigzag.
        keep: Places in `order` of the frequencies that are computed, one list for all image channels or a list of
            lists, one per image channel; all if not given.
        pad: Repeat the last row and column until blocks fit, or refuse other sizes.

    Shape:
        - input: `(B, C, H, W)`
        - output: `(B, K, H / b, W / b)` for K frequencies of all image channels together

    Raises:
        ValueError: If an option is unknown or `keep` does not fit `block`.

    Example:
        >>> BlockDCT2d(order="zigzag", keep=[range(22), range(1), range(1)])(torch.rand(2, 3, 32, 48)).shape
        torch.Size([2, 24, 4, 6])
    """

    def __init__(
        self,
        block: int = 8,
        *,
        order: BlockOrder = "raster",
        keep: Sequence[int] | Sequence[Sequence[int]] | None = None,
        pad: Literal["replicate"] | None = None,
    ) -> None:
        super().__init__()
        if pad not in (None, "replicate"):
            raise ValueError(f"pad must be 'replicate' or None, got {pad!r}")
        self.block, self.order, self.pad = block, order, pad
        self.keep, self.keep_per_channel = _places(block, order, keep)

    def forward(self, x: Tensor) -> Tensor:
        """Transform images `(B, C, H, W)`."""
        if self.keep_per_channel is None:
            return self._transform(x, self.keep)
        if x.shape[-3] != len(self.keep_per_channel):
            raise ValueError(f"x must have {len(self.keep_per_channel)} channels, as keep has, got {tuple(x.shape)}")
        planes = zip(x.split(1, -3), self.keep_per_channel, strict=True)
        return torch.cat([self._transform(plane, keep) for plane, keep in planes], -3)

    def _transform(self, x: Tensor, keep: Places | None) -> Tensor:
        return block_dct2(x, self.block, layout="channels", order=self.order, keep=keep, pad=self.pad)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{self.block}, order={self.order!r}, pad={self.pad!r}"


class BlockIDCT2d(nn.Module):
    """Inverse of `BlockDCT2d`; frequencies that were not kept count as zero.

    Args:
        block: Side b of the blocks.
        order: Order of the frequencies.
        keep: Places in `order` of the frequencies that are there, one list for all image channels or one per channel;
            all if not given.

    Shape:
        - input: `(B, K, h, w)`
        - output: `(B, C, h * b, w * b)`, or the first `size` rows and columns of it

    Raises:
        ValueError: If an option is unknown or `keep` does not fit `block`.

    Example:
        >>> x = torch.rand(1, 3, 20, 30)
        >>> coeffs = BlockDCT2d(pad="replicate")(x)
        >>> torch.allclose(BlockIDCT2d()(coeffs, size=(20, 30)), x, atol=1e-5)
        True
    """

    def __init__(
        self,
        block: int = 8,
        *,
        order: BlockOrder = "raster",
        keep: Sequence[int] | Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__()
        self.block, self.order = block, order
        self.keep, self.keep_per_channel = _places(block, order, keep)

    def forward(self, coeffs: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Images from coefficients `(B, K, h, w)`; `size` is the height and width before padding."""
        if self.keep_per_channel is None:
            return self._transform(coeffs, self.keep, size)
        counts = [len(keep) for keep in self.keep_per_channel]
        if coeffs.shape[-3] != sum(counts):
            raise ValueError(f"coeffs must have {sum(counts)} channels, as keep has, got {tuple(coeffs.shape)}")
        planes = zip(coeffs.split(counts, -3), self.keep_per_channel, strict=True)
        return torch.cat([self._transform(plane, keep, size) for plane, keep in planes], -3)

    def _transform(self, coeffs: Tensor, keep: Places | None, size: tuple[int, int] | None) -> Tensor:
        return block_idct2(coeffs, self.block, layout="channels", order=self.order, keep=keep, size=size)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{self.block}, order={self.order!r}"


def _places(
    block: int, order: BlockOrder, keep: Sequence[int] | Sequence[Sequence[int]] | None
) -> tuple[Places | None, tuple[Places, ...] | None]:
    """The list for all channels and the lists per channel, of which at most one is there; both are checked."""
    if keep is None or not keep or isinstance(keep[0], int):
        places = None if keep is None else tuple(keep)
        block_frequencies(block, order, places)  # type: ignore[arg-type]
        return places, None  # type: ignore[return-value]
    lists = tuple(tuple(places) for places in keep)  # type: ignore[arg-type]
    for places in lists:
        block_frequencies(block, order, places)
    return None, lists
