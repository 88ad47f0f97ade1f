"""Values of images between their pixels."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

REACH = 2
"""Pixels around a place that cubic interpolation looks at."""


def sample(image: Tensor, places: Tensor, padding: Literal["border", "zeros"] = "border") -> Tensor:
    """Cubic values of an image, none below zero.

    Args:
        image: `(C, h, w)`, 0 or more.
        places: Rows and columns counted from the center of the image, `(T, H, W, 2)`.
        padding: What lies outside.

    Returns:
        `(T, C, H, W)`.
    """
    sides = places.new_tensor([image.shape[-1], image.shape[-2]])
    grid = places.flip(-1) * (2 / sides)  # grid_sample takes x first, in half sides
    images = image[None].expand(len(places), -1, -1, -1)
    values = F.grid_sample(images, grid.to(image), mode="bicubic", padding_mode=padding, align_corners=False)
    return values.clamp_(min=0)  # cubic interpolation overshoots at edges
