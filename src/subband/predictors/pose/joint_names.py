"""Names of the joints of a network."""

from __future__ import annotations

from collections.abc import Sequence

from subband.joints import COCO, POSETRACK, JointSet, named_joints

__all__ = ["joint_set_of"]


def joint_set_of(
    names: Sequence[str] | None, num_joints: int, limbs: Sequence[Sequence[int]] | None = None
) -> JointSet:
    """The joints of a network; see `named_joints`.

    Args:
        names: In order; None of a network that does not say.
        num_joints: How many there are: without names, 17 are COCO's and 15 PoseTrack's.
        limbs: Pairs of joints, by number; by default those that are known for the names.

    Raises:
        ValueError: If there is another number of names, one comes twice, or a limb ends in no joint.

    Example:
        >>> joint_set_of(["left_ankle", "tail", "left_knee"], 3).limbs, joint_set_of(None, 15).names[2]
        (((2, 0),), 'head_top')
    """
    if names is None:
        known = next((one for one in (COCO, POSETRACK) if len(one.names) == num_joints), None)
        return known or named_joints([f"joint {number}" for number in range(num_joints)], limbs)
    if len(names) != num_joints or len(set(names)) < num_joints:
        raise ValueError(f"joints must be {num_joints} different names, got {', '.join(map(str, names)) or 'none'}.")
    return named_joints(names, limbs)
