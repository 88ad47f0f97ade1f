"""Scores of joints over a test set: shares within reach and jitter in crops, average precision over whole images."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from subband.extras import names_extra, require
from subband.joints import JointSet
from subband.metrics.pose import FramePeople, jitter_errors, joint_hits, posetrack_precision

with names_extra("these scores need"):
    from torchmetrics import Metric

__all__ = ["FoundPeople", "JointScores", "PersonPrecision", "TrackJitter", "TruePeople"]

OCCLUDED = 1  # COCO's visibility
PCK_SHARE, PCK_STRICT, PCKH_SHARE = 0.2, 0.1, 0.5
MOST_PEOPLE = 20  # of an image, as COCO counts


class JointScores(Metric):
    """PCK and PCKh of joints, all and occluded ones.

    Args:
        num_joints: Joints K.

    Example:
        >>> scores, truth = JointScores(2), torch.zeros(1, 2, 2)
        >>> found = torch.tensor([[[1.0, 0.0], [9.0, 0.0]]])
        >>> scores.update(found, truth, torch.tensor([[2, 1]]), torch.tensor([20.0]))
        >>> values = scores.compute()
        >>> values["pck"], values["pck_occluded"], values["pckh"]
        (0.5, 0.0, None)
    """

    is_differentiable = False
    higher_is_better = None  # more than one number
    full_state_update = False
    hits: Tensor
    counts: Tensor

    _RULES = (("pck", PCK_SHARE), ("pck_strict", PCK_STRICT), ("pckh", PCKH_SHARE))

    def __init__(self, num_joints: int) -> None:
        super().__init__()
        if num_joints < 1:
            raise ValueError(f"num_joints must be positive, got {num_joints}.")
        self.num_joints = num_joints
        shape = (len(self._RULES), 2, num_joints)  # rule, all or occluded ones, joint
        for name in ("hits", "counts"):
            self.add_state(name, torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")

    def update(
        self, points: Tensor, truth: Tensor, visible: Tensor, sides: Tensor, head_sizes: Tensor | None = None
    ) -> None:
        """Add persons.

        Args:
            points: Found x and y, `(B, K, 2)`.
            truth: True ones, of the same shape.
            visible: COCO's visibility: 0 unlabelled, 1 occluded, 2 visible, `(B, K)`.
            sides: Longer side of each person's box, `(B,)`, in the units of the points.
            head_sizes: See `subband.metrics.pose.head_size`, `(B,)`; without them persons do not count for PCKh.
        """
        masks = torch.stack([visible > 0, visible == OCCLUDED])  # (2, B, K)
        for place, (name, share) in enumerate(self._RULES):
            reference = head_sizes if name == "pckh" else sides
            if reference is not None:
                right = joint_hits(points, truth, reference, share) & masks
                self.hits[place] += right.sum(1)
                self.counts[place] += masks.sum(1)

    def compute(self) -> dict[str, Any]:
        """Keys of `POSE_METRICS` that concern joints, None where there is none.

        Shares are means over joints, each over its persons. `per_joint` is a list of PCK, `per_joint_occluded` one of
        occluded joints alone.
        """
        values: dict[str, Any] = {}
        shares = self.hits / self.counts  # NaN where nothing counts
        for place, (name, _) in enumerate(self._RULES):
            for kind, suffix in enumerate(("", "_occluded")):
                values[f"{name}{suffix}"] = _number(shares[place, kind].nanmean())
        for kind, suffix in enumerate(("", "_occluded")):
            values[f"per_joint{suffix}"] = [_number(value) for value in shares[0, kind]]
        return values


class TrackJitter(Metric):
    """How unsteady the joints of people are over time, all and occluded ones; see `jitter_errors`.

    Example:
        >>> jitter, still = TrackJitter(), torch.zeros(3, 1, 2)
        >>> jitter.update(still + torch.tensor([0.0, 1.0, 0.0]).view(3, 1, 1), still, torch.full((3, 1), 2))
        >>> values = jitter.compute()
        >>> round(values["jitter"], 4), values["jitter_occluded"]
        (2.8284, None)
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    bends: Tensor
    counts: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("bends", "counts"):  # of all joints, of occluded ones
            self.add_state(name, torch.zeros(2, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, points: Tensor, truth: Tensor, visible: Tensor) -> None:
        """Add one person's frames, one after the other.

        Args:
            points: Found x and y in pixels, `(T, K, 2)`.
            truth: True ones, of the same shape.
            visible: COCO's visibility, `(T, K)`; a joint counts as occluded if it is so in the middle of three frames.
        """
        lengths, is_counted = jitter_errors(points, truth, visible)
        for place, mask in enumerate((is_counted, is_counted & (visible[1:-1] == OCCLUDED))):
            self.bends[place] += lengths[mask].double().sum()
            self.counts[place] += mask.sum()

    def compute(self) -> dict[str, float | None]:
        """`jitter` and `jitter_occluded` in pixels; None where there are no three frames of a joint."""
        values = self.bends / self.counts
        return {name: _number(value) for name, value in zip(("jitter", "jitter_occluded"), values, strict=True)}


class FoundPeople(NamedTuple):
    """People found in one image.

    Attributes:
        points: x and y in pixels, `(N, K, 2)`.
        joint_scores: `(N, K)`.
        scores: Of the persons, `(N,)`.
    """

    points: Tensor
    joint_scores: Tensor
    scores: Tensor


class TruePeople(NamedTuple):
    """People who are in one image.

    Attributes:
        points: x and y in pixels, `(G, K, 2)`.
        visible: COCO's visibility, `(G, K)`.
        areas: In squared pixels, `(G,)`.
        head_sizes: See `subband.metrics.pose.head_size`, `(G,)`; None where heads have no boxes.
    """

    points: Tensor
    visible: Tensor
    areas: Tensor
    head_sizes: Tensor | None


class PersonPrecision(Metric):
    """Average precision of people in images: COCO's, by its own tools, and PoseTrack's, of all and of occluded joints.

    Args:
        joints: Whose spreads count, for example `subband.joints.COCO`.

    Raises:
        ImportError: If pycocotools is not installed.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    found: list[Tensor]
    truth: list[Tensor]

    def __init__(self, joints: JointSet) -> None:
        require("pycocotools", "scores of people need")
        super().__init__()
        self.joints = joints
        self.add_state("found", [], dist_reduce_fx=None)
        self.add_state("truth", [], dist_reduce_fx=None)

    def update(self, found: Sequence[FoundPeople], truth: Sequence[TruePeople]) -> None:
        """Add images.

        Args:
            found: What was found in each.
            truth: What each shows.

        Raises:
            ValueError: If there are other numbers of images or joints.
        """
        if len(found) != len(truth):
            raise ValueError(f"found and truth must be as many images, got {len(found)} and {len(truth)}.")
        wanted = len(self.joints.names)
        for one, other in zip(found, truth, strict=True):
            if one.points.shape[1:] != (wanted, 2) or other.points.shape[1:] != (wanted, 2):
                raise ValueError(
                    f"points must be (N, {wanted}, 2), got {tuple(one.points.shape)} and {tuple(other.points.shape)}."
                )
            heads = torch.full_like(other.areas, torch.nan) if other.head_sizes is None else other.head_sizes
            # Joints in three columns each, then what each person has one of.
            self.found.append(torch.cat([_triples(one.points, one.joint_scores), one.scores.double()[:, None]], 1))
            whole = torch.stack([other.areas, heads], 1).double()
            self.truth.append(torch.cat([_triples(other.points, other.visible), whole], 1))

    def compute(self) -> dict[str, Any]:
        """Keys of `POSE_METRICS` that concern people, in [0, 1], None where there is nobody.

        Those of PoseTrack are None where a head has no size. `per_joint` is a list of PoseTrack's precisions.
        """
        values: dict[str, Any] = {}
        for suffix, only in (("", False), ("_occluded", True)):
            steps = self._coco(only)
            values[f"ap{suffix}"] = _mean(steps)
            if not only:
                values |= {"ap50": steps[0], "ap75": steps[5]}
            joints = self._posetrack(only)
            values[f"posetrack_ap{suffix}"] = None if joints is None else _number(joints.nanmean())
            if joints is not None and not only:
                values["per_joint"] = [_number(value) for value in joints]
        return values

    def _posetrack(self, occluded_only: bool) -> Tensor | None:
        width = 3 * len(self.joints.names)
        truth = []
        for rows in self.truth:
            heads = rows[:, width + 1]
            if heads.isnan().any():
                return None
            joints = rows[:, :width].unflatten(1, (-1, 3))
            truth.append(FramePeople(joints[..., :2], joints[..., 2], heads))
        people = [rows[:, :width].unflatten(1, (-1, 3)) for rows in self.found]
        found = [FramePeople(joints[..., :2], joints[..., 2]) for joints in people]
        return posetrack_precision(found, truth, occluded_only=occluded_only) if found else None

    def _coco(self, occluded_only: bool) -> list[float | None]:
        """Average precision at the ten similarities from 0.50 to 0.95."""
        with names_extra("average precision needs"):
            from pycocotools.coco import COCO
            from pycocotools.cocoeval import COCOeval

        truth, found = self._coco_truth(occluded_only), self._coco_found()
        if not any(one["num_keypoints"] for one in truth):
            return [None] * 10
        if not found:
            return [0.0] * 10
        with contextlib.redirect_stdout(io.StringIO()):  # the tools print as they go
            data = COCO()
            images = [{"id": number} for number in range(1, len(self.truth) + 1)]
            data.dataset = {"images": images, "categories": [{"id": 1}], "annotations": truth}
            data.createIndex()
            results = data.loadRes(found)
            evaluation = COCOeval(data, results, "keypoints")
            evaluation.params.kpt_oks_sigmas = np.array(self.joints.sigmas)
            evaluation.params.maxDets = [MOST_PEOPLE]
            evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
            evaluation.evaluate()
            evaluation.accumulate()
        precision = evaluation.eval["precision"][:, :, 0, 0, 0]
        return [_number(torch.tensor(float(row[row > -1].mean()))) for row in precision]

    def _coco_truth(self, occluded_only: bool) -> list[dict[str, Any]]:
        width = 3 * len(self.joints.names)
        rows: list[dict[str, Any]] = []
        for image, people in enumerate(self.truth, start=1):
            for person in people.cpu():
                joints = person[:width].view(-1, 3).clone()
                is_wanted = joints[:, 2] == OCCLUDED if occluded_only else joints[:, 2] > 0
                joints[~is_wanted, 2] = 0
                corner, extent = _bounds(joints[:, :2])
                rows.append(
                    {
                        "id": len(rows) + 1,
                        "image_id": image,
                        "category_id": 1,
                        "keypoints": joints.flatten().tolist(),
                        "num_keypoints": int(is_wanted.sum()),
                        "area": float(person[width]),
                        "bbox": [*corner, *extent],
                        "iscrowd": 0,
                    }
                )
        return rows

    def _coco_found(self) -> list[dict[str, Any]]:
        width = 3 * len(self.joints.names)
        return [
            {
                "image_id": image,
                "category_id": 1,
                "keypoints": person[:width].tolist(),
                "score": float(person[width]),
            }
            for image, people in enumerate(self.found, start=1)
            for person in people.cpu()
        ]


def _triples(points: Tensor, marks: Tensor) -> Tensor:
    """x, y and what else is known of each joint in one row a person, `(N, 3K)`, float64."""
    return torch.cat([points.double(), marks.double()[..., None]], 2).flatten(1)


def _bounds(points: Tensor) -> tuple[list[float], list[float]]:
    low, high = points.amin(0), points.amax(0)
    return low.tolist(), (high - low).tolist()


def _number(value: Tensor) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
