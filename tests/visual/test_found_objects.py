"""Objects drawn into images: where, in which colors, at which size, and on which ground."""

import pytest
import torch

from subband.predictors.detection import FoundObjects
from subband.visual.found_objects import draw_objects


def found(boxes, size, *, labels=None, names=("cat", "dog"), masks=None):
    count = len(boxes)
    return FoundObjects(
        boxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
        scores=torch.linspace(0.9, 0.5, count),
        labels=torch.tensor(labels or [0] * count),
        mask_probs=masks,
        size=size,
        classes=names,
    )


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_lines_are_seen_on_any_ground(ground):
    image = torch.full((3, 100, 160), ground, dtype=torch.uint8)
    drawn = draw_objects(image, found([[40, 30, 120, 90]], (100, 160))).int()
    across = drawn[:, 60].movedim(0, -1)  # a row through both sides of the box
    changed = (across != ground).any(1).nonzero()[:, 0].tolist()
    assert {40, 119} <= set(changed)
    assert changed[0] >= 38
    assert changed[-1] <= 121
    luma = across[changed].float() @ torch.tensor([0.299, 0.587, 0.114])
    assert (luma - ground).abs().max() > 90, "the line or its casing differs from the ground"
    assert drawn[:, 60, 60:100].eq(ground).all(), "the inside of a box is left alone"


def test_classes_have_colors_and_the_best_is_on_top():
    boxes = [[10, 20, 60, 70], [10, 20, 60, 70], [90, 20, 140, 70]]
    one = draw_objects(torch.zeros(3, 100, 160, dtype=torch.uint8), found(boxes, (100, 160), labels=[0, 1, 1]))
    alone = draw_objects(torch.zeros(3, 100, 160, dtype=torch.uint8), found(boxes[:1], (100, 160)))
    assert one[:, 50, 10].equal(alone[:, 50, 10])
    assert not one[:, 50, 10].equal(one[:, 50, 90])


def test_lines_and_letters_grow_with_the_image():
    counts = []
    for side in (300, 1200):
        image = torch.zeros(3, side, side, dtype=torch.uint8)
        box = [side / 4, side / 2, side / 2, 3 * side / 4]
        drawn = draw_objects(image, found([box], (side, side))).any(0)
        counts.append((int(drawn[5 * side // 8, : 3 * side // 8].sum()), int(drawn[: side // 2].any(1).sum())))
    assert [large / small for small, large in zip(*counts, strict=True)] == pytest.approx([4, 4], rel=0.4)


def test_names_stay_inside_and_are_left_out_where_there_is_no_room():
    image = torch.zeros(3, 60, 90, dtype=torch.uint8)
    named = draw_objects(image, found([[70, 0, 90, 40]], (60, 90))).any(0)
    assert named[2:14, 40:70].any(), "shifted to the left, and below the upper edge"
    narrow = torch.zeros(3, 60, 20, dtype=torch.uint8)
    drawn = draw_objects(narrow, found([[2, 30, 18, 50]], (60, 20))).any(0)
    assert not drawn[:28].any()
    assert draw_objects(image, found([], (60, 90))).equal(image)


def test_masks_tint_the_pixels_of_an_object():
    image = torch.full((3, 60, 90), 100, dtype=torch.uint8)
    probs = torch.ones(1, 28, 28)
    probs[:, :, 14:] = 0
    drawn = draw_objects(image, found([[20, 20, 60, 50]], (60, 90), masks=probs))
    assert not drawn[:, 40, 30].equal(image[:, 40, 30])
    assert drawn[:, 40, 50].equal(image[:, 40, 50])
