"""Boxes and names on a picture, readable on any ground, that grow with it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

__all__ = ["DARK", "draw_box", "draw_name", "pens", "rgb"]

DARK = (20, 20, 20)
LINES, LETTERS = 300, 40  # widths of a line, and heights of a letter, along the mean side of the image
LEAST_LETTER = 10


def pens(size: tuple[int, int]) -> tuple[int, Any]:
    """Width of lines, and font of letters, for a picture.

    Args:
        size: Its width and height.
    """
    from PIL import ImageFont

    side = math.sqrt(size[0] * size[1])
    return max(1, round(side / LINES)), ImageFont.load_default(max(LEAST_LETTER, round(side / LETTERS)))


def draw_box(draw: ImageDraw, box: list[float], color: tuple[int, ...], width: int) -> None:
    """A line along a box, cased in dark on both sides.

    Args:
        draw: Draws on the picture.
        box: Corners x1, y1, x2, y2.
        color: Red, green and blue of the line.
        width: Of the line.
    """
    left, top, right, bottom = (math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]) - 1, math.ceil(box[3]) - 1)
    case = max(1, width // 2)
    for inset, line, paint in ((-case, width + 2 * case, DARK), (0, width, color)):
        corners = (left + inset, top + inset, max(right - inset, left + inset), max(bottom - inset, top + inset))
        draw.rectangle(corners, outline=paint, width=line)


def draw_name(draw: ImageDraw, text: str, box: list[float], color: tuple[int, ...], width: int, font: Any) -> None:
    """A name above the upper left corner of a box, or below it where there is no room above.

    A name that is wider than the picture is left out.

    Args:
        draw: Draws on the picture.
        text: The name.
        box: Corners x1, y1, x2, y2.
        color: Red, green and blue behind the letters.
        width: Of lines.
        font: Of the letters.
    """
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


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue of a hexadecimal color.

    Args:
        color: As `#ff8f3f`.

    Example:
        >>> rgb("#ff8f3f")
        (255, 143, 63)
    """
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue
