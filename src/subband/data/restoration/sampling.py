"""Values of images between their pixels."""

from __future__ import annotations

from typing import Literal

import torch
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


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Images fetched along a flow: the value of a pixel comes from where the flow leads from it.

    Args:
        image: `(B, C, H, W)`, 0 or more.
        flow: `(B, 2, H, W)`, y and x in pixels.

    Returns:
        `(B, C, H, W)`; beyond the border, the border.
    """
    height, width = image.shape[-2:]
    rows = torch.arange(height, device=image.device)[:, None] + 0.5
    columns = torch.arange(width, device=image.device) + 0.5
    grid = torch.stack([(flow[:, 1] + columns) * (2 / width) - 1, (flow[:, 0] + rows) * (2 / height) - 1], dim=-1)
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)
