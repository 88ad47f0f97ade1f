"""Large depthwise kernels: one square kernel, or a pair of strips that covers a cross."""

from __future__ import annotations

from torch import Tensor, nn

from subband.layers.depthwise import DepthwiseConv2d
from subband.layers.norm import conv_bn

__all__ = ["DepthwiseNorm", "LargeKernel"]

STRIP_WIDTH = 5  # SLaK (Liu et al., ICLR 2023) and WaST


class DepthwiseNorm(nn.Module):
    """Depthwise convolution and batch norm, one convolution while evaluating.

    Args:
        dim: Channels C.
        kernel_size: Odd kernel size `(K1, K2)`, or one number for both.

    Shape:
        Input and output `(B, C, H, W)`.
    """

    def __init__(self, dim: int, kernel_size: int | tuple[int, int]) -> None:
        super().__init__()
        self.conv = DepthwiseConv2d(dim, kernel_size)
        self.norm = nn.BatchNorm2d(dim)

    def forward(self, x: Tensor) -> Tensor:
        """`norm(conv(x))`."""
        return conv_bn(x, self.conv, self.norm)


class LargeKernel(nn.Module):
    """Sum of a tall and a wide strip, or one square kernel.

    Args:
        dim: Channels C.
        kernel_size: Long side K, odd.
        strip: Strips of K x 5 and 5 x K; otherwise one kernel of K x K.

    Shape:
        Input and output `(B, C, H, W)`.
    """

    def __init__(self, dim: int, kernel_size: int, *, strip: bool = True) -> None:
        super().__init__()
        self.strip = strip
        if strip:
            self.tall = DepthwiseNorm(dim, (kernel_size, STRIP_WIDTH))
            self.wide = DepthwiseNorm(dim, (STRIP_WIDTH, kernel_size))
        else:
            self.square = DepthwiseNorm(dim, kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the kernels to `x`, `(B, C, H, W)`."""
        return self.tall(x).add_(self.wide(x)) if self.strip else self.square(x)
