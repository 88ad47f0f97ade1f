"""The residual block of networks for restoration."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["SpatialResidualBlock"]


class SpatialResidualBlock(nn.Module):
    """`x + conv(act(conv(x)))` with 3x3 convolutions.

    Args:
        channels: Channels C.

    Shape:
        `(B, C, H, W)` to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """One block on `(B, C, H, W)`."""
        return x + self.conv2(torch.relu_(self.conv1(x)))
