"""Objects drawn into the image they were found in: masks, boxes and names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from subband.files import shown
from subband.predictors.detection import FoundObjects
from subband.visual.colors import series_styles

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

__all__ = ["draw_objects"]

MASK_WEIGHT = 0.45  # of the color; the rest is the image
DARK = (20, 20, 20)
LINES, LETTERS = 300, 40  # widths of a line, and heights of a letter, along the mean side of the image
LEAST_LETTER = 10


def draw_objects(image: Tensor, found: FoundObjects) -> Tensor:
    """Draw what was found, the best objects on top.

    Every class has a color; lines are cased in dark and letters stand on their color, so that both are seen on any
    ground. Lines and letters grow with the image; a name that is wider than the image is left out.

    Args:
        image: `(3, H, W)`, uint8.
        found: Objects in pixels of this image.

    Returns:
        `(3, H, W)`, uint8.

    Example:
        >>> found = FoundObjects(
        ...     boxes=torch.tensor([[8.0, 20.0, 60.0, 50.0]]),
        ...     scores=torch.tensor([0.9]),
        ...     labels=torch.tensor([0]),
        ...     mask_probs=None,
        ...     size=(64, 96),
        ...     classes=("cat",),
        ... )
        >>> drawn = draw_objects(torch.zeros(3, 64, 96, dtype=torch.uint8), found)
        >>> drawn.shape, bool(drawn[:, 35, 30].any()), bool(drawn[:, 35, 9].any())
        (torch.Size([3, 64, 96]), False, True)
    """
    from PIL import Image, ImageDraw, ImageFont

    styles = series_styles(found.classes)
    colors = [_rgb(styles[name].dark) for name in found.names]
    canvas = image.permute(1, 2, 0).contiguous().numpy().copy()
    order = range(len(found) - 1, -1, -1)
    if found.mask_probs is not None:
        for index in order:
            inside = found.mask(index).numpy()
            canvas[inside] = ((1 - MASK_WEIGHT) * canvas[inside] + MASK_WEIGHT * np.array(colors[index])).round()
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    side = math.sqrt(picture.width * picture.height)
    width = max(1, round(side / LINES))
    font = ImageFont.load_default(max(LEAST_LETTER, round(side / LETTERS)))
    for index in order:
        _draw_box(draw, found.boxes[index].tolist(), colors[index], width)
    for index in order:
        text = f"{shown(found.names[index])} {found.scores[index]:.2f}"
        _draw_name(draw, text, found.boxes[index].tolist(), colors[index], width, font)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def _draw_box(draw: ImageDraw, box: list[float], color: tuple[int, ...], width: int) -> None:
    """A line along a box, cased in dark on both sides."""
    left, top, right, bottom = (math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]) - 1, math.ceil(box[3]) - 1)
    case = max(1, width // 2)
    for inset, line, paint in ((-case, width + 2 * case, DARK), (0, width, color)):
        corners = (left + inset, top + inset, max(right - inset, left + inset), max(bottom - inset, top + inset))
        draw.rectangle(corners, outline=paint, width=line)


def _draw_name(draw: ImageDraw, text: str, box: list[float], color: tuple[int, ...], width: int, font: Any) -> None:
    """A name above the upper left corner of a box, or below it where there is no room above."""
    margin = max(2, 2 * width)
    left, top, right, bottom = draw.textbbox((0, 0), text, font)
    across, down = math.ceil(right - left) + 2 * margin, math.ceil(bottom - top) + 2 * margin
    if across > draw.im.size[0]:
        return
    x = min(max(math.floor(box[0]), 0), draw.im.size[0] - across)
    y = math.floor(box[1]) - down if box[1] >= down else max(math.floor(box[1]), 0)
    draw.rectangle((x, y, x + across - 1, y + down - 1), fill=color, outline=DARK, width=max(1, width // 2))
    red, green, blue = color
    letters = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "white"
    draw.text((x + margin - left, y + margin - top), text, letters, font)


def _rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue of a hexadecimal color."""
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue
