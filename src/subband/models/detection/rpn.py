"""Region proposals: boxes of many sizes at every place, which of them hold an object, and how they have to move.

Source: Ren et al., Faster R-CNN, NeurIPS 2015; numbers and order of the published detectors (MMDetection 2.11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.models.detection.boxes import decode_boxes, grouped_nms, has_area

__all__ = ["ANCHOR_STDS", "RPN", "RegionScores", "level_anchors"]

ANCHOR_SIZE = 8  # in strides, geometric mean of the sides
RATIOS = (0.5, 1.0, 2.0)  # height / width
ANCHOR_STDS = (1.0, 1.0, 1.0, 1.0)
NMS_THRESHOLD = 0.7
INIT_STD = 0.01


def level_anchors(size: tuple[int, int], stride: int, like: Tensor) -> Tensor:
    """Three boxes around the top left corner of every element of a map, not rounded.

    Args:
        size: `(H, W)` of the map.
        stride: Pixels per element.
        like: A tensor of the wanted device and kind.

    Returns:
        `(H * W * 3, 4)`, row after row, ratios of one place beside each other.

    Example:
        >>> level_anchors((1, 2), 4, torch.zeros(()))[[0, 1, 4]]
        tensor([[-22.6274, -11.3137,  22.6274,  11.3137],
                [-16.0000, -16.0000,  16.0000,  16.0000],
                [-12.0000, -16.0000,  20.0000,  16.0000]])
    """
    root = like.new_tensor(RATIOS).sqrt()
    halves = ANCHOR_SIZE * stride / 2 * torch.stack([1 / root, root], dim=1)  # (3, 2), width first
    rows, columns = (torch.arange(side, device=like.device, dtype=like.dtype) * stride for side in size)
    places = torch.cartesian_prod(rows, columns).flip(1)[:, None]  # (H * W, 1, 2), column first
    return torch.cat([places - halves, places + halves], dim=-1).flatten(0, 1)


class RegionScores(NamedTuple):
    """What the network says about every anchor; a tensor for each level of the pyramid.

    Attributes:
        logits: Whether there is an object, `(B, A)`.
        deltas: How the anchor has to move, `(B, A, 4)`.
        anchors: The anchors themselves, `(A, 4)`.
    """

    logits: list[Tensor]
    deltas: list[Tensor]
    anchors: list[Tensor]

    def of_image(self, index: int) -> RegionScores:
        """Those of one image of the batch, without the first axis."""
        return RegionScores([item[index] for item in self.logits], [item[index] for item in self.deltas], self.anchors)


class RPN(nn.Module):
    """Region proposal network, one for all levels of a pyramid.

    Args:
        dim: Channels of the pyramid.
        strides: Pixels of the image per element of each level.
        keep_empty: Whether boxes without area are proposed.

    Shape:
        maps `(B, dim, H, W)` of all levels to `RegionScores`.
    """

    def __init__(self, dim: int, strides: Sequence[int], *, keep_empty: bool = True) -> None:
        super().__init__()
        self.strides, self.keep_empty = tuple(strides), keep_empty
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)
        self.objectness = nn.Conv2d(dim, len(RATIOS), 1)
        self.regress = nn.Conv2d(dim, 4 * len(RATIOS), 1)
        for conv in (self.conv, self.objectness, self.regress):
            nn.init.normal_(conv.weight, std=INIT_STD)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Tensor]) -> RegionScores:
        """Scores of all anchors on `maps`, `(B, dim, H, W)` each; in single precision at least."""
        wide = torch.promote_types(maps[0].dtype, torch.float32)
        found = RegionScores([], [], [])
        for features, stride in zip(maps, self.strides, strict=True):
            hidden = F.relu(self.conv(features))
            found.logits.append(self.objectness(hidden).movedim(1, -1).flatten(1).to(wide))
            found.deltas.append(self.regress(hidden).movedim(1, -1).flatten(1).unflatten(1, (-1, 4)).to(wide))
            size = (features.shape[-2], features.shape[-1])
            found.anchors.append(level_anchors(size, stride, found.deltas[-1]))
        return found

    @torch.no_grad()
    def propose(
        self, scores: RegionScores, image_sizes: Sequence[tuple[int, int]], *, per_level: int, total: int
    ) -> list[Tensor]:
        """The most promising boxes of every image, best first.

        Args:
            scores: Result of `forward`.
            image_sizes: `(H, W)` of each image without padding, which boxes are clipped to.
            per_level: Most boxes of a level before overlapping ones are removed.
            total: Most boxes of an image.

        Returns:
            `(N, 4)` for each image.
        """
        return [
            self._propose_one(scores.of_image(index), image_size, per_level, total)
            for index, image_size in enumerate(image_sizes)
        ]

    def _propose_one(self, scores: RegionScores, image_size: tuple[int, int], per_level: int, total: int) -> Tensor:
        boxes, objectness, levels = [], [], []
        for level, (logits, deltas, anchors) in enumerate(zip(*scores, strict=True)):
            best, chosen = logits.sigmoid().topk(min(per_level, len(logits)))
            boxes.append(decode_boxes(anchors[chosen], deltas[chosen], ANCHOR_STDS, image_size))
            objectness.append(best)
            levels.append(torch.full_like(chosen, level))
        candidates, rank, groups = torch.cat(boxes), torch.cat(objectness), torch.cat(levels)
        if not self.keep_empty:
            candidates, rank, groups = (part[has_area(candidates)] for part in (candidates, rank, groups))
        return candidates[grouped_nms(candidates, rank, groups, NMS_THRESHOLD)[:total]]
