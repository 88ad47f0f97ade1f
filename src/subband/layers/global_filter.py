"""A learned filter of the whole spectrum that follows the size of the image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.spectral import exportable
from subband.transforms import fourier_filter
from subband.transforms.arguments import check_real, in_float32

__all__ = ["GlobalFilter2d", "resize_centered_filter"]


class GlobalFilter2d(nn.Module):
    """Multiply the spectrum of every channel by a learned filter that is stored at one size and serves every other.

    Unlike in GFNet, whose rows keep the order of the spectrum, the filter is interpolated with the zero frequency in
    the middle, so that positive and negative vertical frequencies do not mix. It begins as the identity.

    Args:
        channels: Channels C.
        base: Rows and columns of the stored filter, that of images of 16 x 16 pixels by default.

    Shape:
        `(B, C, H, W)` to the same.

    Example:
        >>> x = torch.rand(2, 3, 9, 7)
        >>> torch.allclose(GlobalFilter2d(3)(x), x, atol=1e-5)
        True
    """

    def __init__(self, channels: int, base: tuple[int, int] = (16, 9)) -> None:
        super().__init__()
        weight = torch.zeros(2, channels, *base)
        weight[0] = 1
        self.weight = nn.Parameter(weight)  # real and imaginary parts

    def forward(self, x: Tensor) -> Tensor:
        """Filter `(B, C, H, W)`."""
        check_real(x, "x")
        return fourier_filter(x, self.filter_for((x.shape[-2], x.shape[-1])), method=exportable("fft"))

    def filter_for(self, size: tuple[int, int]) -> Tensor:
        """The filter of images of a size `(H, W)`, `(C, H, W // 2 + 1, 2)`."""
        weight: Tensor = in_float32(resize_centered_filter, self.weight, size=size)
        return weight.movedim(0, -1)


def resize_centered_filter(weight: Tensor, size: tuple[int, int]) -> Tensor:
    """Filters of half spectra for images of another size, interpolated with the zero frequency in the middle.

    Args:
        weight: `(..., C, rows, columns)`, at least two axes before the last two.
        size: `(H, W)` of the images.

    Returns:
        `(..., C, H, W // 2 + 1)`.
    """
    centered = weight.roll(weight.shape[-2] // 2, -2).flatten(0, -4)
    plane = F.interpolate(centered, (size[0], size[1] // 2 + 1), mode="bilinear", align_corners=True)
    return plane.roll(-(size[0] // 2), -2).view(*weight.shape[:-2], *plane.shape[-2:])
