"""The Fourier unit: one 1x1 convolution over the spectrum, so that every output sees the whole image.

Source: Chi et al., Fast Fourier Convolution, NeurIPS 2020, in the form that LaMa (Suvorov et al., WACV 2022) uses.
"""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.spectral import FourierMethod, exportable
from subband.transforms import irfft2, irfft2_parts, rfft2, rfft2_parts

__all__ = ["FourierUnit", "image_from_spectrum_channels", "spectrum_channels"]


def spectrum_channels(x: Tensor, *, method: FourierMethod = "fft") -> Tensor:
    """Orthonormal half spectra of all channels as twice as many real channels.

    Args:
        x: `(B, C, H, W)`, real, any range.
        method: Fast Fourier transform, or matrix products without complex numbers, for sides up to 128; export to ONNX
            takes these in any case.

    Returns:
        `(B, 2C, H, W // 2 + 1)`: real and imaginary part of the first channel, of the second, and so on; in at least
        float32.

    Example:
        >>> spectrum_channels(torch.rand(2, 3, 8, 6)).shape
        torch.Size([2, 6, 8, 4])
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    parts = torch.view_as_real(rfft2(x)) if exportable(method) == "fft" else rfft2_parts(x)
    return rearrange(parts, "b c h w p -> b (c p) h w")


def image_from_spectrum_channels(spectrum: Tensor, size: tuple[int, int], *, method: FourierMethod = "fft") -> Tensor:
    """Inverse of `spectrum_channels`.

    Args:
        spectrum: `(B, 2C, H, W // 2 + 1)`, real dtype.
        size: H and W.
        method: Way of computing the transform, see `spectrum_channels`.

    Returns:
        `(B, C, H, W)`, in at least float32.

    Example:
        >>> x = torch.rand(2, 3, 8, 6)
        >>> torch.allclose(image_from_spectrum_channels(spectrum_channels(x), (8, 6)), x, atol=1e-6)
        True
    """
    spectrum = spectrum.to(torch.promote_types(spectrum.dtype, torch.float32))
    parts = rearrange(spectrum, "b (c p) h w -> b c h w p", p=2).contiguous()
    return irfft2(torch.view_as_complex(parts), size) if exportable(method) == "fft" else irfft2_parts(parts, size)


class FourierSqueezeExcite(nn.Module):
    """Factors per channel from the mean of all channels: two linear layers without bias.

    Args:
        channels: Channels C.
        reduction: Channels per channel between the layers.

    Shape:
        Input and output `(B, C, H, W)`.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = channels // reduction
        if hidden < 1:
            raise ValueError(f"squeeze and excitation needs at least {reduction} channels, got {channels}")
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, channels, bias=False), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scale the channels of `(B, C, H, W)`."""
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class FourierUnit(nn.Module):
    """1x1 convolution, batch norm and ReLU over real and imaginary parts of the spectrum.

    Weights have the names of LaMa's files.

    Args:
        in_chans: Channels C.
        out_chans: Channels C' of the result.
        groups: Groups of the convolution.
        spatial_scale: Work on images resized by this factor, and resize the result back; None for neither.
        with_coordinates: Tell the convolution the vertical and horizontal frequency, from 0 to 1, as two channels in
            front.
        with_squeeze_excite: Scale the spectrum's channels by squeeze and excitation first.
        method: Fast Fourier transform, or matrix products without complex numbers; see `spectrum_channels`.

    Shape:
        `(B, C, H, W)` to `(B, C', H, W)`.

    Raises:
        ValueError: If `method` is unknown.

    Example:
        >>> FourierUnit(4, 6)(torch.rand(2, 4, 8, 10)).shape
        torch.Size([2, 6, 8, 10])
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        *,
        groups: int = 1,
        spatial_scale: float | None = None,
        with_coordinates: bool = False,
        with_squeeze_excite: bool = False,
        method: FourierMethod = "fft",
    ) -> None:
        super().__init__()
        if method not in ("fft", "matrix"):
            raise ValueError(f"method must be 'fft' or 'matrix', got {method!r}")
        self.spatial_scale, self.with_coordinates, self.method = spatial_scale, with_coordinates, method
        num_inputs = 2 * in_chans + 2 * with_coordinates
        self.se = FourierSqueezeExcite(num_inputs) if with_squeeze_excite else nn.Identity()
        self.conv_layer = nn.Conv2d(num_inputs, 2 * out_chans, 1, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(2 * out_chans)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the spectra of `(B, C, H, W)` into `(B, C', H, W)`."""
        size, dtype = x.shape[-2:], x.dtype
        if self.spatial_scale is not None:
            x = F.interpolate(x, scale_factor=self.spatial_scale, mode="bilinear", align_corners=False)
        spectrum = spectrum_channels(x, method=self.method)
        if self.with_coordinates:
            spectrum = torch.cat([_coordinates(spectrum), spectrum], 1)
        spectrum = torch.relu(self.bn(self.conv_layer(self.se(spectrum).to(self.conv_layer.weight.dtype))))
        y = image_from_spectrum_channels(spectrum, (x.shape[-2], x.shape[-1]), method=self.method)
        if self.spatial_scale is not None:
            y = F.interpolate(y, size=size, mode="bilinear", align_corners=False)
        return y.to(dtype)


def _coordinates(spectrum: Tensor) -> Tensor:
    """Row and column as numbers from 0 to 1, `(B, 2, H, W)`."""
    batch, _, height, width = spectrum.shape
    rows = torch.linspace(0, 1, height, device=spectrum.device, dtype=spectrum.dtype)
    columns = torch.linspace(0, 1, width, device=spectrum.device, dtype=spectrum.dtype)
    grid = torch.stack([rows[:, None].expand(height, width), columns[None, :].expand(height, width)])
    return grid.expand(batch, -1, -1, -1)
