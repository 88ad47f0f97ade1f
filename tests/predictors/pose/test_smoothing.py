"""The 1 Euro filter: what stands still stays, jitter shrinks, a step is followed."""

import math

import pytest
import torch

from subband.joints import JointSet
from subband.predictors.pose import FoundPoses, OneEuroFilter
from subband.predictors.pose.following import PoseFollower

RATE = 25


def smoothed(values: torch.Tensor, **options: float) -> torch.Tensor:
    one = OneEuroFilter(**options)
    return torch.stack([one(value, number / RATE) for number, value in enumerate(values)])


def test_what_stands_still_stays():
    values = torch.full((20, 3), 7.5)
    assert smoothed(values, beta=3.0).equal(values)


def test_jitter_shrinks_and_motion_does_not_lag():
    generator = torch.Generator().manual_seed(0)
    seconds = torch.arange(200, dtype=torch.float64) / RATE
    noise = 0.01 * torch.randn(200, generator=generator, dtype=torch.float64)

    def jitter(values: torch.Tensor) -> float:
        return float(values.diff(n=2).abs().mean())

    assert jitter(smoothed(noise, beta=4.0)) < 0.35 * jitter(noise)
    swing = (2 * math.pi * seconds).sin()
    lag = {beta: float((smoothed(swing, beta=beta) - swing).abs()[50:].mean()) for beta in (0.0, 4.0)}
    assert lag[4.0] < 0.25 * lag[0.0]


def test_a_step_is_followed():
    values = torch.cat([torch.zeros(10), torch.ones(40)])
    found = smoothed(values, beta=0.0)
    assert 0 < found[10] < 0.3
    assert (found.diff()[10:-1] > 0).all()
    assert found[-1] == pytest.approx(1, abs=0.01)
    assert smoothed(values, beta=10.0)[12] > found[12] + 0.3


def test_it_is_the_published_formula():
    one = OneEuroFilter(min_cutoff=1.2, beta=0.5, derivative_cutoff=0.8)
    one(torch.tensor(1.0, dtype=torch.float64), 0.0)
    found = one(torch.tensor(3.0, dtype=torch.float64), 0.1, unit=2.0)
    alpha = 1 / (1 + 1 / (2 * math.pi * 0.8 * 0.1))
    speed = alpha * (3 - 1) / 0.1 / 2
    cutoff = 1.2 + 0.5 * speed
    alpha = 1 / (1 + 1 / (2 * math.pi * cutoff * 0.1))
    assert float(found) == pytest.approx(alpha * 3 + (1 - alpha) * 1, abs=1e-12)


def test_time_that_stands_changes_nothing():
    one = OneEuroFilter()
    one(torch.zeros(1), 1.0)
    assert one(torch.ones(1), 1.0).equal(torch.zeros(1))
    assert one(torch.ones(1), 0.5).equal(torch.zeros(1))


def test_options_out_of_range():
    with pytest.raises(ValueError, match="beta at least 0"):
        OneEuroFilter(beta=-1.0)
    with pytest.raises(ValueError, match="must be positive"):
        OneEuroFilter(min_cutoff=0.0)


def test_every_person_has_a_filter_of_its_own_in_its_own_size():
    generator = torch.Generator().manual_seed(1)
    joints = JointSet(names=("nose",), limbs=(), sigmas=(0.1,))
    near, far = torch.tensor([0.0, 0.0, 100.0, 400.0]), torch.tensor([500.0, 0.0, 505.0, 20.0])
    follow = PoseFollower(joints, smooth=True)
    errors = []
    for number in range(60):
        noise = 0.02 * torch.randn(2, generator=generator)
        points = torch.stack([near[:2] + 200 * noise, far[:2] + 10 * noise])[:, None]
        order = [0, 1] if number % 2 else [1, 0]
        found = FoundPoses(
            joints=points[order],
            scores=torch.ones(2, 1),
            boxes=torch.stack([near, far])[order],
            box_scores=torch.ones(2),
            ids=None,
            size=(400, 600),
            joint_set=joints,
        )
        followed = follow(found, number / RATE)
        by_number = dict(zip(followed.ids.tolist(), followed.joints[:, 0], strict=True))
        assert set(by_number) == {0, 1}
        errors.append(torch.stack([by_number[1] - near[:2], 20 * (by_number[0] - far[:2])]))
    table = torch.stack(errors)
    torch.testing.assert_close(table[:, 0], table[:, 1], atol=0.05, rtol=0)
    assert float(table[10:].abs().mean()) < 0.6 * 200 * 0.02 * 0.8, "less than the jitter that went in"
