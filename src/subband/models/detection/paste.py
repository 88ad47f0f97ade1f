"""Masks of boxes pasted into an image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["paste_masks"]


def paste_masks(mask_probs: Tensor, boxes: Tensor, image_size: tuple[int, int], *, threshold: float = 0.5) -> Tensor:
    """Pixels of an image that belong to objects, from probabilities within their boxes.

    The map of a box is read bilinearly at the centers of the image's pixels; outside it there is nothing. One object
    after another, so that memory does not grow with their number.

    Args:
        mask_probs: In [0, 1], `(N, M, M)`.
        boxes: `(N, 4)`, in pixels of the image, not rounded; they may reach beyond it.
        image_size: `(H, W)`.
        threshold: Least probability of a pixel that belongs to an object.

    Returns:
        `(N, H, W)`, bool.

    Example:
        >>> paste_masks(torch.ones(1, 28, 28), torch.tensor([[3.3, 4.6, 9.7, 12.2]]), (16, 16)).sum()
        tensor(49)
    """
    height, width = image_size
    pasted = torch.zeros(len(boxes), height, width, dtype=torch.bool, device=boxes.device)
    for mask, box, place in zip(mask_probs, boxes, pasted, strict=True):
        rows, down = _places(box[1], box[3], height, len(mask))
        columns, across = _places(box[0], box[2], width, len(mask))
        grid = torch.stack(torch.broadcast_tensors(across, down[:, None]), dim=-1)
        sampled = F.grid_sample(mask[None, None], grid[None].to(mask.dtype), align_corners=False)
        place[rows, columns] = sampled[0, 0] >= threshold
    return pasted


def _places(start: Tensor, end: Tensor, num_pixels: int, num_points: int) -> tuple[slice, Tensor]:
    """Pixels along one axis that the map of a box reaches, and where in the map they lie, from -1 to 1."""
    places = 2 * (torch.arange(num_pixels).to(start) + 0.5 - start) / (end - start) - 1
    places = places.nan_to_num(0, posinf=0, neginf=0)  # as published: all pixels read the middle of a box without sides
    reached = (places.abs() < 1 + 1 / num_points).nonzero()[:, 0].tolist()
    pixels = slice(reached[0], reached[-1] + 1) if reached else slice(0)
    return pixels, places[pixels]
