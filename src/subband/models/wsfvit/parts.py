"""Parts of WSF-ViT: stem, block, the four stages, and the rule for windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.attention import ChannelAttentionBlock, PartitionAttentionBlock
from subband.layers.drop import linear_rates
from subband.layers.fused import conv2d_gelu
from subband.layers.haar_bands import HaarBands
from subband.layers.mbconv import MBConv, pad_same
from subband.layers.norm import fold_batch_norm, uses_running_statistics

BATCH_NORM_EPS = 1e-3
NUM_STAGES = 4
REDUCTION = 32  # of the last map
WINDOWS = range(7, 14)  # for sides of more than 192 pixels
SMALL_WINDOW = 8  # largest for sides below
MLP_RATIO = 4.0

Window = tuple[int, int]
BlockRunner = Callable[..., Tensor]
"""Calls a block on its inputs, with or without gradient checkpointing."""


class WSFStem(nn.Module):
    """Haar bands and two convolutions, the first of stride 2.

    Args:
        in_chans: C.
        dim: D.

    Shape:
        `(B, C, H, W)` to `(B, D, ceil(H / 2), ceil(W / 2))`.
    """

    def __init__(self, in_chans: int, dim: int) -> None:
        super().__init__()
        self.bands = HaarBands()
        self.norm_in = nn.BatchNorm2d(4 * in_chans, eps=BATCH_NORM_EPS)
        self.conv1 = nn.Conv2d(4 * in_chans, dim, 3, 2)
        self.norm1 = nn.BatchNorm2d(dim, eps=BATCH_NORM_EPS)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(dim, eps=BATCH_NORM_EPS)
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")  # std sqrt(2 / fan_out)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Apply the stem to images `x`, `(B, C, H, W)`."""
        x = _gelu(self.norm_in(self.bands(x).contiguous(memory_format=torch.channels_last)))
        x = _conv_bn_gelu(pad_same(x, 3, 2), self.conv1, self.norm1)
        return _conv_bn_gelu(x, self.conv2, self.norm2)


class WSFViTBlock(nn.Module):
    """MBConv, attention in windows, attention across channels, attention over dilated grids.

    Args:
        dim: D.
        in_chans: C of the input.
        stride: 2 halves the map.
        window: Sides `(P, Q)` of windows and grids.
        num_heads: Of the attention across channels.
        head_dim: Of the attention over pixels.

    Shape:
        `(B, C, H, W)` to `(B, D, H / stride, W / stride)`.
    """

    def __init__(self, dim: int, *, in_chans: int, stride: int, window: Window, num_heads: int, head_dim: int) -> None:
        super().__init__()
        self.mbconv = MBConv(dim, in_chans=in_chans, stride=stride, eps=BATCH_NORM_EPS, gelu="tanh")
        self.local = PartitionAttentionBlock(dim, window=window, head_dim=head_dim, is_dilated=False)
        self.channel = ChannelAttentionBlock(dim, num_heads=num_heads, mlp_ratio=MLP_RATIO)
        self.grid = PartitionAttentionBlock(dim, window=window, head_dim=head_dim, is_dilated=True)

    def set_drop_path_rate(self, rate: float) -> None:
        """Stochastic depth of all residual branches."""
        for part in (self.mbconv, self.local, self.channel, self.grid):
            part.drop_path.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to `x`, `(B, C, H, W)`."""
        x = self.mbconv(x).movedim(1, -1)  # (B, H, W, D)
        return self.grid(self.channel(self.local(x))).movedim(-1, 1)


class WSFTrunk(nn.Module):
    """Stem and four stages.

    Args:
        dims: Channels of the four stages.
        depths: Blocks of the four stages.
        num_heads: Heads of the attention across channels in the four stages.
        head_dim: Width of a head of the attention over pixels.
        stem_dim: Channels of the stem.
        windows: Sides `(P, Q)` of windows and grids in the four stages.
        in_chans: Channels of the images.

    Shape:
        images `(B, in_chans, H, W)` to four maps `(B, D, ceil(H / r), ceil(W / r))`, r = 4, 8, 16, 32.

    Raises:
        ValueError: If there are not four stages, or widths are no multiples of heads.
    """

    def __init__(
        self,
        *,
        dims: Sequence[int],
        depths: Sequence[int],
        num_heads: Sequence[int],
        head_dim: int,
        stem_dim: int,
        windows: Sequence[Window],
        in_chans: int,
    ) -> None:
        super().__init__()
        for name, values in (("dims", dims), ("depths", depths), ("num_heads", num_heads)):
            if len(values) != NUM_STAGES or min(values) < 1:
                raise ValueError(f"{name} must be {NUM_STAGES} positive numbers, got {values}.")
        for dim, heads in zip(dims, num_heads, strict=True):
            if dim % heads or dim % head_dim:
                raise ValueError(f"dims must be multiples of num_heads and head_dim, got {dim}, {heads}, {head_dim}.")
        self.dims, self.windows, self.in_chans = tuple(dims), tuple(windows), in_chans
        self.stem = WSFStem(in_chans, stem_dim)
        self.levels = nn.ModuleList()
        before = stem_dim
        for dim, depth, heads, window in zip(dims, depths, num_heads, windows, strict=True):
            options: dict[str, Any] = {"window": window, "num_heads": heads, "head_dim": head_dim}
            first = WSFViTBlock(dim, in_chans=before, stride=2, **options)
            others = (WSFViTBlock(dim, in_chans=dim, stride=1, **options) for _ in range(depth - 1))
            self.levels.append(nn.ModuleList([first, *others]))
            before = dim

    def set_drop_path_rate(self, rate: float) -> None:
        """Stochastic depth of the last block; rates rise linearly from 0 in the first.

        Raises:
            ValueError: If `rate` is outside `[0, 1)`.
        """
        blocks = [block for level in self.levels for block in level]  # type: ignore[attr-defined]
        for block, block_rate in zip(blocks, linear_rates(rate, len(blocks)), strict=True):
            block.set_drop_path_rate(block_rate)

    def forward(self, x: Tensor, run: BlockRunner) -> list[Tensor]:
        """Feature maps of images `x`, `(B, in_chans, H, W)`; `run` calls the blocks.

        Raises:
            ValueError: If images have another number of axes or channels, or are smaller than a window.
        """
        height, width = x.shape[-2:]
        x, maps = run(self.stem, self._padded(x)), []
        for i, level in enumerate(self.levels):
            for block in level:  # type: ignore[attr-defined]
                x = run(block, x)
            maps.append(x[..., : -(-height >> i + 2), : -(-width >> i + 2)])
        return maps

    def _padded(self, x: Tensor) -> Tensor:
        """Images filled with zeros at the right and bottom."""
        if x.ndim != 4 or x.shape[1] != self.in_chans:
            raise ValueError(f"images must be (B, {self.in_chans}, H, W), got {tuple(x.shape)}.")
        finest, last = self.windows[0], self.windows[-1]
        height, width = x.shape[-2:]
        if height < 4 * finest[0] or width < 4 * finest[1]:
            raise ValueError(
                f"images must be at least {4 * finest[0]} x {4 * finest[1]} pixels, one window of the first stage, "
                f"got {height} x {width}; build the model with a smaller img_size."
            )
        bottom, right = -height % (REDUCTION * last[0]), -width % (REDUCTION * last[1])
        return F.pad(x, (0, right, 0, bottom)) if bottom or right else x


def stage_windows(height: int, width: int) -> list[Window]:
    """Windows of the four stages for an image size; the rule is at the top of `subband.models.wsfvit.wsfvit`.

    Example:
        >>> stage_windows(224, 384)
        [(7, 12), (7, 12), (7, 12), (7, 12)]
        >>> stage_windows(64, 320)
        [(8, 10), (8, 10), (4, 10), (2, 10)]
    """
    return list(zip(_windows(height), _windows(width), strict=True))


def _windows(side: int) -> list[int]:
    last = -(-side // REDUCTION)
    if last >= WINDOWS[0]:
        return [min(WINDOWS, key=lambda window: (-last % window, -window))] * NUM_STAGES
    windows = [last]
    while len(windows) < NUM_STAGES:
        windows.insert(0, 2 * windows[0] if 2 * windows[0] <= SMALL_WINDOW else windows[0])
    return windows


def _gelu(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def _conv_bn_gelu(x: Tensor, conv: nn.Conv2d, bn: nn.BatchNorm2d) -> Tensor:
    if not uses_running_statistics(bn):
        return _gelu(bn(conv(x)))
    weight, bias = fold_batch_norm(conv.weight, conv.bias, bn)
    stride, padding = conv.stride[0], int(conv.padding[0])
    return conv2d_gelu(x, weight, bias, stride=stride, padding=padding, gelu="tanh")
