"""Hard cuts are found; pans, zooms, flashes, fades, dissolves and noise are none."""

from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from subband.media import read_clip, write_clip
from subband.media.frames import Frame
from subband.predictors.streaming import ClipNetwork, NetworkRunner, View, stream_clip
from subband.predictors.streaming.scene_cuts import MEMORY, mark_cuts, marked

HEIGHT, WIDTH = 90, 160


@cache
def scene(seed: int, height: int = HEIGHT, width: int = 3 * WIDTH) -> np.ndarray:
    """A drawn picture of colored shapes over a gradient, `(H, W, 3)` in `[0, 1]`."""
    rng = np.random.default_rng(seed)
    columns = np.arange(width)[None].repeat(height, 0)
    picture = np.stack(
        [rng.uniform(0.2, 0.7) + 0.2 * np.sin(columns / width * rng.uniform(1, 9)) for _ in range(3)], -1
    )
    for _ in range(width // 4):
        high, wide, top, left = rng.integers((5, 5, 0, 0), (28, 28, height, width))
        picture[top : top + high, left : left + wide] = rng.uniform(0, 1, 3)
    return picture


def view(picture: np.ndarray, left: float = 0, top: float = 0) -> np.ndarray:
    return picture[round(top) : round(top) + HEIGHT, round(left) : round(left) + WIDTH]


def cuts(frames: Iterable[np.ndarray]) -> list[int]:
    stills = [Frame((frame.clip(0, 1) * 255).round().astype(np.uint8)) for frame in frames]
    return [number for number, (_, is_cut) in enumerate(mark_cuts(stills)) if is_cut]


@pytest.mark.parametrize("seed", range(6))
def test_hard_cuts_between_moving_scenes(seed: int) -> None:
    frames = [view(scene(10 * seed + part), left=3 * step) for part in range(4) for step in range(5)]
    assert cuts(frames) == [5, 10, 15]


def test_a_scene_of_two_frames_and_a_cut_to_a_dark_scene() -> None:
    first, second, third = scene(0), scene(1), 0.3 * scene(2)
    assert cuts([view(first)] * 4 + [view(second)] * 2 + [view(third)] * 4) == [4, 6]


def test_a_single_frame_of_something_else_is_no_scene() -> None:
    assert cuts([view(scene(0))] * 4 + [view(scene(1))] + [view(scene(0))] * 4) == []
    assert cuts([view(scene(0))] * 4 + [view(scene(1))]) == []


@pytest.mark.parametrize("pixels", [2, 12, 25, 40])
def test_pans(pixels: int) -> None:
    picture = scene(3, width=WIDTH + 40 * 8)
    assert cuts(view(picture, left=pixels * step) for step in range(8)) == []
    assert cuts(view(picture, left=pixels * step) for step in (0, 0, 0, 1, 2, 2, 2)) == []  # begins and ends at once


def test_a_zoom() -> None:
    from PIL import Image

    still = Image.fromarray((view(scene(5)) * 255).astype(np.uint8))
    frames = []
    for step in range(8):
        right, lower = WIDTH / 1.1**step, HEIGHT / 1.1**step
        frames.append(np.asarray(still.resize((WIDTH, HEIGHT), box=(0, 0, right, lower))) / 255)
    assert cuts(frames) == []


@pytest.mark.parametrize(("gain", "length"), [(0.3, 1), (0.3, 5), (1.4, 1), (1.4, 2), (1.4, 5), (4, 1)])
def test_flashes_and_lights(gain: float, length: int) -> None:
    picture = scene(6)
    frames = [view(picture, left=2 * step) for step in range(12)]
    for index in range(5, 5 + length):
        frames[index] = frames[index] * gain
    assert cuts(frames) == []


@pytest.mark.parametrize("length", [1, 2, 6])
def test_white_flashes(length: int) -> None:
    frames = [view(scene(7), left=2 * step) for step in range(12)]
    frames[4 : 4 + length] = [np.ones_like(frames[0])] * length
    assert cuts(frames) == []


def test_fades_and_dissolves() -> None:
    first, second = view(scene(8)), view(scene(9))
    steps = np.linspace(0, 1, 12)
    assert cuts((1 - share) * first for share in steps) == []
    assert cuts(share * first for share in steps) == []
    assert cuts((1 - share) * first + share * second for share in steps) == []


def test_another_scene_behind_a_short_black_is_a_cut() -> None:
    first, second, black = view(scene(10)), view(scene(11)), np.zeros((HEIGHT, WIDTH, 3))
    assert cuts([first] * 3 + [black] * 4 + [second] * 3) == [7]
    assert cuts([first] * 3 + [black] * 4 + [first] * 3) == []
    assert cuts([first] * 3 + [black] * (MEMORY + 1) + [second] * 3) == []  # forgotten, as by a recurrence


def test_noise_alone_has_no_cuts() -> None:
    rng = np.random.default_rng(0)
    assert cuts(rng.uniform(0, 1, (HEIGHT, WIDTH, 3)) for _ in range(12)) == []
    coarse = (rng.uniform(0, 1, (9, 16, 3)).repeat(10, 0).repeat(10, 1) for _ in range(12))
    assert cuts(coarse) == []


def test_small_frames() -> None:
    rng = np.random.default_rng(0)
    assert cuts([rng.uniform(0, 1, (5, 7, 3))] * 3 + [rng.uniform(0, 1, (5, 7, 3))] * 3) == [3]
    assert cuts([np.ones((1, 1, 3))] * 3 + [np.zeros((1, 1, 3))] * 3) == []


def test_a_decision_depends_on_a_bounded_past() -> None:
    frames = [view(scene(part), left=step) for part in range(12) for step in range(8)]
    whole = cuts(frames)
    assert len(whole) == 11
    for first in (MEMORY + 3, MEMORY + 8, MEMORY + 20):
        later = cuts(frames[first - MEMORY :])
        assert [first - MEMORY + one for one in later if one >= MEMORY] == [one for one in whole if one >= first]


def test_windows_do_not_mix_scenes_and_a_stopped_job_finds_the_same_cuts(tmp_path: Path) -> None:
    frames = [view(scene(part), left=2 * step) for part in range(5) for step in range(7)]
    clip = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float()
    write_clip(tmp_path / "clip", clip)
    calls: list[tuple[int, ...]] = []
    left = [100]

    def restore(x: Tensor, view: View) -> Tensor:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("stopped")
        calls.append(view.numbers)
        return x[1:-1] - x.mean(0) + 0.5

    network = ClipNetwork(restore=restore, past_frames=1, future_frames=1, window=5, bytes_per_pixel=1)

    def job(target: str) -> int:
        runner = NetworkRunner(network)
        return stream_clip(tmp_path / "clip", tmp_path / target, runner, scene_cuts="auto", segment_frames=4)

    assert job("whole") == 35
    scenes = [{number // 7 for number in numbers} for numbers in calls]
    assert all(len(one) == 1 for one in scenes)
    assert calls[0] == (0, 0, 1, 2, 3, 4)
    assert calls[1] == (2, 3, 4, 5, 6, 6)
    for stop in (1, 3, 5, 8):
        left[0] = stop
        with pytest.raises(RuntimeError, match="stopped"):
            job(f"out{stop}")
        left[0] = 100
        assert job(f"out{stop}") == 35
        torch.testing.assert_close(read_clip(tmp_path / f"out{stop}"), read_clip(tmp_path / "whole"), atol=0, rtol=0)


def test_the_choice_is_checked() -> None:
    with pytest.raises(ValueError, match="scene_cuts must be auto or off, got 'on'"):
        marked([], "on")
    assert [is_cut for _, is_cut in marked([Frame(np.zeros((1, 1, 3), np.uint8), Fraction(0))], "off")] == [False]
