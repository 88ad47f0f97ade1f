"""Coefficients in JPEG files: stored ones, the pixels they make, files that are refused."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from subband.layers.jpeg_dct import JpegDCT2d
from subband.media.jpeg_coefficients import read_jpeg_coefficients
from subband.transforms import block_idct2


@pytest.fixture
def pixels(rng):
    """A smooth image, `(50, 70, 3)` of bytes."""
    smooth = torch.nn.functional.interpolate(torch.rand(1, 3, 5, 7, generator=rng), (50, 70), mode="bicubic")
    return (smooth[0].clamp(0, 1) * 255).round().byte().movedim(0, -1).numpy()


@pytest.fixture(autouse=True)
def _reader(request):
    if "without" not in request.node.name:
        pytest.importorskip("jpeglib")


def test_stored_coefficients(golden, tmp_path):
    path = tmp_path / "stored.jpg"
    with np.load(golden / "fourier" / "dct_block_transform.npz") as stored:
        path.write_bytes(stored["q75_bytes"].astype(np.uint8).tobytes())
        found = read_jpeg_coefficients(path)
        assert np.array_equal(found.y, stored["q75_y_deq"])
        for plane, name in ((found.cb, "q75_cb"), (found.cr, "q75_cr")):
            assert np.array_equal(plane, stored[name] * stored["q75_tables"][1].reshape(64, 1, 1))
    assert (found.size, found.factors) == ((64, 96), (2, 2))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("quality", [60, 95])
def test_pixels_from_coefficients_are_those_pillow_decodes(pixels, tmp_path, progressive, quality):
    path = tmp_path / "image.jpg"
    Image.fromarray(pixels).save(path, quality=quality, subsampling=0, progressive=progressive)
    found = read_jpeg_coefficients(path)
    opened = Image.open(path)
    opened.draft("YCbCr", None)
    decoded = torch.from_numpy(np.array(opened, dtype=np.float32)).movedim(-1, 0) - 128
    for plane, wanted in zip((found.y, found.cb, found.cr), decoded, strict=True):
        made = block_idct2(plane, layout="channels", size=found.size)[0].clamp(-128, 127)
        assert (made - wanted).abs().max() <= 1.01  # integer arithmetic there


@pytest.mark.parametrize(("subsampling", "factors"), [(0, (1, 1)), (1, (1, 2)), (2, (2, 2))])
@pytest.mark.parametrize("size", [(50, 70), (8, 5)])
def test_stack_is_close_to_the_coefficients_of_the_pixels(pixels, tmp_path, subsampling, factors, size):
    path = tmp_path / "image.jpg"
    pixels = pixels[: size[0], : size[1]]
    Image.fromarray(pixels).save(path, quality=100, subsampling=subsampling)
    found = read_jpeg_coefficients(path)
    assert (found.size, found.factors) == (size, factors)
    images = torch.from_numpy(pixels).movedim(-1, 0)[None] / 255
    wanted = JpegDCT2d(normalize=False)(images)[0]
    assert found.stack().shape == wanted.shape
    assert (found.y - wanted[:64]).abs().max() <= 3  # rounded planes, rounded coefficients
    means = found.stack().view(3, 64, *wanted.shape[1:])[1:, 0] - wanted.view(3, 64, *wanted.shape[1:])[1:, 0]
    assert means.abs().mean() < 12  # eight times the mean of a block: less than two levels of 256


def test_gray_files(pixels, tmp_path):
    path = tmp_path / "gray.jpg"
    Image.fromarray(pixels[..., 0]).save(path, quality=100)
    found = read_jpeg_coefficients(path)
    assert found.cb is None
    assert found.cr is None
    assert not found.stack()[64:].any()
    made = block_idct2(found.y, layout="channels", size=found.size)[0] + 128
    assert (made - torch.from_numpy(pixels[..., 0])).abs().max() < 2.5


def test_other_files_are_refused(pixels, tmp_path):
    image = Image.fromarray(pixels)
    image.save(tmp_path / "image.png")
    with pytest.raises(ValueError, match=r"is PNG; coefficients can only be read from JPEG files"):
        read_jpeg_coefficients(tmp_path / "image.png")
    image.convert("CMYK").save(tmp_path / "print.jpg")
    with pytest.raises(ValueError, match=r"stores CMYK colors"):
        read_jpeg_coefficients(tmp_path / "print.jpg")
    image.save(tmp_path / "rgb.jpg", keep_rgb=True)
    with pytest.raises(ValueError, match=r"stores RGB colors"):
        read_jpeg_coefficients(tmp_path / "rgb.jpg")
    image.save(tmp_path / "whole.jpg")
    content = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"half\.jpg cannot be read as an image, it is damaged or cut off"):
        read_jpeg_coefficients(tmp_path / "half.jpg")
    with pytest.raises(FileNotFoundError, match=r"none\.jpg does not exist"):
        read_jpeg_coefficients(tmp_path / "none.jpg")


def test_without_the_reader_the_extra_is_named(pixels, tmp_path, monkeypatch):
    Image.fromarray(pixels).save(tmp_path / "image.jpg")
    monkeypatch.setitem(sys.modules, "jpeglib", None)
    with pytest.raises(ImportError, match=r"pip install 'subband\[jpeg\]'"):
        read_jpeg_coefficients(tmp_path / "image.jpg")
