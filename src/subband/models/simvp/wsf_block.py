"""The wavelet-based spatial-frequency (WSF) block of WSF-ViT, as its video model uses it."""

from torch import Tensor, nn

from subband.layers.attention import ChannelAttentionBlock, PartitionAttentionBlock, SwinAttention
from subband.layers.mbconv import MBConv

WINDOW = 8
HEAD_DIM = 32  # of attention over pixels
NUM_CHANNEL_HEADS = 32


class WSFBlock(nn.Module):
    """MBConv, attention in windows, attention across channels, attention over dilated grids.

    Args:
        dim: D, a multiple of 32.
        mlp_ratio: Width inside the MLP of the channel attention over D; that of the other two MLPs is 4 D.

    Shape:
        Input and output `(B, D, H, W)`, H and W multiples of 8.

    Raises:
        ValueError: If `dim` is not a multiple of 32.
    """

    def __init__(self, dim: int, *, mlp_ratio: float) -> None:
        super().__init__()
        if dim % HEAD_DIM or dim % NUM_CHANNEL_HEADS:
            raise ValueError(f"translator 'wsf' needs T * hid_S and hid_T to be multiples of {HEAD_DIM}, got {dim}.")
        self.mbconv = MBConv(dim)
        self.local = _partition_block(dim, is_dilated=False)
        self.channel = ChannelAttentionBlock(dim, num_heads=NUM_CHANNEL_HEADS, mlp_ratio=mlp_ratio)
        self.grid = _partition_block(dim, is_dilated=True)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to `x`, `(B, D, H, W)`."""
        x = self.mbconv(x).movedim(1, -1)  # (B, H, W, D)
        x = self.grid(self.channel(self.local(x)))
        return x.movedim(-1, 1)


def _partition_block(dim: int, *, is_dilated: bool) -> PartitionAttentionBlock:
    return PartitionAttentionBlock(
        dim,
        window=(WINDOW, WINDOW),
        head_dim=HEAD_DIM,
        is_dilated=is_dilated,
        attention=SwinAttention,
        eps=1e-6,
        gelu="none",
    )
