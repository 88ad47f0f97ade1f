import numpy as np
import pytest
import torch
from PIL import Image

from subband.data import ClipSpec, build_data
from subband.data.random import uniform
from subband.data.video.camera import Motion, follow, pixel_offsets, smooth_motion
from subband.data.video.moving_photos import (
    TEST_PHOTOS,
    TRAIN_PHOTOS,
    VAL_PHOTOS,
    MovingPhotos,
    _sample,
    tile_size,
)
from subband.data.video.photo_tiles import PhotoTiles, cut_tiles, read_photos

SPEC = ClipSpec(in_frames=3, out_frames=4, channels=3, height=16, width=24)


@pytest.fixture
def photos(rng):
    pixels = [torch.randint(0, 256, (200, 260, 3), dtype=torch.uint8, generator=rng).numpy() for _ in range(3)]
    return cut_tiles([Image.fromarray(array) for array in pixels], tile_size(SPEC, 3.0))


def test_no_photo_is_in_two_splits():
    assert len({*TRAIN_PHOTOS, *VAL_PHOTOS, *TEST_PHOTOS}) == len(TRAIN_PHOTOS + VAL_PHOTOS + TEST_PHOTOS)


def test_a_sample_is_a_function_of_its_key(photos):
    data = MovingPhotos(photos, SPEC, length=5, speed=3.0, seed=0)
    inputs, targets = data.batch([4, 9, 2, 100])
    assert inputs.shape == (4, 3, 3, 16, 24)
    assert targets.shape == (4, 4, 3, 16, 24)
    for row, key in enumerate([4, 9, 2, 100]):
        assert torch.equal(data[key][0], inputs[row])
        assert torch.equal(data[key][1], targets[row])
    assert not torch.equal(inputs[0], inputs[1])  # key 9 is sample 4 of the next epoch
    assert 0 <= inputs.min() < inputs.max() <= 1


def test_a_resting_camera_shows_the_middle_and_a_moving_one_what_lies_there():
    tiles = torch.randint(0, 256, (1, 2, 30, 30), dtype=torch.uint8)
    spec = ClipSpec(in_frames=1, out_frames=1, channels=2, height=8, width=12)
    still = np.zeros((1, 2))
    shift = np.array([[0.0, 3.0]])
    frames = _sample(tiles, follow(pixel_offsets(spec.height, spec.width), Motion(shift, -shift, still + 1, still)))
    expected = tiles[0].float() / 255
    torch.testing.assert_close(frames[0, 0], expected[:, 11:19, 9:21], atol=1e-5, rtol=0)
    torch.testing.assert_close(frames[0, 1], expected[:, 14:22, 6:18], atol=1e-5, rtol=0)


def test_zoom_and_angle():
    spec = ClipSpec(in_frames=1, out_frames=1, channels=1, height=8, width=8)
    still = np.zeros((1, 2))
    quarter = Motion(still, still, np.array([[1.0, 2.0]]), np.array([[np.pi / 2, 0.0]]))
    offsets = pixel_offsets(spec.height, spec.width)
    turned, magnified = follow(offsets, quarter)[0]
    torch.testing.assert_close(turned, torch.stack([-offsets[0, 0, ..., 1], offsets[0, 0, ..., 0]], dim=-1))
    torch.testing.assert_close(magnified, offsets[0, 0] / 2)


def test_motion_is_centerd_and_within_its_speed():
    motion = smooth_motion(uniform(0, range(2_000), 9), 20, 3.0)
    speed = np.hypot(np.diff(motion.y), np.diff(motion.x))
    assert speed.max() <= 3.0 * (0.8 + 0.15 * np.sqrt(2))
    assert speed.max() > 2.2
    assert np.quantile(speed, 0.1) < 0.3
    np.testing.assert_allclose(motion.y.mean(), 0, atol=0.1)
    assert np.abs(np.diff(np.log(motion.zoom))).max() <= 0.013
    assert np.abs(np.diff(motion.angle)).max() <= 0.01


def test_a_patch_covers_an_ellipse_that_moves():
    spec = ClipSpec(in_frames=5, out_frames=5, channels=1, height=64, width=64)
    white = PhotoTiles(torch.full((1, 1, 150, 150), 255, dtype=torch.uint8), np.array([0, 1]))
    data = MovingPhotos(white, spec, length=1, speed=3.0, seed=0)
    draws = np.full((1, 16), 0.5)
    draws[0, 2:5] = 1.0, 0.0, 0.0  # fastest drift, to the right, no shake
    draws[0, -5:] = 0.5, 0.5, 0.5, 0.0, 0.0  # in the middle, radii 0.18 and 0.08 of 64, not tilted
    frames = data._with_patch(torch.zeros(1, 10, 1, 64, 64), draws)[0, :, 0]
    columns = torch.arange(64) - 31.5
    mass = frames.sum((1, 2))
    center = (frames.sum(1) * columns).sum(1) / mass
    torch.testing.assert_close(center, 2.4 * (torch.arange(10) - 4.5), atol=0.02, rtol=0)
    area = torch.pi * (0.18 * 64) * (0.08 * 64)
    torch.testing.assert_close(mass, torch.full((10,), area), atol=0, rtol=0.1)
    assert (frames[4] > 0.5).any(1).sum() > (frames[4] > 0.5).any(0).sum()


def test_brightness_drifts_in_half_of_the_clips(photos):
    data = MovingPhotos(photos, SPEC, length=1, speed=3.0, seed=0)
    frames = torch.full((2, 7, 3, 16, 24), 0.5)
    steady, drifting = data._exposed(frames, np.array([[0.9, 1.0, 1.0], [0.1, 1.0, 1.0]]))
    torch.testing.assert_close(steady, frames[0])
    torch.testing.assert_close(drifting[:, 0, 0, 0], 0.5 * (1 + 0.15 * torch.linspace(-0.5, 0.5, 7)))


def test_tiles_cover_the_photograph_at_every_magnification():
    gradient = np.add.outer(np.arange(100), np.arange(130)).astype(np.uint8)
    photos = cut_tiles([Image.fromarray(gradient), Image.fromarray(gradient[:50, :50])], 40)
    assert photos.tiles.shape[1:] == (1, 40, 40)
    assert photos.first.tolist() == [0, 2 + 6 + 20, 28 + 1]  # 40x52, 60x78, 100x130; then 40x40
    assert photos.tiles[:28, 0, 0, 0].min() <= 2
    assert photos.tiles[:28, 0, -1, -1].max() >= 226


def test_color_and_gray_data_sets():
    args = {"in_frames": 2, "out_frames": 2, "img_size": 32, "num_train": 3, "num_val": 2, "num_test": 2}
    color, gray = (build_data("moving_photos", {**args, "gray": is_gray}, 0) for is_gray in (False, True))
    assert color.spec.in_shape == (2, 3, 32, 32)
    assert gray.test[1][1].shape == (2, 1, 32, 32)
    luma = (color.train[1][0] * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(gray.train[1][0], luma, atol=0.01, rtol=0)


def test_missing_photos_are_named():
    with pytest.raises(FileNotFoundError, match=r"nothing_here\.png"):
        read_photos(["nothing_here.png"], gray=True)


def test_the_camera_stands_still_in_a_share_of_the_clips(photos):
    moving, half, still = (
        MovingPhotos(photos, SPEC, length=40, speed=3.0, seed=0, still_share=share).batch(range(40))[1]
        for share in (0.0, 0.5, 1.0)
    )
    corner = (slice(None), slice(None), slice(None), 0, 0)
    rests = [(clips[corner].diff(dim=1).abs().amax((1, 2)) < 0.05).sum().item() for clips in (moving, half, still)]
    assert rests[0] < rests[1] < rests[2]
    assert rests[2] > 30  # the others: a patch at the corner


def test_noise_is_in_half_of_the_clips_and_in_every_frame_anew(photos):
    clean, noisy = (
        torch.cat(MovingPhotos(photos, SPEC, length=60, speed=3.0, seed=0, noise=noise).batch(range(60)), 1)
        for noise in (0.0, 0.02)
    )
    deviation = (noisy - clean).std(dim=(2, 3, 4))  # (B, T)
    with_noise = deviation.amax(1) > 0
    assert 18 <= with_noise.sum() <= 42
    assert deviation.amax() <= 0.022
    difference = (noisy - clean)[with_noise]
    assert not torch.equal(difference[:, 0], difference[:, 1])


def test_impossible_arguments(photos):
    with pytest.raises(ValueError, match="length and speed must be positive"):
        MovingPhotos(photos, SPEC, length=0, speed=3.0, seed=0)
    for wrong in ({"still_share": 1.5}, {"noise": -0.1}):
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
            MovingPhotos(photos, SPEC, length=1, speed=3.0, seed=0, **wrong)
