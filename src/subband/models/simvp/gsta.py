"""Gated spatiotemporal attention (gSTA), the translator block of SimVP v2.

Source: Tan et al., SimVP: Towards Simple yet Powerful Spatiotemporal Predictive Learning, arXiv 2211.12509; the
large-kernel attention is that of Guo et al., Visual Attention Network, 2022.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.depthwise import DepthwiseConv2d
from subband.layers.drop import DropPath
from subband.models.simvp.dilated import DilatedDepthwiseConv2d

DILATION = 3
LOCAL_KERNEL = 2 * DILATION - 1  # 5
DILATED_KERNEL = 7  # 21 // DILATION: together the two reach 23 x 23 pixels
LAYER_SCALE = 0.01  # at initialization


class LargeKernelAttention(nn.Module):
    """A 5x5 and a dilated 7x7 depthwise convolution, then a 1x1 convolution: the receptive field of a 23x23 kernel.

    Args:
        dim: D.
        out_dim: Output width.

    Shape:
        `(B, D, H, W)` to `(B, out_dim, H, W)`.
    """

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__()
        self.local = DepthwiseConv2d(dim, LOCAL_KERNEL)
        self.dilated = DilatedDepthwiseConv2d(dim, DILATED_KERNEL, dilation=DILATION)
        self.pointwise = nn.Conv2d(dim, out_dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Filter `x`, `(B, D, H, W)`."""
        return self.pointwise(self.dilated(self.local(x)))


class SpatialGate(nn.Module):
    """The gate of gSTA: `f * sigmoid(g)`, where `f` and `g` are the halves of a large-kernel convolution.

    Args:
        dim: D.

    Shape:
        Input and output `(B, D, H, W)`.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.large_kernel = LargeKernelAttention(dim, 2 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """Gate `x`, `(B, D, H, W)`."""
        return F.glu(self.large_kernel(x), 1)


class GatedAttention(nn.Module):
    """`u + proj_out(gate(gelu(proj_in(u))))`.

    Args:
        dim: D.
        gate: Module that keeps the shape.

    Shape:
        Input and output `(B, D, H, W)`.
    """

    def __init__(self, dim: int, gate: nn.Module) -> None:
        super().__init__()
        self.proj_in = nn.Conv2d(dim, dim, 1)
        self.gate = gate
        self.proj_out = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Attend over `x`, `(B, D, H, W)`."""
        return x + self.proj_out(self.gate(F.gelu(self.proj_in(x))))


class ConvMlp(nn.Module):
    """Two 1x1 convolutions with a 3x3 depthwise one between them.

    Args:
        dim: D.
        hidden_dim: Width in between.
        drop: Dropout rate after the activation and at the end.

    Shape:
        Input and output `(B, D, H, W)`.
    """

    def __init__(self, dim: int, hidden_dim: int, *, drop: float) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(dim, hidden_dim, 1)
        self.depthwise = nn.Conv2d(hidden_dim, hidden_dim, 3, padding=1, groups=hidden_dim)
        self.fc2 = nn.Conv2d(hidden_dim, dim, 1)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        """Mix channels of `x`, `(B, D, H, W)`."""
        hidden = self.drop(F.gelu(self.depthwise(self.fc1(x))))
        return self.drop(self.fc2(hidden))


class GatedBlock(nn.Module):
    """`x + s1 * attn(norm1(x))`, then `x + s2 * mlp(norm2(x))`, with layer scales and stochastic depth.

    Args:
        dim: D.
        attn: Module that keeps the shape.
        mlp_ratio: Width inside the MLP over D.
        drop: Dropout rate of the MLP.

    Shape:
        Input and output `(B, D, H, W)`.
    """

    def __init__(self, dim: int, attn: nn.Module, *, mlp_ratio: float, drop: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(dim)
        self.attn = attn
        self.norm2 = nn.BatchNorm2d(dim)
        self.mlp = ConvMlp(dim, int(dim * mlp_ratio), drop=drop)
        self.layer_scale_1 = nn.Parameter(torch.full((dim,), LAYER_SCALE))
        self.layer_scale_2 = nn.Parameter(torch.full((dim,), LAYER_SCALE))
        self.drop_path = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to `x`, `(B, D, H, W)`."""
        x = self._add(x, self.layer_scale_1, self.attn(self.norm1(x)))
        return self._add(x, self.layer_scale_2, self.mlp(self.norm2(x)))

    def _add(self, x: Tensor, scale: Tensor, branch: Tensor) -> Tensor:
        """`x + drop_path(scale * branch)` in one pass over the map: a scale of zero drops a sample."""
        scales = self.drop_path(scale.expand(x.shape[0], -1))  # (B, D)
        return torch.addcmul(x, branch, scales[..., None, None])


def gsta_block(dim: int, *, mlp_ratio: float, drop: float) -> GatedBlock:
    """The gSTA block of width `dim`, with convolutions initialized to keep the variance of their input."""
    block = GatedBlock(dim, GatedAttention(dim, SpatialGate(dim)), mlp_ratio=mlp_ratio, drop=drop)
    init_convs(block)
    return block


def init_convs(module: nn.Module) -> None:
    """As published: every convolution normal with variance `2 / fan_out`, bias zero."""
    for conv in module.modules():
        if isinstance(conv, nn.Conv2d):
            fan_out = conv.weight.shape[0] * conv.weight[0, 0].numel() // conv.groups
            nn.init.normal_(conv.weight, std=(2.0 / fan_out) ** 0.5)
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
