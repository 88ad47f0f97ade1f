"""Boxes as tensors: their overlap, how they are written relative to other boxes, and which of several stay.

Boxes are corners x1, y1, x2, y2 in pixels from the top left corner of an image, `(..., 4)`; a box covers `x2 - x1` by
`y2 - y1` pixels. Rules are those of the published detectors (MMDetection 2.11), without its older "+ 1".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from subband.box_operators import nms

__all__ = ["box_iou", "clip_boxes", "decode_boxes", "encode_boxes", "generalized_iou_loss", "grouped_nms", "has_area"]

MAX_LOG_RATIO = math.log(1000 / 16)  # how much smaller or larger a side may become
MIN_AREA = 1e-6


def encode_boxes(boxes: Tensor, targets: Tensor, stds: Sequence[float]) -> Tensor:
    """How boxes have to change to become others.

    Args:
        boxes: `(N, 4)`, sides longer than 0.
        targets: What they shall be, `(N, 4)`.
        stds: What shifts and logarithms of ratios are divided by.

    Returns:
        `(N, 4)`: shifts of the center in widths and heights, logarithms of the ratios of sides.

    Example:
        >>> box, target = torch.tensor([[0.0, 0.0, 10.0, 20.0]]), torch.tensor([[5.0, 0.0, 15.0, 20.0]])
        >>> encode_boxes(box, target, (0.1, 0.1, 0.2, 0.2))
        tensor([[5., 0., 0., 0.]])
    """
    sizes, wanted = boxes[:, 2:] - boxes[:, :2], targets[:, 2:] - targets[:, :2]
    shifts = (targets[:, :2] + targets[:, 2:] - boxes[:, :2] - boxes[:, 2:]) / 2 / sizes
    return torch.cat([shifts, (wanted / sizes).log()], dim=1) / boxes.new_tensor(stds)


def decode_boxes(
    boxes: Tensor, deltas: Tensor, stds: Sequence[float], image_size: tuple[int, int] | None = None
) -> Tensor:
    """Boxes moved and scaled by what a network says; the inverse of `encode_boxes`.

    No side becomes more than 62.5 times longer or shorter.

    Args:
        boxes: `(..., 4)`.
        deltas: `(..., 4)`; the axes before the last are broadcast.
        stds: What `deltas` are multiplied by.
        image_size: `(H, W)` that results are clipped to; None leaves them.

    Returns:
        `(..., 4)`.

    Example:
        >>> box, delta = torch.tensor([10.0, 20.0, 110.0, 220.0]), torch.tensor([3.0, -2.0, 5.5, -2.5])
        >>> decode_boxes(box, delta, (0.1, 0.1, 0.2, 0.2))
        tensor([-60.2083,  19.3469, 240.2083, 140.6531])
    """
    deltas = deltas.to(boxes.dtype) * boxes.new_tensor(stds)
    sizes = boxes[..., 2:] - boxes[..., :2]
    centers = (boxes[..., :2] + boxes[..., 2:]) / 2 + deltas[..., :2] * sizes
    halves = sizes * deltas[..., 2:].clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp() / 2
    decoded = torch.cat([centers - halves, centers + halves], dim=-1)
    return decoded if image_size is None else clip_boxes(decoded, image_size)


def clip_boxes(boxes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """The parts of boxes inside an image of `(H, W)`.

    Example:
        >>> clip_boxes(torch.tensor([[-3.0, 2.0, 9.0, 8.0]]), (6, 7))
        tensor([[0., 2., 7., 6.]])
    """
    height, width = image_size
    return boxes.clamp(min=0).minimum(boxes.new_tensor([width, height, width, height]))


def has_area(boxes: Tensor) -> Tensor:
    """Which of boxes `(..., 4)` are wider and higher than nothing; those outside the image are not, once clipped.

    Example:
        >>> has_area(torch.tensor([[0.0, 0.0, 2.0, 1.0], [5.0, 2.0, 5.0, 6.0]]))
        tensor([ True, False])
    """
    return (boxes[..., 2:] > boxes[..., :2]).all(-1)


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """Area that two boxes share, over the area of both together.

    Args:
        first: `(N, 4)`.
        second: `(M, 4)`.

    Returns:
        `(N, M)` in [0, 1]; 0 where both have no area.

    Example:
        >>> box_iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0]]))
        tensor([[0.3333, 0.0000]])
    """
    shared, union, _ = _areas(first[:, None], second)
    return shared / union


def generalized_iou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """How far boxes are from those they shall be, as 1 - GIoU (Rezatofighi et al., CVPR 2019).

    Args:
        boxes: `(N, 4)`.
        targets: `(N, 4)`.

    Returns:
        `(N,)` in [0, 2].

    Example:
        >>> box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
        >>> generalized_iou_loss(box, box + 5)
        tensor([1.0794])
    """
    shared, union, hull = _areas(boxes, targets)
    return 1 - shared / union + (hull - union) / hull


def _areas(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Areas of what boxes share, of both together, and of the smallest box around both."""
    shared = (torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2])).clamp(0)
    around = torch.maximum(first[..., 2:], second[..., 2:]) - torch.minimum(first[..., :2], second[..., :2])
    area = (first[..., 2:] - first[..., :2]).prod(-1) + (second[..., 2:] - second[..., :2]).prod(-1)
    return shared.prod(-1), (area - shared.prod(-1)).clamp(MIN_AREA), around.clamp(0).prod(-1).clamp(MIN_AREA)


def grouped_nms(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float) -> Tensor:
    """Non-maximum suppression within groups: a box goes when it overlaps a better one of its group too much.

    The published code moves the groups apart and treats them as one, which rounds coordinates; results differ where an
    overlap is within 1e-5 of the threshold.

    Args:
        boxes: `(N, 4)`.
        scores: `(N,)`.
        groups: Level or class of each box, `(N,)`.
        threshold: Largest intersection over union that is kept.

    Returns:
        Indices of the boxes that stay, best first, `(N',)`.

    Example:
        >>> boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 8.0], [0.0, 0.0, 9.0, 7.0]])
        >>> grouped_nms(boxes, torch.tensor([0.5, 0.6, 0.4]), torch.tensor([1, 1, 2]), 0.5)
        tensor([1, 2])
    """
    boxes, scores = boxes.detach(), scores.detach()
    kept = [groups.new_empty(0)]
    for group in groups.unique():
        members = (groups == group).nonzero()[:, 0]
        kept.append(members[nms(boxes[members], scores[members], threshold)])
    indices = torch.cat(kept)
    return indices[scores[indices].argsort(descending=True, stable=True)]
