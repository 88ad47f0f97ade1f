"""People followed over the frames of a clip, their joints smoothed if that is wanted."""

from __future__ import annotations

from dataclasses import replace

import torch

from subband.joints import JointSet
from subband.predictors.pose.found import FoundPoses
from subband.predictors.pose.smoothing import OneEuroFilter
from subband.predictors.pose.tracking import PoseTracker

__all__ = ["PoseFollower"]

# Ours, by the eye: speeds are in sizes of the person a second, so that near and far people are smoothed alike.
MIN_CUTOFF, BETA = 1.0, 4.0


class PoseFollower:
    """What is the same in all frames of a clip: numbers of people, and joints without jitter.

    Args:
        joint_set: The joints.
        smooth: Send the joints of each person through a `OneEuroFilter`, whose speeds are in sizes of the person (the
            root of the area of the box) a second.
    """

    def __init__(self, joint_set: JointSet, *, smooth: bool = False) -> None:
        self._tracker = PoseTracker(joint_set.sigmas)
        self._smooth = smooth
        self._filters: dict[int, OneEuroFilter] = {}

    def begin_scene(self) -> None:
        """Forget the people and how their joints moved: the next frame shows another scene."""
        self._tracker.forget()
        self._filters = {}

    def __call__(self, found: FoundPoses, seconds: float) -> FoundPoses:
        """The people of the next frame with their numbers.

        Args:
            found: As they were found in this frame alone.
            seconds: When the frame is shown.
        """
        ids = self._tracker.update(found.boxes, found.joints, found.scores)
        if not self._smooth or not len(found):
            return replace(found, ids=ids)
        known = self._tracker.known
        self._filters = {number: one for number, one in self._filters.items() if number in known}
        joints = []
        for number, box, points in zip(ids.tolist(), found.boxes, found.joints, strict=True):
            one = self._filters.setdefault(number, OneEuroFilter(min_cutoff=MIN_CUTOFF, beta=BETA))
            joints.append(one(points, seconds, unit=float((box[2:] - box[:2]).prod().sqrt())))
        return replace(found, ids=ids, joints=torch.stack(joints))
