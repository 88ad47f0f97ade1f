"""Which objects a detector finds, misses and takes for others; NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from subband.metrics.detection import ImageDetections, TrueObjects

__all__ = ["DetectionCounts", "ImageCounts", "MatchedImage", "match_boxes"]

MATCH = 0.5  # least overlap of a box with the object that it stands for
NOBODY, CROWD = -1, -2
LEAST_SCORES = tuple(step / 100 for step in range(5, 100))


class ImageCounts(NamedTuple):
    """What became of the objects of an image, or of several.

    Attributes:
        hits: Objects that a box of their class stands for.
        missed: Objects that none stands for.
        wrong: Boxes that stand for no object of their class.
    """

    hits: int
    missed: int
    wrong: int

    @property
    def f1(self) -> float | None:
        """Harmonic mean of the shares of found objects and of right boxes; None where there is neither."""
        total = 2 * self.hits + self.missed + self.wrong
        return 2 * self.hits / total if total else None


class MatchedImage(NamedTuple):
    """Boxes and objects of one image, and which belong together.

    Attributes:
        scores: Of the boxes, `(N,)`.
        labels: Of the boxes, `(N,)`.
        partners: Object that each box stands for, `(N,)`: its place, -1 for none; -2 says that the box lies on a crowd
            and counts for nothing.
        overlaps: Of boxes and objects, `(N, G)`: intersection over union; with a crowd the share of the box inside it.
        true_labels: Of the objects, `(G,)`.
        is_crowd: Of the objects, `(G,)`.
    """

    scores: np.ndarray
    labels: np.ndarray
    partners: np.ndarray
    overlaps: np.ndarray
    true_labels: np.ndarray
    is_crowd: np.ndarray

    def counts(self, min_score: float = 0.0) -> ImageCounts:
        """Hits and mistakes of boxes with this score or more."""
        kept = self.partners[self.scores >= min_score]
        hits = int((kept >= 0).sum())
        return ImageCounts(hits, int((~self.is_crowd).sum()) - hits, int((kept == NOBODY).sum()))

    def pairs(self, min_score: float, nothing: int) -> list[tuple[int, int]]:
        """Class of every object and of the box that stands for it, or next to it, as `DetectionCounts.confusion` says.

        Args:
            min_score: Boxes below do not count.
            nothing: What stands for no object, or no box.
        """
        is_kept, free = self.scores >= min_score, ~self.is_crowd
        right = np.flatnonzero(is_kept & (self.partners >= 0))
        free[self.partners[right]] = False
        pairs = [(label, label) for label in self.labels[right]]
        for row in _by_score(self.scores, is_kept & (self.partners == NOBODY)):
            place = _best(self.overlaps[row], free)
            if place is not None:
                free[place] = False
            pairs.append((nothing if place is None else self.true_labels[place], self.labels[row]))
        pairs += [(label, nothing) for label in self.true_labels[free]]
        return [(int(true), int(found)) for true, found in pairs]


def match_boxes(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    true_boxes: np.ndarray,
    true_labels: np.ndarray,
    is_crowd: np.ndarray,
) -> MatchedImage:
    """Which object every box stands for, by the rule of COCO's tools at an overlap of 0.5.

    In order of their scores, every box takes the object of its class that it overlaps most and that no box before it
    has taken. One that overlaps a crowd of its class alone counts for nothing.

    Args:
        boxes: Corners x1, y1, x2, y2, `(N, 4)`.
        scores: `(N,)`.
        labels: `(N,)`.
        true_boxes: Corners of the objects, `(G, 4)`.
        true_labels: `(G,)`.
        is_crowd: Objects that need not be found, `(G,)`, bool.

    Example:
        >>> true = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]])
        >>> found = np.array([[1.0, 0, 11, 10], [0, 0, 10, 10], [20, 0, 30, 10]])
        >>> scores, labels = np.array([0.9, 0.8, 0.7]), np.array([0, 0, 1])
        >>> match_boxes(found, scores, labels, true, np.zeros(2, int), np.zeros(2, bool)).partners.tolist()
        [0, -1, -1]
    """
    overlaps = _overlaps(boxes, true_boxes, is_crowd)
    own = np.where(labels[:, None] == true_labels, overlaps, -1)
    partners, free = np.full(len(boxes), NOBODY), ~is_crowd
    for row in _by_score(scores, np.ones(len(scores), bool)):
        place = _best(own[row], free)
        if place is not None:
            partners[row], free[place] = place, False
        elif (own[row][is_crowd] >= MATCH).any():
            partners[row] = CROWD
    return MatchedImage(scores, labels, partners, overlaps, true_labels, is_crowd)


class DetectionCounts:
    """Hits and mistakes of one detector over a test set.

    Args:
        num_classes: K.

    Example:
        >>> boxes, none = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]]), np.zeros(2, bool)
        >>> counts = DetectionCounts(2)
        >>> counts.add(match_boxes(boxes[:1], np.array([0.8]), np.array([1]), boxes, np.array([0, 1]), none))
        >>> counts.confusion(0.5)  # an object of class 0 taken for class 1, one of class 1 missed
        [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.images: list[MatchedImage] = []

    def add(self, image: MatchedImage) -> None:
        """Add an image."""
        self.images.append(image)

    def update(self, found: Sequence[ImageDetections], truth: Sequence[TrueObjects]) -> None:
        """Add images.

        Args:
            found: What was found in each.
            truth: What each shows.
        """
        for one, other in zip(found, truth, strict=True):
            parts = (one.boxes.double(), one.scores, one.labels, other.boxes.double(), other.labels, other.is_crowd)
            self.add(match_boxes(*(part.cpu().numpy() for part in parts)))

    def images_at(self, min_score: float) -> list[ImageCounts]:
        """Hits and mistakes in every image, of boxes with this score or more."""
        return [image.counts(min_score) for image in self.images]

    def total(self, min_score: float) -> ImageCounts:
        """Sums over all images, of boxes with this score or more."""
        return ImageCounts(*(sum(values) for values in zip(*self.images_at(min_score), (0, 0, 0), strict=True)))

    def f1_by_score(self) -> dict[float, float]:
        """F1 over all classes and images for least scores of 0.05, 0.06, ..., 0.99; 0 where nothing is right."""
        partners = np.concatenate([np.zeros(0, int), *(image.partners for image in self.images)])
        scores = np.concatenate([np.zeros(0), *(image.scores for image in self.images)])
        objects = sum(int((~image.is_crowd).sum()) for image in self.images)
        values = {}
        for least in LEAST_SCORES:
            kept = partners[scores >= least]
            hits, wrong = int((kept >= 0).sum()), int((kept == NOBODY).sum())
            values[least] = ImageCounts(hits, objects - hits, wrong).f1 or 0.0
        return values

    def confusion(self, min_score: float) -> list[list[int]]:
        """What objects were taken for, `(K + 1, K + 1)`.

        Objects that no box of their class stands for are matched in the same way with the boxes that are left, of any
        class. What then is left of the objects was missed: the last column. What is left of the boxes stands for
        nothing: the last row.

        Args:
            min_score: Boxes below do not count.
        """
        table = np.zeros((self.num_classes + 1, self.num_classes + 1), int)
        for image in self.images:
            for true, found in image.pairs(min_score, self.num_classes):
                table[true, found] += 1
        return table.tolist()


def _overlaps(boxes: np.ndarray, objects: np.ndarray, is_crowd: np.ndarray) -> np.ndarray:
    """Intersection over union of `(N, 4)` and `(G, 4)`, `(N, G)`; of a crowd, over the area of the box."""
    low, high = (pick(boxes[:, None, half], objects[:, half]) for pick, half in _CORNERS)
    shared = (high - low).clip(0).prod(-1)
    area, true_area = ((one[:, 2:] - one[:, :2]).clip(0).prod(-1) for one in (boxes, objects))
    whole = np.where(is_crowd, area[:, None], area[:, None] + true_area - shared)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


_CORNERS = ((np.maximum, slice(0, 2)), (np.minimum, slice(2, 4)))


def _by_score(scores: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Places of the chosen boxes, best score first; equals in their order."""
    order = np.argsort(-scores, kind="stable")
    return order[chosen[order]]


def _best(overlaps: np.ndarray, free: np.ndarray) -> int | None:
    """The free object that a box overlaps most, if that is enough; the last of equals, as COCO's tools have it."""
    allowed = np.where(free, overlaps, -1.0)
    if not len(allowed) or allowed.max() < MATCH:
        return None
    return int(np.flatnonzero(allowed == allowed.max())[-1])
