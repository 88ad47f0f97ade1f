"""A clip of two drawn scenes: nobody is followed across the cut, and no network sees both sides of it."""

from typing import Any

import pytest
import torch
from tests.predictors.pose.test_predictor import DOTS, PLAIN, FrameFinder
from torch import Tensor

from subband.data.pose.drawn_figures import drawn_video
from subband.data.pose.preprocessing import PosePreprocessing
from subband.media import write_clip
from subband.predictors.pose import FramePoses, GivenPersons, Persons, PosePredictor, pose_clip
from subband.predictors.pose.following import PoseFollower

LENGTH = 6  # frames of a scene
BOX = [[8.0, 4.0, 56.0, 60.0]]


def scene(number: int) -> Tensor:
    """A drawn figure before a wall of its own, `(T, 3, H, W)` uint8."""
    wall = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(number)).repeat_interleave(4, 1)
    figure = drawn_video(number, range(LENGTH), (64, 64), occluder=False).frames
    return figure // 2 + (127 * wall.repeat_interleave(4, 2)).to(torch.uint8)


SCENES = [scene(number) for number in (3, 11)]
PERSONS = GivenPersons({number: Persons(torch.tensor(BOX), torch.ones(1)) for number in range(2 * LENGTH)})


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.apng"
    write_clip(path, torch.cat(SCENES).float() / 255, fps=10)
    return path


def predictor(**options: Any) -> PosePredictor:
    return PosePredictor(FrameFinder(), joint_set=DOTS, preprocessing=PosePreprocessing(**PLAIN), **options)


def plain(image: Tensor, found: object) -> Tensor:
    return image


def numbers(frames: list[FramePoses]) -> list[int]:
    return [int(frame.found.ids[0]) for frame in frames]  # type: ignore[index]


def joints(frames: list[FramePoses]) -> Tensor:
    return torch.stack([frame.found.joints[0] for frame in frames])


@pytest.mark.parametrize("stride", [1, 3])
def test_scenes_are_as_if_they_were_two_clips(stride, clip, tmp_path, monkeypatch):
    monkeypatch.setattr("subband.predictors.pose.clip.FRAMES", 2)
    finder = predictor(stride=stride)
    frames = pose_clip(finder, clip, tmp_path / "drawn.apng", plain, persons=PERSONS, smooth=True)
    assert numbers(frames) == LENGTH * [0] + LENGTH * [1]
    assert [frame.number for frame in frames if frame.is_cut] == [LENGTH]
    wanted = []
    for place, part in enumerate(SCENES):
        follow = PoseFollower(DOTS, smooth=True)
        found = finder.find_in_clip(part.float() / 255, LENGTH * [BOX])
        times = [(LENGTH * place + number) / 10 for number in range(LENGTH)]
        wanted += [follow(one, seconds).joints[0] for one, seconds in zip(found, times, strict=True)]
    torch.testing.assert_close(joints(frames), torch.stack(wanted), atol=1e-3, rtol=0)


def test_a_clip_may_be_taken_for_one_scene(clip, tmp_path):
    both = pose_clip(predictor(), clip, tmp_path / "a.apng", plain, persons=PERSONS)
    one = pose_clip(predictor(), clip, tmp_path / "b.apng", plain, persons=PERSONS, scene_cuts="off")
    assert numbers(one) == 2 * LENGTH * [0]
    assert not any(frame.is_cut for frame in one)
    differ = (joints(one) - joints(both)).abs().amax((1, 2)) > 0.1
    assert differ.nonzero()[:, 0].tolist() == [LENGTH - 1, LENGTH], "those beside the cut saw the other scene"


@pytest.mark.parametrize("stopped_at", [3, 8])
def test_a_job_that_was_stopped_in_either_scene_gives_the_same(stopped_at, clip, tmp_path, monkeypatch):
    monkeypatch.setattr("subband.predictors.pose.clip.FRAMES", 1)
    whole = pose_clip(predictor(), clip, tmp_path / "whole.apng", plain, persons=PERSONS, smooth=True)
    calls = []

    def stop(image: Tensor, found: object) -> Tensor:
        calls.append(found)
        if len(calls) == stopped_at:
            raise KeyboardInterrupt
        return image

    target = tmp_path / "stopped.apng"
    with pytest.raises(KeyboardInterrupt):
        pose_clip(predictor(), clip, target, stop, persons=PERSONS, smooth=True)
    stopped_at = -1
    before = len(calls)
    again = pose_clip(predictor(), clip, target, stop, persons=PERSONS, smooth=True)
    assert len(calls) - before < 2 * LENGTH, "frames that were finished are not looked at again"
    assert numbers(again) == numbers(whole)
    assert joints(again).equal(joints(whole))
