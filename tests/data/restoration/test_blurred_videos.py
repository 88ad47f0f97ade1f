from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from subband.data import BlurSettings, build_data
from subband.data.restoration.blurred_videos import frames_needed
from subband.data.restoration.moving_video import Passage, exposed
from subband.data.restoration.response import eight_bit, from_linear, to_linear
from subband.data.restoration.synthesis import num_video_pairs, video_pairs
from subband.media import read_clip, write_clip

PLAIN = {"highlights": 0.0, "brightness": (1.0, 1.0), "noise_share": 0.0, "jpeg_share": 0.0}


def texture(rng, height=72, width=96) -> torch.Tensor:
    """A smooth random picture, `(3, H, W)`, periodic."""
    noise = torch.rand(1, 3, height // 6, width // 6, generator=rng)
    noise = F.pad(noise, (2, 2, 2, 2), mode="circular")
    return F.interpolate(noise, scale_factor=6, mode="bicubic")[0, :, 12:-12, 12:-12].clamp(0.02, 0.98)


def panned(picture: torch.Tensor, num_frames: int, step: int = 2) -> torch.Tensor:
    return torch.stack([picture.roll(step * index, -1) for index in range(num_frames)])


@pytest.fixture
def video(tmp_path, rng):
    """A folder of frames that pan by two pixels a frame."""
    write_clip(tmp_path / "pan", panned(texture(rng), 16))
    return tmp_path / "pan"


def passages(light):
    return [Passage(*pair, "srgb") for pair in pairwise(light)]


def test_frames_in_between_are_nearer_than_the_mean_of_both(rng):
    light = to_linear(panned(texture(rng), 3, step=2), "srgb")
    passage = Passage(light[0], light[2], "srgb")
    inside = (..., slice(8, -8), slice(8, -8))
    found = (passage.between(0.5) - light[1])[inside].square().mean()
    mean = ((light[0] + light[2]) / 2 - light[1])[inside].square().mean()
    assert found < 0.1 * mean
    assert passage.movement == pytest.approx(4, abs=1)
    for time, end in ((0.0, 0), (1.0, 2)):
        torch.testing.assert_close(passage.between(time), light[end], atol=1e-5, rtol=0)


def test_an_exposure_is_the_mean_of_what_passes(rng):
    picture = texture(rng)
    light = list(to_linear(panned(picture, 7), "srgb"))
    blurred = exposed(light, passages(light), 3, 3.0, interpolate=True)
    # A pan of 2 pixels a frame for 3 frames: the mean over a window of 6 pixels around the middle frame.
    smeared = to_linear(picture.roll(6, -1), "srgb")
    expected = torch.stack([smeared.roll(shift, -1) for shift in range(-2, 3)]).sum(0)
    expected = (expected + (smeared.roll(3, -1) + smeared.roll(-3, -1)) / 2) / 6
    inside = (..., slice(8, -8), slice(16, -16))
    assert (blurred - expected)[inside].abs().mean() < 0.1 * (light[3] - expected)[inside].abs().mean()
    plain = exposed(light, passages(light), 3, 3.0, interpolate=False)
    torch.testing.assert_close(plain, torch.stack(light[2:5]).mean(0))


def test_what_rests_is_not_blurred(rng):
    light = [to_linear(texture(rng), "srgb")] * 5
    torch.testing.assert_close(exposed(light, passages(light), 2, 4.0, interpolate=True), light[2], atol=1e-5, rtol=0)


def test_nothing_shines_through_a_cut(rng):
    before, after = torch.full((3, 40, 40), 0.05), torch.full((3, 40, 40), 0.9)
    light = [before, before, before, after, after]
    for interpolate in (True, False):
        blurred = exposed(light, passages(light), 2, 4.0, interpolate=interpolate)
        torch.testing.assert_close(blurred, before)


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_sample_is_a_function_of_seed_and_key(tmp_path, rng, in_memory):
    for name in ("train", "val", "test"):
        (tmp_path / name).mkdir()
        write_clip(tmp_path / name / name, panned(texture(rng), 14))
    args = {"path": tmp_path, "frames": 3, "img_size": [24, 32], "stride": 2, "in_memory": in_memory, "num_train": 4}
    data = build_data("blurred_videos", args, 0)
    again = build_data("blurred_videos", {**args, "in_memory": False}, 0)
    degraded, sharp = data.train[2]
    assert degraded.shape == sharp.shape == (3, 3, 24, 32)
    assert torch.equal(again.train[2][0], degraded)
    assert torch.equal(again.train[2][1], sharp)
    assert not torch.equal(data.train[6][1], sharp)
    assert data.val.source(0).clip == "val"
    assert 0 <= degraded.min() < degraded.max() <= 1


def test_sharp_frames_are_those_of_the_video(video):
    settings = BlurSettings(**PLAIN, exposure=(1.0, 1.0))
    options = {"stride": 3, "interpolate": True, "max_side": None, "seed": 0, "clip": 0}
    pairs = list(video_pairs(video, settings, **options))
    assert len(pairs) == num_video_pairs(16, 3) == 4
    frames = read_clip(video)
    for number, (degraded, sharp) in enumerate(pairs):
        assert torch.equal(sharp, frames[2 + 3 * number])
        assert not torch.equal(degraded, sharp)
    rest = list(video_pairs(video, settings, **options, start=2))
    assert len(rest) == 2
    for ours, theirs in zip(rest, pairs[2:], strict=True):
        assert torch.equal(ours[0], theirs[0])


def test_the_whole_frame_is_blurred_without_a_seam_at_its_border(video):
    settings = BlurSettings(**PLAIN, exposure=(1.0, 1.0))
    options = {"stride": 3, "interpolate": True, "max_side": None, "seed": 0, "clip": 0}
    errors = torch.stack([(a - b).abs().mean((0, 1)) for a, b in video_pairs(video, settings, **options)]).mean(0)
    assert errors[:4].mean() < 2 * errors.mean()
    assert errors[-4:].mean() < 2 * errors.mean()


@pytest.mark.parametrize(("num_frames", "stride"), [(3, 1), (4, 1), (9, 2), (20, 3), (5, 7)])
def test_pairs_of_a_video_are_counted_as_they_are_made(tmp_path, rng, num_frames, stride):
    write_clip(tmp_path / "clip", panned(texture(rng, 24, 24), num_frames))
    options = {"stride": stride, "interpolate": False, "max_side": None, "seed": 0, "clip": 0}
    pairs = video_pairs(tmp_path / "clip", BlurSettings(**PLAIN), **options)
    if not num_video_pairs(num_frames, stride):
        with pytest.raises(ValueError, match="clip has too few frames for an exposure of 7; 9 are needed"):
            next(pairs)
        return
    count = len(list(pairs))
    assert count == num_video_pairs(num_frames, stride)
    assert count == sum(frames_needed(wanted, stride) <= num_frames for wanted in range(1, num_frames + 1))


def test_brightness_is_kept_and_levels_are_those_of_files(video):
    settings = BlurSettings(**PLAIN, exposure=(0.9, 0.9), response=2.2)
    options = {"stride": 2, "interpolate": True, "max_side": 48, "seed": 0, "clip": 0}
    for degraded, sharp in video_pairs(video, settings, **options):
        assert degraded.shape == (3, 36, 48)
        assert (degraded**2.2).mean() == pytest.approx(float((sharp**2.2).mean()), rel=0.03)
        assert torch.equal(eight_bit(degraded.clone()), degraded)
        assert from_linear(degraded, 1).equal(degraded)


def test_videos_that_are_too_small_or_too_few_are_named(tmp_path, rng):
    for name in ("a", "b", "c"):
        write_clip(tmp_path / name, panned(texture(rng, 24, 24), 14))
    with pytest.raises(ValueError, match="frames of 64 x 64 pixels do not fit into any video"):
        build_data("blurred_videos", {"path": tmp_path, "frames": 3}, 0)
    with pytest.raises(ValueError, match="stride must be at least 1"):
        build_data("blurred_videos", {"path": tmp_path, "stride": 0}, 0)
    with pytest.raises(TypeError, match="blur has no setting 'speed'; it takes exposure"):
        build_data("blurred_videos", {"path": tmp_path, "blur": {"speed": 3}}, 0)
    with pytest.raises(FileNotFoundError, match="video folder not found"):
        build_data("blurred_videos", {"path": tmp_path / "no"}, 0)
