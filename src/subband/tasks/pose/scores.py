"""What is measured of one network over a set of people: joints, people, and joints over time."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from subband.data.pose.samples import PoseSpec, PoseTruth
from subband.extras import advice, is_installed
from subband.metrics.pose import head_size
from subband.metrics.pose_scores import FoundPeople, JointScores, PersonPrecision, TrackJitter, TruePeople
from subband.tasks.pose.batches import PoseBatch, Poses, image_points

__all__ = ["PoseRow", "known_truths", "update_joints"]

SURE = 0.2  # joints with less do not count in the score of a person, as in ViTPose's evaluation
_TRACKS, _WORST = 4, 5  # people who are shown over time, and clips that are named


class _Scored(NamedTuple):
    """One person, on the CPU, in pixels of the image."""

    points: Tensor
    scores: Tensor
    truth: PoseTruth

    @property
    def side(self) -> float:
        """Longer side of the box."""
        return max(self.truth.box[2:])

    @property
    def error(self) -> float | None:
        """Mean distance of labelled joints from the truth, in shares of the longer side of the box."""
        distances = (self.points - self.truth.joints).norm(dim=1)[self.truth.visible > 0]
        return float(distances.mean()) / self.side if len(distances) else None


class PoseRow:
    """Everything that a row of `scores.json` holds of one network.

    Args:
        spec: Joints of the data.
    """

    def __init__(self, spec: PoseSpec) -> None:
        self.spec = spec
        self._joints = JointScores(len(spec.joints.names))
        self._people: list[_Scored] = []

    def add(self, batch: PoseBatch, found: Poses) -> None:
        """Add people with truths.

        Args:
            batch: Whom was looked at.
            found: In pixels of their crops.
        """
        truths = known_truths(batch)
        points, scores = image_points(found.points, truths).float().cpu(), found.scores.float().cpu()
        update_joints(self._joints, points, truths)
        self._people += [_Scored(*one) for one in zip(points, scores, truths, strict=True)]

    def compute(self) -> dict[str, Any]:
        """`metrics`, `per_joint`, `over_time` and `worst`."""
        tracks, jitter = list(_tracks(self._people)), TrackJitter()
        for track in tracks:
            jitter.update(
                torch.stack([one.points for one in track]),
                torch.stack([one.truth.joints for one in track]),
                torch.stack([one.truth.visible for one in track]),
            )
        values = self._joints.compute() | jitter.compute()
        shares = zip(values.pop("per_joint"), values.pop("per_joint_occluded"), strict=True)
        per_joint = {
            name: {"pck": share, "pck_occluded": hidden}
            for name, (share, hidden) in zip(self.spec.joints.names, shares, strict=True)
        }
        people = self._precision()
        for name, share in zip(self.spec.joints.names, people.pop("per_joint", ()), strict=False):
            per_joint[name]["posetrack_ap"] = share
        return {
            "metrics": values | people,
            "per_joint": per_joint,
            "over_time": [_over_time(track) for track in tracks if len(track) > 1][:_TRACKS],
            "worst": self._worst(),
        }

    def _precision(self) -> dict[str, Any]:
        """Average precision of people; nothing, with a warning, where its tools are missing."""
        if not is_installed("pycocotools"):
            warnings.warn(
                f"average precision of people is left out, as pycocotools is not installed: {advice('pycocotools')}.",
                stacklevel=2,
            )
            return {}
        images: dict[tuple[str, int], list[_Scored]] = {}
        for one in self._people:
            images.setdefault((one.truth.clip, one.truth.frame), []).append(one)
        metric = PersonPrecision(self.spec.joints)
        metric.update([_found(people) for people in images.values()], [_true(people) for people in images.values()])
        return metric.compute()

    def _worst(self) -> list[dict[str, Any]]:
        """Clips with the largest mean error."""
        clips: dict[str, list[float]] = {}
        for one in self._people:
            if one.error is not None:
                clips.setdefault(one.truth.clip, []).append(one.error)
        means = {name: sum(errors) / len(errors) for name, errors in clips.items()}
        worst = sorted(means, key=lambda name: -means[name])[:_WORST]
        return [{"name": name, "error": means[name]} for name in worst]


def known_truths(batch: PoseBatch) -> list[PoseTruth]:
    """What the people of a batch that is scored are scored by."""
    return [truth for truth in batch.truths if truth is not None]


def update_joints(metric: JointScores, points: Tensor, truths: Sequence[PoseTruth]) -> None:
    """Add people whose joints were found at `points`, `(B, K, 2)` in pixels of their images, on the metric's device."""
    for with_head in (True, False):
        chosen = [place for place, truth in enumerate(truths) if (truth.head_box is not None) == with_head]
        if not chosen:
            continue
        some, device = [truths[place] for place in chosen], points.device
        heads = head_size(torch.tensor([one.head_box for one in some], device=device)) if with_head else None
        metric.update(
            points[chosen],
            torch.stack([one.joints for one in some]).to(points),
            torch.stack([one.visible for one in some]).to(device),
            torch.tensor([max(one.box[2:]) for one in some], device=device),
            heads,
        )


def _found(people: Sequence[_Scored]) -> FoundPeople:
    scores = torch.stack([one.scores for one in people])
    sure = scores * (scores > SURE)
    return FoundPeople(
        torch.stack([one.points for one in people]),
        scores,
        sure.sum(1) / (scores > SURE).sum(1).clamp(min=1),
    )


def _true(people: Sequence[_Scored]) -> TruePeople:
    heads = [one.truth.head_box for one in people]
    known = [head for head in heads if head is not None]
    return TruePeople(
        torch.stack([one.truth.joints for one in people]),
        torch.stack([one.truth.visible for one in people]),
        torch.tensor([one.truth.area for one in people]),
        head_size(torch.tensor(known)) if len(known) == len(heads) else None,
    )


def _tracks(people: Sequence[_Scored]) -> Iterator[list[_Scored]]:
    """People who are followed, each in frames that are equally far apart."""
    followed: dict[tuple[str, int], list[_Scored]] = {}
    for one in people:
        if one.truth.person >= 0:
            followed.setdefault((one.truth.clip, one.truth.person), []).append(one)
    for track in followed.values():
        track.sort(key=lambda one: one.truth.frame)
        steps = [later.truth.frame - one.truth.frame for one, later in itertools.pairwise(track)]
        usual, first = min(steps, default=1), 0
        for place, step in enumerate([*steps, None], start=1):
            if step != usual:
                yield track[first:place]
                first = place


def _over_time(track: Sequence[_Scored]) -> dict[str, Any]:
    truth = track[0].truth
    return {
        "name": f"{truth.clip}, person {truth.person}",
        "frames": [one.truth.frame for one in track],
        "errors": [one.error for one in track],
    }
