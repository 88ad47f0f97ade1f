"""People found in an image, with their joints in pixels of that image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from subband.joints import JointSet

__all__ = ["FoundPoses", "pose_results"]

SURE = 0.2  # joints with less do not count in the score of a person, as in ViTPose's evaluation
CATEGORY = 1  # of a person in COCO's files


@dataclass(frozen=True, kw_only=True)
class FoundPoses:
    """The people of one image; tensors are on the CPU.

    Attributes:
        joints: x and y in pixels of the image, 0 in the middle of the first pixel, `(N, K, 2)`; joints may lie outside.
        scores: Height of the heatmap at each joint, about from 0 to 1, `(N, K)`.
        boxes: Corners x1, y1, x2, y2 in pixels of the image, `(N, 4)`.
        box_scores: How sure it is that each box holds a person, in [0, 1], `(N,)`; 1 for given boxes without scores.
        ids: Number of each person, the same in all frames of a clip, `(N,)`; None in a photograph.
        size: Height and width of the image.
        joint_set: Names of the joints, and what is drawn between them.

    Example:
        >>> from subband.joints import COCO
        >>> found = FoundPoses(
        ...     joints=torch.zeros(1, 17, 2),
        ...     scores=torch.full((1, 17), 0.8),
        ...     boxes=torch.tensor([[0.0, 0.0, 10.0, 20.0]]),
        ...     box_scores=torch.tensor([0.5]),
        ...     ids=None,
        ...     size=(30, 40),
        ...     joint_set=COCO,
        ... )
        >>> len(found), found.person_scores
        (1, tensor([0.4000]))
    """

    joints: Tensor
    scores: Tensor
    boxes: Tensor
    box_scores: Tensor
    ids: Tensor | None
    size: tuple[int, int]
    joint_set: JointSet

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def person_scores(self) -> Tensor:
        """Score of each box times the mean of its joints' scores above 0.2, as COCO's results have it, `(N,)`."""
        sure = self.scores > SURE
        means = (self.scores * sure).sum(1) / sure.sum(1).clamp(min=1)
        return self.box_scores * means


def pose_results(found: FoundPoses, image_id: int) -> list[dict[str, Any]]:
    """Entries of a file of results in COCO's layout (https://cocodataset.org/#format-results), one for each person.

    Args:
        found: The people of one image.
        image_id: Number of the image.

    Returns:
        `image_id`, `category_id` 1, `keypoints` (x, y and score of each joint), `bbox` (left, top, width, height) and
        `score` of each person; `track_id` where people have numbers.
    """
    results: list[dict[str, Any]] = []
    points = torch.cat([found.joints, found.scores[..., None]], -1).tolist()
    for index, (joints, box, score) in enumerate(
        zip(points, found.boxes.tolist(), found.person_scores.tolist(), strict=True)
    ):
        left, top, right, bottom = box
        entry: dict[str, Any] = {
            "image_id": image_id,
            "category_id": CATEGORY,
            "keypoints": [value for x, y, sure in joints for value in (round(x, 3), round(y, 3), round(sure, 5))],
            "bbox": [round(value, 3) for value in (left, top, right - left, bottom - top)],
            "score": round(score, 5),
        }
        if found.ids is not None:
            entry["track_id"] = int(found.ids[index])
        results.append(entry)
    return results
