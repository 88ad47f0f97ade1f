"""JPEG's coefficients without JPEG: an encoder's own coefficients, stored ones of the published pipeline, gradients."""

import io
import json

import numpy as np
import pytest
import torch
from fill import make_input
from PIL import Image
from torch.nn import functional as F

from subband.layers.jpeg_dct import JPEG_SUBSETS, JpegDCT2d, jpeg_planes
from subband.transforms import block_dct2, block_idct2

NAME = "dct_block_transform"


@pytest.fixture
def stored(golden):
    with np.load(golden / "fourier" / f"{NAME}.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


@pytest.fixture
def image():
    return (make_input(NAME, [1, 3, 64, 96]) * 255).round() / 255


def within(found, wanted, tolerance, mean):
    error = (found - wanted).abs()
    assert error.max() <= tolerance
    assert error.mean() <= mean


def test_coefficients_of_the_published_classification_pipeline(stored, image):
    found = JpegDCT2d(normalize=False)(image)[0]
    wanted = torch.cat([stored["y_420"], stored["cb_up"], stored["cr_up"]])
    within(found, wanted, 2, 0.4)


def test_coefficients_of_the_published_detection_pipeline(stored, image):
    found = JpegDCT2d(pipeline="detection", normalize=False)(image)[0]
    within(found, torch.cat([stored["y_det"], stored["cb_det"], stored["cr_det"]]), 3, 0.4)


@pytest.mark.parametrize("channels", [24, 64, 192])
def test_normalized_subsets(golden, stored, image, channels):
    settings = json.loads((golden / "fourier" / f"{NAME}.json").read_text())["built_with"]
    places = [64 * plane + k for plane, keep in enumerate(JPEG_SUBSETS[channels]) for k in keep]
    std = torch.tensor(settings["std"])[places][:, None, None]
    error = (JpegDCT2d(channels)(image)[0] - stored[f"norm_{channels}"]).abs()
    assert (error <= 2 / std).all()
    exact = (stored[f"norm_{channels}"] * std).add(torch.tensor(settings["mean"])[places][:, None, None])
    torch.testing.assert_close(exact, exact.round(), rtol=0, atol=1e-3)  # the statistics are those of the stored case


@pytest.mark.parametrize("pipeline", ["classification", "detection"])
def test_statistics(golden, pipeline):
    settings = json.loads((golden / "fourier" / f"{NAME}.json").read_text())["built_with"]
    prefix = "detection_" if pipeline == "detection" else ""
    layer = JpegDCT2d(pipeline=pipeline)
    plain = JpegDCT2d(pipeline=pipeline, normalize=False)
    torch.testing.assert_close((layer.shift - plain.shift).flatten(), torch.tensor(settings[f"{prefix}mean"]))
    assert torch.equal(layer.scale.flatten(), torch.tensor(settings[f"{prefix}std"]))


def test_subsets(golden):
    stored = json.loads((golden / "fourier" / f"{NAME}.json").read_text())["built_with"]["subsets"]
    found = {str(n): dict(zip(("y", "cb", "cr"), map(list, s), strict=True)) for n, s in JPEG_SUBSETS.items()}
    assert found.pop("192") == {plane: list(range(64)) for plane in ("y", "cb", "cr")}
    assert found == stored
    assert all(sum(map(len, subset)) == count for count, subset in JPEG_SUBSETS.items())


def test_planes(stored, image):
    planes = jpeg_planes(image)[0]
    wanted = torch.stack([stored[f"plane_{name}"] for name in ("y", "cb", "cr")]) - 128
    within(planes, wanted, 0.51, 0.3)
    for name, plane in zip(("cb", "cr"), planes[1:], strict=True):
        within(F.avg_pool2d(plane[None], 2)[0], stored[f"plane_{name}_420"] - 128, 1.1, 0.4)
        within(block_dct2(F.avg_pool2d(plane[None], 2), layout="channels"), stored[f"{name}_420"], 2, 0.4)
    coefficients = block_dct2((planes[:1] + 128).round() - 128, layout="channels").round()
    within(coefficients, stored["y_420"], 1, 0.1)


@pytest.mark.parametrize("size", [(32, 48), (21, 50)])
def test_pixels_that_pillow_decodes_from_its_own_file(rng, size):
    """At quality 100 without halved chroma a file holds the coefficients of the planes, rounded."""
    smooth = F.interpolate(torch.rand(1, 3, 5, 7, generator=rng), size, mode="bicubic").clamp(0, 1)
    pixels = (smooth[0] * 255).round()
    file = io.BytesIO()
    Image.fromarray(pixels.byte().movedim(0, -1).numpy()).save(file, "JPEG", quality=100, subsampling=0)
    opened = Image.open(file)
    opened.draft("YCbCr", None)  # as stored, without the way over red, green and blue
    decoded = torch.from_numpy(np.array(opened, dtype=np.float32)).movedim(-1, 0) - 128
    planes = jpeg_planes(pixels / 255)
    within(planes, decoded, 2.5, 0.5)
    luma = JpegDCT2d(192, normalize=False)(pixels[None] / 255)[:, :64]
    within(block_idct2(luma, layout="channels", size=size)[0, 0], decoded[0], 2.5, 0.5)


def rounding(images):
    """Coefficients of the constant that stands for the rounding of halved chroma."""
    columns = torch.tensor([-1.0, 1.0] * (images.shape[-1] // 2)).to(images) / 12
    return block_dct2(columns.expand(1, 2, images.shape[-2], -1), layout="channels")


def test_the_rounding_of_halved_chroma_has_a_mean(stored, image):
    """All pixels of this noisy image differ, so the whole eighth is there, and two thirds of it are made up for."""
    found, exact = JpegDCT2d(normalize=False)(image)[0], torch.cat([stored["cb_up"], stored["cr_up"]])
    error = (found[64:] - exact).mean((1, 2))
    assert error.abs().max() < 0.4
    assert (error - rounding(image)[0].mean((1, 2))).abs().max() > 0.85  # without the constant


def test_the_filter_is_doubling_and_averaging(rng):
    images = torch.rand(2, 3, 24, 40, generator=rng, dtype=torch.float64)
    doubled = F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)
    wanted = block_dct2(F.avg_pool2d(jpeg_planes(doubled), 2), layout="channels")
    found = JpegDCT2d(normalize=False)(images)
    torch.testing.assert_close(found[:, 64:], wanted[:, 64:] + rounding(images))
    torch.testing.assert_close(found[:, :64], block_dct2(jpeg_planes(images)[:, :1], layout="channels"))


def test_images_normalized_before_give_the_same(rng):
    images = torch.rand(1, 3, 16, 16, generator=rng)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    normalized = (images - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    found = JpegDCT2d(24, normalize=False, mean=mean, std=std)(normalized)
    torch.testing.assert_close(found, JpegDCT2d(24, normalize=False)(images), rtol=0, atol=1e-3)


@pytest.mark.parametrize("pipeline", ["classification", "detection"])
def test_gradients(rng, pipeline):
    layer = JpegDCT2d(24, pipeline=pipeline).double()
    images = torch.rand(1, 3, 9, 8, generator=rng, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, images)


def test_there_are_no_weights_and_precision_is_kept(rng):
    layer = JpegDCT2d(24)
    images = torch.rand(2, 3, 16, 24, generator=rng)
    assert not layer.state_dict()
    single, half = layer(images), layer(images.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half, layer(images.bfloat16().float()).bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(images), single)
    torch.testing.assert_close(layer(images.mT.contiguous().mT), single)
    assert layer(images[:0]).shape == (0, 24, 2, 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"channels": 25}, r"channels must be one of 6, 24, 32, 48, 64, 192, got 25"),
        ({"pipeline": "segmentation"}, r"pipeline must be 'classification' or 'detection', got 'segmentation'"),
        ({"std": (1.0, 0.0, 1.0)}, r"those of std positive"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        JpegDCT2d(**arguments)


def test_bad_images_are_named():
    with pytest.raises(ValueError, match=r"images must be \(B, 3, H, W\), got shape \(1, 1, 8, 8\)"):
        JpegDCT2d()(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match=r"images must be \(\.\.\., 3, H, W\)"):
        jpeg_planes(torch.zeros(8, 8))


def test_published_evaluation_pipeline_of_resnet(golden):
    """Resized to 512, cropped to 448. OpenCV's resizing counts in integers, so a level of a pixel may differ."""
    name = "dct_pipeline_448"
    image = (make_input(name, [1, 3, 500, 620]) * 255).round()
    resized = F.interpolate(image, (512, 634), mode="bilinear", align_corners=False).round()
    crop = resized[..., 32:480, 93:541]
    found = JpegDCT2d(normalize=False)(crop / 255)[0]
    with np.load(golden / "fourier" / f"{name}.npz") as file:
        stored = {key: torch.from_numpy(file[key]) for key in file.files}
    assert (crop[0, :, :16, :16].flip(0).movedim(0, -1) - stored["crop_corner"]).abs().max() <= 1
    within(found.flatten()[::31], stored["raw"], 4, 0.4)
    means = (found.mean((1, 2)) - stored["raw_mean"]).abs()
    assert means[0] < 1.1  # an eighth of a level of the resized pixels
    assert means[1:].max() < 0.35
    torch.testing.assert_close(found.std((1, 2), correction=0), stored["raw_std"], rtol=0.01, atol=0.15)
