"""Boxes on test images."""

import numpy as np

from subband.visual.report.detection_images import mistakes, with_boxes

NOTHING = [-1.0] * 5


def test_boxes_are_drawn_in_the_color_of_their_class():
    drawn = with_boxes(np.zeros((20, 30, 3), np.uint8), np.array([[1, 4, 5, 14, 15], NOTHING]), ["#000000", "#ff8000"])
    assert (drawn[5, 4:14] == 255).all()
    assert (drawn[6, 5:13] == [255, 128, 0]).all()
    assert (drawn[13, 5:13] == [255, 128, 0]).all()
    assert not drawn[8:12, 8:10].any()
    assert not drawn[:5].any()
    outside = with_boxes(np.zeros((20, 30, 3), np.uint8), np.array([[0, -5.0, -5, 50, 50]]), ["#0000ff"])
    assert outside[0].any(axis=-1).all()
    assert not outside[5:15, 5:25].any()


def test_mistakes_are_counted_in_both_directions():
    true = np.array([[0.0, 0, 0, 10, 10], [0, 20, 0, 30, 10], NOTHING])
    right = np.array([[0.0, 0, 0, 10, 10, 0.9], [0, 20, 1, 30, 10, 0.8]])
    assert mistakes(true, right) == 0
    assert mistakes(true, right[:1]) == 1
    assert mistakes(true, right[[0, 0, 1]]) == 1  # twice the same
    assert mistakes(true, right - [1, 0, 0, 0, 0, 0]) == 2
    assert mistakes(true[2:], right) == 2
