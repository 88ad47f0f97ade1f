"""Channel mixer of mobile networks: 1x1 convolution, depthwise convolution, squeeze-excitation, 1x1 convolution.

Source: Sandler et al., MobileNetV2, CVPR 2018, with the gate of Hu et al., Squeeze-and-Excitation Networks, CVPR 2018.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.depthwise import DepthwiseConv2d
from subband.layers.norm import conv_bn, fold_batch_norm, uses_running_statistics
from subband.layers.reductions import mean_over
from subband.models.wast.pointwise import Conv1x1, conv1x1_per_sample

__all__ = ["MobileMixer", "SqueezeGate", "rounded_channels"]

KERNEL_SIZE = 7
SQUEEZE = 4


def rounded_channels(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to a channel number, but at least 90 % of it.

    Example:
        >>> rounded_channels(50.0), rounded_channels(11.0)
        (48, 16)
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


class SqueezeGate(nn.Module):
    """Gate per channel from the spatial mean.

    Args:
        dim: Channels C. The gate is computed at C / 4 channels.

    Shape:
        `(B, C, H, W)` to gates in (0, 1), `(B, C)`.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = round(dim / SQUEEZE)
        self.reduce = nn.Conv2d(dim, hidden, 1)
        self.expand = nn.Conv2d(hidden, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Gates of `x`, `(B, C, H, W)`."""
        hidden = F.relu(self.reduce(mean_over(x, (2, 3))))
        return self.expand(hidden).sigmoid().flatten(1)


class MobileMixer(nn.Module):
    """`project(gate * relu(depthwise(relu(expand(x)))))` with batch norms, without a skip.

    The gate multiplies the weights of the projection rather than the map, which is smaller by a factor H * W / D.

    Args:
        dim: Channels C.
        mlp_ratio: Channels of the middle relative to C, rounded to a multiple of 8.

    Shape:
        Input and output `(B, C, H, W)`.
    """

    def __init__(self, dim: int, *, mlp_ratio: float = 4.0) -> None:
        super().__init__()
        hidden = rounded_channels(dim * mlp_ratio)
        self.expand = Conv1x1(dim, hidden, bias=False)
        self.expand_norm = nn.BatchNorm2d(hidden)
        self.depthwise = DepthwiseConv2d(hidden, KERNEL_SIZE, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(hidden)
        self.gate = SqueezeGate(hidden)
        self.project = Conv1x1(hidden, dim, bias=False)
        self.project_norm = nn.BatchNorm2d(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the channels of `x`, `(B, C, H, W)`."""
        x = F.relu(conv_bn(x, self.expand, self.expand_norm), inplace=True)
        x = F.relu(conv_bn(x, self.depthwise, self.depthwise_norm), inplace=True)
        gate = self.gate(x)[:, None]  # (B, 1, hidden)
        weight = self.project.weight.flatten(1)  # (C, hidden)
        if not uses_running_statistics(self.project_norm):
            return self.project_norm(conv1x1_per_sample(x, gate * weight))
        weight, bias = fold_batch_norm(weight, None, self.project_norm)
        return conv1x1_per_sample(x, gate * weight, bias)
