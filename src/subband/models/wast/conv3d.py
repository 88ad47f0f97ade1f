"""3x3x3 convolution of unchanged size over frames, rows and columns, in the forms the CPU library runs fastest."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.norm import conv_bn

__all__ = ["Conv3d", "ConvNormGELU", "conv3d"]

FEW_OUTPUTS = 5  # three times as many still fit into one block of 16 channels, the unit of the CPU library


def conv3d(x: Tensor, weight: Tensor, bias: Tensor | None = None, groups: int = 1) -> Tensor:
    """3x3x3 convolution with stride 1 and zero padding 1.

    On CPU it runs with the channels last, and in one of three forms. Few output channels: a 2-D convolution of the
    frames. One clip: two slabs of rows, since PyTorch has its fast 3-D kernel for batches only. Otherwise: as it is.

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
    if torch.is_autocast_enabled("cpu") or x.dtype in (torch.bfloat16, torch.float16):
        return _in_float32(x, weight, bias, groups)
    x = x.contiguous(memory_format=torch.channels_last_3d)
    if torch.compiler.is_compiling() or groups > 1:  # a compiler chooses its own kernels
        out = F.conv3d(x, weight, bias, padding=1, groups=groups)
    elif weight.shape[0] <= FEW_OUTPUTS:
        out = _as_conv2d(x, weight, bias)
    elif x.shape[0] == 1 and x.shape[3] > 1:
        out = _in_slabs(x, weight, bias)
    else:
        out = F.conv3d(x, weight, bias, padding=1)
    # Not every dtype keeps the format. It must be kept: the batch norm of torch 2.13 gives a wrong gradient on CPU when
    # a single clip lies in the default format and its gradient in the other one.
    return out.contiguous(memory_format=torch.channels_last_3d)


def _in_float32(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
    """Half precision outside, float32 inside.

    The bfloat16 weight gradient of the CPU library reads memory that nobody wrote (torch 2.13): now and then NaN.
    """
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    with torch.autocast("cpu", enabled=False):
        return conv3d(x.float(), weight.float(), None if bias is None else bias.float(), groups).to(dtype)


def _as_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The three taps of time as output channels of one 2-D convolution, added up with a shift of one frame."""
    frames = x.movedim(2, 1).flatten(0, 1)  # (B * T, C, H, W)
    taps = F.conv2d(frames, rearrange(weight, "o i k h w -> (k o) i h w"), padding=1)
    earlier, same, later = taps.unflatten(0, (x.shape[0], x.shape[2])).chunk(3, 2)  # (B, T, C', H, W) each
    earlier = F.pad(earlier[:, :-1], (0, 0, 0, 0, 0, 0, 1, 0))
    later = F.pad(later[:, 1:], (0, 0, 0, 0, 0, 0, 0, 1))
    out = (earlier + same + later).movedim(2, 1)
    return out if bias is None else out + bias[:, None, None, None]


def _in_slabs(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The upper and lower rows as a batch of two; they overlap by the row that the other one needs as its border."""
    height = x.shape[3]
    rows = (height + 1) // 2
    slabs = torch.cat([x[:, :, :, : rows + 1], x[:, :, :, -rows - 1 :]])  # (2, C, T, rows + 1, W)
    upper, lower = F.conv3d(slabs, weight, bias, padding=1).chunk(2)
    return torch.cat([upper[:, :, :, :rows], lower[:, :, :, 1 + 2 * rows - height :]], 3)


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
