"""Recurrences of VD-Diff over the frames of a clip, backwards and forwards, with kernels predicted for every pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.dynamic_conv import dynamic_conv2d
from subband.models.vd_diff.layers import ResidualBlock, leaky_relu

__all__ = ["DynamicFilter", "Propagation"]

KERNEL_SIZE = 3
DOWN = 4  # kernels are predicted at an eighth of the resolution: averages over 4 x 4, then maxima over 2 x 2
NUM_BLOCKS = 3


class DynamicFilter(nn.Module):
    """A 3x3 kernel for every pixel and channel, predicted from the features themselves, and applied to them.

    A fresh filter passes the features on: its kernels are about one in the middle and zero around it. (Ours; from
    kernels all about zero, next to nothing of the features is left, and the recurrences learn late.)

    Args:
        dim: Channels C.

    Shape:
        `(B, C, H, W)` with sides that are multiples of 8, to the same.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fine = nn.Sequential(*(ResidualBlock(dim) for _ in range(NUM_BLOCKS)))
        self.coarse = nn.Sequential(*(ResidualBlock(dim) for _ in range(NUM_BLOCKS)))
        self.to_kernels = nn.Conv2d(dim, KERNEL_SIZE**2 * dim, 1)
        assert self.to_kernels.bias is not None
        self.to_kernels.bias.data.view(dim, -1)[:, KERNEL_SIZE**2 // 2] += 1

    def kernels(self, x: Tensor) -> Tensor:
        """Kernels `(B, C * 9, H / 8, W / 8)`, those of a channel together, row by row."""
        return self.to_kernels(self.coarse(F.max_pool2d(self.fine(F.avg_pool2d(x, DOWN)), 2)))

    def forward(self, x: Tensor) -> Tensor:
        """Filter `x` with its own kernels."""
        return dynamic_conv2d(x, self.kernels(x))


class GatedFusion(nn.Module):
    """Mixes the features of a frame with the state: two gated halves of a convolution of both.

    Args:
        dim: Channels C.

    Shape:
        frame and state `(B, C, H, W)`; result the same.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2 * dim, 2 * dim, 3, padding=1)
        self.gates = nn.ModuleList(nn.Conv2d(dim, dim, 3, padding=1) for _ in range(2))

    def forward(self, frame: Tensor, state: Tensor) -> Tensor:
        """The new state, before it is filtered."""
        halves = leaky_relu(self.mix(torch.cat([frame, state.to(frame.dtype)], 1))).chunk(2, 1)
        first, second = (half * torch.sigmoid(gate(half)) for half, gate in zip(halves, self.gates, strict=True))
        return first + second


class CrossAttention(nn.Module):
    """`frame + attention of its pixels to those of the state`; its cost grows with the square of the pixels.

    Args:
        dim: Channels C.
        num_heads: Heads.
        bias: Biases of queries, keys and values.

    Shape:
        frame and state `(B, C, H, W)`; result the same.
    """

    def __init__(self, dim: int, num_heads: int, *, bias: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.q = nn.Linear(dim, dim, bias=bias)
        self.kv = nn.Linear(dim, 2 * dim, bias=bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, frame: Tensor, state: Tensor) -> Tensor:
        """The new state, before it is filtered."""
        own, other = (x.flatten(2).mT for x in (frame, state))  # (B, HW, C)
        query = self._heads(self.q(self.norm1(own)))
        key, value = (self._heads(part) for part in self.kv(self.norm2(other)).chunk(2, -1))
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        return frame + self.proj(mixed).mT.view_as(frame)

    def _heads(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class Propagation(nn.Module):
    """A recurrence over frames; the caller gives them in the order of visits.

    Args:
        dim: Channels C.
        num_blocks: Residual blocks behind the dynamic filter.
        cross_attention_heads: Mix frame and state by attention with so many heads; None for gated convolutions. With
            attention the state begins as the first visited frame, else as zeros.
        dynamic_conv: Filter with kernels that are predicted for every pixel; else with a convolution.
        bias: Biases of the attention's queries, keys and values.

    Shape:
        frames `(B, C, H, W)` each, sides multiples of 8; states the same.
    """

    def __init__(
        self,
        dim: int,
        num_blocks: int,
        *,
        cross_attention_heads: int | None = None,
        dynamic_conv: bool = True,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.has_attention = cross_attention_heads is not None
        self.fusion = (
            GatedFusion(dim) if cross_attention_heads is None else CrossAttention(dim, cross_attention_heads, bias=bias)
        )
        self.filter = DynamicFilter(dim) if dynamic_conv else nn.Conv2d(dim, dim, KERNEL_SIZE, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(dim, is_small=True) for _ in range(num_blocks)))

    def initial_state(self, frame: Tensor) -> Tensor:
        """The state before the first visited frame, `(B, C, H, W)`."""
        return frame if self.has_attention else torch.zeros_like(frame)

    def step(self, frame: Tensor, state: Tensor) -> Tensor:
        """The state after a frame, both `(B, C, H, W)`."""
        return self.blocks(self.filter(self.fusion(frame, state)))

    def forward(
        self, frames: Iterable[Tensor], run: Callable[..., Tensor], state: Tensor | None = None
    ) -> Iterator[Tensor]:
        """States after every frame, in the order of visits.

        Args:
            frames: `(B, C, H, W)` each.
            run: `run(step, frame, state)` runs a step, perhaps under gradient checkpointing.
            state: State to begin with, instead of `initial_state`.
        """
        for frame in frames:
            state = run(self.step, frame, self.initial_state(frame) if state is None else state)
            yield state
