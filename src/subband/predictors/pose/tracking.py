"""Who is who in the frames of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from subband.metrics.pose import oks
from subband.models.detection.boxes import box_iou
from subband.predictors.pose.found import SURE

__all__ = ["PoseTracker"]

MEMORY = 30  # frames, about a second
MIN_SIMILARITY = 0.3
STEADINESS = 0.5  # share of the old velocity in the new one


@dataclass
class _Track:
    """A person: where it was last seen, and how it moved.

    Attributes:
        id: Its number.
        box: `(4,)`.
        joints: `(K, 2)`.
        scores: `(K,)`.
        frame: When that was, by the number of the call.
        velocity: Of the middle of the box in pixels a frame, `(2,)`.
    """

    id: int
    box: Tensor
    joints: Tensor
    scores: Tensor
    frame: int
    velocity: Tensor


class PoseTracker:
    """Gives the people of each frame numbers, so that one person keeps its number.

    Each known person is expected where it was last seen plus its velocity; a person who was out of sight may also be
    back where it was last seen. The similarity of an expected and a found person is the mean of the overlap of their
    boxes (intersection over union) and of the similarity of their joints (OKS, Ronchi and Perona, ICCV 2017, with the
    area of the expected box, over joints that both know); without such joints it is the overlap alone. Pairs are made
    from the most similar one down. Whoever is left is new; numbers begin at 0, and none is given twice.

    Args:
        sigmas: Spread of each joint (`JointSet.sigmas`), K of them.
        memory: So many frames may pass without a person before it is forgotten.
        min_similarity: Less similar people are never taken for one.

    Raises:
        ValueError: If `memory` is negative or `min_similarity` not in (0, 1].

    Example:
        >>> tracker = PoseTracker([0.1])
        >>> for shift in (0.0, 2.0):
        ...     boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [50.0, 0.0, 59.0, 9.0]]) + shift
        ...     tracker.update(boxes.flip(0), boxes.flip(0)[:, None, :2], torch.ones(2, 1))
        tensor([0, 1])
        tensor([0, 1])
    """

    def __init__(
        self, sigmas: Sequence[float], *, memory: int = MEMORY, min_similarity: float = MIN_SIMILARITY
    ) -> None:
        if memory < 0 or not 0 < min_similarity <= 1:
            raise ValueError(
                f"memory must be at least 0 and min_similarity above 0 and at most 1, got {memory} and "
                f"{min_similarity}."
            )
        self._sigmas = tuple(sigmas)
        self._memory, self._min_similarity = memory, min_similarity
        self._tracks: list[_Track] = []
        self._frame, self._next_id = -1, 0

    @property
    def known(self) -> set[int]:
        """Numbers of the people that are not forgotten."""
        return {track.id for track in self._tracks}

    def forget(self) -> None:
        """End all tracks, as where a new scene begins: whoever is found from now on is new."""
        self._tracks = []

    def update(self, boxes: Tensor, joints: Tensor, scores: Tensor) -> Tensor:
        """Numbers of the people of the next frame.

        Args:
            boxes: Corners x1, y1, x2, y2, `(N, 4)`.
            joints: x and y in the same pixels, `(N, K, 2)`.
            scores: Of the joints; those up to 0.2 are taken for unknown, `(N, K)`.

        Returns:
            `(N,)`, int64.
        """
        self._frame += 1
        self._tracks = [track for track in self._tracks if self._frame - track.frame <= self._memory + 1]
        ids = torch.full((len(boxes),), -1, dtype=torch.long)
        for track, person in self._pairs(boxes, joints, scores):
            self._move(track, boxes[person], joints[person], scores[person])
            ids[person] = track.id
        for person in (ids < 0).nonzero()[:, 0].tolist():
            still = torch.zeros(2)
            self._tracks.append(
                _Track(self._next_id, boxes[person], joints[person], scores[person], self._frame, still)
            )
            ids[person] = self._next_id
            self._next_id += 1
        return ids

    def _pairs(self, boxes: Tensor, joints: Tensor, scores: Tensor) -> list[tuple[_Track, int]]:
        """Known people and places of found ones, the most similar first."""
        if not self._tracks or not len(boxes):
            return []
        rows = []
        for track in self._tracks:
            gap = self._frame - track.frame
            shifts = [gap * track.velocity] + ([torch.zeros(2)] if gap > 1 else [])
            rows.append(
                torch.stack([self._similarity(track, shift, boxes, joints, scores) for shift in shifts]).amax(0)
            )
        table = torch.stack(rows)  # (known, found)
        pairs = []
        for _ in range(min(table.shape)):
            best = int(table.argmax())
            known, found = divmod(best, len(boxes))
            if table[known, found] < self._min_similarity:
                break
            pairs.append((self._tracks[known], found))
            table[known], table[:, found] = -1, -1
        return pairs

    def _similarity(self, track: _Track, shift: Tensor, boxes: Tensor, joints: Tensor, scores: Tensor) -> Tensor:
        """Of one known person, moved by `shift`, and each found one, `(N,)`."""
        overlap = box_iou((track.box + shift.repeat(2))[None], boxes)[0]
        both = (track.scores > SURE) & (scores > SURE)  # (N, K)
        expected = (track.joints + shift).expand_as(joints)
        area = (track.box[2:] - track.box[:2]).prod().expand(len(boxes))
        alike = oks(joints, expected, both, area, self._sigmas)
        return torch.where(both.any(1), (overlap + alike) / 2, overlap)

    def _move(self, track: _Track, box: Tensor, joints: Tensor, scores: Tensor) -> None:
        step = ((box - track.box)[:2] + (box - track.box)[2:]) / 2 / (self._frame - track.frame)
        track.velocity = step if not track.velocity.any() else STEADINESS * track.velocity + (1 - STEADINESS) * step
        track.box, track.joints, track.scores, track.frame = box, joints, scores, self._frame
