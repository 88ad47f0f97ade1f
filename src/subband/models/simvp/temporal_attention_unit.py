"""The temporal attention unit (TAU), a gSTA block with another gate.

Source: Tan et al., Temporal Attention Unit: Towards Efficient Spatiotemporal Predictive Learning, CVPR 2023.
"""

from torch import Tensor, nn

from subband.models.simvp.gsta import GatedAttention, GatedBlock, LargeKernelAttention, init_convs

REDUCTION = 16
MIN_REDUCTION = 4


class TemporalGate(nn.Module):
    """`x * large_kernel(x) * c`, with one weight `c` in (0, 1) per channel, i.e. per frame and feature.

    The squeezed width is `D // max(D // 16, 4)`, about 16 for every D (published).

    Args:
        dim: D.

    Shape:
        Input and output `(B, D, H, W)`.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.large_kernel = LargeKernelAttention(dim, dim)
        squeezed_dim = dim // max(dim // REDUCTION, MIN_REDUCTION)
        self.squeeze = nn.Linear(dim, squeezed_dim, bias=False)
        self.excite = nn.Linear(squeezed_dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Gate `x`, `(B, D, H, W)`."""
        channel_gate = self.excite(self.squeeze(x.mean((2, 3))).relu()).sigmoid()  # (B, D)
        return channel_gate[..., None, None] * self.large_kernel(x) * x


def tau_block(dim: int, *, mlp_ratio: float, drop: float) -> GatedBlock:
    """The TAU block of width `dim`; as published its attention keeps PyTorch's initialization, the MLP does not."""
    block = GatedBlock(dim, GatedAttention(dim, TemporalGate(dim)), mlp_ratio=mlp_ratio, drop=drop)
    init_convs(block.mlp)
    return block
