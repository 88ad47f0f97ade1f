"""Features of boxes: which level of a pyramid a box is read from, and how."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from subband.box_operators import roi_align

__all__ = ["crop_masks", "pool_regions", "region_levels"]

FINEST_SIZE = 56  # geometric mean of the sides; from twice that on, boxes are read one level up


def region_levels(boxes: Tensor, num_levels: int) -> Tensor:
    """Level of the pyramid for boxes `(N, 4)`: `(N,)`, 0 for the finest.

    Example:
        >>> region_levels(torch.tensor([[0.0, 0.0, 111.0, 112.0], [0.0, 0.0, 112.0, 112.0]]), 4)
        tensor([0, 1])
    """
    size = (boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt()
    return (size / FINEST_SIZE + 1e-6).log2().floor().clamp(0, num_levels - 1).long()


def pool_regions(maps: Sequence[Tensor], boxes: Sequence[Tensor], strides: Sequence[int], size: int) -> Tensor:
    """Cut boxes out of a pyramid (RoIAlign: He et al., Mask R-CNN, ICCV 2017).

    Coordinates are aligned, bins are averages of as many samples as a box is larger than the result.

    Args:
        maps: Levels of the pyramid, finest first, `(B, C, H, W)` each.
        boxes: Those of each of B images, `(N, 4)`, in pixels of the image. They get no gradient.
        strides: Pixels per element of each map.
        size: Side of the result S.

    Returns:
        `(N of all images, C, S, S)`.
    """
    corners = torch.cat([item.detach() for item in boxes])
    images = torch.cat([item.new_full((len(item), 1), index) for index, item in enumerate(boxes)])
    regions, levels = torch.cat([images, corners], dim=1), region_levels(corners, len(maps))
    parts, order = [], []
    for level, (features, stride) in enumerate(zip(maps, strides, strict=True)):
        members = (levels == level).nonzero()[:, 0]
        parts.append(roi_align(features, regions[members], 1 / stride, size))
        order.append(members)
    return torch.cat(parts)[torch.cat(order).argsort()]


def crop_masks(masks: Tensor, indices: Tensor, boxes: Tensor, size: int) -> Tensor:
    """What a mask head shall find in boxes: the masks of objects inside them.

    Args:
        masks: Of G objects, `(G, H, W)`, 0 or 1.
        indices: Object of each box, `(N,)`.
        boxes: `(N, 4)`.
        size: Side of the result S.

    Returns:
        `(N, S, S)`, 1 where half of a pixel or more is the object's, else 0.
    """
    regions = torch.cat([indices[:, None].to(boxes), boxes.detach()], dim=1)
    return (roi_align(masks[:, None].to(boxes), regions, 1.0, size)[:, 0] >= 0.5).to(boxes)
