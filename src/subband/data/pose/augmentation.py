"""Views of training people: mirrored, turned, of another size, and half of a body.

As HRNet and all that follow it were trained (Sun et al., Deep High-Resolution Representation Learning for Human Pose
Estimation, CVPR 2019): sizes and angles are drawn from normal distributions that are cut off, angles for 60 % of the
people. All frames of a clip are changed alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from subband.data.pose.crops import CropFrame, crop_frame, crop_matrix
from subband.data.pose.samples import PoseSpec
from subband.data.random import normal_from_uniform, uniform

__all__ = ["NO_CHANGE", "PersonView", "PoseAugmentation", "person_view"]

TURNED_SHARE = 0.6
HALF_BODY_JOINTS, HALF_BODY_PADDING = 8, 1.5  # labelled joints from which a half is enough; around that half
LOWER_BODY = ("hip", "knee", "ankle")


@dataclass(frozen=True, kw_only=True)
class PoseAugmentation:
    """How much training people are changed.

    Args:
        flip: Share that is mirrored.
        rotation: Standard deviation of the angle in degrees; twice that at most.
        scale: Standard deviation of the factor of the size, 1 on average; that far from 1 at most.
        half_body: Share of the people with more than eight labelled joints of whom one half is shown.

    Raises:
        ValueError: If a share is not within 0 and 1, or another number out of its range.
    """

    flip: float = 0.0
    rotation: float = 0.0
    scale: float = 0.0
    half_body: float = 0.0

    def __post_init__(self) -> None:
        for name, most in (("flip", 1.0), ("rotation", 90.0), ("scale", 0.9), ("half_body", 1.0)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be between 0 and {most:g}, got {getattr(self, name)}.")


NO_CHANGE = PoseAugmentation()


class PersonView(NamedTuple):
    """How a person is shown.

    Attributes:
        matrix: From pixels of the image to those of the crop, `(2, 3)`, float64.
        is_mirrored: Whether left and right joints change places.
    """

    matrix: Tensor
    is_mirrored: bool

    def joints(self, joints: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
        """Joints `(K, 3)` of the image, x, y and visibility, as they are in the crop.

        Args:
            joints: In pixels of the image.
            pairs: Left joints and their right counterparts, by number.
        """
        order = list(range(len(joints)))
        for left, right in pairs if self.is_mirrored else ():
            order[left], order[right] = right, left
        wide = joints[order].double()
        moved = wide[:, :2] @ self.matrix[:, :2].mT + self.matrix[:, 2]
        return torch.cat([moved, wide[:, 2:]], 1).to(joints.dtype)


def person_view(
    box: Sequence[float], joints: Tensor, spec: PoseSpec, augmentation: PoseAugmentation, *, seed: int, key: int
) -> PersonView:
    """The crop of a person, changed at random.

    Args:
        box: Left, top, width and height in pixels of the image.
        joints: x, y and visibility in pixels of the image, `(K, 3)`.
        spec: Size of crops and names of joints.
        augmentation: How much is changed; `NO_CHANGE` for people who are scored.
        seed: Chooses the draws, with `key`.
        key: Number of the sample.
    """
    flip, half, which, turned, *pairs = uniform(seed, [key], 8)[0].tolist()
    resize, angle = (float(normal_from_uniform(*np.array(pair))) for pair in (pairs[:2], pairs[2:]))
    frame = crop_frame(box, spec.crop_size, padding=spec.preprocessing.padding)
    if half < augmentation.half_body:
        frame = _half_body(joints, spec, which) or frame
    factor = min(max(1 + augmentation.scale * resize, 1 - augmentation.scale), 1 + augmentation.scale)
    frame = CropFrame(frame.center, (frame.sides[0] * factor, frame.sides[1] * factor))
    limit = 2 * augmentation.rotation
    degrees = min(max(augmentation.rotation * angle, -limit), limit) if turned < TURNED_SHARE else 0.0
    matrix = crop_matrix(frame, spec.crop_size, degrees=degrees, convention=spec.preprocessing.convention)
    is_mirrored = flip < augmentation.flip
    if is_mirrored:
        matrix = torch.stack([-matrix[0], matrix[1]])
        matrix[0, 2] += spec.crop_size[1] - 1
    return PersonView(matrix, is_mirrored)


def _half_body(joints: Tensor, spec: PoseSpec, draw: float) -> CropFrame | None:
    """The part of an image around the upper or lower half of a body; None if too little of it is labelled."""
    labelled = joints[:, 2] > 0
    if int(labelled.sum()) <= HALF_BODY_JOINTS:
        return None
    is_lower = torch.tensor([name.endswith(LOWER_BODY) for name in spec.joints.names])
    halves = [joints[labelled & (is_lower == lower), :2] for lower in (False, True)]
    chosen = halves[int(draw < 0.5)]
    if len(chosen) < 3:
        chosen = halves[1 - int(draw < 0.5)]
    low, high = chosen.min(0).values, chosen.max(0).values
    width, height = (high - low).tolist()
    if len(chosen) < 2 or min(width, height) <= 0:
        return None
    middle = chosen.mean(0).tolist()
    box = (middle[0] - width / 2, middle[1] - height / 2, width, height)
    return crop_frame(box, spec.crop_size, padding=HALF_BODY_PADDING)
