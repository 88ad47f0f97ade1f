"""Images of one size in rows and columns of one picture."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["image_grid"]


def image_grid(images: np.ndarray, columns: int | None = None, gap: int = 2) -> np.ndarray:
    """Images in rows and columns, row by row, white between them.

    Args:
        images: `(N, C, H, W)` uint8 with C = 1 or 3.
        columns: Images of a row; as many as make the grid about square by default.
        gap: Pixels between images.

    Returns:
        `(H', W', 3)` uint8.

    Raises:
        ValueError: If there is no image, or another number of channels.

    Example:
        >>> image_grid(np.zeros((6, 1, 8, 8), np.uint8), columns=3).shape
        (18, 28, 3)
    """
    if images.ndim != 4 or not len(images) or images.shape[1] not in (1, 3):
        raise ValueError(f"images must be (N, C, H, W) with C = 1 or 3 and not empty, got {images.shape}.")
    columns = min(len(images), columns or math.ceil(math.sqrt(len(images))))
    rows = -(-len(images) // columns)
    height, width = images.shape[2] + gap, images.shape[3] + gap
    grid = np.full((rows * height - gap, columns * width - gap, 3), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = number // columns * height, number % columns * width
        grid[top : top + images.shape[2], left : left + images.shape[3]] = image.transpose(1, 2, 0)
    return grid
