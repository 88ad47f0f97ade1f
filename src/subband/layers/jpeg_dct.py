"""The coefficients that a JPEG encoder would make of an image, as network input, without an encoder.

Source: Xu et al., Learning in the Frequency Domain, CVPR 2020. The published pipeline encodes each image twice in
memory (as it is for Y, at double size for Cb and Cr), at quality 100 with halved chroma, and reads the coefficients
back. All of that but its rounding is linear: doubling a plane bilinearly and averaging it over 2 x 2 pixels is the
filter [1, 6, 1] / 8 along both sides. Leaving the rounding out changes no coefficient by more than 2 of about 1024, and
makes the transform differentiable; what encoders' one-sided rounding of halved chroma adds on average is added here as
a constant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers._jpeg_statistics import STATISTICS
from subband.layers.block_dct import BlockDCT2d

__all__ = ["JPEG_SUBSETS", "JpegDCT2d", "JpegPipeline", "jpeg_planes"]

JpegPipeline = Literal["classification", "detection"]
"""Which published pipeline: maps of an eighth or of a quarter of the image's sides."""

BLOCK, FREQUENCIES = 8, 64
LEVELS, MIDDLE = 255.0, 128.0

# JFIF, rows Y, Cb, Cr; chroma without its offset of 128, which encoders subtract again.
_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_SMOOTH = (1 / 8, 6 / 8, 1 / 8)

# Encoders round averages of four pixels down in even columns and up in odd ones, by 1/8 where pixels differ and not at
# all where they are equal. By the published mean of the highest horizontal frequency of Cb and Cr, -0.6, two thirds of
# that are left over all of ImageNet; divided by the published deviations, 0.3, it is not small.
_ROUNDING = 1 / 12


def _rows(*widths: int) -> tuple[int, ...]:
    """The first so many frequencies of each row of a block."""
    return tuple(BLOCK * row + column for row, width in enumerate(widths) for column in range(width))


_LUMA = {
    6: _rows(2, 2),
    24: _rows(4, 4, 4, 4),
    32: _rows(5, 5, 5, 4, 3),
    48: _rows(6, 6, 6, 6, 4, 4),
    64: _rows(7, 7, 6, 6, 6, 6, 6),
    192: _rows(*[8] * 8),
}
_CHROMA = {
    6: _rows(1),
    24: _rows(2, 2),
    32: _rows(3, 2),
    48: _rows(3, 3, 2),
    64: _rows(3, 3, 2, 2),
    192: _rows(*[8] * 8),
}

JPEG_SUBSETS: dict[int, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    count: (_LUMA[count], _CHROMA[count], _CHROMA[count]) for count in _LUMA
}
"""The published choices of frequencies by their number: `8 * row + column` for Y, Cb and Cr."""


def jpeg_planes(images: Tensor) -> Tensor:
    """Y, Cb and Cr planes as JPEG transforms them, before rounding.

    Args:
        images: Red, green and blue, `(..., 3, H, W)`, in `[0, 1]`.

    Returns:
        `(..., 3, H, W)`, in about `[-128, 128]`.

    Raises:
        ValueError: If there are not three channels.

    Example:
        >>> jpeg_planes(torch.tensor((1.0, 0.0, 0.0))[:, None, None]).flatten().round()
        tensor([-52., -43., 128.])
    """
    if images.ndim < 3 or images.shape[-3] != 3:
        raise ValueError(f"images must be (..., 3, H, W), got shape {tuple(images.shape)}")
    offset = images.new_tensor((MIDDLE, 0.0, 0.0))[:, None, None]
    return torch.einsum("ij,...jhw->...ihw", images.new_tensor(_YCBCR) * LEVELS, images) - offset


class JpegDCT2d(nn.Module):
    """Coefficients of the published JPEG pipelines from images, differentiable; no parameters.

    Args:
        channels: How many frequencies of Y, Cb and Cr: one of the published choices (`JPEG_SUBSETS`), 6 to 192.
        pipeline: `classification` has maps of 1/8 of the sides, with Cb and Cr filtered; `detection` doubles the image
            before.
        normalize: Subtract and divide by the published statistics of that pipeline, or return coefficients as they are.
        mean: What was subtracted from the images, by color; nothing by default, for images in `[0, 1]`.
        std: What they were divided by after that.

    Shape:
        - input: `(B, 3, H, W)`, red, green and blue, normalized with `mean` and `std`
        - output: `(B, channels, H / 8, W / 8)`, or `/ 4` for `detection`, rounded up (the border is repeated, as in
          JPEG); first the frequencies of Y, then of Cb, then of Cr

    Raises:
        ValueError: If an option is unknown.

    Example:
        >>> JpegDCT2d(24)(torch.rand(1, 3, 448, 448)).shape
        torch.Size([1, 24, 56, 56])
    """

    shift: Tensor
    scale: Tensor
    offset: Tensor
    gain: Tensor

    def __init__(
        self,
        channels: int = 192,
        *,
        pipeline: JpegPipeline = "classification",
        normalize: bool = True,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        if channels not in JPEG_SUBSETS:
            raise ValueError(f"channels must be one of {', '.join(map(str, JPEG_SUBSETS))}, got {channels}")
        if pipeline not in STATISTICS:
            raise ValueError(f"pipeline must be 'classification' or 'detection', got {pipeline!r}")
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ValueError(f"mean and std must have three numbers, those of std positive, got {mean} and {std}")
        self.channels, self.pipeline, self.normalize = channels, pipeline, normalize
        self.transform = BlockDCT2d(BLOCK, keep=JPEG_SUBSETS[channels], pad="replicate")
        places = [FREQUENCIES * plane + place for plane, keep in enumerate(JPEG_SUBSETS[channels]) for place in keep]
        means, deviations = (torch.tensor(values)[places][:, None, None] for values in STATISTICS[pipeline])
        rounding = torch.tensor((0.0,) * FREQUENCIES + _rounding() * 2)[places][:, None, None]
        constants = {
            "offset": torch.tensor(mean)[:, None, None],
            "gain": torch.tensor(std)[:, None, None],
            "shift": (means if normalize else 0.0) - rounding,
            "scale": deviations if normalize else torch.ones_like(means),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Coefficients of images `(B, 3, H, W)`; half precision is computed in float32."""
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"images must be (B, 3, H, W), got shape {tuple(images.shape)}")
        dtype = torch.promote_types(images.dtype, torch.float32)
        with torch.autocast(images.device.type, enabled=False):
            planes = jpeg_planes(torch.addcmul(self.offset.to(dtype), images.to(dtype), self.gain.to(dtype)))
            if self.pipeline == "detection":
                planes = F.interpolate(planes, scale_factor=2, mode="bilinear", align_corners=False)
            else:
                planes = torch.cat([planes[:, :1], _smooth(planes[:, 1:])], 1)
            return ((self.transform(planes) - self.shift) / self.scale).to(images.dtype)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{self.channels}, pipeline={self.pipeline!r}, normalize={self.normalize}"


def _rounding() -> tuple[float, ...]:
    """Coefficients of columns that are lower and higher in turn, row by row."""
    first = (
        BLOCK**0.5
        * sum(
            (-1) ** (column + 1) * _ROUNDING * math.cos((2 * column + 1) * k * math.pi / (2 * BLOCK))
            for column in range(BLOCK)
        )
        * (1 / BLOCK if k == 0 else 2 / BLOCK) ** 0.5
        for k in range(BLOCK)
    )
    return (*first, *(0.0,) * (FREQUENCIES - BLOCK))


def _smooth(planes: Tensor) -> Tensor:
    """Both sides filtered by [1, 6, 1] / 8, the border repeated."""
    filters = planes.new_tensor(_SMOOTH)
    kernel = (filters[:, None] * filters).expand(planes.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(planes, (1, 1, 1, 1), mode="replicate"), kernel, groups=planes.shape[1])
