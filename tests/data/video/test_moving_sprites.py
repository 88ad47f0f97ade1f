import numpy as np
import pytest
import torch

from moving_mnist import published_sample
from subband.data.random import uniform
from subband.data.video.moving_sprites import (
    MovingSprites,
    SpriteAugmentation,
    augment_clips,
    bouncing_positions,
    draw_sprites,
)


@pytest.fixture
def sprites(rng):
    return torch.randint(1, 256, (30, 9, 7), dtype=torch.uint8, generator=rng)


def dataset(sprites, **changes):
    return MovingSprites(sprites, **({"length": 20, "in_frames": 4, "out_frames": 6, "img_size": (24, 31)} | changes))


@pytest.mark.parametrize(
    "changes", [{}, {"num_sprites": 1}, {"num_sprites": 4, "speed": 0.37}, {"img_size": (9, 7)}, {"img_size": 40}]
)
def test_frames_equal_the_published_loop_bit_for_bit(sprites, changes):
    data = dataset(sprites, seed=5, **changes)
    keys = [0, 3, 19, 20, 1000]
    inputs, targets = data.batch(keys)
    frames = torch.cat([inputs, targets], dim=1)[:, :, 0]
    draws = uniform(5, keys, 4 * data.num_sprites).reshape(len(keys), data.num_sprites, 4)
    for sample, drawn in zip(frames, draws, strict=True):
        size = (data.spec.height, data.spec.width)
        expected = published_sample(sprites.numpy(), drawn, num_frames=10, size=size, speed=data.speed)
        assert torch.equal(sample, torch.from_numpy(expected).float() / 255)


def test_many_sequences_of_the_published_size(rng):
    sprites = torch.randint(0, 256, (100, 28, 28), dtype=torch.uint8, generator=rng)
    data = MovingSprites(sprites, length=200, seed=1)
    frames = torch.cat(data.batch(range(200)), dim=1)[:, :, 0]
    draws = uniform(1, range(200), 8).reshape(200, 2, 4)
    expected = np.stack([published_sample(sprites.numpy(), drawn, num_frames=20) for drawn in draws])
    assert torch.equal(frames, torch.from_numpy(expected).float() / 255)


@pytest.mark.parametrize("noise", [None, "dynamic", "missing", "perceptual"])
@pytest.mark.parametrize("augment", [False, True])
def test_a_sample_is_a_function_of_its_key(sprites, noise, augment):
    data = dataset(sprites, noise=noise, augment=augment, img_size=32)
    inputs, targets = data.batch([7, 2, 45])
    assert inputs.shape == (3, 4, 1, 32, 32)
    assert targets.shape == (3, 6, 1, 32, 32)
    for row, key in enumerate([7, 2, 45]):
        assert torch.equal(data[key][0], inputs[row])
        assert torch.equal(data[key][1], targets[row])


def test_epochs_and_seeds_differ(sprites):
    data = dataset(sprites)
    assert not torch.equal(data[3][0], data[3 + len(data)][0])
    assert not torch.equal(data[3][0], dataset(sprites, seed=1)[3][0])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_devices_agree(sprites):
    data = dataset(sprites)
    for on_cpu, on_gpu in zip(data.batch([0, 1, 2]), data.batch([0, 1, 2], "cuda"), strict=True):
        assert torch.equal(on_cpu, on_gpu.cpu())


def test_points_stay_inside_and_keep_their_speed():
    start = uniform(0, range(500), 2)
    angle = uniform(1, range(500), 1)[:, 0] * 2 * np.pi
    step = 0.1 * np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    path = bouncing_positions(start, step, 200)
    assert path.min() == 0.0
    assert path.max() == 1.0
    moved = np.abs(np.diff(path, axis=0))
    inside = (path[1:] > 0) & (path[1:] < 1)
    np.testing.assert_allclose(moved[inside], np.broadcast_to(np.abs(step), moved.shape)[inside], atol=1e-12)


def test_drawing_covers_the_corners_and_takes_the_larger_value():
    sprites = torch.tensor([[[[1, 2], [3, 4]], [[4, 3], [2, 1]]]], dtype=torch.uint8)  # (1, 2, 2, 2)
    top = torch.tensor([[[0, 2], [1, 2]]])
    left = torch.tensor([[[0, 3], [0, 3]]])
    first, second = draw_sprites(sprites, top, left, (4, 5))[0].tolist()
    assert first == [[1, 2, 0, 0, 0], [4, 4, 0, 0, 0], [2, 1, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert second == [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 4, 3], [0, 0, 0, 3, 4]]


def test_missing_blanks_a_fifth_of_the_input_frames_only(sprites):
    clean, noisy = dataset(sprites), dataset(sprites, noise="missing")
    (inputs, targets), (noisy_inputs, noisy_targets) = clean.batch(range(500)), noisy.batch(range(500))
    blank = noisy_inputs.flatten(2).amax(2) == 0
    assert torch.equal(targets, noisy_targets)
    assert torch.equal(inputs[~blank], noisy_inputs[~blank])
    assert abs(blank.float().mean() - 0.2) < 0.05  # 2,000 frames: five standard errors


def test_perceptual_blanks_one_square_of_every_input_frame(rng):
    sprites = torch.full((3, 40, 40), 255, dtype=torch.uint8)
    data = MovingSprites(sprites, length=50, img_size=40, noise="perceptual", in_frames=3, out_frames=2)
    inputs, targets = data.batch(range(50))
    hidden = inputs == 0
    assert (hidden.sum((-1, -2)) == 24 * 24).all()
    assert (hidden.any(-1).sum(-1) == 24).all()
    rows = hidden.any(-1).int().argmax(-1)
    assert set(rows.flatten().tolist()) == set(range(17))
    assert targets.min() == 1


def test_dynamic_noise_moves_inputs_and_continues_from_there(sprites):
    clean, noisy = dataset(sprites, img_size=200), dataset(sprites, img_size=200, noise="dynamic")
    draws = uniform(0, range(400), 8 + 4 * 2 * 4)
    per_sprite = draws[:, :8].reshape(400, 2, 4).transpose(2, 0, 1)[:3]
    straight = clean._positions(per_sprite, draws[:, :0])
    jittered = noisy._positions(per_sprite, draws[:, 8:])
    first = (jittered - straight)[:, :, 0]  # first frame: only the noise of one step, 0.2 * 0.1 of 191 free pixels
    inside = (straight[:, :, 0] > 25) & (straight[:, :, 0] < 166)
    assert abs(first[inside].std() / (0.02 * 191) - 1) < 0.2
    steps = np.diff(jittered[:, :, 4:], axis=2) - np.diff(straight[:, :, 4:], axis=2)
    assert np.median(np.abs(steps)) <= 1  # targets: the old velocity again, up to truncation


def test_sprites_on_a_scene_take_the_larger_value(sprites):
    scenes = torch.full((2, 3, 24, 31), 100, dtype=torch.uint8)
    scenes[:, 1] = 200
    plain, colored = dataset(sprites), dataset(sprites, backgrounds=scenes)
    inputs, _ = plain.batch([0, 1])
    over_scene, _ = colored.batch([0, 1])
    assert colored.spec.in_shape == (4, 3, 24, 31)
    expected = torch.cat([inputs.clamp(min=100 / 255), inputs.clamp(min=200 / 255), inputs.clamp(min=100 / 255)], dim=2)
    assert torch.equal(over_scene, expected)


def test_augmentation_crops_and_flips_whole_clips(rng):
    frames = torch.rand(4, 3, 2, 47, 47, generator=rng)
    flips = torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=torch.bool)
    corners = torch.tensor([1, 1, 1, 1])
    clips = augment_clips(
        frames[:1].expand(4, -1, -1, -1, -1), SpriteAugmentation(corners, corners + 1, *flips.unbind(1))
    )
    large = torch.nn.functional.interpolate(frames[0], scale_factor=1 / 0.94, mode="bilinear")
    crop = large[:, :, 1:48, 2:49]
    for clip, dims in zip(clips, ((), (-2,), (-1,), (-2, -1)), strict=True):
        assert torch.equal(clip, crop.flip(dims))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"length": 0}, "length and num_sprites"),
        ({"num_sprites": 0}, "length and num_sprites"),
        ({"img_size": 8}, "sprites of 9x7 do not fit img_size 8x8"),
        ({"img_size": 20, "noise": "perceptual"}, "24x24"),
        ({"in_frames": 0}, "in_frames"),
        ({"noise": "rain"}, "noise must be None or one of dynamic, missing, perceptual, got 'rain'"),
    ],
)
def test_impossible_arguments(sprites, changes, message):
    with pytest.raises(ValueError, match=message):
        dataset(sprites, **changes)


def test_negative_keys_are_refused(sprites):
    with pytest.raises(IndexError, match="-1"):
        dataset(sprites)[-1]
