"""The unit of unbiased fast Fourier convolutions: a Fourier unit that knows where in the spectrum it is.

Source: Chu et al., Rethinking Fast Fourier Convolution in Image Inpainting, ICCV 2023. Of its authors' code the layer
alone is public, without weights.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.fourier_unit import image_from_spectrum_channels, spectrum_channels
from subband.layers.spectral import FourierMethod

__all__ = ["UnbiasedFourierUnit"]

MARGIN = 0.5  # how far results may leave the range of the input


class UnbiasedFourierUnit(nn.Module):
    """Two convolutions over the spectrum beside a learned map of places, mixed with the spectrum itself.

    Instead of a batch norm, the result takes the mean of the input and is clipped to its range with a margin of 0.5.
    Takes the place of a `FourierUnit` with as many channels out as in. Names in the authors' code: `place_map` is
    `locMap`, `mix` is `lambda_base`, `conv` is `conv_layer_down55`, `conv_shifted` is `conv_layer_down55_shift`; their
    `norm` has no effect.

    Args:
        channels: Channels C.
        size: Side S of the square maps, after `spatial_scale`; at least 4.
        spatial_scale: Work on images resized by this factor, and resize the result back; None for neither.
        batch_statistics: Mean and range of the whole batch, as published, so that results depend on which images share
            a batch; False for those of each image.
        method: Fast Fourier transform, or matrix products without complex numbers; see `spectrum_channels`.

    Shape:
        Input and output `(B, C, S, S)`, or of sides S / `spatial_scale`.

    Raises:
        ValueError: If `method` is unknown or `size` is below four.

    Example:
        >>> UnbiasedFourierUnit(4, size=8)(torch.rand(2, 4, 8, 8)).shape
        torch.Size([2, 4, 8, 8])
    """

    def __init__(
        self,
        channels: int,
        *,
        size: int = 32,
        spatial_scale: float | None = None,
        batch_statistics: bool = True,
        method: FourierMethod = "fft",
    ) -> None:
        super().__init__()
        if method not in ("fft", "matrix"):
            raise ValueError(f"method must be 'fft' or 'matrix', got {method!r}")
        if size < 4:
            raise ValueError(f"size must be at least 4, got {size}")
        self.size, self.spatial_scale = size, spatial_scale
        self.batch_statistics, self.method = batch_statistics, method
        self.place_map = nn.Parameter(torch.rand(size, size // 2 + 1))
        self.mix = nn.Parameter(torch.zeros(()))
        self.conv = nn.Conv2d(2 * channels + 1, 2 * channels, 1, bias=False)
        self.conv_shifted = nn.Conv2d(
            2 * channels + 1, 2 * channels, 3, padding=2, dilation=2, padding_mode="reflect", bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Mix the spectra of `(B, C, S, S)`."""
        given, dtype = x.shape[-2:], x.dtype
        if self.spatial_scale is not None:
            x = F.interpolate(x, scale_factor=self.spatial_scale, mode="bilinear", align_corners=False)
        if x.shape[-2:] != (self.size, self.size):
            raise ValueError(f"maps must be {self.size}x{self.size}, got {x.shape[-2]}x{x.shape[-1]}")
        spectrum = spectrum_channels(x, method=self.method)
        share = torch.sigmoid(self.mix)
        mixed = share * spectrum + (1 - share) * self._convolved(spectrum)
        y = image_from_spectrum_channels(mixed, (self.size, self.size), method=self.method)
        if self.spatial_scale is not None:
            y = F.interpolate(y, size=given, mode="bilinear", align_corners=False)
        return self._in_range_of(x, y).to(dtype)

    def _convolved(self, spectrum: Tensor) -> Tensor:
        """Both convolutions, the second with zero frequency in the middle row, `(B, 2C, S, S // 2 + 1)`."""
        places = self.place_map.expand(spectrum.shape[0], 1, -1, -1)
        half = self.size // 2  # torch.fft.fftshift rolls by this, its inverse by the negative
        mixed = self.conv(torch.cat([spectrum.to(places.dtype), places], 1))
        shifted = torch.cat([torch.relu(mixed.roll(half, -2)), places.roll(half, -2)], 1)
        return self.conv_shifted(shifted).roll(-half, -2)

    def _in_range_of(self, x: Tensor, y: Tensor) -> Tensor:
        """Shift `y` to the mean of `x`, and clip it to the range of `x` with a margin; the bounds have no gradient."""
        axes = (0, 1, 2, 3) if self.batch_statistics else (1, 2, 3)
        shifted = y - y.mean(axes, keepdim=True) + x.mean(axes, keepdim=True)
        fixed = x.detach()
        return shifted.clamp(fixed.amin(axes, keepdim=True) - MARGIN, fixed.amax(axes, keepdim=True) + MARGIN)
