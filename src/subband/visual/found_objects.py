"""Objects drawn into the image they were found in: masks, boxes and names."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from subband.files import shown
from subband.predictors.detection import FoundObjects
from subband.visual.colors import series_styles
from subband.visual.marks import draw_box, draw_name, pens, rgb

__all__ = ["draw_objects"]

MASK_WEIGHT = 0.45  # of the color; the rest is the image


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
    from PIL import Image, ImageDraw

    styles = series_styles(found.classes)
    colors = [rgb(styles[name].dark) for name in found.names]
    canvas = image.permute(1, 2, 0).contiguous().numpy().copy()
    order = range(len(found) - 1, -1, -1)
    if found.mask_probs is not None:
        for index in order:
            inside = found.mask(index).numpy()
            canvas[inside] = ((1 - MASK_WEIGHT) * canvas[inside] + MASK_WEIGHT * np.array(colors[index])).round()
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    width, font = pens(picture.size)
    for index in order:
        draw_box(draw, found.boxes[index].tolist(), colors[index], width)
    for index in order:
        text = f"{shown(found.names[index])} {found.scores[index]:.2f}"
        draw_name(draw, text, found.boxes[index].tolist(), colors[index], width, font)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)
