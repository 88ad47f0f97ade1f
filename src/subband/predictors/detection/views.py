"""Large images cut into overlapping tiles, and what is found in them put together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from subband.models.detection.boxes import grouped_nms
from subband.models.detection.results import Detections
from subband.predictors.streaming.tiling import Tile, plan_tiles

__all__ = ["SMALLEST_TILE", "merge_views", "plan_views", "without_cut"]

SMALLEST_TILE = 32
OVERLAP_SHARE = 4  # neighbors share a quarter of a tile: what is smaller than that is whole in one of them
EDGE_SHARE = 64  # a box that ends nearer to an edge inside the image has been cut there
NMS_THRESHOLD = 0.5


def plan_views(height: int, width: int, side: int | None) -> list[Tile]:
    """Parts of an image that a detector looks at: the whole image, and its tiles if it is larger than one.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        side: Most rows and columns of a tile; None for the whole image alone.

    Example:
        >>> plan_views(60, 100, 64)[1:]
        [Tile(top=0, left=0, height=60, width=64), Tile(top=0, left=36, height=60, width=64)]
    """
    whole = Tile(0, 0, height, width)
    if side is None or max(height, width) <= side:
        return [whole]
    return [whole, *plan_tiles(height, width, side, side // OVERLAP_SHARE, 1)]


def without_cut(found: Detections, tile: Tile, size: tuple[int, int]) -> Detections:
    """Objects of a tile, in pixels of the image, but for those that an edge of the tile has cut.

    Those that are too large to be whole in any tile are left to the look at the whole image.

    Args:
        found: Boxes in pixels of the tile.
        tile: Where it lies.
        size: Height and width of the image.
    """
    ends = found.boxes.new_tensor([tile.width, tile.height, tile.width, tile.height])
    place = found.boxes.new_tensor([tile.left, tile.top, tile.left, tile.top])
    limits = found.boxes.new_tensor([0, 0, size[1], size[0]])
    edges = place + torch.cat([torch.zeros_like(ends[:2]), ends[2:]])
    boxes = found.boxes + place
    is_cut = ((boxes - edges).abs() < ends / EDGE_SHARE) & (edges != limits)
    whole = ~is_cut.any(1)
    probs = None if found.mask_probs is None else found.mask_probs[whole]
    return Detections(boxes[whole], found.scores[whole], found.labels[whole], probs)


def merge_views(parts: Sequence[Detections]) -> Detections:
    """Objects of one image from several views, in pixels of the image; of those found twice the better one stays.

    Args:
        parts: Those of each view.
    """
    if len(parts) == 1:
        return parts[0]
    boxes, scores, labels = (torch.cat([part[place] for part in parts]) for place in range(3))  # type: ignore[misc]
    kept = grouped_nms(boxes, scores, labels, NMS_THRESHOLD)
    masks = [part.mask_probs for part in parts if part.mask_probs is not None]
    probs: Tensor | None = torch.cat(masks)[kept] if masks else None
    return Detections(boxes[kept], scores[kept], labels[kept], probs)
