"""Pictures drawn by the program, with the hard edges, letters and regular patterns that photographs are short of."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from subband.data.restoration.draws import Draws

SIDE = 512
"""Height and width of a drawn scene in pixels."""

_OVERSAMPLING = 2
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?&%+-"


def draw_scene(seed: int, number: int) -> Tensor:
    """A drawn scene.

    Args:
        seed: Chooses a set of scenes.
        number: Chooses one of them; neighbors are of different kinds.

    Returns:
        `(3, 512, 512)` uint8.

    Example:
        >>> draw_scene(0, 1).shape, torch.equal(draw_scene(0, 1), draw_scene(0, 1))
        (torch.Size([3, 512, 512]), True)
    """
    draws = Draws(seed, number)
    side = SIDE * _OVERSAMPLING
    image = Image.fromarray(_gradient(draws)).resize((side, side), Image.Resampling.BILINEAR)
    _KINDS[number % len(_KINDS)](ImageDraw.Draw(image), draws, side)
    return torch.from_numpy(np.asarray(image.reduce(_OVERSAMPLING)).copy()).movedim(-1, 0)


def _color(draws: Draws) -> tuple[int, int, int]:
    red, green, blue = (draws.numbers(3) * 256).astype(int)
    return int(red), int(green), int(blue)


def _gradient(draws: Draws) -> np.ndarray:
    """A coarse picture that runs from one color to another."""
    first, last = (np.array(_color(draws), float) for _ in range(2))
    angle = draws.number(0, 2 * math.pi)
    place = np.linspace(-0.5, 0.5, 64)
    along = 0.5 + (np.cos(angle) * place[None] + np.sin(angle) * place[:, None]) / math.sqrt(2)
    return (first + (last - first) * along[..., None]).round().astype(np.uint8)


def _text(canvas: ImageDraw.ImageDraw, draws: Draws, side: int) -> None:
    """Lines of letters in several sizes, dark on light or light on dark."""
    is_dark = draws.happens(0.3)
    canvas.rectangle(
        (0, 0, side, side), fill=tuple(int(20 + 60 * d if is_dark else 190 + 65 * d) for d in draws.numbers(3))
    )
    ink = tuple(int(180 + 75 * d if is_dark else 90 * d) for d in draws.numbers(3))
    top = 0
    while top < side:
        size = int(draws.log_number(16, 90))
        font = ImageFont.load_default(size)
        words = [
            "".join(_LETTERS[int(d * len(_LETTERS))] for d in draws.numbers(2 + draws.below(8))) for _ in range(24)
        ]
        canvas.text((draws.number(-side / 4, 0), top), " ".join(words), fill=ink, font=font)
        top += int(size * 1.3)


def _checkers(canvas: ImageDraw.ImageDraw, draws: Draws, side: int) -> None:
    """Checkerboards of several cell sizes."""
    for top in range(0, side, side // 2):
        for left in range(0, side, side // 2):
            cell, colors = int(draws.log_number(8, 80)), (_color(draws), _color(draws))
            for row in range(top, top + side // 2, cell):
                for column in range(left, left + side // 2, cell):
                    end = min(column + cell, left + side // 2) - 1, min(row + cell, top + side // 2) - 1
                    canvas.rectangle((column, row, *end), fill=colors[(row // cell + column // cell) % 2])


def _disks(canvas: ImageDraw.ImageDraw, draws: Draws, side: int) -> None:
    """Disks and rings, small bright ones last."""
    for index in range(90):
        radius = draws.log_number(4, 140) / (1 + index / 30)
        x, y = draws.numbers(2) * side
        box = (x - radius, y - radius, x + radius, y + radius)
        if draws.happens(0.3):
            canvas.ellipse(box, outline=_color(draws), width=max(int(radius / 5), 2))
        else:
            canvas.ellipse(box, fill=(255, 250, 240) if index > 70 else _color(draws))


def _polygons(canvas: ImageDraw.ImageDraw, draws: Draws, side: int) -> None:
    """Overlapping polygons and thin lines."""
    for _ in range(70):
        x, y = draws.numbers(2) * side
        radius, count = draws.log_number(20, 220), 3 + draws.below(4)
        angles = np.sort(draws.numbers(count)) * 2 * math.pi
        canvas.polygon([(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles], fill=_color(draws))
    for _ in range(60):
        ends = draws.numbers(4) * side
        canvas.line(tuple(ends), fill=_color(draws), width=2 + draws.below(8))


def _wall(canvas: ImageDraw.ImageDraw, draws: Draws, side: int) -> None:
    """Bricks with joints, windows in some of them."""
    width, height = int(draws.log_number(40, 160)), int(draws.log_number(20, 70))
    base = np.array(_color(draws), float)
    for row, top in enumerate(range(0, side, height)):
        for left in range(-(row % 2) * width // 2, side, width):
            shade = base * (0.6 + 0.5 * draws.number())
            fill = tuple(int(value) for value in shade.clip(0, 255))
            canvas.rectangle((left + 3, top + 3, left + width - 3, top + height - 3), fill=fill)
            if draws.happens(0.1):
                box = (left + width // 4, top + height // 4, left + width * 3 // 4, top + height * 3 // 4)
                canvas.rectangle(box, fill=(235, 240, 250))


_KINDS: tuple[Callable[[ImageDraw.ImageDraw, Draws, int], None], ...] = (_text, _checkers, _disks, _polygons, _wall)
