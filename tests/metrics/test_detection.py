"""Average precision of a few boxes, worked out by hand."""

import pytest
import torch

from subband.metrics import DETECTION_METRICS, AveragePrecision, ImageDetections, TrueObjects

BOXES = torch.tensor([[0.0, 0, 10, 10], [20, 0, 60, 40], [0, 50, 100, 150]])


def truth(labels=(0, 0, 1), crowd=(False, False, False), masks=None):
    sides = BOXES[:, 2:] - BOXES[:, :2]
    return TrueObjects(BOXES, torch.tensor(labels), sides.prod(1), torch.tensor(crowd), masks)


def score(found, true, with_masks=False):
    metric = AveragePrecision(with_masks=with_masks)
    metric.update([found], [true])
    return metric.compute()


def test_every_object_counts_in_its_class_and_size():
    found = ImageDetections(BOXES[[0, 2]], torch.tensor([0.9, 0.8]), torch.tensor([0, 1]), None)
    values = score(found, truth())
    assert values["per_class"] == {0: pytest.approx(51 / 101), 1: pytest.approx(1.0)}
    assert values["ap"] == pytest.approx((51 / 101 + 1) / 2)
    assert (values["ap_small"], values["ap_medium"], values["ap_large"]) == (1, 0, 1)
    assert set(values) - {"per_class", "curves"} == {
        item.key for item in DETECTION_METRICS if not item.key.startswith("mask_")
    }


def test_overlap_decides_from_threshold_to_threshold():
    moved = BOXES + torch.tensor([0.0, 0, 4, 4])  # overlaps of the second: 1600 / 44 ** 2 = 0.83
    found = ImageDetections(moved[[1]], torch.tensor([0.9]), torch.tensor([0]), None)
    values = score(found, truth(crowd=(True, False, True)))
    assert values["ap"] == pytest.approx(7 / 10)  # of 0.50, 0.55, ..., 0.80
    assert (values["ap50"], values["ap75"]) == (1, 1)


def test_crowds_are_neither_missed_nor_mistakes():
    found = ImageDetections(BOXES[[0, 1]], torch.tensor([0.9, 0.8]), torch.tensor([0, 0]), None)
    assert score(found, truth((0, 0, 0), (True, False, True)))["ap"] == 1
    assert score(found, truth((1, 0, 1), (False, False, True)))["ap"] == pytest.approx(0.25)  # half of class 0


def test_curves_are_those_of_the_scores():
    found = torch.cat([BOXES[[0]], BOXES[[0]] + 200, BOXES[[1]] + torch.tensor([0.0, 0, 8, 8]), BOXES[[2]]])
    labels = torch.tensor([0, 0, 0, 1])
    values = score(ImageDetections(found, torch.tensor([0.9, 0.8, 0.7, 0.6]), labels, None), truth())
    # Of class 0 the first box is right, the second is not, the third, of overlap 1600 / 48 ** 2, is at 0.5 alone.
    assert values["curves"][0]["0.50"] == pytest.approx([1.0] * 51 + [2 / 3] * 50)
    assert values["curves"][0]["0.75"] == pytest.approx([1.0] * 51 + [0.0] * 50)
    assert [values["curves"][1][key] for key in ("0.50", "0.75")] == [pytest.approx([1.0] * 101)] * 2
    means = [sum(sum(curve[key]) for curve in values["curves"].values()) / 202 for key in ("0.50", "0.75")]
    assert means == pytest.approx([values["ap50"], values["ap75"]])
    strange = ImageDetections(BOXES, torch.tensor([0.9, 0.8, 0.7]), torch.tensor([0, 0, 3]), None)
    assert set(score(strange, truth())["curves"]) == {0, 1}  # of class 3 there is nothing to be found


def test_masks_are_scored_beside_boxes():
    masks = torch.zeros(3, 160, 110, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, BOXES.int().tolist(), strict=True):
        mask[top:bottom, left:right] = True
    half = masks.clone()
    half[:, :, 50:] = False  # what is left: all of the first, three quarters of the second, half of the third
    found = ImageDetections(BOXES, torch.tensor([0.9, 0.8, 0.7]), torch.tensor([0, 0, 0]), half)
    values = score(found, truth((0, 0, 0), masks=masks), with_masks=True)
    assert values["ap"] == 1
    assert values["mask_ap50"] == 1
    assert values["mask_ap75"] == pytest.approx(67 / 101)
    assert values["curves"][0]["0.75"] == pytest.approx([1.0] * 101)  # those of boxes


def test_nothing_to_find_has_no_score():
    nothing = BOXES[:0]
    none = torch.zeros(0)
    values = score(
        ImageDetections(nothing, none, none.long(), None), TrueObjects(nothing, none.long(), none, none.bool(), None)
    )
    assert values["ap"] is None
    assert values["curves"] == {}
    assert values["per_class"] == {}
