"""Attention inside windows, over dilated grids, and across channels, on channels-last maps."""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.drop import DropPath
from subband.layers.exporting import is_exporting
from subband.layers.fused import Gelu, linear, linear_gelu
from subband.transforms.arguments import without_autocast

__all__ = [
    "ChannelAttention",
    "ChannelAttentionBlock",
    "Mlp",
    "PartitionAttentionBlock",
    "RelativeAttention",
    "SwinAttention",
]

POSITION_BIAS_STD = 0.02
NEIGHBORS = "b (h p) (w q) d"  # windows of adjacent pixels
DILATED = "b (p h) (q w) d"  # windows of pixels H/p rows and W/q columns apart
LOCAL_ROLES = (0, 1, 2)  # which third of the joint projection is query, key and value
GRID_ROLES = (1, 2, 0)  # published so; a checkpoint means nothing with the usual order


class Mlp(nn.Module):
    """Two linear layers with a GELU between them.

    Args:
        dim: D.
        hidden_dim: Width in between.
        gelu: `none` for the exact GELU, `tanh` for its approximation.

    Shape:
        Input and output `(..., D)`.
    """

    def __init__(self, dim: int, hidden_dim: int, *, gelu: Gelu = "none") -> None:
        super().__init__()
        self.gelu = gelu
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Mix channels of `x`, `(..., D)`."""
        hidden = linear_gelu(x, self.fc1.weight, self.fc1.bias, gelu=self.gelu)
        return linear(hidden, self.fc2.weight, self.fc2.bias)


class RelativeAttention(nn.Module):
    """Multi-head attention in windows, biased by a learned function of the distance between two tokens.

    The bias is that of MaxViT (Tu et al., ECCV 2022): `table[head, yk - yq + P - 1, xk - xq + Q - 1]` for query `(yq,
    xq)` and key `(yk, xk)`.

    Args:
        dim: D, a multiple of `head_dim`.
        window: Sides `(P, Q)` of a window.
        head_dim: Width of a head.
        roles: Which third of the joint projection serves as query, key and value.

    Shape:
        Input and output `(B, P*Q, D)`.
    """

    position_index: Tensor

    def __init__(
        self, dim: int, *, window: tuple[int, int], head_dim: int, roles: tuple[int, int, int] = LOCAL_ROLES
    ) -> None:
        super().__init__()
        if dim % head_dim:
            raise ValueError(f"dim must be a multiple of head_dim, got {dim} and {head_dim}.")
        self.window, self.num_heads, self.roles = window, dim // head_dim, roles
        self.qkv = nn.Linear(dim, 3 * dim)
        self.position_bias = nn.Parameter(self.new_table())
        self.proj = nn.Linear(dim, dim)
        self.register_buffer("position_index", relative_position_index(window).mT.contiguous(), persistent=False)

    def new_table(self) -> Tensor:
        """Initial table of biases."""
        rows, columns = self.window
        return torch.empty(self.num_heads, 2 * rows - 1, 2 * columns - 1).normal_(std=POSITION_BIAS_STD)

    def thirds(self, tokens: Tensor) -> Tensor:
        """The joint projection of `tokens`, `(3, B, heads, N, d)`."""
        return (
            linear(tokens, self.qkv.weight, self.qkv.bias).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        )

    def bias(self) -> Tensor:
        """What is added to the scores of every window, `(heads, N, N)`."""
        return self.position_bias.flatten(1)[:, self.position_index]

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend among `tokens`, `(B, P*Q, D)`."""
        thirds = self.thirds(tokens)
        query, key, value = (thirds[role] for role in self.roles)
        bias = self.bias().to(query.dtype).unsqueeze(0)
        out = _attend(query, key, value, bias)
        return linear(out.transpose(1, 2).flatten(2), self.proj.weight, self.proj.bias)


class SwinAttention(RelativeAttention):
    """`RelativeAttention` with weights arranged as in Swin (Liu et al., ICCV 2021).

    A head's query, key and value lie side by side in the joint projection, and the bias of query `(yq, xq)` and key
    `(yk, xk)` is in row `(yq - yk + P - 1) * (2Q - 1) + (xq - xk + Q - 1)` of a table with a column per head.

    Args:
        dim: D, a multiple of `head_dim`.
        window: Sides `(P, Q)` of a window.
        head_dim: Width of a head.
        roles: Which third of the joint projection serves as query, key and value.

    Shape:
        Input and output `(B, P*Q, D)`.
    """

    def __init__(
        self, dim: int, *, window: tuple[int, int], head_dim: int, roles: tuple[int, int, int] = LOCAL_ROLES
    ) -> None:
        super().__init__(dim, window=window, head_dim=head_dim, roles=roles)
        self.register_buffer("position_index", relative_position_index(window), persistent=False)

    def new_table(self) -> Tensor:
        """Initial table of biases."""
        rows, columns = self.window
        table = torch.empty((2 * rows - 1) * (2 * columns - 1), self.num_heads)
        return nn.init.trunc_normal_(table, std=POSITION_BIAS_STD)

    def thirds(self, tokens: Tensor) -> Tensor:
        """The joint projection of `tokens`, `(3, B, heads, N, d)`."""
        return (
            linear(tokens, self.qkv.weight, self.qkv.bias).unflatten(-1, (self.num_heads, 3, -1)).permute(3, 0, 2, 1, 4)
        )

    def bias(self) -> Tensor:
        """What is added to the scores of every window, `(heads, N, N)`."""
        return self.position_bias[self.position_index].permute(2, 0, 1)


class PartitionAttentionBlock(nn.Module):
    """Attention within the parts of a map, then an MLP, both residual with LayerNorm before them.

    Args:
        dim: D, a multiple of `head_dim`.
        window: Sides `(P, Q)` of a part.
        head_dim: Width of a head.
        is_dilated: Parts are grids of pixels `H/P` rows and `W/Q` columns apart that span the map, instead of P x Q
            neighbors.
        attention: Kind of attention.
        mlp_ratio: Width inside the MLP over D.
        eps: Of the LayerNorms.
        gelu: See `Mlp`.

    Shape:
        Input and output `(B, H, W, D)`, H a multiple of P, W of Q.
    """

    def __init__(
        self,
        dim: int,
        *,
        window: tuple[int, int],
        head_dim: int,
        is_dilated: bool,
        attention: type[RelativeAttention] = RelativeAttention,
        mlp_ratio: float = 4.0,
        eps: float = 1e-5,
        gelu: Gelu = "tanh",
    ) -> None:
        super().__init__()
        self.window = window
        self.partition = DILATED if is_dilated else NEIGHBORS
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = attention(dim, window=window, head_dim=head_dim, roles=GRID_ROLES if is_dilated else LOCAL_ROLES)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = Mlp(dim, int(mlp_ratio * dim), gelu=gelu)
        self.drop_path = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to `x`, `(B, H, W, D)`."""
        x = x + self.drop_path(self._attend(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def _attend(self, x: Tensor) -> Tensor:
        rows, columns = self.window
        sides = {"p": rows, "q": columns}
        grid = {"h": x.shape[1] // rows, "w": x.shape[2] // columns}
        tokens = rearrange(x, f"{self.partition} -> (b h w) (p q) d", **sides)
        return rearrange(self.attn(tokens), f"(b h w) (p q) d -> {self.partition}", **sides, **grid)


class ChannelAttention(nn.Module):
    """Attention across the channels of a head: tokens are channels, described by their values at all N pixels.

    With thirds A0, A1, A2 of the joint projection, query is A1, key A2, value A0 (published); scores are scaled by the
    head width and not divided by N. They grow with N, so they are computed in float32 or better.

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
        joint = linear(tokens, self.qkv.weight, self.qkv.bias)
        thirds = rearrange(joint, "b n (three h d) -> three b h n d", three=3, h=self.num_heads)
        value, query, key = thirds.unbind(0)  # (B, heads, N, d)
        with without_autocast(tokens.device):
            precise = torch.promote_types(query.dtype, torch.float32)
            scaled = query.to(precise) * query.shape[-1] ** -0.5
            weights = (scaled.mT @ key.to(precise)).softmax(-1).to(value.dtype)  # (B, heads, d, d)
        out = value @ weights.mT  # (B, heads, N, d)
        return linear(rearrange(out, "b h n d -> b n (h d)"), self.proj.weight, self.proj.bias)


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


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Scaled dot-product attention; `bias` is added to the scores."""
    is_training_on_cpu = query.device.type == "cpu" and bias.requires_grad and not torch.compiler.is_compiling()
    if is_training_on_cpu or is_exporting():
        # The fused kernel has no gradient for the bias on CPU, and what replaces it looks for rows that are masked
        # throughout. An exported graph must not rely on the memory layout of its result.
        scores = (query * query.shape[-1] ** -0.5) @ key.mT + bias
        return scores.softmax(-1) @ value
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)


def relative_position_index(window: tuple[int, int]) -> Tensor:
    """Place of query minus key in a flattened table, for every query and key of a P x Q window, `(P*Q, P*Q)`, int64."""
    y, x = torch.meshgrid(*map(torch.arange, window), indexing="ij")
    y, x = y.flatten(), x.flatten()
    rows = y[:, None] - y + window[0] - 1
    columns = x[:, None] - x + window[1] - 1
    return rows * (2 * window[1] - 1) + columns


def _on_channels_last(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return conv(x.movedim(-1, 1)).movedim(1, -1)
