"""What networks for super-resolution share at both ends: trunks of residual blocks, and enlargement."""

from __future__ import annotations

import itertools
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.residual_block import SpatialResidualBlock
from subband.models.bicubic import enlarged_bicubic
from subband.models.fresh_weights import zero_weights
from subband.models.super_resolution.alignment import SLOPE

__all__ = ["COLORS", "FULL_CHANNELS", "Base", "Upsampler", "check_base", "enlarged", "residual_trunk"]

Base: TypeAlias = Literal["bilinear", "bicubic"]
COLORS = 3
FULL_CHANNELS = 64  # at full resolution, of the published networks of every width
REACH = 2  # rows of the features above and below that a row of the image depends on
BAND_PIXELS = 2**14  # of the features, which are enlarged at once


def residual_trunk(in_chans: int, channels: int, blocks: int) -> nn.Sequential:
    """A convolution, a leaky ReLU and residual blocks."""
    first = nn.Conv2d(in_chans, channels, 3, padding=1)
    return nn.Sequential(
        first, nn.LeakyReLU(SLOPE), nn.Sequential(*(SpatialResidualBlock(channels) for _ in range(blocks)))
    )


def enlarged(frame: Tensor, scale: int, base: Base = "bilinear") -> Tensor:
    """Frames `(B, 3, H, W)` enlarged without a network, `(B, 3, S H, S W)`; see `enlarged_bicubic` for `bicubic`."""
    if base == "bicubic":
        return enlarged_bicubic(frame[:, None], scale)[:, 0]
    return F.interpolate(frame, scale_factor=float(scale), mode="bilinear", align_corners=False)


def check_base(base: str) -> None:
    """Refuse names that there are not.

    Raises:
        ValueError: Naming those that there are.
    """
    if base not in get_args(Base):
        raise ValueError(f"base must be 'bilinear' or 'bicubic', got {base!r}.")


class Upsampler(nn.Module):
    """Features to images F times as large, by a convolution and a pixel shuffle for every factor of 2.

    Args:
        channels: Channels C of the features.
        factor: F, 2 or 4.
        full_channels: Channels at full size, where a channel costs most.

    Shape:
        `(B, C, H, W)` to `(B, 3, F H, F W)`; zeros until it is trained.
    """

    def __init__(self, channels: int, factor: int, full_channels: int = FULL_CHANNELS) -> None:
        super().__init__()
        self.factor = factor
        widths = (*[channels] * (factor // 2), full_channels)
        self.steps = nn.ModuleList(nn.Conv2d(w, 4 * v, 3, padding=1) for w, v in itertools.pairwise(widths))
        self.full = nn.Conv2d(full_channels, full_channels, 3, padding=1)
        self.last = nn.Conv2d(full_channels, COLORS, 3, padding=1)
        zero_weights(self.last)

    def forward(self, x: Tensor) -> Tensor:
        """The images of features `(B, C, H, W)`."""
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self._whole(x)
        height, width = x.shape[-2:]
        rows = max(BAND_PIXELS // width, 4 * REACH)
        bands = [self._band(x, top, min(top + rows, height)) for top in range(0, height, rows)]
        return bands[0] if len(bands) == 1 else torch.cat(bands, 2)

    def _whole(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = F.leaky_relu(F.pixel_shuffle(step(x), 2), SLOPE, inplace=True)
        return self.last(F.leaky_relu(self.full(x), SLOPE, inplace=True))

    def _band(self, x: Tensor, top: int, bottom: int) -> Tensor:
        """Some rows alone: maps at full size are larger than all else that a network holds."""
        first = max(top - REACH, 0)
        image = self._whole(x[:, :, first : bottom + REACH])
        return image[:, :, self.factor * (top - first) : self.factor * (bottom - first)]
