"""Convolutions of VD-Diff: those along time, those inside frames, and its residual blocks.

Clips inside the transformer are `(B, T, H, W, C)`: channels last, so that no map is ever copied into another order.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.1  # of all leaky ReLUs


def leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU with the published slope of 0.1, written over its input."""
    return F.leaky_relu(x, SLOPE, inplace=True)


class TemporalConv(nn.Conv3d):
    """Convolution over three frames, pixel by pixel, zeros before the first and after the last one.

    Args:
        in_chans: Channels C.
        out_chans: Channels D.
        bias: Add one number per output channel.

    Shape:
        `(B, T, H, W, C)` to `(B, T, H, W, D)`.
    """

    def __init__(self, in_chans: int, out_chans: int, *, bias: bool) -> None:
        super().__init__(in_chans, out_chans, (3, 1, 1), padding=(1, 0, 0), bias=bias)

    def forward(self, clip: Tensor) -> Tensor:
        """Convolve `(B, T, H, W, C)`."""
        # Two-dimensional over time and all pixels, which have a fast path on CPUs that three dimensions lack.
        is_single = clip.shape[1] == 1  # both neighbors are zero
        weight = self.weight.squeeze(-1)[:, :, 1:2] if is_single else self.weight.squeeze(-1)
        maps = clip.flatten(2, 3).movedim(-1, 1)  # (B, C, T, HW)
        out = F.conv2d(maps, weight, self.bias, padding=(0 if is_single else 1, 0))
        return out.movedim(1, -1).unflatten(2, clip.shape[2:4])


class DepthwiseConv(nn.Conv2d):
    """Depthwise 3x3 convolution inside every frame.

    Args:
        dim: Channels C.
        bias: Add one number per channel.

    Shape:
        `(B, T, H, W, C)` to the same.
    """

    def __init__(self, dim: int, *, bias: bool) -> None:
        super().__init__(dim, dim, 3, padding=1, groups=dim, bias=bias)

    def forward(self, clip: Tensor) -> Tensor:
        """Convolve `(B, T, H, W, C)`."""
        frames = to_frames(clip)
        return to_clip(super().forward(frames), clip.shape[1])


def to_frames(clip: Tensor) -> Tensor:
    """`(B, T, H, W, C)` as `(B * T, C, H, W)`, channels last in memory."""
    return clip.flatten(0, 1).movedim(-1, 1)


def to_clip(frames: Tensor, num_frames: int) -> Tensor:
    """`(B * T, C, H, W)` as `(B, T, H, W, C)`, contiguous."""
    return frames.movedim(1, -1).unflatten(0, (-1, num_frames)).contiguous()


class ResidualBlock(nn.Module):
    """`x + conv2(lrelu(conv1(x)))` with 3x3 convolutions.

    Args:
        dim: Channels C.
        is_small: Start from Kaiming's weights times 0.1 and no bias, as the published recurrences do.

    Shape:
        `(B, C, H, W)` to the same.
    """

    def __init__(self, dim: int, *, is_small: bool = False) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(dim, dim, 3, padding=1) for _ in range(2))
        if is_small:
            for conv in (self.conv1, self.conv2):
                nn.init.kaiming_normal_(conv.weight, a=0)
                conv.weight.data.mul_(0.1)
                nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """One block on `(B, C, H, W)`."""
        change = self.conv2(leaky_relu(self.conv1(x)))
        # Inside autocast the sum stays in the precision of x.
        return change.add_(x) if change.dtype == x.dtype else x + change
