"""What is left of images and of accuracy after filters and JPEG coding."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

import subband
from subband.config import build_recipe
from subband.data import build_data
from subband.tasks.classification.robustness import high_pass, jpeg, low_pass, robustness
from subband.tasks.classification.task import scores

RECIPE = {
    "task": "classification",
    "model": {"name": "gfnet_ti", "args": {}},
    "data": {"name": "digits", "batch_size": 100},
    "loss": [{"name": "cross_entropy"}],
    "trainer": {"device": "cpu"},
}


def wave(cycles_down, cycles_right, side=32):
    """A cosine of so many cycles across the image, `(1, 3, side, side)`, 0.5 +- 0.25."""
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    phase = 2 * math.pi * (cycles_down * rows + cycles_right * columns) / side
    return (0.5 + 0.25 * phase.cos()).expand(1, 3, -1, -1)


@pytest.mark.parametrize(("down", "right"), [(0, 6), (6, 0), (3, 4)])
def test_a_wave_within_the_radius_stays_and_one_beyond_it_vanishes(down, right):
    image, flat = wave(down, right), torch.full((1, 3, 32, 32), 0.5)
    radius = math.hypot(down, right) / 16  # of the Nyquist frequency, 16 cycles
    close = {"atol": 1e-6, "rtol": 0}
    torch.testing.assert_close(low_pass(image, radius), image, **close)  # on the circle counts as inside
    torch.testing.assert_close(low_pass(image, radius - 0.01), flat, **close)
    torch.testing.assert_close(high_pass(image, radius), flat, **close)
    torch.testing.assert_close(high_pass(image, radius - 0.01), image, **close)


def test_waves_are_parted_and_images_are_the_sum_of_their_parts(rng):
    slow, fast = wave(1, 2), wave(0, 11)
    mixed = slow + fast - 0.5
    torch.testing.assert_close(low_pass(mixed, 0.4), slow, atol=1e-6, rtol=0)
    torch.testing.assert_close(high_pass(mixed, 0.4), fast, atol=1e-6, rtol=0)
    images = 0.4 + 0.2 * torch.rand(2, 3, 15, 22, generator=rng)  # so narrow that nothing is clipped
    means = images.mean((-2, -1), keepdim=True)
    torch.testing.assert_close(low_pass(images, 0.3) + high_pass(images, 0.3) - means, images)


def test_ends_of_the_scale(rng):
    images = torch.rand(2, 3, 9, 12, generator=rng)
    means = images.mean((-2, -1), keepdim=True).expand_as(images)
    torch.testing.assert_close(low_pass(images, 0), means)
    torch.testing.assert_close(low_pass(images, 1.5), images)
    torch.testing.assert_close(high_pass(images, 0), images)
    torch.testing.assert_close(high_pass(images, 1.5), means)


def test_values_stay_in_range_and_keep_their_type(rng):
    images = (torch.rand(1, 3, 16, 16, generator=rng) > 0.5).float()
    for filtered in (low_pass(images, 0.5), high_pass(images, 0.2)):
        assert filtered.min() == 0
        assert filtered.max() == 1
    half = low_pass(images.bfloat16(), 0.5)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), low_pass(images, 0.5), atol=4e-3, rtol=0)


def test_jpeg_is_pillows_and_gets_worse_with_quality(rng):
    smooth = torch.rand(2, 3, 4, 5, generator=rng)
    images = torch.nn.functional.interpolate(smooth, (32, 40), mode="bicubic").clamp(0, 1)
    buffer = io.BytesIO()
    pixels = (images[1] * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=25, subsampling=2)
    wanted = torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1) / 255
    torch.testing.assert_close(jpeg(images, 25)[1], wanted)
    errors = [(jpeg(images, quality) - images).square().mean().item() for quality in (5, 25, 95)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2] > 0


@pytest.mark.parametrize("strength", [-0.1, 1.6, math.nan])
def test_impossible_radii(strength):
    for distort in (low_pass, high_pass):
        with pytest.raises(ValueError, match=r"a radius must lie between 0 and 1.5"):
            distort(torch.zeros(1, 3, 8, 8), strength)


@pytest.mark.parametrize("quality", [0, 101])
def test_impossible_qualities(quality):
    with pytest.raises(ValueError, match=f"a JPEG quality must lie between 1 and 100, got {quality}"):
        jpeg(torch.zeros(1, 3, 8, 8), quality)


@pytest.fixture
def digits():
    """A network with random weights, and the digits."""
    torch.manual_seed(0)
    args = {"dims": [8], "depths": [1], "patch_size": 2, "img_size": 8, "num_classes": 10}
    return subband.create_model("gfnet_ti", **args).eval(), build_data("digits", {}, seed=0)


def test_rows_are_what_plain_computation_gives(digits):
    model, data = digits
    seen = []

    def progress(batches):
        for batch in batches:
            seen.append(len(batch[1]))
            yield batch

    recipe = build_recipe(RECIPE)
    options = {"radii": [0.5, 0.3, 0.5], "qualities": [10], "progress": progress}
    rows = robustness(recipe, model, data, torch.device("cpu"), **options)
    assert seen == [100, 100, 100, 59]
    wanted = ["none", "low_pass", "low_pass", "high_pass", "high_pass", "jpeg"]
    assert [row["distortion"] for row in rows] == wanted
    assert [row["strength"] for row in rows] == [None, 0.3, 0.5, 0.3, 0.5, 10]
    inputs = torch.stack([data.test[index][0] for index in range(len(data.test))])
    labels = torch.tensor(data.test.labels)
    prepare = data.spec.preprocessing
    images = prepare.denormalize(inputs)
    distorted = {0: images, 2: low_pass(images, 0.5), 3: high_pass(images, 0.3), 5: jpeg(images, 10)}
    for index, pixels in distorted.items():
        with torch.no_grad():
            metrics = scores(model(prepare.normalize(pixels)), labels, data.spec.classes)["metrics"]
        assert {key: rows[index][key] for key in metrics} == pytest.approx(metrics, abs=1e-5)
        assert rows[index]["images"] == 359
    assert rows[0]["cross_entropy"] != pytest.approx(rows[5]["cross_entropy"], abs=1e-4)


@pytest.mark.parametrize("options", [{"radii": [2.0]}, {"qualities": [0]}])
def test_bad_strengths_are_found_before_any_work(digits, options):
    def progress(batches):
        raise AssertionError("the test set was read")

    model, data = digits
    with pytest.raises(ValueError, match=r"must lie between"):
        robustness(build_recipe(RECIPE), model, data, torch.device("cpu"), **options, progress=progress)
