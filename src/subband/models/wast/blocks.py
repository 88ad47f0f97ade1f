"""The blocks of WaST, on frames folded into the channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from subband.layers.drop import DropPath
from subband.models.wast.coordinate_attention import CoordinateAttention
from subband.models.wast.large_kernel import DepthwiseNorm, LargeKernel
from subband.models.wast.mobile_mixer import MobileMixer
from subband.models.wast.options import VARIANTS, BlockOptions
from subband.models.wast.temporal_attention import TemporalAttention

__all__ = ["TimeFrequencyBlock", "Translator", "fold_frames", "time_frequency_block", "unfold_frames"]

LAYER_SCALE = 0.01
BOTTLENECK_KERNEL = 21  # long side of the large kernels behind the first transform, published


def fold_frames(x: Tensor) -> Tensor:
    """`(B, C, T, H, W)` to `(B, C * T, H, W)`, channel-major; on CPU with the channels last in memory.

    Depthwise convolutions and batch norms of the CPU library are up to five times faster in that format, provided that
    gradients have it, too: hence a pair of autograd functions, each the backward of the other.
    """
    return _Fold.apply(x) if x.device.type == "cpu" else x.flatten(1, 2)


def unfold_frames(x: Tensor, num_frames: int) -> Tensor:
    """Inverse of `fold_frames`, on CPU with the channels last, too."""
    return _Unfold.apply(x, num_frames) if x.device.type == "cpu" else x.unflatten(1, (-1, num_frames))


class _Fold(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.permute(0, 3, 4, 1, 2).contiguous().flatten(3).movedim(-1, 1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.num_frames = inputs[0].shape[2]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _Unfold.apply(grad, ctx.num_frames)


class _Unfold(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, num_frames: int) -> Tensor:
        return x.unflatten(1, (-1, num_frames)).movedim(1, -1).contiguous().movedim(-1, 1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _Fold.apply(grad), None


class TimeFrequencyBlock(nn.Module):
    """The "TF-aware" block: a mixer of spatial frequencies, then a mixer of time.

    Large kernels take care of low frequencies and small ones of high frequencies.

    Args:
        dim: Channels per frame, D.
        num_frames: Frames T.
        large_kernel: Long side of the large kernels.
        options: What all blocks share.

    Shape:
        Input and output `(B, D * T, H, W)`.
    """

    def __init__(self, dim: int, *, num_frames: int, large_kernel: int, options: BlockOptions) -> None:
        super().__init__()
        width = dim * num_frames
        self.frequency_norm = nn.BatchNorm2d(width)
        self.large = LargeKernel(width, large_kernel, strip=options.strip)
        self.small = DepthwiseNorm(width, options.small_kernel)
        self.low_attention = _frequency_attention(width, options)
        self.high_attention = _frequency_attention(width, options)
        self.frequency_scale = _layer_scale(width)
        self.temporal_norm = nn.BatchNorm2d(width)
        self.temporal_mixer = _temporal_mixer(dim, num_frames, options)
        self.temporal_scale = None if options.shared_layer_scale else _layer_scale(width)
        self.drop_path = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to `x`, `(B, D * T, H, W)`."""
        a = self.frequency_norm(x)
        mixed = self.low_attention(self.large(a)).add_(self.high_attention(self.small(a)))
        x = self._add(x, self.frequency_scale, mixed)
        temporal_scale = self.frequency_scale if self.temporal_scale is None else self.temporal_scale
        return self._add(x, temporal_scale, self.temporal_mixer(self.temporal_norm(x)))

    def _add(self, x: Tensor, scale: Tensor, branch: Tensor) -> Tensor:
        """`x + drop_path(scale * branch)`, the random factor being multiplied into the scale."""
        return torch.addcmul(x, self.drop_path(scale[:, None, None].expand(x.shape[0], -1, 1, 1)), branch)


def time_frequency_block(width: int, *, mlp_ratio: float) -> TimeFrequencyBlock:
    """The block of the published bottleneck, on `width` channels that hold all frames, for other networks."""
    options = replace(VARIANTS["published"], mlp_ratio=mlp_ratio)
    return TimeFrequencyBlock(width, num_frames=1, large_kernel=BOTTLENECK_KERNEL, options=options)


class Translator(nn.Module):
    """A row of blocks, with a convolution before them that joins a skip connection.

    Args:
        dim: Channels per frame, D.
        num_frames: Frames T.
        num_blocks: Number of blocks.
        large_kernel: Long side of the large kernels.
        options: What all blocks share.
        with_skip: Whether there is a skip connection to join.

    Shape:
        Input, skip connection and output `(B, D, T, H, W)`.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_frames: int,
        num_blocks: int,
        large_kernel: int,
        options: BlockOptions,
        with_skip: bool = False,
    ) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.fuse = nn.Conv2d(2 * dim * num_frames, dim * num_frames, 3, padding=1) if with_skip else None
        self.blocks = nn.ModuleList(
            TimeFrequencyBlock(dim, num_frames=num_frames, large_kernel=large_kernel, options=options)
            for _ in range(num_blocks)
        )

    def forward(self, x: Tensor, skip: Tensor | None = None, *, run: Callable[[nn.Module, Tensor], Tensor]) -> Tensor:
        """Apply all blocks.

        Args:
            x: `(B, D, T, H, W)`.
            skip: `(B, D, T, H, W)`, given if and only if the translator was built for it.
            run: How to run a block on its input, e.g. under gradient checkpointing.

        Returns:
            `(B, D, T, H, W)`.
        """
        x = fold_frames(x)
        if self.fuse is not None:
            assert skip is not None, "built with a skip connection"
            x = self.fuse(torch.cat([x, fold_frames(skip)], 1))
        for block in self.blocks:
            x = run(block, x)
        return unfold_frames(x, self.num_frames)


def _frequency_attention(width: int, options: BlockOptions) -> nn.Module:
    return CoordinateAttention(width) if options.frequency_attention == "coordinate" else nn.Identity()


def _temporal_mixer(dim: int, num_frames: int, options: BlockOptions) -> nn.Module:
    if options.temporal_mixer == "mbconv":
        assert options.mlp_ratio is not None
        return MobileMixer(dim * num_frames, mlp_ratio=options.mlp_ratio)
    assert options.num_heads is not None
    return TemporalAttention(dim, num_frames=num_frames, num_heads=options.num_heads)


def _layer_scale(width: int) -> nn.Parameter:
    return nn.Parameter(torch.full((width,), LAYER_SCALE))
