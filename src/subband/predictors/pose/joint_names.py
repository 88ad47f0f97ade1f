"""Names of the joints of a network."""

from __future__ import annotations

from collections.abc import Sequence

from subband.joints import COCO, POSETRACK, JointSet

__all__ = ["joint_set_of"]

KNOWN = (COCO, POSETRACK)
USUAL_SPREAD = 0.089  # of joints that nobody has measured: the ankle's


def joint_set_of(
    names: Sequence[str] | None, num_joints: int, limbs: Sequence[Sequence[int]] | None = None
) -> JointSet:
    """The joints of these names, with limbs and spreads as far as they are known.

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
        known = next((one for one in KNOWN if len(one.names) == num_joints), None)
        return known or joint_set_of([f"joint {number}" for number in range(num_joints)], num_joints)
    given = tuple(map(str, names))
    if len(given) != num_joints or len(set(given)) < num_joints:
        raise ValueError(f"joints must be {num_joints} different names, got {', '.join(given) or 'none'}.")
    for one in KNOWN:
        if one.names == given:
            return one
    spreads = {name: value for one in KNOWN for name, value in zip(one.names, one.sigmas, strict=True)}
    if limbs is None:
        known_limbs = dict.fromkeys((one.names[a], one.names[b]) for one in KNOWN for a, b in one.limbs)
        limbs = [(given.index(a), given.index(b)) for a, b in known_limbs if a in given and b in given]
    if any(not 0 <= end < num_joints for pair in limbs for end in pair):
        raise ValueError(f"limbs must be pairs of numbers of joints below {num_joints}, got {limbs}.")
    return JointSet(
        names=given,
        limbs=tuple((first, second) for first, second in limbs),
        sigmas=tuple(spreads.get(name, USUAL_SPREAD) for name in given),
    )
