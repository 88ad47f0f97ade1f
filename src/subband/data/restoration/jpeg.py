"""What JPEG compression does to frames, in torch: the loss of its quantization, without a file.

The baseline of ITU-T T.81 as libjpeg writes and reads it: JFIF colors, chroma of half resolution, 8 x 8 cosine
transform, the tables of Annex K scaled by the quality. What is coded after that loses nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.transforms import block_dct2, block_idct2

# Annex K, tables K.1 and K.2.
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def jpeg(frames: Tensor, quality: int) -> Tensor:
    """Frames as they come out of a JPEG file.

    Args:
        frames: `(B, 3, H, W)` in [0, 1].
        quality: 1 to 100, on libjpeg's scale.

    Returns:
        Same shape, in [0, 1], of 8 bits; what libjpeg gives, up to rounding (under a level on average).

    Raises:
        ValueError: If `quality` is out of range.

    Example:
        >>> jpeg(torch.full((1, 3, 20, 30), 0.2), 75).shape
        torch.Size([1, 3, 20, 30])
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"quality of JPEG must lie in 1..100, got {quality}")
    height, width = frames.shape[-2:]
    pixels = F.pad(frames * 255, (0, -width % 16, 0, -height % 16), mode="replicate").round()
    ycc = torch.einsum("dc,bchw->bdhw", pixels.new_tensor(_TO_YCC), pixels)
    ycc[:, 0] -= 128  # luma around 0, as the chroma is
    ycc = ycc.round_()
    luma = _quantized(ycc[:, :1], _LUMA, quality)
    chroma = _quantized(F.avg_pool2d(ycc[:, 1:], 2), _CHROMA, quality)
    # Bilinear between centers is the triangle filter of libjpeg.
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    back = torch.einsum("dc,bchw->bdhw", pixels.new_tensor(_TO_RGB), torch.cat([luma + 128, chroma], 1))
    return back[..., :height, :width].round().clamp(0, 255) / 255


def _quantized(plane: Tensor, table: tuple[tuple[int, ...], ...], quality: int) -> Tensor:
    """Planes `(B, C, H, W)`, sides multiples of 8, after quantization."""
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    steps = ((plane.new_tensor(table) * scale + 50) / 100).floor().clamp(1, 255)
    steps = steps.repeat(plane.shape[-2] // 8, plane.shape[-1] // 8)
    coefficients = (block_dct2(plane, layout="spatial") / steps).round() * steps
    return block_idct2(coefficients, layout="spatial").round()
