"""People keep their numbers: those who cross, stand, leave and return."""

import pytest
import torch
from torch import Tensor

from subband.joints import COCO
from subband.predictors.pose import PoseTracker

SHAPE = torch.rand(17, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([30.0, 80.0])


def seen(tracker: PoseTracker, *places: tuple[float, float], score: float = 0.9) -> list[int]:
    """Numbers of people of one shape whose boxes begin at these places."""
    corners = torch.tensor(places, dtype=torch.float32).reshape(-1, 2)
    boxes = torch.cat([corners, corners + torch.tensor([30.0, 80.0])], 1)
    return tracker.update(boxes, corners[:, None] + SHAPE, torch.full((len(places), 17), score)).tolist()


@pytest.mark.parametrize("score", [0.9, 0.0])
def test_people_who_cross_keep_their_numbers(score):
    """Both walk 6 pixels a frame through each other; by places alone each would be taken for the other."""
    tracker = PoseTracker(COCO.sigmas)
    assert seen(tracker, (0, 0), (99, 4), score=score) == [0, 1]
    for step in range(1, 17):
        left, right = (6.0 * step, 0.0), (99 - 6.0 * step, 4.0)
        assert seen(tracker, right, left, score=score) == [1, 0], step


@pytest.mark.parametrize(("frames", "same"), [(1, True), (5, True), (6, False)])
def test_one_who_returns_soon_is_the_same(frames, same):
    tracker = PoseTracker(COCO.sigmas, memory=5)
    for step in range(4):
        seen(tracker, (5.0 * step, 0), (200, 0))
    for _ in range(frames):
        assert seen(tracker, (200, 0)) == [1]
    back = seen(tracker, (200, 0), (5.0 * (4 + frames), 0))
    assert back == ([1, 0] if same else [1, 2]), "numbers are never given twice"


def test_one_who_stopped_unseen_is_found_where_it_was():
    tracker = PoseTracker(COCO.sigmas)
    for step in range(4):
        seen(tracker, (10.0 * step, 0))
    for _ in range(5):
        assert seen(tracker) == []
    assert seen(tracker, (30, 0)) == [0]


def test_strangers_get_new_numbers():
    tracker = PoseTracker(COCO.sigmas)
    assert seen(tracker, (0, 0)) == [0]
    assert seen(tracker, (100, 0), (1, 0)) == [1, 0]
    assert seen(tracker, (400, 0)) == [2]
    assert tracker.known == {0, 1, 2}


def test_joints_tell_people_of_one_box_apart():
    tracker = PoseTracker(COCO.sigmas)
    boxes = torch.tensor([[0.0, 0.0, 30.0, 80.0]]).expand(2, -1)
    shapes = torch.stack([SHAPE, SHAPE.flip(0)])
    scores = torch.ones(2, 17)
    assert tracker.update(boxes, shapes, scores).tolist() == [0, 1]
    assert tracker.update(boxes, shapes.flip(0), scores).tolist() == [1, 0]


def test_similarity_of_joints_is_that_of_the_definition():
    """One joint with the spread 0.1 that is off by 2 in a box of 400 pixels: exp(-4 / (2 * 400 * 0.04))."""

    def number(least: float) -> int:
        tracker = PoseTracker([0.1], min_similarity=least)
        box, joint = torch.tensor([[0.0, 0.0, 20.0, 20.0]]), torch.zeros(1, 1, 2)
        tracker.update(box, joint, torch.ones(1, 1))
        return int(tracker.update(box, joint + torch.tensor([2.0, 0.0]), torch.ones(1, 1)))

    similarity = (1 + float(torch.tensor(-4 / (2 * 400 * 0.04)).exp())) / 2
    assert number(similarity - 1e-4) == 0
    assert number(similarity + 1e-4) == 1


def test_options_out_of_range():
    with pytest.raises(ValueError, match="memory must be at least 0"):
        PoseTracker([0.1], memory=-1)
    with pytest.raises(ValueError, match="min_similarity above 0"):
        PoseTracker([0.1], min_similarity=0.0)
    nobody: Tensor = PoseTracker([0.1]).update(torch.zeros(0, 4), torch.zeros(0, 1, 2), torch.zeros(0, 1))
    assert nobody.shape == (0,)
