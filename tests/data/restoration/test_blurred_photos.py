import numpy as np
import pytest
import torch

from subband.data import BlurSettings, SampleLoader, build_data
from subband.data.restoration.blurred_photos import TEST_PHOTOS, TRAIN_PHOTOS, VAL_PHOTOS
from subband.data.restoration.drawn_scenes import draw_scene
from subband.data.restoration.draws import Draws
from subband.data.restoration.moving_photo import MovingPhoto, enlarged
from subband.data.restoration.photo_library import StoredPhotos
from subband.data.restoration.response import eight_bit, from_linear
from subband.data.restoration.sampling import REACH
from subband.data.spec import DamagedFileError
from subband.media.images import write_image

PLAIN = {"highlights": 0.0, "brightness": (1.0, 1.0), "noise_share": 0.0, "jpeg_share": 0.0}
SMALL = {"frames": 3, "img_size": [32, 40], "num_train": 6, "num_val": 2, "num_test": 2}


@pytest.fixture
def photo(rng):
    return torch.randint(0, 256, (3, 90, 110), dtype=torch.uint8, generator=rng)


def clip(photo, key=0, num_cutouts=0, size=(32, 40), frames=3, **settings) -> MovingPhoto:
    settings = BlurSettings(**(PLAIN | settings))
    cutouts = [photo] * num_cutouts
    return MovingPhoto(photo, cutouts, Draws(0, key), settings, num_frames=frames, size=size)


def test_no_photo_is_in_two_splits():
    names = [*TRAIN_PHOTOS, *VAL_PHOTOS, *TEST_PHOTOS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("response", ["srgb", 2.2, 1])
@pytest.mark.parametrize("num_cutouts", [0, 2])
def test_blur_is_the_mean_light_of_subframes_and_the_sharp_frame_the_middle_one(photo, response, num_cutouts):
    moving = clip(photo, num_cutouts=num_cutouts, response=response, speed=20.0)
    for number in range(3):
        degraded, sharp = moving.frame(number)
        light = torch.stack([moving.light(time[None])[0] for time in moving.subframe_times(number)])
        assert len(light) % 2 == 1
        torch.testing.assert_close(degraded, eight_bit(from_linear(light.mean(0), response)), atol=1 / 254, rtol=0)
        assert torch.equal(sharp, eight_bit(from_linear(light[len(light) // 2], response)))


def test_the_mean_does_not_depend_on_how_many_subframes_fit_into_memory(photo, monkeypatch):
    pairs = [clip(photo, speed=20.0).frame(1)]
    monkeypatch.setattr("subband.data.restoration.moving_photo._VALUES_AT_ONCE", 2 * 3 * 32 * 40)
    pairs.append(clip(photo, speed=20.0).frame(1))
    torch.testing.assert_close(*pairs, atol=1 / 254, rtol=0)
    assert torch.equal(pairs[0][1], pairs[1][1])


def test_movement_during_an_exposure_is_followed_in_steps_of_a_pixel(photo):
    for key in range(8):
        moving = clip(photo, key, speed=24.0, exposure=(1.0, 1.0))
        for number in range(3):
            steps = moving._path.movements(32, 40, moving.subframe_times(number).numpy()[None])
            assert steps[0] <= len(moving.subframe_times(number)) + 1


def test_the_camera_never_leaves_the_photograph(photo):
    """No black corners, no repeated edges: cubic interpolation finds its neighbors everywhere."""
    for key in range(40):
        moving = clip(photo, key, speed=40.0, roll=0.1, frames=6)
        for number in range(6):
            places = moving._path.places(moving._offsets, moving.subframe_times(number)) + moving._shift
            for axis, side in enumerate(moving._scene.shape[1:]):
                inside = (side - 1) / 2 - REACH + 1
                assert places[..., axis].abs().max() <= inside


def test_a_grey_photograph_stays_grey():
    grey = torch.full((3, 90, 110), 120, dtype=torch.uint8)
    for key in range(5):
        degraded, sharp = clip(grey, key, num_cutouts=2).frame(1)
        torch.testing.assert_close(sharp, torch.full_like(sharp, 120 / 255), atol=1 / 254, rtol=0)
        torch.testing.assert_close(degraded, sharp, atol=1 / 254, rtol=0)


def test_objects_move_on_their_own_and_within_their_outline():
    black, white = torch.zeros(3, 90, 110, dtype=torch.uint8), torch.full((3, 64, 64), 255, dtype=torch.uint8)
    found = []
    for key in range(30):
        settings = BlurSettings(**PLAIN, speed=12.0, exposure=(1.0, 1.0))
        moving = MovingPhoto(black, [white], Draws(0, key), settings, num_frames=2, size=(48, 48))
        degraded, sharp = moving.frame(0)
        area = sharp.mean()
        assert area < 0.45
        torch.testing.assert_close(
            sum(moving.light(t[None]).mean() for t in moving.subframe_times(0)) / len(moving.subframe_times(0)),
            (degraded.clamp(min=1e-9) ** 2.2).mean(),
            atol=0.02,
            rtol=0.1,
        )
        found.append(float(area))
    assert max(found) > 0.05


def test_small_photographs_are_enlarged_as_little_as_possible():
    tiny = torch.randint(0, 256, (3, 10, 30), dtype=torch.uint8)
    assert enlarged(tiny, [10, 30]) is tiny
    assert enlarged(tiny, [20, 24]).shape == (3, 20, 60)
    degraded, _ = clip(tiny, size=(64, 64)).frame(0)
    assert degraded.shape == (3, 64, 64)


def test_drawn_scenes_differ_and_repeat():
    scenes = [draw_scene(9, number) for number in range(5)]
    assert all(scene.shape == (3, 512, 512) and scene.float().std() > 10 for scene in scenes)
    assert torch.equal(draw_scene(9, 3), scenes[3])
    assert not torch.equal(draw_scene(10, 3), scenes[3])


def test_a_sample_is_a_function_of_seed_and_key():
    train = build_data("blurred_photos", SMALL, 0).train
    again = build_data("blurred_photos", SMALL, 0).train
    degraded, sharp = train.batch([4, 9, 2])
    assert degraded.shape == sharp.shape == (3, 3, 3, 32, 40)
    for row, key in enumerate([4, 9, 2]):
        assert torch.equal(again[key][0], degraded[row])
        assert torch.equal(again[key][1], sharp[row])
    other = build_data("blurred_photos", SMALL, 1)
    assert not torch.equal(other.train[4][0], degraded[0])
    assert torch.equal(other.test[1][0], build_data("blurred_photos", SMALL, 0).test[1][0])
    for values in (degraded, sharp):
        assert 0 <= values.min() < values.max() <= 1
        torch.testing.assert_close(values * 255, (values * 255).round(), atol=1e-4, rtol=0)


def test_worker_processes_agree():
    train = build_data("blurred_photos", SMALL, 0).train
    runs = [
        list(SampleLoader(train, 2, shuffle=True, drop_last=True, seed=3, num_workers=num_workers))
        for num_workers in (0, 2)
    ]
    assert len(runs[0]) == 3
    for ours, theirs in zip(*runs, strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])


def test_frames_that_are_context_have_no_sharp_one():
    whole = build_data("blurred_photos", {**SMALL, "frames": 5}, 0).train[1]
    part = build_data("blurred_photos", {**SMALL, "frames": 5, "past_frames": 2, "future_frames": 1}, 0).train[1]
    assert torch.equal(part[0], whole[0])
    assert torch.equal(part[1], whole[1][2:4])


def test_sharp_neighbors_among_blurred_frames():
    blur = {**PLAIN, "exposure": [1, 1], "speed": 24, "sharp_share": 0.5, "sharp_exposure": 0.02}
    mixed = build_data("blurred_photos", {**SMALL, "frames": 8, "img_size": 48, "blur": blur}, 0).train
    errors = torch.stack([(a - b).square().mean((1, 2, 3)) for a, b in (mixed[key] for key in range(6))]).flatten()
    assert 0.25 < (errors < 1e-4).float().mean() < 0.8
    assert errors.max() > 1e-3


def test_a_library_offers_every_size_that_leaves_room():
    library = StoredPhotos([torch.randint(0, 256, (3, 100, 140), dtype=torch.uint8)], ["one"])
    sizes = {tuple(library.choose(Draws(0, key), 45).shape) for key in range(60)}
    assert sizes == {(3, 100, 140), (3, 71, 100), (3, 51, 71)}


def test_a_folder_of_photographs(tmp_path):
    for number in range(6):
        write_image(tmp_path / f"{number}.png", torch.rand(3 if number else 1, 60, 80))
    (tmp_path / "notes.txt").write_text("no photograph")
    (tmp_path / "5.png").write_bytes((tmp_path / "5.png").read_bytes()[:300])
    args = {**SMALL, "path": tmp_path, "drawn_share": 0.0, "fractions": [0.5, 0.25, 0.25]}
    with pytest.warns(UserWarning, match=r"left out in .*: 1 file: no picture \(notes\.txt\)"):
        data = build_data("blurred_photos", args, 0)
    splits = (data.train, data.val, data.test)
    names = [{split.source(key).clip for key in range(40)} for split in splits]
    assert set.union(*names) == {f"{number}.png" for number in range(6)}
    assert sum(map(len, names)) == 6
    bad = next(split for split, found in zip(splits, names, strict=True) if "5.png" in found)
    key = next(key for key in range(40) if bad.source(key).clip == "5.png")
    with pytest.raises(DamagedFileError, match=r"5\.png"):
        bad[key]
    with pytest.warns(UserWarning, match=r"left out 1 of \d photographs: .*5\.png"):
        stored = build_data("blurred_photos", {**args, "in_memory": True}, 0)
    good = next(split for split, found in zip(splits, names, strict=True) if "5.png" not in found)
    kept = next(
        ours for ours, theirs in zip((stored.train, stored.val, stored.test), splits, strict=True) if theirs is good
    )
    assert torch.equal(kept[3][0], good[3][0])


def test_given_splits_are_kept(tmp_path):
    for name in ("train", "val", "test"):
        (tmp_path / name).mkdir()
        write_image(tmp_path / name / f"{name}.png", torch.rand(3, 60, 80))
    data = build_data("blurred_photos", {**SMALL, "path": tmp_path, "drawn_share": 0.0}, 0)
    assert [getattr(data, name).source(0).clip for name in ("train", "val", "test")] == [
        "train.png",
        "val.png",
        "test.png",
    ]


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ({"path": "nowhere"}, FileNotFoundError, "photo folder not found: nowhere"),
        ({"num_train": 0}, ValueError, "length must be positive"),
        ({"drawn_share": 2.0}, ValueError, r"drawn_share in \[0, 1\]"),
        ({"frames": 2, "past_frames": 2}, ValueError, "leave none to restore"),
        ({"blur": {"sped": 2}}, TypeError, "blur has no setting 'sped'; it takes exposure, "),
        ({"blur": {"speed": "fast"}}, ValueError, "speed must be a number between 0 and 64, got fast"),
        ({"blur": {"exposure": 0.5}}, ValueError, r"exposure must be a pair \(low, high\)"),
        ({"blur": {"speed": -1.0}}, ValueError, "speed must be a number between 0 and 64"),
    ],
)
def test_impossible_arguments(args, error, message):
    with pytest.raises(error, match=message):
        build_data("blurred_photos", {**SMALL, **args}, 0)


def test_paths_do_not_depend_on_when_frames_are_asked_for(photo):
    moving = clip(photo)
    last = moving.frame(2)
    for number in (0, 1, 2):
        again = moving.frame(number)
    assert torch.equal(last[0], again[0])
    assert np.isfinite(moving._path.at(np.linspace(-0.5, 2.5, 9)).y).all()
