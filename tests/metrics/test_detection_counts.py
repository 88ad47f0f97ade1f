"""Hits and mistakes of a few boxes, worked out by hand, and beside COCO's own tools."""

import numpy as np
import pytest
import torch

from subband.metrics import AveragePrecision, ImageDetections, TrueObjects
from subband.metrics.detection_counts import DetectionCounts, ImageCounts, match_boxes

TRUE = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 60, 20]])


def matched(boxes, scores, labels, true_labels=(0, 0, 1), crowd=(False, False, False)):
    found = np.array(boxes, dtype=float).reshape(-1, 4), np.array(scores, dtype=float), np.array(labels, dtype=int)
    return match_boxes(*found, TRUE, np.array(true_labels), np.array(crowd))


def test_the_best_score_chooses_first_and_every_object_once():
    image = matched(
        [[2, 0, 12, 10], [0, 0, 10, 10], [20, 0, 30, 5], [40, 0, 60, 9]], [0.6, 0.7, 0.8, 0.9], [0, 0, 0, 1]
    )
    assert image.partners.tolist() == [-1, 0, 1, -1]  # half is enough, 9 of 20 are not
    assert image.counts() == ImageCounts(hits=2, missed=1, wrong=2)
    assert image.counts(0.7) == ImageCounts(hits=2, missed=1, wrong=1)
    assert image.counts(0.75) == ImageCounts(hits=1, missed=2, wrong=1)
    assert image.counts().f1 == pytest.approx(4 / 7)
    assert ImageCounts(0, 0, 0).f1 is None


def test_boxes_on_crowds_count_for_nothing():
    inside = [[41, 1, 45, 5], [43, 4, 48, 9], [20, 0, 30, 10]]
    image = matched(inside, [0.9, 0.8, 0.7], [1, 0, 1], crowd=(False, False, True))
    assert image.partners.tolist() == [-2, -1, -1]
    assert image.counts() == ImageCounts(hits=0, missed=2, wrong=2)
    assert image.pairs(0.0, 2) == [(2, 0), (0, 1), (0, 2)]


def test_what_is_left_is_taken_for_other_classes_missed_or_nothing():
    counts = DetectionCounts(2)
    counts.add(
        matched([[0, 0, 10, 10], [40, 0, 60, 20], [40, 2, 60, 20], [80, 0, 90, 9]], [0.9, 0.8, 0.7, 0.6], [0] * 4)
    )
    # Object 0 is found; the cell of class 1 is taken for class 0, once; object 1 is missed; two boxes are left.
    assert counts.confusion(0.0) == [[1, 0, 1], [1, 0, 0], [2, 0, 0]]
    assert counts.confusion(0.65) == [[1, 0, 1], [1, 0, 0], [1, 0, 0]]
    assert counts.total(0.65) == ImageCounts(hits=1, missed=2, wrong=2)
    both = matched([[40, 0, 60, 20], [40, 0, 60, 20]], [0.9, 0.2], [0, 1])
    assert both.pairs(0.0, 2) == [
        (1, 1),
        (2, 0),
        (0, 2),
        (0, 2),
    ]  # a box of the right class, however unsure, goes first


def test_the_best_least_score():
    counts = DetectionCounts(2)
    counts.add(matched([[0, 0, 10, 10], [20, 0, 30, 10], [80, 0, 90, 9]], [0.9, 0.5, 0.4], [0, 0, 0]))
    values = counts.f1_by_score()
    assert (len(values), min(values), max(values)) == (95, 0.05, 0.99)
    assert values[0.4] == pytest.approx(4 / 6)
    assert values[0.41] == values[0.5] == pytest.approx(4 / 5)
    assert values[0.51] == values[0.9] == pytest.approx(2 / 4)
    assert values[0.91] == 0
    assert max(values, key=values.__getitem__) == 0.41  # the lowest of equals
    assert set(DetectionCounts(3).f1_by_score().values()) == {0.0}
    assert DetectionCounts(1).confusion(0.5) == [[0, 0], [0, 0]]


def test_hits_are_those_of_cocos_own_tools(rng):
    pytest.importorskip("pycocotools")
    metric, counts, objects = AveragePrecision(with_masks=False), DetectionCounts(2), np.zeros(2)
    for _ in range(6):
        true = torch.rand(8, 4, generator=rng) * 40
        true[:, 2:] = true[:, :2] + 8 + torch.rand(8, 2, generator=rng) * 12
        found = true[torch.randint(8, (14,), generator=rng)] + 2 * torch.randn(14, 4, generator=rng)
        labels, found_labels = (torch.randint(2, (count,), generator=rng) for count in (8, 14))
        crowd = torch.rand(8, generator=rng) < 0.2
        found = ImageDetections(found, torch.rand(14, generator=rng), found_labels, None)
        truth = TrueObjects(true, labels, (true[:, 2:] - true[:, :2]).prod(1), crowd, None)
        metric.update([found], [truth])
        counts.update([found], [truth])
        objects += np.bincount(labels[~crowd], minlength=2)
    reached = [
        max(place for place, value in enumerate(curve["0.50"]) if value)
        for curve in metric.compute()["curves"].values()
    ]
    table = np.array(counts.confusion(0.0))
    assert table[:2].sum(1).tolist() == objects.tolist()
    for label in (0, 1):  # all boxes together reach a recall of hits / objects, told in steps of 0.01
        assert reached[label] == int(100 * table[label, label] / objects[label] + 1e-9)
