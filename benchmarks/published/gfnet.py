"""GFNet as it was published, translated plainly: the yardstick for parity and speed.

The graph, the order of operations and the state-dict names are those of the published code; the text is ours. Nothing
is optimized here on purpose. `subband.models.gfnet.GFNet` must give the same numbers, no slower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if self.rate == 0.0 or not self.training:
            return x
        keep = (torch.rand(x.shape[0], 1, 1, device=x.device) >= self.rate).to(x.dtype)
        return x * keep / (1.0 - self.rate)


class Mlp(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, dim)
        self.drop = nn.Dropout(0.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))


class GlobalFilter(nn.Module):
    def __init__(self, dim: int, side: int) -> None:
        super().__init__()
        self.complex_weight = nn.Parameter(0.02 * torch.randn(side, side // 2 + 1, dim, 2))

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, dim = x.shape
        side = math.isqrt(tokens)
        grid = x.view(batch, side, side, dim).to(torch.float32)
        spectrum = torch.fft.rfft2(grid, dim=(1, 2), norm="ortho")
        spectrum = spectrum * torch.view_as_complex(self.complex_weight)
        grid = torch.fft.irfft2(spectrum, s=(side, side), dim=(1, 2), norm="ortho")
        return grid.reshape(batch, tokens, dim)


class Block(nn.Module):
    def __init__(self, dim: int, side: int, rate: float, layer_scale: float | None) -> None:
        super().__init__()
        self.gamma = None if layer_scale is None else nn.Parameter(layer_scale * torch.ones(dim))
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.filter = GlobalFilter(dim, side)
        self.drop_path = DropPath(rate)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, 4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.mlp(self.norm2(self.filter(self.norm1(x))))
        if self.gamma is not None:
            branch = self.gamma * branch
        return x + self.drop_path(branch)


class PatchEmbed(nn.Module):
    def __init__(self, in_chans: int, dim: int, patch_size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_chans, dim, patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class DownLayer(nn.Module):
    def __init__(self, in_chans: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_chans, dim, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, dim = x.shape
        side = math.isqrt(tokens)
        x = self.proj(x.view(batch, side, side, dim).permute(0, 3, 1, 2))
        return x.permute(0, 2, 3, 1).reshape(batch, tokens // 4, -1)


class GFNet(nn.Module):
    """The isotropic network."""

    def __init__(
        self, dim: int, depth: int, *, img_size: int = 224, drop_path: float = 0.0, classes: int = 1000
    ) -> None:
        super().__init__()
        side = img_size // 16
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, side * side, dim))
        self.patch_embed = PatchEmbed(3, dim, 16)
        rates = torch.linspace(0, drop_path, depth).tolist()
        self.blocks = nn.ModuleList(Block(dim, side, rate, None) for rate in rates)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, classes)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x).mean(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.forward_features(x))


class GFNetPyramid(nn.Module):
    """The network of four stages."""

    def __init__(
        self,
        dims: Sequence[int],
        depths: Sequence[int],
        *,
        layer_scale: float,
        img_size: int = 224,
        drop_path: float = 0.0,
        classes: int = 1000,
    ) -> None:
        super().__init__()
        sides = [side * img_size // 224 for side in (56, 28, 14, 7)]
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, sides[0] ** 2, dims[0]))
        downs = [DownLayer(a, b) for a, b in pairwise(dims)]
        self.patch_embed = nn.ModuleList([PatchEmbed(3, dims[0], 4), *downs])
        rates = iter(torch.linspace(0, drop_path, sum(depths)).tolist())
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Block(dim, side, next(rates), layer_scale) for _ in range(depth)))
            for dim, side, depth in zip(dims, sides, depths, strict=True)
        )
        self.norm = nn.LayerNorm(dims[-1], eps=1e-6)
        self.head = nn.Linear(dims[-1], classes)

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        stages = []
        for index, (embed, blocks) in enumerate(zip(self.patch_embed, self.blocks, strict=True)):
            x = embed(x)
            if index == 0:
                x = x + self.pos_embed
            x = blocks(x)
            stages.append(x)
        return stages

    def forward_features(self, x: Tensor) -> Tensor:
        return self.norm(self.forward_stages(x)[-1]).mean(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.forward_features(x))
