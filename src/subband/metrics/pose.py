"""Errors of joints as numbers: shares within reach, similarity of persons, average precision of PoseTrack, jitter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["FramePeople", "box_side", "head_size", "jitter_errors", "joint_hits", "oks", "posetrack_precision"]

HEAD_SHARE = 0.6  # of the diagonal of a head's box
POSETRACK_REACH = 0.5  # of the head size


class FramePeople(NamedTuple):
    """The people of one frame, found or true.

    Attributes:
        points: x and y of their joints, `(N, K, 2)`.
        marks: Of found people the score of each joint, of true ones its visibility (COCO: 0 unlabelled, 1 occluded, 2
            visible), `(N, K)`.
        head_sizes: Of true people, `(N,)`; see `head_size`. None of found ones.
    """

    points: Tensor
    marks: Tensor
    head_sizes: Tensor | None = None


def box_side(boxes: Tensor) -> Tensor:
    """The longer side of boxes x, y, width, height, `(..., 4)` to `(...)`: the reference of PCK."""
    return boxes[..., 2:].amax(-1)


def head_size(boxes: Tensor) -> Tensor:
    """0.6 times the diagonal of boxes of heads x, y, width, height, `(..., 4)` to `(...)`: the reference of PCKh."""
    return HEAD_SHARE * boxes[..., 2:].square().sum(-1).sqrt()


def joint_hits(points: Tensor, truth: Tensor, reference: Tensor, alpha: float) -> Tensor:
    """Whether joints lie within a share of a person's size: what PCK and PCKh are the means of.

    Args:
        points: Found x and y, `(B, K, 2)`.
        truth: True ones, of the same shape.
        reference: Size of each person, `(B,)`: `box_side` for PCK, `head_size` for PCKh.
        alpha: The share: 0.2 or 0.1 for PCK, 0.5 for PCKh.

    Returns:
        Bool, `(B, K)`; unlabelled joints are for the caller to leave out.

    Raises:
        ValueError: If the shapes are others.

    Example:
        >>> truth = torch.zeros(1, 2, 2)
        >>> joint_hits(truth + torch.tensor([[[0.0, 2.0], [3.0, 0.0]]]), truth, torch.tensor([10.0]), 0.2)
        tensor([[ True, False]])
    """
    _check(points, truth)
    return (points - truth).square().sum(-1).sqrt() <= alpha * reference[:, None]


def oks(points: Tensor, truth: Tensor, visible: Tensor, areas: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Similarity of a found and a true person, as COCO defines it, in [0, 1].

    The mean over labelled joints of `exp(-d^2 / (2 area (2 sigma)^2))` for distances d.

    Args:
        points: Found x and y, `(B, K, 2)`.
        truth: True ones, of the same shape.
        visible: Above 0 for labelled joints, `(B, K)`.
        areas: Of the persons in squared pixels, `(B,)`.
        sigmas: Spread of each joint, for example `subband.joints.COCO.sigmas`.

    Returns:
        `(B,)`; 0 for persons without a labelled joint.

    Raises:
        ValueError: If the shapes are others.
    """
    _check(points, truth)
    if visible.shape != points.shape[:2] or len(sigmas) != points.shape[1]:
        raise ValueError(
            f"visible must be {tuple(points.shape[:2])} and sigmas {points.shape[1]} numbers, got "
            f"{tuple(visible.shape)} and {len(sigmas)}."
        )
    spread = (2 * points.new_tensor(sigmas)).square() * areas.to(points)[:, None]
    similar = (-(points - truth).square().sum(-1) / (2 * spread)).exp()
    counted = (visible > 0).to(points.dtype)
    return (similar * counted).sum(1) / counted.sum(1).clamp(min=1)


def jitter_errors(points: Tensor, truth: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """How unsteady a track is: length of the second difference over time of its error, in pixels.

    A constant error, or one that grows evenly, is none.

    Args:
        points: Found x and y of a person in frames that follow each other, `(T, K, 2)`.
        truth: True ones, of the same shape.
        visible: Above 0 for labelled joints, `(T, K)`.

    Returns:
        lengths: `(T - 2, K)`, of frames 1 to T - 2; empty for fewer than three frames.
        counted: Whether the joint is labelled in all three frames, of the same shape.

    Raises:
        ValueError: If the shapes are others.

    Example:
        >>> errors = torch.tensor([0.0, 1.0, 0.0]).view(3, 1, 1).expand(3, 1, 2)
        >>> jitter_errors(errors, torch.zeros(3, 1, 2), torch.ones(3, 1))[0]
        tensor([[2.8284]])
    """
    _check(points, truth)
    error, is_labelled = points - truth, visible > 0
    bend = error[2:] - 2 * error[1:-1] + error[:-2]
    return bend.square().sum(-1).sqrt(), is_labelled[2:] & is_labelled[1:-1] & is_labelled[:-2]


def posetrack_precision(
    found: Sequence[FramePeople], truth: Sequence[FramePeople], *, occluded_only: bool = False
) -> Tensor:
    """Average precision of every joint as PoseTrack's evaluator computes it.

    In each frame every found person goes with the true one of whom most joints lie within half a head size, and every
    true person keeps the best of these. Joints are then right or wrong one by one; those of people without a partner,
    and those that the partner has no label for, are wrong. The precision of a joint is the area under its curve over
    all frames, by score.

    Args:
        found: People of each frame.
        truth: True people of each frame.
        occluded_only: Look for joints of visibility 1 alone; others of a partner are neither right nor wrong.

    Returns:
        `(K,)`, float64 in [0, 1]; NaN for joints that are not in the truth.

    Raises:
        ValueError: If there are other numbers of frames, or a frame of the truth has no head sizes.
    """
    if len(found) != len(truth):
        raise ValueError(f"found and truth must have as many frames, got {len(found)} and {len(truth)}.")
    rows = [_frame_rows(*frame, occluded_only) for frame in zip(found, truth, strict=True)]
    scores, is_right, is_counted = (torch.cat(parts) for parts in zip(*(row[:3] for row in rows), strict=True))
    totals = torch.stack([row[3] for row in rows]).sum(0)
    precisions = [
        _area(scores[is_counted[:, k], k], is_right[is_counted[:, k], k], int(totals[k])) for k in range(len(totals))
    ]
    return torch.tensor(precisions, dtype=torch.float64)


def _frame_rows(found: FramePeople, truth: FramePeople, occluded_only: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Scores of found joints `(N, K)`, whether they are right, whether they count; how many joints are true, `(K,)`."""
    if truth.head_sizes is None:
        raise ValueError("truth must have head sizes, by which PoseTrack measures distances.")
    is_labelled = truth.marks > 0
    is_wanted = truth.marks == 1 if occluded_only else is_labelled
    distances = (found.points[:, None] - truth.points).square().sum(-1).sqrt() / truth.head_sizes[:, None]
    hits = (distances <= POSETRACK_REACH) & is_labelled  # (N, G, K)
    is_right, is_counted = (
        torch.zeros_like(found.marks, dtype=torch.bool),
        torch.ones_like(found.marks, dtype=torch.bool),
    )
    totals = is_wanted.sum(0)
    if not hits.numel():
        return found.marks, is_right, is_counted, totals
    shares = hits.sum(2) / is_labelled.sum(1).clamp(min=1)  # (N, G)
    best = shares.argmax(1, keepdim=True)
    kept = torch.zeros_like(shares).scatter(1, best, shares.gather(1, best))
    for person, (share, partner) in enumerate(zip(*kept.max(0), strict=True)):
        if share > 0:
            is_right[partner] = hits[partner, person] & is_wanted[person]
            is_counted[partner] = is_wanted[person] | ~is_labelled[person]
    return found.marks, is_right, is_counted, totals


def _area(scores: Tensor, is_right: Tensor, total: int) -> float:
    """Area under the precision over the recall, where precision never rises with recall."""
    if not total:
        return float("nan")
    ordered = is_right[scores.argsort(descending=True, stable=True)].double()
    right = ordered.cumsum(0)
    precision = right / torch.arange(1, len(ordered) + 1, dtype=torch.float64, device=right.device)
    recall = torch.cat([right.new_zeros(1), right / total])
    envelope = precision.flip(0).cummax(0).values.flip(0) if len(precision) else precision
    return float((envelope * recall.diff()).sum())


def _check(points: Tensor, truth: Tensor) -> None:
    if points.shape != truth.shape or points.ndim != 3 or points.shape[2] != 2:
        raise ValueError(f"points and truth must be (B, K, 2) alike, got {tuple(points.shape)}, {tuple(truth.shape)}.")
