"""Attention inside windows, over dilated grids, and across channels, on channels-last maps."""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.drop import DropPath

__all__ = ["ChannelAttention", "ChannelAttentionBlock", "Mlp", "PartitionAttentionBlock", "RelativeAttention"]

POSITION_BIAS_STD = 0.02
NEIGHBOURS = "b (h p) (w q) d"  # windows of adjacent pixels
DILATED = "b (p h) (q w) d"  # windows of pixels H/p rows and W/q columns apart
LOCAL_ROLES = (0, 1, 2)  # which third of the joint projection is query, key and value
GRID_ROLES = (1, 2, 0)  # published so; a checkpoint means nothing with the usual order


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them.

    Args:
        dim: D.
        hidden_dim: Width in between.

    Shape:
        Input and output `(..., D)`.
    """

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Mix channels of `x`, `(..., D)`."""
        return self.fc2(F.gelu(self.fc1(x)))


class RelativeAttention(nn.Module):
    """Multi-head attention in square windows, biased by a learned function of the distance between two tokens.

    The bias is that of Swin (Liu et al., ICCV 2021): row `(yq - yk + P - 1) * (2P - 1) + (xq - xk + P - 1)` of a table for
    query `(yq, xq)` and key `(yk, xk)`.

    Args:
        dim: D, a multiple of `head_dim`.
        window: P, side of a window.
        head_dim: Width of a head.
        roles: Which third of a head's joint projection serves as query, key and value.

    Shape:
        Input and output `(B, P*P, D)`.
    """

    position_index: Tensor

    def __init__(self, dim: int, *, window: int, head_dim: int, roles: tuple[int, int, int] = LOCAL_ROLES) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.roles = roles
        self.qkv = nn.Linear(dim, 3 * dim)
        self.position_bias = nn.Parameter(torch.zeros((2 * window - 1) ** 2, dim // head_dim))
        self.proj = nn.Linear(dim, dim)
        self.register_buffer("position_index", relative_position_index(window), persistent=False)
        nn.init.trunc_normal_(self.position_bias, std=POSITION_BIAS_STD)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend among `tokens`, `(B, P*P, D)`."""
        thirds = rearrange(self.qkv(tokens), "b n (h three d) -> three b h n d", three=3, d=self.head_dim)
        query, key, value = (thirds[role] for role in self.roles)
        bias = self.position_bias[self.position_index].permute(2, 0, 1).to(query.dtype)  # (heads, N, N)
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.unsqueeze(0))
        return self.proj(rearrange(out, "b h n d -> b n (h d)"))


class PartitionAttentionBlock(nn.Module):
    """Attention within the parts of a map, then an MLP, both residual with LayerNorm before them.

    Args:
        dim: D, a multiple of `head_dim`.
        window: P, side of a part.
        head_dim: Width of a head.
        is_dilated: Parts are grids of pixels `H/P` rows and `W/P` columns apart that span the map, instead of P x P
            neighbours.
        mlp_ratio: Width inside the MLP over D.
        eps: Of the LayerNorms.

    Shape:
        Input and output `(B, H, W, D)`, H and W multiples of P.
    """

    def __init__(
        self, dim: int, *, window: int, head_dim: int, is_dilated: bool, mlp_ratio: float = 4.0, eps: float = 1e-6
    ) -> None:
        super().__init__()
        self.window = window
        self.partition = DILATED if is_dilated else NEIGHBOURS
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = RelativeAttention(
            dim, window=window, head_dim=head_dim, roles=GRID_ROLES if is_dilated else LOCAL_ROLES
        )
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = Mlp(dim, int(mlp_ratio * dim))
        self.drop_path = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to `x`, `(B, H, W, D)`."""
        x = x + self.drop_path(self._attend(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def _attend(self, x: Tensor) -> Tensor:
        sides = {"p": self.window, "q": self.window}
        grid = {"h": x.shape[1] // self.window, "w": x.shape[2] // self.window}
        tokens = rearrange(x, f"{self.partition} -> (b h w) (p q) d", **sides)
        return rearrange(self.attn(tokens), f"(b h w) (p q) d -> {self.partition}", **sides, **grid)


class ChannelAttention(nn.Module):
    """Attention across the channels of a head: tokens are channels, described by their values at all N pixels.

    With thirds A0, A1, A2 of the joint projection, query is A1, key A2, value A0 (published); scores are scaled by the head width
    and not divided by N. They grow with N, so they are computed in float32 or better.

    Args:
        dim: D, a multiple of `num_heads`.
        num_heads: Number of heads.

    Shape:
        Input and output `(B, N, D)`.
    """

    def __init__(self, dim: int, *, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend across the channels of `tokens`, `(B, N, D)`."""
        thirds = rearrange(self.qkv(tokens), "b n (three h d) -> three b h n d", three=3, h=self.num_heads)
        value, query, key = thirds.unbind(0)  # (B, heads, N, d)
        with torch.autocast(tokens.device.type, enabled=False):
            precise = torch.promote_types(query.dtype, torch.float32)
            scaled = query.to(precise) * query.shape[-1] ** -0.5
            weights = (scaled.mT @ key.to(precise)).softmax(-1).to(value.dtype)  # (B, heads, d, d)
        out = value @ weights.mT  # (B, heads, N, d)
        return self.proj(rearrange(out, "b h n d -> b n (h d)"))


class ChannelAttentionBlock(nn.Module):
    """Channel attention and an MLP, each residual with LayerNorm and a depthwise convolution for position before it.

    Args:
        dim: D, a multiple of `num_heads`.
        num_heads: Number of heads.
        mlp_ratio: Width inside the MLP over D.

    Shape:
        Input and output `(B, H, W, D)`.
    """

    def __init__(self, dim: int, *, num_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.position1 = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.norm1 = nn.LayerNorm(dim)
        self.attn = ChannelAttention(dim, num_heads=num_heads)
        self.position2 = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(mlp_ratio * dim))
        self.drop_path = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to `x`, `(B, H, W, D)`."""
        height = x.shape[1]
        x = x + _on_channels_last(self.position1, x)
        attended = self.attn(self.norm1(x).flatten(1, 2)).unflatten(1, (height, -1))
        x = x + self.drop_path(attended)
        x = x + _on_channels_last(self.position2, x)
        return x + self.drop_path(self.mlp(self.norm2(x)))


def relative_position_index(window: int) -> Tensor:
    """Row of the bias table for every query and key of a P x P window, `(P*P, P*P)`, int64."""
    y, x = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    y, x = y.flatten(), x.flatten()
    rows = y[:, None] - y + window - 1
    columns = x[:, None] - x + window - 1
    return rows * (2 * window - 1) + columns


def _on_channels_last(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return conv(x.movedim(-1, 1)).movedim(1, -1)
