"""Feature pyramid network: the maps of a backbone, all as wide, each with what the coarser ones know."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["FPN"]


class FPN(nn.Module):
    """Feature pyramid network (Lin et al., CVPR 2017) with a further level, every second pixel of the last.

    Args:
        dims: Channels of the backbone's maps.
        dim: Channels of the results D.

    Shape:
        maps `(B, C, H, W)`, finest first, to one more of them, `(B, D, H, W)`; the last `(B, D, ceil(H / 2), ceil(W /
        2))`.

    Example:
        >>> import torch
        >>> fpn = FPN((4, 8), 16)
        >>> [tuple(item.shape) for item in fpn([torch.zeros(1, 4, 6, 10), torch.zeros(1, 8, 3, 5)])]
        [(1, 16, 6, 10), (1, 16, 3, 5), (1, 16, 2, 3)]
    """

    def __init__(self, dims: Sequence[int], dim: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(before, dim, 1) for before in dims)
        self.output = nn.ModuleList(nn.Conv2d(dim, dim, 3, padding=1) for _ in dims)
        for conv in (*self.lateral, *self.output):
            nn.init.xavier_uniform_(conv.weight)
            nn.init.zeros_(conv.bias)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The pyramid of `maps`, `(B, C, H, W)` each."""
        levels: list[Tensor] = []
        for conv, item in zip(reversed(self.lateral), reversed(maps), strict=True):
            x = conv(item)
            if levels:
                x = x + F.interpolate(levels[0], size=x.shape[-2:], mode="nearest")
            levels.insert(0, x)
        outputs = [conv(item) for conv, item in zip(self.output, levels, strict=True)]
        return [*outputs, outputs[-1][..., ::2, ::2]]
