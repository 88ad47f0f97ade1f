"""3x3x3 convolution of unchanged size over frames, rows and columns, in the forms the CPU library runs fastest."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.norm import conv_bn

__all__ = ["Conv3d", "ConvNormGELU", "conv3d"]


def conv3d(x: Tensor, weight: Tensor, bias: Tensor | None = None, groups: int = 1) -> Tensor:
    """3x3x3 convolution with stride 1 and zero padding 1.

    On CPU it runs with the channels last. PyTorch gives small batches of one clip to a generic kernel that is several
    times slower than its batched one, so such a clip is cut into two slabs of rows that overlap by a border.

    Args:
        x: `(B, C, T, H, W)`, any range.
        weight: `(C', C / groups, 3, 3, 3)`.
        bias: `(C',)` or None.
        groups: Number of channel groups.

    Returns:
        `(B, C', T, H, W)`.

    Example:
        >>> x, weight = torch.rand(1, 2, 4, 6, 5), torch.rand(3, 2, 3, 3, 3)
        >>> torch.allclose(conv3d(x, weight), F.conv3d(x, weight, padding=1), atol=1e-5)
        True
    """
    if x.device.type != "cpu":
        return F.conv3d(x, weight, bias, padding=1, groups=groups)
    x = x.contiguous(memory_format=torch.channels_last_3d)
    height = x.shape[3]
    if x.shape[0] > 1 or groups > 1 or height < 2:
        return F.conv3d(x, weight, bias, padding=1, groups=groups)
    rows = (height + 1) // 2
    slabs = torch.cat([x[:, :, :, : rows + 1], x[:, :, :, -rows - 1 :]])  # (2, C, T, rows + 1, W)
    top, bottom = F.conv3d(slabs, weight, bias, padding=1).chunk(2)
    return torch.cat([top[:, :, :, :rows], bottom[:, :, :, 1 + 2 * rows - height :]], 3)


class Conv3d(nn.Conv3d):
    """Module form of `conv3d`.

    Args:
        in_chans: Input channels C.
        out_chans: Output channels C'.
        groups: Number of channel groups.

    Shape:
        `(B, C, T, H, W)` to `(B, C', T, H, W)`.
    """

    def __init__(self, in_chans: int, out_chans: int, *, groups: int = 1) -> None:
        super().__init__(in_chans, out_chans, 3, padding=1, groups=groups)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return conv3d(input, weight, bias, self.groups)


class ConvNormGELU(nn.Module):
    """`Conv3d`, batch norm and GELU.

    Args:
        in_chans: Input channels C.
        out_chans: Output channels C'.
        groups: Number of channel groups.

    Shape:
        `(B, C, T, H, W)` to `(B, C', T, H, W)`.
    """

    def __init__(self, in_chans: int, out_chans: int, *, groups: int = 1) -> None:
        super().__init__()
        self.conv = Conv3d(in_chans, out_chans, groups=groups)
        self.norm = nn.BatchNorm3d(out_chans)

    def forward(self, x: Tensor) -> Tensor:
        """`gelu(norm(conv(x)))`."""
        return F.gelu(conv_bn(x, self.conv, self.norm))
