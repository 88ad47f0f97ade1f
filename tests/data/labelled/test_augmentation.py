"""Augmentation against timm and torchvision; draws that depend on seed and key alone."""

import random
import sys

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from subband.data.labelled.augmentation import Augmentation, adjust_colors, random_part, seeded
from subband.data.labelled.images import ImageSpec, LabelledImages, StoredPixels
from subband.data.labelled.preprocessing import Preprocessing
from subband.data.loader import SampleLoader
from subband.data.random import uniform

PREPARE = Preprocessing(size=(24, 24), crop_ratio=1.0)
PUBLISHED = {"crop": "resized_crop", "flip": True, "rand_augment": "rand-m9-mstd0.5-inc1", "erasing": 0.5}


def any_image(height=30, width=40, seed=3):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


@pytest.fixture
def _timm():
    pytest.importorskip("timm")


@pytest.mark.usefixtures("_timm")
@pytest.mark.parametrize(
    "options",
    [
        PUBLISHED,
        {**PUBLISHED, "crop": "shift"},
        {"crop": "resized_crop", "color_jitter": 0.4, "interpolation": "random"},
    ],
)
def test_draws_depend_on_seed_and_key_alone(options):
    augment = Augmentation(**options)
    before = states()
    first = [augment(any_image(), PREPARE, seed=1, key=key) for key in range(8)]
    assert states() == before
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    again = [Augmentation(**options)(any_image(), PREPARE, seed=1, key=key) for key in reversed(range(8))]
    assert all(torch.equal(*pair) for pair in zip(first, reversed(again), strict=True))
    assert all(image.shape == (3, 24, 24) and image.dtype == torch.float32 for image in first)
    others = [augment(any_image(), PREPARE, seed=2, key=key) for key in range(8)]
    assert not any(torch.equal(*pair) for pair in zip(first, others, strict=True))


@pytest.mark.usefixtures("_timm")
@pytest.mark.slow
def test_workers_and_resumed_epochs_give_the_same_batches():
    spec = ImageSpec(classes=("a", "b"), preprocessing=PREPARE)
    read = StoredPixels(torch.stack([any_image(seed=number) for number in range(8)]), 1.0)
    data = LabelledImages(read, [0, 1] * 4, spec, augmentation=Augmentation(**PUBLISHED), seed=5)
    here, there = (
        SampleLoader(data, 2, shuffle=True, drop_last=True, seed=5, num_workers=workers) for workers in (0, 2)
    )
    batches = [batch for _ in range(2) for batch in here]
    from_workers = [batch for _ in range(2) for batch in there]
    resumed = SampleLoader(data, 2, shuffle=True, drop_last=True, seed=5)
    resumed.load_state_dict({"epoch": 1, "batches": 2})
    for found, wanted in ((from_workers, batches), (list(resumed), batches[6:])):
        for (image, label), (expected, right) in zip(found, wanted, strict=True):
            assert torch.equal(image, expected)
            assert torch.equal(label, right)


@pytest.mark.usefixtures("_timm")
@pytest.mark.parametrize("interpolation", ["bicubic", "random"])
def test_rand_augment_is_that_of_timms_training_pipeline(interpolation):
    """The same draws through timm's own transform, after a crop that changes nothing."""
    from PIL import Image
    from timm.data import create_transform

    mean = (0.5, 0.4, 0.3)
    prepare = Preprocessing(size=(24, 24), crop_ratio=1.0, mean=mean, std=(0.2, 0.3, 0.4))
    augment = Augmentation(crop="shift", rand_augment="rand-m9-mstd0.5-inc1", interpolation=interpolation)
    _, change, to_input = create_transform(
        24, is_training=True, auto_augment="rand-m9-mstd0.5-inc1", interpolation=interpolation, mean=mean,
        std=prepare.std, separate=True,
    )  # fmt: skip
    image = (any_image(24, 24) * 255).round() / 255
    shifted = Augmentation(crop="shift")
    changed = 0
    for key in range(20):
        plain = prepare.denormalize(shifted(image, prepare, seed=0, key=key))
        pixels = Image.fromarray((plain * 255).round().byte().permute(1, 2, 0).numpy())
        with seeded(uniform(0, [key], 51)[0, 48:51]):
            wanted = to_input(change(pixels))
        found = augment(image, prepare, seed=0, key=key)
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
        changed += not torch.allclose(found, prepare.normalize(plain), atol=1e-3)
    assert 10 <= changed < 20  # half of the operations are left out, two are drawn


@pytest.mark.usefixtures("_timm")
def test_erasing_fills_a_rectangle_with_noise_after_normalizing():
    plain, augment = Augmentation(crop="shift"), Augmentation(crop="shift", erasing=0.25)
    prepare = Preprocessing(size=(32, 32), crop_ratio=1.0)
    erased = []
    for key in range(400):
        before = plain(any_image(), prepare, seed=0, key=key)
        after = augment(any_image(), prepare, seed=0, key=key)
        where = (after != before).all(0)
        assert torch.equal(after[:, ~where], before[:, ~where])
        if where.any():
            rows, columns = where.any(1).nonzero(), where.any(0).nonzero()
            area = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
            assert where.sum() == area
            erased.append((area.item() / 32**2, after[:, where]))
    assert 0.19 < len(erased) / 400 < 0.31
    shares = [share for share, _ in erased]
    assert min(shares) > 0.015
    assert max(shares) < 0.35
    noise = torch.cat([values.flatten() for _, values in erased])
    assert abs(noise.mean().item()) < 0.02
    assert noise.std().item() == pytest.approx(1, abs=0.02)


def test_colors_are_changed_as_by_torchvision():
    image, factors = any_image(), (1.3, 0.7, 1.4)
    changes = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation)
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        wanted = image
        for place in order:
            wanted = changes[place](wanted, factors[place])
        torch.testing.assert_close(adjust_colors(image, factors, order), wanted, atol=5e-4, rtol=0)
    torch.testing.assert_close(adjust_colors(image, (1, 1, 1), (0, 1, 2)), image)


def test_where_torchvision_has_the_operation_it_gives_the_same_image():
    """Bit for bit; its contrast and saturation weigh the colors a little differently and are compared above."""
    image, plain = any_image(24, 24), Augmentation(crop="shift")
    padded = tv.pad(image, [3, 3], padding_mode="reflect")
    mirrored = 0
    for key in range(20):
        draws = uniform(0, [key], 51)[0].tolist()
        shifted = tv.crop(padded, int(draws[1] * 7), int(draws[2] * 7), 24, 24)
        normalized = tv.normalize(shifted, list(PREPARE.mean), list(PREPARE.std))
        assert torch.equal(plain(image, PREPARE, seed=0, key=key), normalized)
        flipped = Augmentation(crop="shift", flip=True)(image, PREPARE, seed=0, key=key)
        assert torch.equal(flipped, tv.horizontal_flip(normalized) if draws[0] < 0.5 else normalized)
        mirrored += draws[0] < 0.5
    assert 5 <= mirrored <= 15
    assert torch.equal(adjust_colors(image, (1.3, 1, 1), (0,)), tv.adjust_brightness(image, 1.3))


def test_color_jitter_covers_its_range_in_every_order():
    gray = torch.full((3, 24, 24), 0.5)  # contrast and saturation leave it alone
    augment = Augmentation(crop="shift", color_jitter=0.4)
    levels = [PREPARE.denormalize(augment(gray, PREPARE, seed=0, key=key)).mean().item() / 0.5 for key in range(200)]
    assert min(levels) == pytest.approx(0.6, abs=0.02)
    assert max(levels) == pytest.approx(1.4, abs=0.02)
    assert sum(levels) / 200 == pytest.approx(1, abs=0.05)


def test_interpolation_is_drawn():
    images = {
        mode: [
            Augmentation(crop="resized_crop", interpolation=mode)(any_image(), PREPARE, seed=0, key=key)
            for key in range(60)
        ]
        for mode in ("random", "bilinear", "bicubic")
    }
    bilinear = [torch.equal(*pair) for pair in zip(images["random"], images["bilinear"], strict=True)]
    bicubic = [torch.equal(*pair) for pair in zip(images["random"], images["bicubic"], strict=True)]
    assert all(one != other for one, other in zip(bilinear, bicubic, strict=True))
    assert 20 < sum(bilinear) < 40


def test_random_parts_cover_the_published_range():
    parts = [random_part(100, 100, row) for row in uniform(0, range(400), 40).tolist()]
    areas = [height * width / 1e4 for _, _, height, width in parts]
    ratios = [width / height for _, _, height, width in parts]
    assert 0.07 < min(areas) < 0.12
    assert max(areas) > 0.9
    assert 0.7 < min(ratios) < 0.8
    assert 1.25 < max(ratios) < 1.42
    assert all(top + height <= 100 and left + width <= 100 for top, left, height, width in parts)


@pytest.mark.parametrize(("shape", "part"), [((10, 200), (0, 93, 10, 13)), ((200, 10), (93, 0, 13, 10))])
def test_where_no_part_fits_it_is_the_center(shape, part):
    """timm's rule: sides of 3:4 or 4:3 around the center."""
    assert random_part(*shape, [0.9] * 40) == part


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": "crop"}, r"augment must be 'none' or 'shift' or 'resized_crop', got 'crop'"),
        ({"interpolation": "area"}, r"train_interpolation must be 'bicubic' or 'bilinear' or 'random', got 'area'"),
        ({"crop": "shift", "color_jitter": 1.5}, r"color_jitter must lie in \[0, 1\], got 1.5"),
        ({"crop": "shift", "erasing": -0.1}, r"erasing must lie in \[0, 1\], got -0.1"),
        ({"crop": "shift", "rand_augment": "m9"}, r"rand_augment must be in timm's notation, as .*, got 'm9'"),
        ({"crop": "shift", "rand_augment": "rand-m9-x3"}, r"got 'rand-m9-x3'"),
        ({"crop": "shift", "rand_augment": "rand-m9", "color_jitter": 0.4}, r"exclude each other"),
        ({"erasing": 0.25}, r"rand_augment, color_jitter and erasing need augment: shift or resized_crop"),
    ],
)
def test_impossible_values_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**options)


def test_without_timm_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setitem(sys.modules, "timm.data", None)
    with pytest.raises(
        ImportError, match=r"rand_augment and erasing need the package timm: pip install 'subband\[timm\]'"
    ):
        Augmentation(crop="shift", erasing=0.25)
    Augmentation(crop="shift", flip=True, color_jitter=0.2)
