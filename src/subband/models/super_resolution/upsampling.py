"""What networks for super-resolution share at both ends: trunks of residual blocks, and enlargement."""

from __future__ import annotations

import itertools

from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.residual_block import SpatialResidualBlock
from subband.models.fresh_weights import zero_weights
from subband.models.super_resolution.alignment import SLOPE

__all__ = ["COLORS", "Upsampler", "enlarged", "residual_trunk"]

COLORS = 3
FULL_CHANNELS = 64  # at full resolution, whatever the width of the network


def residual_trunk(in_chans: int, channels: int, blocks: int) -> nn.Sequential:
    """A convolution, a leaky ReLU and residual blocks."""
    first = nn.Conv2d(in_chans, channels, 3, padding=1)
    return nn.Sequential(
        first, nn.LeakyReLU(SLOPE), nn.Sequential(*(SpatialResidualBlock(channels) for _ in range(blocks)))
    )


def enlarged(frame: Tensor, scale: int) -> Tensor:
    """Frames `(B, 3, H, W)` enlarged bilinearly, `(B, 3, S H, S W)`."""
    return F.interpolate(frame, scale_factor=float(scale), mode="bilinear", align_corners=False)


class Upsampler(nn.Module):
    """Features to images F times as large, by a convolution and a pixel shuffle for every factor of 2.

    Args:
        channels: Channels C of the features.
        factor: F, 2 or 4.

    Shape:
        `(B, C, H, W)` to `(B, 3, F H, F W)`; zeros until it is trained.
    """

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        widths = (*[channels] * (factor // 2), FULL_CHANNELS)
        self.steps = nn.ModuleList(nn.Conv2d(w, 4 * v, 3, padding=1) for w, v in itertools.pairwise(widths))
        self.full = nn.Conv2d(FULL_CHANNELS, FULL_CHANNELS, 3, padding=1)
        self.last = nn.Conv2d(FULL_CHANNELS, COLORS, 3, padding=1)
        zero_weights(self.last)

    def forward(self, x: Tensor) -> Tensor:
        """The images of features `(B, C, H, W)`."""
        for step in self.steps:
            x = F.leaky_relu(F.pixel_shuffle(step(x), 2), SLOPE)
        return self.last(F.leaky_relu(self.full(x), SLOPE))
