"""The transformer of VD-Diff: attention between channels, convolutions along time, and a prior that scales features."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.models.vd_diff.layers import DepthwiseConv, TemporalConv, to_clip, to_frames
from subband.transforms.arguments import in_float32

__all__ = ["PriorBlock", "PriorTransformer"]

EXPANSION = 2.66  # published width of the feed-forward layers
NORM_EPS = 1e-5
UNIT_EPS = 1e-12  # of lengths that queries and keys are divided by
SCALE = 2  # between the two resolutions


class PriorNorm(nn.Module):
    """Layer norm over channels, then `x * s + m` with scale and shift of every frame from its prior.

    Args:
        dim: Channels C.
        prior_dim: Width P of the prior.

    Shape:
        clip `(B, T, H, W, C)`, prior `(B * T, P)`; result like the clip.
    """

    def __init__(self, dim: int, prior_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))
        self.modulation = nn.Linear(prior_dim, 2 * dim, bias=False)

    def forward(self, clip: Tensor, prior: Tensor) -> Tensor:
        """Normalize and modulate `clip`."""
        dtype = torch.promote_types(clip.dtype, torch.float32)
        scale, shift = self.modulation(prior).to(dtype).chunk(2, -1)  # (B * T, C)
        scale, shift = scale * self.weight, scale * self.bias + shift
        normed = F.layer_norm(clip.to(dtype), clip.shape[-1:], eps=NORM_EPS).flatten(0, 1)
        return torch.addcmul(shift[:, None, None], normed, scale[:, None, None]).view(clip.shape).to(clip.dtype)


class WithinFrameAttention(nn.Module):
    """Attention of the channels of a frame to each other; frames see their neighbors through the projections.

    Args:
        dim: Channels C.
        num_heads: Groups of channels.
        bias: Biases of the projections.

    Shape:
        `(B, T, H, W, C)` to the same.
    """

    def __init__(self, dim: int, num_heads: int, *, bias: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.temperature = nn.Parameter(torch.ones(num_heads, 1, 1))
        self.qkv = TemporalConv(dim, 3 * dim, bias=bias)
        self.depthwise = DepthwiseConv(3 * dim, bias=bias)
        self.project = TemporalConv(dim, dim, bias=bias)

    def forward(self, clip: Tensor) -> Tensor:
        """Attend within the frames of `clip`."""
        query, key, value = self.depthwise(self.qkv(clip)).flatten(0, 1).flatten(1, 2).chunk(3, -1)  # (B * T, HW, C)
        weights = in_float32(self._weights, query, key, self.temperature)  # (B * T, C, C)
        return self.project((value @ weights.mT.to(value.dtype)).view(clip.shape))

    def _weights(self, query: Tensor, key: Tensor, temperature: Tensor) -> Tensor:
        """Which channel takes how much of which, `(B * T, C, C)`, zero between heads.

        One product of all channels is faster than one for each head, whose matrices would be 16 wide.
        """
        heads = (self.num_heads, -1)
        lengths = [part.square().sum(1).sqrt().clamp(min=UNIT_EPS).unflatten(1, heads) for part in (query, key)]
        products = (query.mT @ key).unflatten(1, heads).unflatten(3, heads)  # (B * T, heads, d, heads, d)
        own = products.diagonal(dim1=1, dim2=3).movedim(-1, 1)  # (B * T, heads, d, d)
        cosines = own / lengths[0].unsqueeze(-1) / lengths[1].unsqueeze(-2)
        return _block_diagonal((cosines * temperature).softmax(-1))


def _block_diagonal(blocks: Tensor) -> Tensor:
    """`(N, heads, d, d)` to `(N, heads * d, heads * d)` with zeros elsewhere."""
    return torch.diag_embed(blocks.movedim(1, -1), dim1=1, dim2=3).flatten(3).flatten(1, 2)


class GatedFeedForward(nn.Module):
    """`project(gelu(a) * b)` with both halves from a convolution along time and a depthwise one inside frames.

    Args:
        dim: Channels C.
        bias: Biases of the projections.

    Shape:
        `(B, T, H, W, C)` to the same.
    """

    def __init__(self, dim: int, *, bias: bool) -> None:
        super().__init__()
        hidden = int(dim * EXPANSION)
        self.expand = TemporalConv(dim, 2 * hidden, bias=bias)
        self.depthwise = DepthwiseConv(2 * hidden, bias=bias)
        self.project = TemporalConv(hidden, dim, bias=bias)

    def forward(self, clip: Tensor) -> Tensor:
        """Transform `clip`."""
        gate, value = self.depthwise(self.expand(clip)).chunk(2, -1)
        return self.project(F.gelu(gate).mul_(value))


class PriorBlock(nn.Module):
    """`x + attention(norm1(x))`, then `x + feed_forward(norm2(x))`, both norms modulated by the prior.

    Args:
        dim: Channels C.
        num_heads: Heads of the attention.
        prior_dim: Width P of the prior.
        bias: Biases of the convolutions.

    Shape:
        clip `(B, T, H, W, C)`, prior `(B * T, P)`; result like the clip.
    """

    def __init__(self, dim: int, num_heads: int, prior_dim: int, *, bias: bool = False) -> None:
        super().__init__()
        self.norm1, self.norm2 = (PriorNorm(dim, prior_dim) for _ in range(2))
        self.attention = WithinFrameAttention(dim, num_heads, bias=bias)
        self.feed_forward = GatedFeedForward(dim, bias=bias)

    def forward(self, clip: Tensor, prior: Tensor) -> Tensor:
        """One block on `clip`."""
        clip = clip + self.attention(self.norm1(clip, prior))
        return clip + self.feed_forward(self.norm2(clip, prior))


class PriorTransformer(nn.Module):
    """Blocks at one resolution, at half of it, and again at the first, with a skip around all.

    The published network has one more convolution, which it never uses but stores; so do we, that files come back as
    they were.

    Args:
        dim: Channels C.
        num_blocks: Blocks at the full resolution (before and after), and at half of it.
        heads: Heads at both.
        prior_dim: Width P of the prior.
        bias: Biases of the blocks and of the convolution that merges the skip.

    Shape:
        clip `(B, T, H, W, C)` with even sides, prior `(B * T, P)`; result like the clip.
    """

    unused_output: Tensor

    def __init__(
        self, dim: int, num_blocks: Sequence[int], heads: Sequence[int], prior_dim: int, *, bias: bool
    ) -> None:
        super().__init__()

        def blocks(width: int, level: int) -> nn.ModuleList:
            return nn.ModuleList(
                PriorBlock(width, heads[level], prior_dim, bias=bias) for _ in range(num_blocks[level])
            )

        self.encoder, self.latent, self.decoder = blocks(dim, 0), blocks(2 * dim, 1), blocks(dim, 0)
        self.down = nn.Conv2d(dim, dim // SCALE, 3, padding=1, bias=False)
        self.up = nn.Conv2d(2 * dim, 2 * SCALE * dim, 3, padding=1, bias=False)
        self.merge = nn.Conv2d(2 * dim, dim, 1, bias=bias)
        self.register_buffer("unused_output", torch.zeros(2 * dim, dim, 3, 3))

    def forward(self, clip: Tensor, prior: Tensor, run: Callable[..., Tensor]) -> Tensor:
        """Transform `clip`; `run(block, clip, prior)` runs a block, perhaps under gradient checkpointing."""
        num_frames = clip.shape[1]

        def through(blocks: nn.ModuleList, x: Tensor) -> Tensor:
            for block in blocks:
                x = run(block, x, prior)
            return x

        encoded = through(self.encoder, clip)
        small = F.pixel_unshuffle(self.down(to_frames(encoded)), SCALE)
        latent = through(self.latent, to_clip(small, num_frames))
        large = F.pixel_shuffle(self.up(to_frames(latent)), SCALE)
        merged = self.merge(torch.cat([large, to_frames(encoded)], 1))
        return through(self.decoder, to_clip(merged, num_frames)) + clip
