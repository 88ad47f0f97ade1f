"""Names of the subbands written into an image of wavelet coefficients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from subband.imaging.decomposition import BandBox

_MIN_SIDE = 24  # smaller bands have no room for a name


def label_bands(mosaic: Tensor, boxes: Sequence[BandBox]) -> Tensor:
    """Write the name and level of every band into its upper left corner, as far as there is room.

    Args:
        mosaic: What `subband.imaging.coefficient_mosaic` returns, `(C, H, W)` in `[0, 1]`, C = 1 or 3.
        boxes: Where its bands lie, from `subband.imaging.mosaic_layout`.

    Returns:
        The image with names, `(C, H, W)` in `[0, 1]`, in steps of 1/255.

    Example:
        >>> from subband.imaging import coefficient_mosaic, mosaic_layout
        >>> from subband.transforms import wavedec2
        >>> coeffs = wavedec2(torch.rand(1, 64, 64), "haar", level=1)
        >>> label_bands(coefficient_mosaic(coeffs), mosaic_layout(coeffs)[2]).shape
        torch.Size([1, 64, 64])
    """
    from PIL import Image, ImageDraw, ImageFont

    values = (mosaic.clamp(0, 1) * 255).round().to(torch.uint8).cpu().permute(1, 2, 0).numpy()
    image = Image.fromarray(values[..., 0] if values.shape[2] == 1 else np.ascontiguousarray(values))
    draw = ImageDraw.Draw(image)
    for box in boxes:
        side = min(box.height, box.width)
        if side >= _MIN_SIDE:
            font = ImageFont.load_default(max(9, min(28, side // 10)))
            place = (box.left + 3, box.top + 2)
            draw.text(place, f"{box.band}{box.level}", "white", font, stroke_width=2, stroke_fill="black")
    labelled = np.array(image, np.float32).reshape(values.shape)
    return torch.from_numpy(labelled).permute(2, 0, 1).to(mosaic) / 255
