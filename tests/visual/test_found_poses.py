"""People drawn into images: on any ground, left and right apart, any number of them."""

import pytest
import torch

from subband.joints import COCO
from subband.predictors.pose import FoundPoses
from subband.visual.found_poses import LEFT, RIGHT, draw_poses


def standing(places, size, *, ids=None, scores=None):
    """People with all joints on two upright lines, the left side 10 pixels right of the right one."""
    count = len(places)
    corners = torch.tensor(places, dtype=torch.float32).reshape(count, 2)
    is_left = torch.tensor([name.startswith("left") for name in COCO.names])
    rows = torch.linspace(5, 85, 17)
    joints = torch.stack([torch.where(is_left, 20.0, 10.0), rows], 1) + corners[:, None]
    return FoundPoses(
        joints=joints,
        scores=torch.ones(count, 17) if scores is None else scores,
        boxes=torch.cat([corners, corners + torch.tensor([30.0, 90.0])], 1),
        box_scores=torch.ones(count),
        ids=ids,
        size=size,
        joint_set=COCO,
    )


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_limbs_are_seen_on_any_ground(ground):
    image = torch.full((3, 100, 100), ground, dtype=torch.uint8)
    drawn = draw_poses(image, standing([(30, 5)], (100, 100)))
    between = 5 + 5 + round(80 * 8 / 16)  # a row between joints, through both arms
    row = drawn[:, between].T.int()
    changed = (row != ground).any(1).nonzero()[:, 0].tolist()
    luma = row[changed].float() @ torch.tensor([0.299, 0.587, 0.114])
    assert (luma - ground).abs().max() > 90, "the limb or its case differs from the ground"
    colors = {tuple(color) for color in drawn.flatten(1).T.tolist()}
    assert {LEFT, RIGHT} <= colors
    left, right = (
        (drawn.permute(1, 2, 0) == torch.tensor(color)).all(-1).nonzero().float().mean(0) for color in (LEFT, RIGHT)
    )
    assert left[1] > right[1] + 5, "the left side is the one whose joints are called left"


def test_joints_with_low_scores_are_left_out():
    image = torch.zeros(3, 100, 100, dtype=torch.uint8)
    assert draw_poses(image, standing([(30, 5)], (100, 100), scores=torch.full((1, 17), 0.2))).equal(image)
    scores = torch.zeros(1, 17).index_fill(1, torch.tensor([COCO.names.index("nose")]), 0.9)
    drawn = draw_poses(image, standing([(30, 5)], (100, 100), scores=scores))
    colors = {tuple(color) for color in drawn.flatten(1).T.tolist()}
    assert not {LEFT, RIGHT} & colors, "no limb ends in a joint that is not there"
    assert drawn[:, 10, 40].any()


def test_more_people_than_colors():
    places = [(35 * number, 20) for number in range(9)]
    image = torch.zeros(3, 130, 330, dtype=torch.uint8)
    drawn = draw_poses(image, standing(places, (130, 330), ids=torch.arange(40, 49)))
    edges = [tuple(drawn[:, 90, 35 * number].tolist()) for number in range(9)]
    assert len(set(edges[:6])) == 6
    assert edges[6:] == edges[:3]
    moved = draw_poses(image, standing(places[::-1], (130, 330), ids=torch.arange(40, 49).flip(0)))
    assert tuple(moved[:, 90, 0].tolist()) == edges[0], "a number has one color, wherever it stands in the list"


def test_nobody_and_a_whole_image():
    image = torch.full((3, 40, 60), 7, dtype=torch.uint8)
    assert draw_poses(image, standing([], (40, 60))).equal(image)
    whole = standing([(0, 0)], (90, 30), ids=torch.tensor([0]))
    drawn = draw_poses(torch.zeros(3, 90, 30, dtype=torch.uint8), whole)
    assert not drawn[:, :, 0].any(), "no box is drawn around a whole image"
