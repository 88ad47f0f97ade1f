"""Sets of joints: their order, which are left and right of each other, what is drawn between them, and their spread.

Sources: COCO's and PoseTrack's own evaluators; the spread is that of COCO (Ronchi and Perona, Benchmarking and Error
Diagnosis in Multi-Instance Pose Estimation, ICCV 2017), where PoseTrack's two joints of the head borrow the eye's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = [
    "COCO",
    "JHMDB",
    "POSETRACK",
    "POSETRACK_ORDER",
    "JointSet",
    "convert_joints",
    "named_joints",
    "unmeasured_joints",
]


@dataclass(frozen=True)
class JointSet:
    """Joints of a person in the order of a data set.

    Attributes:
        names: Of the joints, K of them.
        limbs: Pairs of joints, by number, with a line between them in drawings.
        sigmas: Spread of annotations in the similarity of objects (OKS), a share of the root of the person's area.

    Example:
        >>> COCO.flip_pairs[:2], POSETRACK.names[COCO.places_in(POSETRACK)[0]]
        (((1, 2), (3, 4)), 'nose')
    """

    names: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]

    @property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        """Left joints and their right counterparts, by number."""
        found = ((name, name.replace("left_", "right_")) for name in self.names if name.startswith("left_"))
        return tuple((self.names.index(left), self.names.index(right)) for left, right in found)

    def places_in(self, other: JointSet) -> list[int]:
        """Where each joint stands in another set; -1 for those it has not."""
        return [other.names.index(name) if name in other.names else -1 for name in self.names]


_SIDES = tuple(
    f"{side}_{name}" for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
)
_SPREAD = tuple(value for value in (0.079, 0.072, 0.062, 0.107, 0.087, 0.089) for _ in range(2))

COCO = JointSet(
    names=("nose", "left_eye", "right_eye", "left_ear", "right_ear", *_SIDES),
    limbs=(
        *((0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10)),
        *((5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),
    ),
    sigmas=(0.026, 0.025, 0.025, 0.035, 0.035, *_SPREAD),
)
POSETRACK = JointSet(
    names=("nose", "head_bottom", "head_top", *_SIDES),
    limbs=(
        *((2, 1), (1, 3), (1, 4), (3, 5), (5, 7), (4, 6), (6, 8)),
        *((3, 9), (4, 10), (9, 10), (9, 11), (11, 13), (10, 12), (12, 14)),
    ),
    sigmas=(0.026, 0.025, 0.025, *_SPREAD),
)
JHMDB = JointSet(
    names=(
        *("neck", "belly", "head", "right_shoulder", "left_shoulder", "right_hip", "left_hip", "right_elbow"),
        *("left_elbow", "right_knee", "left_knee", "right_wrist", "left_wrist", "right_ankle", "left_ankle"),
    ),
    limbs=(
        *((2, 0), (0, 1), (0, 3), (0, 4), (1, 5), (1, 6)),
        *((3, 7), (4, 8), (7, 11), (8, 12), (5, 9), (6, 10), (9, 13), (10, 14)),
    ),
    sigmas=(
        0.025,
        0.107,
        0.025,
        *(0.079,) * 2,
        *(0.107,) * 2,
        *(0.072,) * 2,
        *(0.087,) * 2,
        *(0.062,) * 2,
        *(0.089,) * 2,
    ),
)
KNOWN = (COCO, POSETRACK, JHMDB)
USUAL_SPREAD = 0.089  # of joints that nobody has measured: the ankle's, the widest of COCO's but the hips'
_SPREADS = {name: value for known in reversed(KNOWN) for name, value in zip(known.names, known.sigmas, strict=True)}
# The order of PoseTrack's own evaluator, whose neck is `head_bottom` here.
POSETRACK_ORDER = tuple(
    POSETRACK.names.index(name)
    for name in (
        *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
        *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
        *("head_bottom", "nose", "head_top"),
    )
)


def convert_joints(points: Tensor, source: JointSet, target: JointSet) -> Tensor:
    """Joints of one set in the order of another.

    Args:
        points: `(..., K, D)`; the last entry of a joint is its visibility or score, which is 0 where nothing is known.
        source: What they are.
        target: What is wanted.

    Returns:
        `(..., K', D)`; all zeros for joints that `source` has not, such as the top of the head in COCO.

    Raises:
        ValueError: If the number of joints is not that of `source`.

    Example:
        >>> known = convert_joints(torch.ones(17, 3), COCO, POSETRACK)[:, 2]
        >>> [name for name, value in zip(POSETRACK.names, known) if not value]
        ['head_bottom', 'head_top']
    """
    if points.ndim < 2 or points.shape[-2] != len(source.names):
        raise ValueError(f"points must be (..., {len(source.names)}, D), got {tuple(points.shape)}.")
    places = torch.tensor(target.places_in(source), device=points.device)
    found = points.index_select(-2, places.clamp(min=0))
    return torch.where((places >= 0)[:, None], found, torch.zeros_like(found))


def unmeasured_joints(names: Sequence[str]) -> list[str]:
    """Those joints whose spread nobody has measured, so that the ankle's stands in.

    Args:
        names: Of the joints.

    Example:
        >>> unmeasured_joints(["nose", "tail"])
        ['tail']
    """
    return [name for name in names if name not in _SPREADS]


def named_joints(names: Sequence[str], limbs: Sequence[Sequence[int]] | None = None) -> JointSet:
    """The joints of these names: a known set as it is, else with spreads as far as they are known by name.

    Args:
        names: In order, each once.
        limbs: Pairs of joints, by number; by default those of COCO and PoseTrack between joints of these names.

    Raises:
        ValueError: If a name comes twice, or a limb ends in no joint.

    Example:
        >>> named_joints(["left_ankle", "tail", "left_knee"]).limbs, named_joints(POSETRACK.names) is POSETRACK
        (((2, 0),), True)
    """
    given = tuple(map(str, names))
    if len(set(given)) < len(given):
        raise ValueError(f"joints must have different names, got {', '.join(given)}.")
    for known in KNOWN:
        if known.names == given:
            return known
    if limbs is None:
        pairs = dict.fromkeys((one.names[a], one.names[b]) for one in (COCO, POSETRACK) for a, b in one.limbs)
        limbs = [(given.index(a), given.index(b)) for a, b in pairs if a in given and b in given]
    if any(not 0 <= end < len(given) for pair in limbs for end in pair):
        raise ValueError(f"limbs must be pairs of numbers of joints below {len(given)}, got {limbs}.")
    return JointSet(
        names=given,
        limbs=tuple((first, second) for first, second in limbs),
        sigmas=tuple(_SPREADS.get(name, USUAL_SPREAD) for name in given),
    )
