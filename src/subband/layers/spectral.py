"""Learned filters in the Fourier domain.

Source: Rao et al., Global Filter Networks for Image Classification, NeurIPS 2021, section 3.2.
"""

from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.exporting import is_exporting
from subband.transforms import fourier_filter, irfft2
from subband.transforms.arguments import check_real, height_and_width, in_float32, integer, integers

__all__ = [
    "FilterLayout",
    "FourierFilter2d",
    "FourierMethod",
    "exportable",
    "fourier_filter_kernel",
    "fourier_filter_magnitude",
    "resize_fourier_filter",
]

FilterLayout = Literal["channels_first", "channels_last"]
FourierMethod = Literal["fft", "matrix"]

_AXES: dict[str, tuple[int, int]] = {"channels_first": (-2, -1), "channels_last": (-3, -2)}
_INIT_STD = 0.02  # of the published code


def exportable(method: FourierMethod) -> FourierMethod:
    """The method itself, but `matrix` while a graph is exported to ONNX, which has no complex numbers."""
    return "matrix" if is_exporting() and torch.onnx.is_in_onnx_export() else method


def resize_fourier_filter(weight: Tensor, size: tuple[int, int], *, layout: FilterLayout = "channels_first") -> Tensor:
    """Filter for images of another size, as GFNet makes it.

    Real and imaginary parts are interpolated bicubically, corner entries onto corner entries. Rows keep the order of
    the spectrum, so positive and negative vertical frequencies mix in the middle.

    Args:
        weight: `(C, H, W // 2 + 1, 2)`, or `(H, W // 2 + 1, C, 2)` for channels last, real dtype.
        size: Height H' and width W' of the images that the result filters.
        layout: Where the channels are.

    Returns:
        `(C, H', W' // 2 + 1, 2)` or `(H', W' // 2 + 1, C, 2)`.

    Raises:
        ValueError: If `layout` is unknown or a side is below one.

    Example:
        >>> resize_fourier_filter(torch.rand(14, 8, 5, 2), (24, 24), layout="channels_last").shape
        torch.Size([24, 13, 5, 2])
    """
    check_real(weight, "weight")
    _check_layout(layout)
    height, width = height_and_width(size)
    if height < 1 or width < 1:
        raise ValueError(f"size must be at least 1x1, got {height}x{width}")
    resized: Tensor = in_float32(_resized, weight, size=(height, width), layout=layout)
    return resized


def _resized(weight: Tensor, *, size: tuple[int, int], layout: FilterLayout) -> Tensor:
    height, width = size
    pattern = "c h w p" if layout == "channels_first" else "h w c p"
    plane = rearrange(weight, f"{pattern} -> 1 (c p) h w")
    plane = F.interpolate(plane, (height, width // 2 + 1), mode="bicubic", align_corners=True)
    return rearrange(plane, f"1 (c p) h w -> {pattern}", p=2)


def fourier_filter_kernel(weight: Tensor, size: tuple[int, int], *, layout: FilterLayout = "channels_first") -> Tensor:
    """Kernels of the circular convolutions that a filter stands for.

    Args:
        weight: `(C, H, W // 2 + 1, 2)`, or `(H, W // 2 + 1, C, 2)` for channels last, real dtype.
        size: H and W of the images that the filter is stored for.
        layout: Where the channels are.

    Returns:
        `(C, H, W)`, the weight of the pixel itself in the corner.

    Raises:
        ValueError: If `layout` is unknown, or `size` does not fit.

    Example:
        >>> identity = torch.tensor([1.0, 0.0]).expand(1, 4, 3, 2)
        >>> fourier_filter_kernel(identity, (4, 4))[0, 0]
        tensor([1., 0., 0., 0.])
    """
    check_real(weight, "weight")
    _check_layout(layout)
    size = height_and_width(size)
    if layout == "channels_last":
        weight = weight.movedim(2, 0)
    spectrum = torch.view_as_complex(
        weight.to(torch.promote_types(weight.dtype, torch.float32)).contiguous().resolve_neg()
    )
    return irfft2(spectrum, size) / (size[0] * size[1]) ** 0.5


def fourier_filter_magnitude(
    weight: Tensor, size: tuple[int, int], *, layout: FilterLayout = "channels_first"
) -> Tensor:
    """How much a filter lets through of every frequency: the figures of GFNet's paper.

    Args:
        weight: `(C, H, W // 2 + 1, 2)`, or `(H, W // 2 + 1, C, 2)` for channels last, real dtype.
        size: H and W of the images that the filter is stored for.
        layout: Where the channels are.

    Returns:
        `(C, H, W)`, not negative, zero frequency in the middle.

    Example:
        >>> identity = torch.tensor([1.0, 0.0]).expand(1, 2, 3, 2)
        >>> fourier_filter_magnitude(identity, (2, 4))[0]
        tensor([[1., 1., 1., 1.],
                [1., 1., 1., 1.]])
    """
    spectrum = torch.fft.fft2(fourier_filter_kernel(weight, size, layout=layout))
    return torch.fft.fftshift(spectrum, (-2, -1)).abs()


class FourierFilter2d(nn.Module):
    """Multiply the spectrum of every channel by a learned filter: a circular convolution as large as the image.

    The filter has real and imaginary parts in one real parameter, `complex_weight`, which begins as noise with a
    standard deviation of 0.02. For `channels_last` it is laid out as in GFNet's checkpoints. Images of another size are
    filtered by `resize_fourier_filter` of it. The imaginary parts of entries that are real for every real image have no
    effect and no gradient, and the transforms run in float32 at least, also under autocast.

    Args:
        channels: Channels C.
        size: Height and width of the images that the filter is stored for, or one number for both.
        layout: Where the channels of images are.
        method: Fast Fourier transform, or matrix products without complex numbers, for sides up to 128; export to ONNX
            takes these in any case.

    Shape:
        Input and output `(B, C, H, W)`, or `(B, H, W, C)` for `channels_last`.

    Raises:
        ValueError: If `layout` or `method` is unknown, or a size is not positive.

    Example:
        >>> layer = FourierFilter2d(3, (14, 14), layout="channels_last")
        >>> layer.complex_weight.shape, layer(torch.rand(2, 14, 14, 3)).shape
        (torch.Size([14, 8, 3, 2]), torch.Size([2, 14, 14, 3]))
    """

    def __init__(
        self,
        channels: int,
        size: int | tuple[int, int],
        *,
        layout: FilterLayout = "channels_first",
        method: FourierMethod = "fft",
    ) -> None:
        super().__init__()
        _check_layout(layout)
        if method not in ("fft", "matrix"):
            raise ValueError(f"method must be 'fft' or 'matrix', got {method!r}")
        channels = integer(channels, "channels")
        sides = integers(size, "size")
        height, width = height_and_width(sides * 2 if len(sides) == 1 else sides)
        if min(channels, height, width) < 1:
            raise ValueError(f"channels and size must be positive, got {channels} and {height}x{width}")
        self.channels, self.size, self.layout, self.method = channels, (height, width), layout, method
        plane = (height, width // 2 + 1)
        shape = (channels, *plane, 2) if layout == "channels_first" else (*plane, channels, 2)
        self.complex_weight = nn.Parameter(torch.randn(shape) * _INIT_STD)

    def forward(self, x: Tensor) -> Tensor:
        """Filter images `(B, C, H, W)`, or `(B, H, W, C)` for `channels_last`."""
        check_real(x, "x")
        rows, columns = _AXES[self.layout]
        channels = x.shape[-3 if self.layout == "channels_first" else -1]
        if channels != self.channels:
            raise ValueError(f"x must have {self.channels} channels, got shape {tuple(x.shape)}")
        weight: Tensor = self.complex_weight
        size = (x.shape[rows], x.shape[columns])
        if size != self.size:
            weight = resize_fourier_filter(weight, size, layout=self.layout)
        return fourier_filter(x, weight, axes=(rows, columns), method=exportable(self.method))

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{self.channels}, size={self.size}, layout={self.layout!r}, method={self.method!r}"


def _check_layout(layout: str) -> None:
    if layout not in _AXES:
        raise ValueError(f"layout must be 'channels_first' or 'channels_last', got {layout!r}")
