"""The global path of a fast Fourier convolution: Fourier units over the whole map and over its quarters.

Source: Chi et al., Fast Fourier Convolution, NeurIPS 2020, in the form that LaMa (Suvorov et al., WACV 2022) uses.
"""

import torch
from einops import rearrange
from torch import Tensor, nn

from subband.layers.fourier_unit import FourierUnit
from subband.layers.spectral import FourierMethod

__all__ = ["SpectralTransform"]


class SpectralTransform(nn.Module):
    """Reduce channels to half, add what Fourier units see in the whole map and in its quarters, and expand again.

    Weights have the names of LaMa's files.

    Args:
        in_chans: Channels C.
        out_chans: Channels C' of the result, even.
        stride: 1, or 2 to halve the map by averages first.
        groups: Groups of all convolutions.
        with_local_unit: Add a Fourier unit over the four quarters of a part of the channels. Sides of the (halved) map
            must be even then, and C' a multiple of 8.
        method: Fast Fourier transform, or matrix products; export to ONNX takes these in any case.

    Shape:
        `(B, C, H, W)` to `(B, C', H / stride, W / stride)`.

    Raises:
        ValueError: If `stride` is neither 1 nor 2, or C' does not divide.

    Example:
        >>> SpectralTransform(4, 8, stride=2)(torch.rand(2, 4, 16, 16)).shape
        torch.Size([2, 8, 8, 8])
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        stride: int = 1,
        groups: int = 1,
        with_local_unit: bool = True,
        method: FourierMethod = "fft",
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride must be 1 or 2, got {stride}")
        multiple = 8 if with_local_unit else 2
        if out_chans < 1 or out_chans % multiple:
            raise ValueError(f"out_chans must be a positive multiple of {multiple}, got {out_chans}")
        half = out_chans // 2
        self.downsample = nn.AvgPool2d(2) if stride == 2 else nn.Identity()
        self.conv1 = nn.Sequential(
            nn.Conv2d(in_chans, half, 1, groups=groups, bias=False), nn.BatchNorm2d(half), nn.ReLU()
        )
        self.fu = FourierUnit(half, half, groups=groups, method=method)
        self.lfu = FourierUnit(half, half, groups=groups, method=method) if with_local_unit else None
        self.conv2 = nn.Conv2d(half, out_chans, 1, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform `(B, C, H, W)` to `(B, C', H / stride, W / stride)`."""
        reduced = self.conv1(self.downsample(x))
        mixed = reduced + self.fu(reduced)
        if self.lfu is not None:
            mixed = mixed + self.lfu(_quarters(reduced)).repeat(1, 1, 2, 2)
        return self.conv2(mixed)


def _quarters(x: Tensor) -> Tensor:
    """The first quarter of the channels, cut into top left, bottom left, top right and bottom right.

    Returns:
        `(B, C, H / 2, W / 2)`.
    """
    height, width = x.shape[-2:]
    if height % 2 or width % 2:
        raise ValueError(f"the local Fourier unit needs maps with even sides, got {height}x{width}")
    part: Tensor = torch.narrow(x, 1, 0, x.shape[1] // 4)
    return rearrange(part, "b c (v h) (u w) -> b (u v c) h w", v=2, u=2)
