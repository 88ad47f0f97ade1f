"""Preprocessing against torchvision, timm and OpenCV's rule."""

import math

import numpy as np
import pytest
import torch
from fill import make_input
from torchvision.transforms.v2 import functional as tv

from subband.data.labelled.preprocessing import Preprocessing
from subband.models.registry import model_spec


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_preprocessing_equals_torchvision(interpolation):
    image = torch.rand(3, 80, 60, generator=torch.Generator().manual_seed(0))
    prepare = Preprocessing(size=(35, 35), crop_ratio=0.875, interpolation=interpolation)
    resized = tv.resize(image, [40], interpolation=tv.InterpolationMode(interpolation), antialias=True).clamp(0, 1)
    wanted = tv.normalize(tv.center_crop(resized, [35, 35]), list(prepare.mean), list(prepare.std))
    got = prepare(image)
    assert got.shape == (3, 35, 35)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(prepare.denormalize(prepare.normalize(image)), image)


@pytest.mark.parametrize("size", [(9, 9), (7, 30), (33, 5)])
def test_preprocessing_gives_the_size_from_any_image(size):
    for shape in ((1, 1), (3, 50), (41, 8)):
        assert Preprocessing(size=size)(torch.rand(3, *shape)).shape == (3, *size)


@pytest.mark.parametrize("args", [{"size": (0, 4)}, {"crop_ratio": 1.5}, {"std": (1.0, 0.0, 1.0)}])
def test_impossible_preprocessing_is_refused(args):
    with pytest.raises(ValueError, match=r"size and std must be positive and crop_ratio"):
        Preprocessing(**args)


@pytest.mark.parametrize("args", [{"interpolation": "nearest"}, {"crop_mode": "border"}])
def test_unknown_modes_are_refused(args):
    with pytest.raises(ValueError, match=r"(interpolation|crop_mode) must be '\w+' or '\w+', got"):
        Preprocessing(**args)


def test_files_from_before_a_field_was_added_load():
    older = {"size": [8, 8], "crop_ratio": 0.9, "interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.5] * 3}
    prepare = Preprocessing.from_dict(older)
    assert prepare == Preprocessing(
        size=(8, 8), crop_ratio=0.9, interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3
    )
    assert (prepare.crop_mode, prepare.antialias) == ("center", True)
    assert Preprocessing.from_dict(prepare.to_dict()) == prepare


@pytest.fixture(scope="module")
def photograph():
    """An astronaut of 400 x 500 pixels, as Pillow and as a tensor."""
    data = pytest.importorskip("skimage.data")
    from PIL import Image

    pixels = data.astronaut()[60:460, 7:507]
    return Image.fromarray(pixels), torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize("crop_mode", ["center", "squash"])
@pytest.mark.parametrize(
    ("size", "ratio"), [((224, 224), 0.875), ((224, 224), 0.95), ((384, 384), 0.95), ((96, 160), 0.9)]
)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_preprocessing_equals_timm_up_to_its_eight_bits(photograph, crop_mode, size, ratio, interpolation):
    """timm resizes bytes; a place that is one pixel off costs thirty times as much as that."""
    timm = pytest.importorskip("timm.data")
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    transform = timm.create_transform(
        (3, *size), crop_pct=ratio, crop_mode=crop_mode, interpolation=interpolation, mean=mean, std=std
    )
    image, tensor = photograph
    prepare = Preprocessing(
        size=size, crop_ratio=ratio, crop_mode=crop_mode, interpolation=interpolation, mean=mean, std=std
    )
    error = (prepare.denormalize(prepare(tensor)) - prepare.denormalize(transform(image))).abs()
    assert error.mean() * 255 < 0.5
    assert error.max() * 255 < 8  # Pillow also clips overshoot between its two passes


@pytest.mark.parametrize("shape", [(53, 97), (97, 53), (54, 54)])
def test_crops_begin_where_torchvision_begins(shape):
    """Odd margins: half a pixel is rounded to the even neighbor."""
    image = torch.arange(float(shape[0] * shape[1])).view(1, *shape).expand(3, -1, -1) / 1e4
    prepare = Preprocessing(size=(27, 27), crop_ratio=0.5, mean=(0.0,) * 3, std=(1.0,) * 3)
    resized = prepare.resize(image, [math.floor(54 * side / min(shape)) for side in shape])
    assert torch.equal(prepare(image), tv.center_crop(resized, [27, 27]))


def test_without_antialiasing_only_the_nearest_pixels_count():
    """OpenCV's bilinear rule: shrinking by three keeps every third pixel as it is."""
    image = torch.rand(3, 27, 45, generator=torch.Generator().manual_seed(0))
    prepare = Preprocessing(
        size=(9, 15), crop_ratio=1.0, interpolation="bilinear", antialias=False, mean=(0.0,) * 3, std=(1.0,) * 3
    )
    torch.testing.assert_close(prepare(image), image[:, 1::3, 1::3])


def test_images_of_networks_on_coefficients_are_cut_as_by_opencv(golden):
    """Stored corner of the crop of 500 x 620 pixels; OpenCV's resizing counts in integers."""
    prepare = Preprocessing(size=(448, 448), **model_spec("dct_resnet50").preprocessing)
    image = (make_input("dct_pipeline_448", [1, 3, 500, 620])[0] * 255).round() / 255
    with np.load(golden / "fourier" / "dct_pipeline_448.npz") as file:
        stored = torch.from_numpy(file["crop_corner"]).movedim(-1, 0).flip(0)  # blue first
    assert (prepare.fit(image)[:, :16, :16] * 255 - stored).abs().max() < 1
