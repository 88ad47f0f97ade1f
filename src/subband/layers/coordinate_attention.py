"""Coordinate attention: gates for rows and columns from the means along the other axis.

Source: Hou et al., Coordinate Attention for Efficient Mobile Network Design, CVPR 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.norm import conv_bn

__all__ = ["CoordinateAttention"]

REDUCTION = 4
MIN_HIDDEN = 8


class CoordinateAttention(nn.Module):
    """`x * gate_rows * gate_columns`, with gates of shape `(B, C, H, 1)` and `(B, C, 1, W)`.

    Args:
        dim: Channels C. The gates are computed at C / 4 channels, at least 8.

    Shape:
        Input and output `(B, C, H, W)`.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = max(MIN_HIDDEN, dim // REDUCTION)
        self.reduce = nn.Conv2d(dim, hidden, 1)
        self.norm = nn.BatchNorm2d(hidden)
        self.expand_rows = nn.Conv2d(hidden, dim, 1)
        self.expand_columns = nn.Conv2d(hidden, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Gate `x`, `(B, C, H, W)`."""
        tokens = x.movedim(1, -1)  # (B, H, W, C): means over a middle axis are fast with the channels last
        means = torch.cat([tokens.mean(2), tokens.mean(1)], 1).mT.unsqueeze(-1)  # (B, C, H + W, 1)
        hidden = F.hardswish(conv_bn(means, self.reduce, self.norm))
        rows, columns = hidden.split(x.shape[2:], dim=2)
        gate_rows = self.expand_rows(rows).sigmoid()  # (B, C, H, 1)
        gate_columns = self.expand_columns(columns).sigmoid().mT  # (B, C, 1, W)
        return x * (gate_columns * gate_rows)
