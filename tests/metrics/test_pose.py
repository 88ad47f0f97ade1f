"""Scores of joints and people on cases made by hand, whose values are known."""

import math

import pytest
import torch

from subband.joints import COCO, POSETRACK
from subband.metrics.pose import FramePeople, box_side, head_size, jitter_errors, joint_hits, oks, posetrack_precision
from subband.metrics.pose_descriptors import POSE_METRICS
from subband.metrics.pose_scores import FoundPeople, JointScores, PersonPrecision, TrackJitter, TruePeople


def person(rng, joints=15, size=40.0):
    return size * torch.rand(joints, 2, generator=rng)


def test_sizes():
    boxes = torch.tensor([[5.0, 6.0, 30.0, 40.0], [0.0, 0.0, 10.0, 2.0]])
    assert box_side(boxes).tolist() == [40, 10]
    assert head_size(boxes)[0].item() == pytest.approx(30)


def test_similarity(rng):
    truth = person(rng)[None]
    found = truth + torch.tensor([2.0, 0.0])
    value = oks(found, truth, torch.full((1, 15), 2), torch.tensor([2000.0]), POSETRACK.sigmas)
    assert value.item() == pytest.approx(0.9041703, abs=1e-6)
    found[0, 3] = 1000.0
    visible = torch.ones(1, 15)
    visible[0, 3] = 0
    assert oks(found, truth, visible, torch.tensor([2000.0]), POSETRACK.sigmas).item() > 0.89
    assert oks(found, truth, 0 * visible, torch.tensor([2000.0]), POSETRACK.sigmas).item() == 0


def test_reach_counts_both_axes_alike():
    truth = torch.zeros(2, 2, 2)
    found = torch.tensor([[[4.0, 0.0], [0.0, 4.1]], [[3.0, 3.0], [2.0, 2.0]]])
    assert joint_hits(found, truth, torch.tensor([20.0, 20.0]), 0.2).tolist() == [[True, False], [False, True]]


def test_joint_scores():
    scores = JointScores(2)
    truth = torch.zeros(3, 2, 2)
    found = torch.tensor([[[3.0, 0.0], [0.0, 0.5]], [[0.0, 9.0], [0.0, 0.0]], [[1.0, 0.0], [99.0, 0.0]]])
    visible = torch.tensor([[2, 1], [2, 1], [1, 0]])
    sides = torch.tensor([20.0, 20.0, 20.0])
    scores.update(found[:2], truth[:2], visible[:2], sides[:2], torch.tensor([4.0, 4.0]))
    scores.update(found[2:], truth[2:], visible[2:], sides[2:])
    values = scores.compute()
    assert values["pck"] == pytest.approx((2 / 3 + 1) / 2)  # joint 0: two of three; joint 1: both labelled ones
    assert values["pck_strict"] == pytest.approx((1 / 3 + 1) / 2)
    assert values["pck_occluded"] == 1
    assert values["pckh"] == pytest.approx((0 + 1) / 2)  # of the first two persons; half a head is 2
    assert values["per_joint"] == pytest.approx([2 / 3, 1])
    assert values["per_joint_occluded"] == [1, 1]


def test_jitter():
    jitter = TrackJitter()
    error = torch.tensor([0.0, 1.0, 0.0, 0.0]).view(4, 1, 1) * torch.tensor([3.0, 4.0])
    still = torch.zeros(4, 2, 2)
    marks = torch.tensor([[2, 2], [1, 2], [2, 2], [2, 0]])
    jitter.update(still[:2], still[:2], marks[:2])
    assert jitter.compute() == {"jitter": None, "jitter_occluded": None}
    jitter.update(still + error, still, marks)
    # The second difference is -2 and 1 times 5 pixels; joint 1 is not labelled in the last frame.
    assert jitter.compute()["jitter"] == pytest.approx((10 + 5 + 10) / 3)
    assert jitter.compute()["jitter_occluded"] == pytest.approx(10)


def test_steady_errors_are_no_jitter(rng):
    truth = torch.rand(5, 3, 2, generator=rng)
    found = truth + 0.3 * torch.arange(5.0).view(5, 1, 1) + 2
    lengths, counted = jitter_errors(found, truth, torch.ones(5, 3))
    assert lengths.max() < 1e-5
    assert counted.all()
    assert jitter_errors(found[:2], truth[:2], torch.ones(2, 3))[0].shape == (0, 3)


def people(points, marks, heads=None):
    points = torch.as_tensor(points, dtype=torch.float64)
    return FramePeople(points, torch.as_tensor(marks, dtype=torch.float64), heads)


def test_posetrack_by_hand():
    """Two true persons of two joints, head size 10; three found ones."""
    heads = torch.tensor([10.0, 10.0])
    truth = people([[[0, 0], [0, 20]], [[100, 0], [100, 20]]], [[2, 1], [2, 2]], heads)
    found = people(
        [
            [[1, 0], [0, 21]],  # the first, both right
            [[101, 0], [100, 40]],  # the second, one right, one wrong
            [[0, 3], [60, 60]],  # near the first, but worse than the other: both wrong
        ],
        [[0.9, 0.5], [0.6, 0.8], [0.7, 0.4]],
    )
    # Joint 0 by score: right, wrong, right: precision 1 to recall 1/2, then 2/3. Joint 1: wrong, right, wrong.
    wanted = [0.5 + 0.5 * 2 / 3, 0.5 * 0.5]
    assert posetrack_precision([found], [truth]).tolist() == pytest.approx(wanted)
    # Occluded alone: one joint; the second person's joint 1 is neither, the third found one's is wrong, but later.
    hidden = posetrack_precision([found], [truth], occluded_only=True)
    assert math.isnan(hidden[0])
    assert hidden[1].item() == pytest.approx(1)
    nobody = people(torch.zeros(0, 2, 2), torch.zeros(0, 2))
    assert posetrack_precision([nobody], [truth]).tolist() == [0, 0]
    empty = people(torch.zeros(0, 2, 2), torch.zeros(0, 2), torch.zeros(0))
    alone = posetrack_precision([found, found], [truth, empty])  # the same people again where nobody is
    assert alone[0] < wanted[0]
    with pytest.raises(ValueError, match="as many frames"):
        posetrack_precision([found], [])
    with pytest.raises(ValueError, match="head sizes"):
        posetrack_precision([found], [truth._replace(head_sizes=None)])


def crowd(rng, count, joints):
    points = torch.stack([person(rng, joints) + 200 * i for i in range(count)])
    visible = torch.full((count, joints), 2)
    visible[:, ::3] = 1
    return TruePeople(points, visible, torch.full((count,), 1600.0), torch.full((count,), 8.0))


@pytest.mark.parametrize("joints", [COCO, POSETRACK])
def test_people(joints, rng):
    pytest.importorskip("pycocotools")
    metric, truth = PersonPrecision(joints), crowd(rng, 3, len(joints.names))
    ones = torch.ones(3, len(joints.names))
    metric.update([FoundPeople(truth.points, ones, ones[:, 0])], [truth])
    values = metric.compute()
    assert values["ap"] == pytest.approx(1)
    assert values["ap_occluded"] == pytest.approx(1)
    assert values["posetrack_ap"] == pytest.approx(1)
    assert values["posetrack_ap_occluded"] == pytest.approx(1)
    metric.reset()
    # Two of three, and one of them with a similarity between 0.75 and 0.80.
    off = truth.points[:2].clone()
    while oks(off[1:], truth.points[1:2], truth.visible[1:2], truth.areas[:1], joints.sigmas).item() > 0.77:
        off[1, :, 0] += 0.1
    metric.update([FoundPeople(off, ones[:2], torch.tensor([0.9, 0.8]))], [truth])
    values = metric.compute()
    assert values["ap50"] == pytest.approx(67 / 101)  # recall 2/3, read at 101 places
    assert values["ap75"] == pytest.approx(67 / 101)
    assert values["ap"] == pytest.approx((6 * 67 + 4 * 34) / 10 / 101)


def test_nobody(rng):
    pytest.importorskip("pycocotools")
    metric, truth = PersonPrecision(POSETRACK), crowd(rng, 2, 15)
    nobody = FoundPeople(torch.zeros(0, 15, 2), torch.zeros(0, 15), torch.zeros(0))
    metric.update([nobody], [truth._replace(head_sizes=None)])
    values = metric.compute()
    assert (values["ap"], values["posetrack_ap"]) == (0, None)
    metric.reset()
    metric.update([nobody], [truth._replace(visible=torch.zeros(2, 15))])
    assert metric.compute()["ap"] is None
    with pytest.raises(ValueError, match=r"points must be \(N, 15, 2\)"):
        metric.update([nobody], [crowd(rng, 2, 17)])
    with pytest.raises(ValueError, match="as many images"):
        metric.update([], [truth])


def test_every_score_is_described(rng):
    pytest.importorskip("pycocotools")
    metric, scores, truth = PersonPrecision(POSETRACK), JointScores(15), crowd(rng, 1, 15)
    metric.update([FoundPeople(truth.points, torch.ones(1, 15), torch.ones(1))], [truth])
    scores.update(truth.points, truth.points, truth.visible, torch.tensor([40.0]))
    jitter = TrackJitter()
    jitter.update(truth.points.expand(3, -1, -1), truth.points.expand(3, -1, -1), truth.visible.expand(3, -1))
    computed = {*metric.compute(), *scores.compute(), *jitter.compute()} - {"per_joint", "per_joint_occluded"}
    assert computed == {entry.key for entry in POSE_METRICS}
