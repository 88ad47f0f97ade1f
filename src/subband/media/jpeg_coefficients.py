"""Cosine coefficients read from JPEG files, without decoding them to pixels.

They are those of the file: of its quality, its grid of blocks and its size, unlike `subband.layers.JpegDCT2d`, which
makes the coefficients of the published pipelines from pixels of any origin. Needs the extra `jpeg`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.extras import names_extra
from subband.media.pixels import open_image
from subband.transforms import block_dct2, block_idct2

__all__ = ["JpegCoefficients", "read_jpeg_coefficients"]

_BLOCK = 8
_FORMATS = {"JPEG", "MPO"}  # the latter from phones: a JPEG file with more images behind the first
_COLOR_SPACES = {"JCS_YCbCr", "JCS_GRAYSCALE"}


@dataclass(frozen=True)
class JpegCoefficients:
    """Coefficients of the planes of a JPEG file, times their quantization steps.

    Attributes:
        y: Brightness, `(64, h, w)` float32 in about `[-1024, 1024]`; channel `8 * row + column`, row by vertical
            frequency.
        cb: Blue against brightness, the same; its map is often half as large. None for gray files.
        cr: Red against brightness, as `cb`.
        size: Height and width of the image; maps are those of whole blocks.
        factors: How many times higher and wider than in `cb` and `cr` the image is in `y`.
    """

    y: Tensor
    cb: Tensor | None
    cr: Tensor | None
    size: tuple[int, int]
    factors: tuple[int, int] = (1, 1)

    def stack(self) -> Tensor:
        """All three planes on the grid of Y, `(192, h, w)`; smaller planes are enlarged bilinearly, gray files have
        zeros.

        Before normalization this is close to what `subband.layers.JpegDCT2d` makes of the decoded image, apart from
        its filter on Cb and Cr.
        """
        colors = [self._enlarged(plane) for plane in (self.cb, self.cr)]
        return torch.cat([self.y, *colors])

    def _enlarged(self, plane: Tensor | None) -> Tensor:
        if plane is None:
            return torch.zeros_like(self.y)
        if self.factors == (1, 1):
            return plane
        pixels = block_idct2(plane, layout="channels")[None]
        pixels = F.interpolate(pixels, scale_factor=list(self.factors), mode="bilinear", align_corners=False)[0]
        height, width = (_BLOCK * blocks for blocks in self.y.shape[1:])
        return block_dct2(pixels[:, :height, :width], layout="channels")


def read_jpeg_coefficients(path: str | Path) -> JpegCoefficients:
    """Read the coefficients of a JPEG file, baseline or progressive, in color or gray.

    Args:
        path: The file; the way its camera was held is not regarded.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ImportError: If `jpeglib` is not installed.
        ValueError: If it is no JPEG file, is damaged or cut off, too large, or stores other colors than Y, Cb and Cr.
    """
    path = Path(path)
    with open_image(path) as image:
        file_format = image.format
        image.load()  # the coefficient reader fills what is missing with zeros, without a word
    if file_format not in _FORMATS:
        raise ValueError(f"{path} is {file_format}; coefficients can only be read from JPEG files.")
    found = _import_jpeglib().read_dct(str(path))
    space = found.jpeg_color_space.name
    if space not in _COLOR_SPACES:
        raise ValueError(f"{path} stores {space.removeprefix('JCS_')} colors; only Y, Cb, Cr and gray can be read.")
    size = (found.height, found.width)
    y = _dequantized(found, found.Y, 0)
    if found.Cb is None:
        return JpegCoefficients(y, None, None, size)
    luma, *chroma = (tuple(map(int, factors)) for factors in found.samp_factor)  # vertical, horizontal
    if chroma[0] != chroma[1] or any(fine % coarse for fine, coarse in zip(luma, chroma[0], strict=True)):
        raise ValueError(f"{path} has planes sampled {luma}, {chroma[0]}, {chroma[1]}, which are no whole fractions.")
    cb, cr = (_dequantized(found, plane, index) for index, plane in ((1, found.Cb), (2, found.Cr)))
    return JpegCoefficients(y, cb, cr, size, (luma[0] // chroma[0][0], luma[1] // chroma[0][1]))


def _dequantized(found: Any, plane: Any, index: int) -> Tensor:
    """`(h, w, 8, 8)` quantized to `(64, h, w)`."""
    steps = found.qt[found.quant_tbl_no[index]].astype("float32")
    values = torch.from_numpy(plane.astype("float32") * steps)
    return values.flatten(2).movedim(-1, 0).contiguous()


def _import_jpeglib() -> ModuleType:
    with names_extra("coefficients in JPEG files need"):
        import jpeglib
    return jpeglib
