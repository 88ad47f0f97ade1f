"""Batches of people, and what a network finds in them in pixels of their images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from subband.data.pose.crops import CropFrame, points_to_image
from subband.data.pose.heatmaps import Refinement, decode_heatmaps, heatmap_targets
from subband.data.pose.samples import PoseSample, PoseSpec, PoseTruth

__all__ = ["PoseBatch", "Poses", "collate", "crop_points", "image_points", "targets"]


class PoseBatch(NamedTuple):
    """People in clips.

    Attributes:
        frames: Normalized crops, `(B, T, 3, H, W)`.
        joints: x and y in pixels of the crop in frame `T // 2`, `(B, K, 2)`.
        visible: 0 unlabelled, 1 occluded, 2 visible, `(B, K)`.
        clips: Number of the clip of each, `(B,)`.
        truths: What each is scored by; None of training samples.
    """

    frames: Tensor
    joints: Tensor
    visible: Tensor
    clips: Tensor
    truths: list[PoseTruth | None]


class Poses(NamedTuple):
    """Joints that were found.

    Attributes:
        points: x and y, `(B, K, 2)`.
        scores: Of each joint, `(B, K)`.
    """

    points: Tensor
    scores: Tensor


def collate(samples: Sequence[PoseSample]) -> PoseBatch:
    """A batch of samples of one size."""
    return PoseBatch(
        torch.stack([sample.frames for sample in samples]),
        torch.stack([sample.joints for sample in samples]),
        torch.stack([sample.visible for sample in samples]),
        torch.tensor([sample.clip for sample in samples]),
        [sample.truth for sample in samples],
    )


def targets(batch: PoseBatch, spec: PoseSpec) -> tuple[Tensor, Tensor]:
    """Heatmaps `(B, K, H / 4, W / 4)` to learn, and which of them count, `(B, K)`."""
    return heatmap_targets(batch.joints, batch.visible, spec.crop_size, sigma=spec.sigma, kind=spec.targets)


def crop_points(heatmaps: Tensor, spec: PoseSpec) -> Poses:
    """Joints in pixels of the crop.

    Heatmaps of the UDP convention are refined as UDP does, others as DARK does.
    """
    refinement: Refinement = "udp" if spec.targets == "udp" else "dark"
    found = decode_heatmaps(heatmaps.float(), refinement)
    height, width = spec.crop_size
    # The crop itself, in the words of its convention: between middles of pixels, or counted in pixels.
    sides = (width - 1.0, height - 1.0) if spec.preprocessing.convention == "udp" else (float(width), float(height))
    whole = CropFrame((sides[0] / 2, sides[1] / 2), sides)
    map_size = (heatmaps.shape[-2], heatmaps.shape[-1])
    points = points_to_image(found.points, whole, map_size, convention=spec.preprocessing.convention)
    return Poses(points, found.scores)


def image_points(points: Tensor, truths: Sequence[PoseTruth | None]) -> Tensor:
    """Points of crops `(B, K, 2)` in pixels of their images."""
    matrices: list[Any] = [truth.to_image for truth in truths if truth is not None]
    back = torch.stack(matrices).to(points)
    return points @ back[:, :, :2].mT + back[:, None, :, 2]
