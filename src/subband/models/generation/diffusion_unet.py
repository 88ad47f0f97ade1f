"""The U-Net of diffusion: residual blocks that know the time, attention at coarse resolutions, skips.

After Ho, Jain and Abbeel, Denoising Diffusion Probabilistic Models, NeurIPS 2020; the time scales and shifts features
as in Nichol and Dhariwal, Improved Denoising Diffusion Probabilistic Models, ICML 2021.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.models.fresh_weights import zero_weights
from subband.models.generation.blocks import conv3

__all__ = ["DiffusionUNet", "ImageAttention", "TimeEmbedding", "TimedBlock"]

GROUPS = 32
HEAD_DIM = 64
MAX_PERIOD = 10_000
TIME_SCALE = 1000  # the times of networks that count a thousand steps


class TimeEmbedding(nn.Module):
    """Sinusoids of a time, and two layers.

    Args:
        dim: Number of sinusoids, even; the result has four times as many.

    Shape:
        times `(B,)` in [0, 1] to `(B, 4 dim)`.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.layers = nn.Sequential(nn.Linear(dim, 4 * dim), nn.SiLU(), nn.Linear(4 * dim, 4 * dim))

    def forward(self, times: Tensor) -> Tensor:
        """Embedding of `times`, `(B,)`."""
        half = self.dim // 2
        steps = torch.arange(half, device=times.device, dtype=torch.float32)
        phases = TIME_SCALE * times[:, None] * torch.exp(-math.log(MAX_PERIOD) / half * steps)
        waves = torch.cat((phases.cos(), phases.sin()), 1)
        return self.layers(waves.to(next(self.layers.parameters()).dtype))


class TimedBlock(nn.Module):
    """Residual block whose second norm is scaled and shifted by the time.

    Args:
        in_chans: Channels of the input, a multiple of 32.
        out_chans: Channels of the result, likewise.
        time_dim: Length of the embedding of the time.
        dropout: Share of features that are dropped in training.

    Shape:
        `(B, in_chans, H, W)` and the embedding `(B, time_dim)` to `(B, out_chans, H, W)`.
    """

    def __init__(self, in_chans: int, out_chans: int, time_dim: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.GroupNorm(GROUPS, in_chans), nn.SiLU(), conv3(in_chans, out_chans))
        self.time = nn.Linear(time_dim, 2 * out_chans)
        self.norm = nn.GroupNorm(GROUPS, out_chans)
        last = conv3(out_chans, out_chans)
        zero_weights(last)
        self.second = nn.Sequential(nn.SiLU(), nn.Dropout(dropout), last)
        self.skip = nn.Conv2d(in_chans, out_chans, 1) if in_chans != out_chans else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """One block on `(B, in_chans, H, W)` at an embedded time."""
        scale, shift = self.time(F.silu(time))[:, :, None, None].chunk(2, 1)
        hidden = self.norm(self.first(x)) * (1 + scale) + shift
        return self.skip(x) + self.second(hidden)


class ImageAttention(nn.Module):
    """Self-attention over all places of a map; nothing until it is trained.

    Args:
        channels: Channels C, a multiple of 32; heads have 64 channels, or all where there are fewer.

    Shape:
        `(B, C, H, W)` to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.num_heads = max(channels // HEAD_DIM, 1)
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)
        zero_weights(self.proj)

    def forward(self, x: Tensor) -> Tensor:
        """Attention on `(B, C, H, W)`."""
        qkv = self.qkv(self.norm(x)).unflatten(1, (3, self.num_heads, -1)).flatten(4).transpose(-2, -1)
        q, k, v = qkv.unbind(1)  # (B, heads, N, D)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return x + self.proj(mixed.transpose(-2, -1).reshape(x.shape))


class _Stage(nn.Module):
    """A residual block at one resolution, with attention behind it where it is wanted."""

    def __init__(self, block: TimedBlock, attention: ImageAttention | None) -> None:
        super().__init__()
        self.block, self.attention = block, attention

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        x = self.block(x, time)
        return x if self.attention is None else self.attention(x)


class DiffusionUNet(nn.Module):
    """U-Net from noisy maps, and maps that are known, to a prediction.

    Args:
        in_chans: Channels of the noisy maps and of those that are known, together.
        out_chans: Channels of the prediction.
        img_size: Height and width of the maps that the network is made for; others work as well.
        base_dim: Channels at full resolution, a multiple of 32.
        multipliers: Channels of every resolution over `base_dim`, each half of the one before.
        attention: Sides, for maps of `img_size`, of the resolutions with attention.
        depth: Blocks of every resolution on the way down; one more on the way up.
        dropout: Share of features that blocks drop in training.

    Shape:
        maps `(B, in_chans, H, W)`, sides multiples of `2^(R - 1)` for R resolutions, and times `(B,)` to
        `(B, out_chans, H, W)`.

    Raises:
        ValueError: If widths do not divide, or there is no resolution of an attention's side.

    Example:
        >>> net = DiffusionUNet(4, 4, img_size=8, base_dim=32, multipliers=(1, 2), attention=(4,), depth=1)
        >>> net(torch.rand(2, 4, 8, 8), torch.rand(2)).shape
        torch.Size([2, 4, 8, 8])
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        img_size: int,
        base_dim: int = 128,
        multipliers: Sequence[int] = (1, 2, 2),
        attention: Collection[int] = (8,),
        depth: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        dims, sides = [base_dim * m for m in multipliers], [img_size >> place for place in range(len(multipliers))]
        if not dims or any(dim < 1 or dim % GROUPS for dim in dims):
            raise ValueError(f"base_dim times multipliers must be positive multiples of {GROUPS}, got {dims}.")
        if not set(attention) <= set(sides):
            raise ValueError(f"attention must be of the sides {sides}, got {sorted(attention)}.")
        time_dim = 4 * base_dim

        def stage(wide: int, dim: int, side: int | None = None) -> _Stage:
            has_attention = side is None or side in attention
            return _Stage(TimedBlock(wide, dim, time_dim, dropout), ImageAttention(dim) if has_attention else None)

        self.time = TimeEmbedding(base_dim)
        self.stem = conv3(in_chans, base_dim)
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        dim, skips = base_dim, [base_dim]
        for place, (wide, side) in enumerate(zip(dims, sides, strict=True)):
            self.down.append(nn.ModuleList(stage(dim if i == 0 else wide, wide, side) for i in range(depth)))
            skips += [wide] * depth
            if place < len(dims) - 1:
                self.shrink.append(conv3(wide, wide, stride=2))
                skips.append(wide)
            dim = wide
        self.middle = nn.ModuleList([stage(dim, dim), _Stage(TimedBlock(dim, dim, time_dim, dropout), None)])
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        for place in reversed(range(len(dims))):
            stages = nn.ModuleList()
            for _ in range(depth + 1):
                stages.append(stage(dim + skips.pop(), dims[place], sides[place]))
                dim = dims[place]
            self.up.append(stages)
            if place:
                self.grow.append(conv3(dim, dim))
        self.head = nn.Sequential(nn.GroupNorm(GROUPS, dim), nn.SiLU(), conv3(dim, out_chans))

    def forward(self, maps: Tensor, times: Tensor, levels: Tensor | None = None) -> Tensor:
        """Prediction for maps at times.

        Args:
            maps: `(B, in_chans, H, W)`.
            times: `(B,)` in [0, 1].
            levels: How noisy the known maps are, `(B,)` in [0, 1], where there are such maps.
        """
        time = self.time(times)
        if levels is not None:
            time = time + self.time(1 + levels)  # where no time of a diffusion is
        x = self.stem(maps)
        skips = [x]
        for place, stages in enumerate(self.down):
            for stage in stages:  # type: ignore[attr-defined]
                x = stage(x, time)
                skips.append(x)
            if place < len(self.shrink):
                x = self.shrink[place](x)
                skips.append(x)
        for stage in self.middle:
            x = stage(x, time)
        for place, stages in enumerate(self.up):
            for stage in stages:  # type: ignore[attr-defined]
                x = stage(torch.cat((x, skips.pop()), 1), time)
            if place < len(self.grow):
                x = self.grow[place](F.interpolate(x, scale_factor=2.0))
        return self.head(x)
