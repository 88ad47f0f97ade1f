"""Softmax attention over the frames of every pixel."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["TemporalAttention"]


class TemporalAttention(nn.Module):
    """Multi-head self-attention over time, pixel by pixel, with a learned table of positions in time.

    Frames are folded into the channels, channel-major (`index = c * T + t`); a token is one pixel of one frame.
    Norm and residual are the caller's.

    Args:
        dim: Channels per frame, D.
        num_frames: Frames T.
        num_heads: Attention heads; must divide D.

    Shape:
        Input and output `(B, D * T, H, W)`.

    Raises:
        ValueError: If `num_heads` does not divide `dim`.
    """

    def __init__(self, dim: int, *, num_frames: int, num_heads: int = 4) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"num_heads must divide the {dim} channels of a frame, got {num_heads}.")
        self.num_frames = num_frames
        self.num_heads = num_heads
        self.positions = nn.Parameter(torch.zeros(num_frames, dim))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.project = nn.Linear(dim, dim)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the frames of `x`, `(B, D * T, H, W)`."""
        height = x.shape[2]
        tokens = rearrange(x, "b (d t) h w -> b (h w) t d", t=self.num_frames) + self.positions
        q, k, v = rearrange(self.qkv(tokens), "b n t (s g d) -> s (b n) g t d", s=3, g=self.num_heads)
        mixed = F.scaled_dot_product_attention(q, k, v)  # (B * N, heads, T, D / heads)
        mixed = self.project(rearrange(mixed, "(b n) g t d -> b n t (g d)", b=x.shape[0]))
        return rearrange(mixed, "b (h w) t d -> b (d t) h w", h=height)
