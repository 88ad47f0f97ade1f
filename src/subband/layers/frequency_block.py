"""Convolutions over the spectrum beside convolutions over pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from subband.layers.fourier_unit import image_from_spectrum_channels, spectrum_channels
from subband.transforms.arguments import check_real

__all__ = ["FrequencySpatialBlock", "SpectralConv2d"]

SLOPE = 0.1


class SpectralConv2d(nn.Module):
    """Two 1x1 convolutions over real and imaginary parts of all channels, so that every output sees the whole image.

    Between them are an instance norm over the spectrum and a leaky ReLU. The second one begins as zeros: the layer says
    nothing at first. The norm's statistics are ruled by the zero frequency where features have a mean, which
    `remove_mean` takes out.

    Args:
        channels: Channels C.
        remove_mean: Take the mean of every channel out of the features first.

    Shape:
        `(B, C, H, W)` of more than one frequency, to the same.

    Example:
        >>> SpectralConv2d(4)(torch.rand(2, 4, 8, 7)).abs().max().item()
        0.0
    """

    def __init__(self, channels: int, *, remove_mean: bool = False) -> None:
        super().__init__()
        self.remove_mean = remove_mean
        self.expand = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.norm = nn.GroupNorm(
            2 * channels, 2 * channels
        )  # an instance norm, for empty batches and one pixel as well
        self.act = nn.LeakyReLU(SLOPE)
        self.project = nn.Conv2d(2 * channels, 2 * channels, 1)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Mix the spectra of `(B, C, H, W)`."""
        check_real(x, "x")
        features = x - x.mean((-2, -1), keepdim=True) if self.remove_mean else x
        spectrum = spectrum_channels(features).to(self.expand.weight.dtype)
        spectrum = self.project(self.act(self.norm(self.expand(spectrum))))
        return image_from_spectrum_channels(spectrum, (x.shape[-2], x.shape[-1])).to(x.dtype)


class FrequencySpatialBlock(nn.Module):
    """`x + fuse(cat(conv(act(conv(x))), spectral(x)))`: 3x3 convolutions and a `SpectralConv2d` side by side.

    Args:
        channels: Channels C.
        remove_mean: See `SpectralConv2d`.

    Shape:
        `(B, C, H, W)` to the same.

    Example:
        >>> FrequencySpatialBlock(4)(torch.rand(2, 4, 8, 7)).shape
        torch.Size([2, 4, 8, 7])
    """

    def __init__(self, channels: int, *, remove_mean: bool = False) -> None:
        super().__init__()
        self.spatial = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.spectral = SpectralConv2d(channels, remove_mean=remove_mean)
        self.fuse = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """One block on `(B, C, H, W)`."""
        check_real(x, "x")
        spatial = self.spatial(x)
        return x + self.fuse(torch.cat([spatial, self.spectral(x).to(spatial.dtype)], 1))
