"""Boxes on test images."""

import numpy as np

from subband.visual.report.detection_images import matched_rows, object_figures, with_boxes
from subband.visual.report.runs import Samples

NOTHING = [-1.0] * 5
TRUE = np.array([[0.0, 0, 0, 10, 10], [0, 20, 0, 30, 10]])
RIGHT = np.array([[0.0, 0, 0, 10, 10, 0.9], [0, 20, 1, 30, 10, 0.8]])


def test_boxes_are_drawn_in_the_color_of_their_class():
    box = np.array([[1, 4, 5, 14, 15]])
    drawn = with_boxes(np.zeros((20, 30, 3), np.uint8), box, ["#000000", "#ff8000"], [False])
    assert (drawn[5, 4:14] == 255).all()
    assert (drawn[6, 5:13] == [255, 128, 0]).all()
    assert (drawn[13, 5:13] == [255, 128, 0]).all()
    assert not drawn[8:12, 8:10].any()
    assert not drawn[:5].any()
    tinted = with_boxes(np.zeros((20, 30, 3), np.uint8), box, ["#000000", "#ff8000"], [True])
    assert (tinted[8:12, 8:10] == [102, 51, 0]).all()
    assert (tinted[:7] == drawn[:7]).all()
    outside = with_boxes(np.zeros((20, 30, 3), np.uint8), np.array([[0, -5.0, -5, 50, 50]]), ["#0000ff"], [False])
    assert outside[0].any(axis=-1).all()
    assert not outside[5:15, 5:25].any()


def test_mistakes_are_counted_in_both_directions():
    def mistakes(true, found):
        counts = matched_rows(true, found).counts()
        return counts.missed + counts.wrong

    assert mistakes(TRUE, RIGHT) == 0
    assert mistakes(TRUE, RIGHT[:1]) == 1
    assert mistakes(TRUE, RIGHT[[0, 0, 1]]) == 1  # twice the same
    assert mistakes(TRUE, RIGHT + np.eye(6)[0]) == 4
    assert mistakes(TRUE[:0], RIGHT) == 2


def test_what_is_said_of_an_image():
    found = np.concatenate([RIGHT[:1], [[1, 5, 15, 12, 19, 0.7]], RIGHT[:1]])
    found = np.stack([found, np.full((3, 6), -1.0)])
    targets = np.stack([np.concatenate([TRUE, [NOTHING]]), np.array([NOTHING] * 3)])
    images = np.zeros((2, 3, 20, 32), np.uint8)
    html = object_figures(Samples(inputs=images, targets=targets, predictions={"a": found}), ["cat", "dog", "cow"])
    assert "From left to right: the true boxes, then those of a." in html
    assert html.index("1 of 2 found, 2 wrong boxes") < html.index("0 of 0 found, no wrong box")
    assert "cat</span>" in html or "cat<" in html
    assert "cow" not in html  # neither true nor found
    both = object_figures(Samples(inputs=images, targets=targets, predictions={"a": found, "b": found}), ["cat", "dog"])
    assert "a: 1 of 2 found, 2 wrong boxes; b: 1 of 2 found, 2 wrong boxes" in both
    assert object_figures(Samples(inputs=images, targets=targets, predictions={}), ["cat", "dog"]) == ""
