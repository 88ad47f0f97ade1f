"""Coordinate attention: gates for rows and columns from the means along the other axis.

Source: Hou et al., Coordinate Attention for Efficient Mobile Network Design, CVPR 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.reductions import mean_over

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
        rows, columns = mean_over(x, (3,)), mean_over(x, (2,))  # (B, C, H, 1), (B, C, 1, W)
        means = torch.cat([rows.flatten(2), columns.flatten(2)], 2).mT  # (B, H + W, C)
        hidden = F.hardswish(self.norm(_conv1x1(means, self.reduce).mT[..., None])).squeeze(-1).mT
        rows, columns = hidden.split(x.shape[2:], dim=1)
        gate_rows = _conv1x1(rows, self.expand_rows).sigmoid()  # (B, H, C)
        gate_columns = _conv1x1(columns, self.expand_columns).sigmoid()  # (B, W, C)
        return x * gate_rows.mT[:, :, :, None] * gate_columns.mT[:, :, None]


def _conv1x1(tokens: Tensor, conv: nn.Conv2d) -> Tensor:
    """`(B, N, C)` to `(B, N, D)`."""
    return F.linear(tokens, conv.weight.flatten(1), conv.bias)
