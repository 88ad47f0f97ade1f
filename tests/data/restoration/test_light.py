"""Random numbers, camera response, noise, exposure and compression."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from subband.data import BlurSettings
from subband.data.restoration.draws import Draws, pixel_noise
from subband.data.restoration.jpeg import jpeg
from subband.data.restoration.response import check_response, eight_bit, from_linear, to_linear
from subband.data.restoration.sensor import Sensor, Shutter, num_subframes, subframe_times

PLAIN = {"highlights": 0.0, "brightness": (1.0, 1.0), "noise_share": 0.0, "jpeg_share": 0.0}


def test_numbers_depend_on_seed_and_key_and_not_on_how_many_are_taken_at_once():
    one, other = Draws(3, 5), Draws(3, 5)
    several = one.numbers(700)
    assert np.array_equal(np.concatenate([other.numbers(count) for count in (1, 299, 400)]), several)
    assert not np.array_equal(Draws(3, 6).numbers(700), several)
    assert not np.array_equal(Draws(4, 5).numbers(700), several)
    assert abs(Draws(0, 0).normals(4000).std() - 1) < 0.05
    assert torch.equal(pixel_noise(7, 2, (3, 4)), pixel_noise(7, 2, (3, 4)))
    assert not torch.equal(pixel_noise(7, 2, (3, 4)), pixel_noise(7, 3, (3, 4)))


@pytest.mark.parametrize("response", ["srgb", 2.2, 1])
def test_response_and_back(response):
    levels = torch.arange(256, dtype=torch.uint8)
    light = to_linear(levels, response)
    torch.testing.assert_close(light, to_linear(levels.float() / 255, response))
    torch.testing.assert_close(from_linear(light, response), levels.float() / 255, atol=2e-6, rtol=0)
    assert torch.equal(eight_bit(from_linear(light, response)).mul(255).round().byte(), levels)
    assert (light.diff() > 0).all()
    assert from_linear(torch.tensor([-0.5, 3.0]), response).tolist() == pytest.approx([0, 1])


def test_known_light():
    grey = torch.tensor([0.02, 0.5])
    torch.testing.assert_close(to_linear(grey, "srgb"), torch.tensor([0.02 / 12.92, 0.2140411]))
    torch.testing.assert_close(to_linear(grey, 2.2), grey**2.2)
    assert to_linear(grey, 1.0).tolist() == grey.tolist()
    for response in ("rgb", 0.0, 9):
        with pytest.raises(ValueError, match="response must be 'srgb' or a gamma between"):
            check_response(response)


@pytest.mark.parametrize(("quality", "size"), [(20, (64, 96)), (75, (61, 93)), (95, (64, 96))])
def test_compression_is_that_of_a_file(quality, size):
    pixels = data.astronaut()[: size[0], 150 : 150 + size[1]]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=2)
    expected = torch.from_numpy(np.asarray(Image.open(buffer)).copy()).movedim(-1, 0).float()
    frame = torch.from_numpy(pixels.copy()).movedim(-1, 0).float()
    found = jpeg(frame[None] / 255, quality)[0] * 255
    assert (found - expected).abs().mean() < 0.75
    assert (found - expected).abs().mean() < 0.35 * (frame - expected).abs().mean()


def test_quality_out_of_range():
    with pytest.raises(ValueError, match=r"quality of JPEG must lie in 1\.\.100, got 0"):
        jpeg(torch.zeros(1, 3, 8, 8), 0)


def test_noise_has_the_variance_of_photons_and_of_the_dark():
    settings = BlurSettings(
        **(PLAIN | {"noise_share": 1.0}), response=1, shot_noise=(1e-3, 1e-3), read_noise=(0.01, 0.01)
    )
    sensor = Sensor(Draws(0, 0), settings)
    light = torch.tensor([0.3, 0.6]).repeat_interleave(20_000).expand(3, 1, -1)
    noisy = sensor.degraded(light, 4)
    assert torch.equal(noisy, sensor.degraded(light, 4))
    assert not torch.equal(noisy, sensor.degraded(light, 5))
    for part, mean in zip(noisy.chunk(2, -1), (0.3, 0.6), strict=True):
        assert part.mean() == pytest.approx(mean, abs=1e-3)
        assert part.var() == pytest.approx(1e-3 * mean + 1e-4 + 1 / 12 / 255**2, rel=0.05)


def test_light_that_was_cut_off_may_be_brighter():
    sensor = Sensor(Draws(0, 1), BlurSettings(**(PLAIN | {"highlights": 1.0})))
    light = sensor.light(torch.tensor([0.2, 0.9, 1.0]))
    assert light[:2].tolist() == pytest.approx([0.2, 0.9])
    assert 1 < light[2] <= 5
    assert sensor.sharp(light)[2] == 1


def test_some_frames_stay_sharp():
    shutter = Shutter(Draws(0, 0), BlurSettings(exposure=(0.8, 0.8), sharp_share=0.3, sharp_exposure=0.1))
    exposures = [shutter.exposure(frame) for frame in range(400)]
    assert set(exposures) == {0.1, 0.8}
    assert exposures.count(0.1) == pytest.approx(120, abs=30)


def test_subframes_lie_around_the_center():
    times = subframe_times(0.6, 5)
    torch.testing.assert_close(times, torch.tensor([-0.24, -0.12, 0, 0.12, 0.24], dtype=torch.float64))
    for movement in (0.0, 1.0, 5.5, 12.0):
        count = num_subframes(movement, 65)
        assert count % 2 == 1
        assert movement / count <= 1.1
    assert num_subframes(1e6, 65) == 65


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"exposure": (0.0, 1.0)}, r"exposure must be a pair \(low, high\) between 0\.01 and 1, got \(0\.0, 1\.0\)"),
        ({"exposure": (0.9, 0.5)}, "exposure must be a pair"),
        ({"exposure": (0.9,)}, "exposure must be a pair"),
        ({"speed": 1000.0}, "speed must be a number between 0 and 64"),
        ({"sharp_share": 1.5}, "sharp_share must be a number between 0 and 1"),
        ({"jpeg_quality": (0, 50)}, "jpeg_quality must be a pair"),
        ({"response": "raw"}, "response must be 'srgb'"),
    ],
)
def test_ranges_out_of_bounds(values, message):
    with pytest.raises(ValueError, match=message):
        BlurSettings(**values)
