"""The code decodes to what was measured, and costs about what information theory says."""

import io
import math
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import entropy
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from subband.imaging import decode_file, decode_image, encode_image, rate_distortion
from subband.imaging.coder import MAX_PIXELS, MIN_STEP
from subband.transforms import wavedec2, waverec2

KEEP = (0.01, 0.1)


def test_table_is_true(camera, astronaut):
    for image in (camera, astronaut):
        points = rate_distortion(image, KEEP)
        for keep, point in zip(KEEP, points, strict=True):
            decoded = decode_image(point.data)
            assert decoded.shape == image.shape
            assert point.keep == keep
            assert point.num_kept == round(keep * image.numel())
            assert point.num_bytes == len(point.data)
            assert point.bits_per_pixel == 8 * len(point.data) / image[0].numel()
            expected = peak_signal_noise_ratio(image.numpy(), decoded.numpy().astype(float), data_range=1)
            assert point.psnr == pytest.approx(expected, abs=1e-3)
        assert [point.psnr for point in points] == sorted(point.psnr for point in points)
        assert [point.num_bytes for point in points] == sorted(point.num_bytes for point in points)


def test_quantizer_by_hand(camera):
    image = camera.float()
    coeffs = wavedec2(image, "haar", "periodization", 2)
    everything = torch.cat([coeffs.approx.flatten(), *(band.flatten() for item in coeffs.details for band in item)])
    step = everything.abs().sort(descending=True).values[round(0.05 * image.numel()) - 1]
    (point,) = rate_distortion(image, [0.05], "haar", 2)
    assert point.step == pytest.approx(step.item())

    def quantized(band: torch.Tensor) -> torch.Tensor:
        number = (band.abs() / point.step * (1 + 1e-6)).floor()
        return torch.where(number > 0, (number + 0.45) * band.sign() * point.step, 0)

    expected = waverec2(coeffs.map_all(quantized)).clamp(0, 1)
    torch.testing.assert_close(decode_image(point.data), expected, rtol=0, atol=1e-5)


def test_size_is_near_the_entropy_of_the_numbers(camera):
    (point,) = rate_distortion(camera, [0.1], "sym4", 3)
    coeffs = wavedec2(camera.float(), "sym4", "periodization", 3)
    bands = [coeffs.approx, *(band for item in coeffs.details for band in item)]
    numbers = [(band.abs() / point.step * (1 + 1e-6)).floor() * band.sign() for band in bands]
    bits = sum(entropy(np.unique(n.numpy(), return_counts=True)[1], base=2) * n.numel() for n in numbers)
    assert 0.7 * bits < 8 * point.num_bytes < 1.15 * bits


def test_better_than_jpeg_at_the_same_size():
    pixels = data.astronaut()[:352, 80:432]
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=40, optimize=True)
    jpeg = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) / 255
    psnr = -10 * math.log10((jpeg - image).square().mean())
    points = rate_distortion(image, [0.03, 0.035])
    best = max(point.psnr for point in points if point.num_bytes <= file.tell())
    assert best > psnr + 0.5


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (1, 64), (33, 47)])
@pytest.mark.parametrize("mode", ["periodization", "symmetric"])
def test_any_size(size, mode, rng):
    image = torch.rand(3, *size, generator=rng)
    (point,) = rate_distortion(image, [1.0], mode=mode)
    assert decode_image(point.data).shape == image.shape
    assert point.psnr > 20


def test_keeping_everything_is_nearly_perfect_and_flat_images_are_short(rng):
    image = torch.rand(1, 32, 32, generator=rng)
    (point,) = rate_distortion(image, [1.0], "haar")
    assert point.psnr > 60
    assert point.step >= MIN_STEP
    (black,) = rate_distortion(torch.zeros(3, 64, 64), [0.5])
    assert black.psnr == math.inf
    assert black.num_kept == 0
    assert black.num_bytes < 100


def test_values_outside_the_range_are_clipped():
    image = torch.tensor([[[-1.0, 2.0], [0.0, 1.0]]])
    (point,) = rate_distortion(image, [1.0], "haar")
    torch.testing.assert_close(decode_image(point.data), image.clamp(0, 1), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (torch.rand(1, 8, 8), {"keep": 0.0}, r"keep must lie in \(0, 1\], got 0.0"),
        (torch.rand(1, 8, 8), {"keep": 1.5}, r"keep must lie in"),
        (torch.rand(2, 8, 8), {"keep": 0.5}, r"C = 1 or 3"),
        (torch.rand(8, 8), {"keep": 0.5}, r"\(C, H, W\)"),
        (torch.rand(1, 0, 8), {"keep": 0.5}, r"at least one pixel"),
        (torch.rand(1, 1, 70000), {"keep": 0.5}, r"at most 65535 pixels"),
        (torch.zeros(1).expand(1, 20000, 20000), {"keep": 0.5}, r"at most 120,000,000 pixels"),
        (torch.rand(1, 8, 8), {"keep": 0.5, "wavelet": "bior44"}, r"bior44"),
    ],
)
def test_wrong_input(image, options, message):
    with pytest.raises(ValueError, match=message):
        encode_image(image, **options)


def test_whole_numbers_are_refused():
    with pytest.raises(TypeError, match=r"convert it with .float\(\)"):
        encode_image(torch.zeros(1, 8, 8, dtype=torch.uint8), 0.5)


def test_damaged_codes(camera):
    code = encode_image(camera, 0.05)
    for wrong in (b"", b"GIF89a", code[:20]):
        with pytest.raises(ValueError, match=r"must be the code of an image"):
            decode_image(wrong)
    with pytest.raises(ValueError, match=r"cut off or damaged"):
        decode_image(code[: len(code) // 2])


def resealed(code: bytes, offset: int, values: bytes) -> bytes:
    """A code with other bytes in its header and the checksum that belongs to them."""
    changed = code[:offset] + values + code[offset + len(values) :]
    return changed[:4] + struct.pack("<I", zlib.crc32(changed[8:])) + changed[8:]


def test_every_damaged_byte_is_noticed(rng):
    code = encode_image(torch.rand(1, 9, 7, generator=rng), 0.3)
    for place in range(len(code)):
        damaged = bytearray(code)
        damaged[place] ^= 0x10
        with pytest.raises(ValueError, match=r"^data "):
            decode_image(bytes(damaged))
    for length in range(len(code)):
        with pytest.raises(ValueError, match=r"^data "):
            decode_image(code[:length])
    with pytest.raises(ValueError, match=r"cut off or damaged"):
        decode_image(code + b"0")


@pytest.mark.parametrize(
    ("offset", "values", "message"),
    [
        (3, b"\x09", r"version 9, this is a decoder of version 1"),
        (12, b"\x02", r"no header of an image"),
        (14, b"\x00\x00", r"no header of an image"),
        (18, struct.pack("<f", math.nan), r"no header of an image"),
        (14, b"\xff\xff\xff\xff", r"65535 x 65535 pixels; more than 120,000,000 are not decoded"),
        (16, b"\xff\xff", r"cut off or damaged: it ends too early"),
        (22, b"nowave\0\0", r"nowave"),
        (44, b"\xff\xff\xff\xff", r"cut off or damaged: it ends too early"),
    ],
)
def test_headers_that_no_encoder_writes(offset, values, message, rng):
    code = encode_image(torch.rand(1, 64, 64, generator=rng), 0.3)
    assert resealed(code, 3, code[3:4]) == code
    with pytest.raises(ValueError, match=message):
        decode_image(resealed(code, offset, values))


def test_huge_sizes_need_no_memory(rng, monkeypatch):
    code = encode_image(torch.rand(1, 8, 8, generator=rng), 0.3)
    monkeypatch.setattr(torch, "zeros", lambda *shape, **options: pytest.fail(f"asked for memory: {shape}"))
    assert MAX_PIXELS < 65535 * 2000
    with pytest.raises(ValueError, match=r"65535 x 2000 pixels"):
        decode_image(resealed(code, 14, struct.pack("<HH", 65535, 2000)))


def test_files_decode_as_their_codes_do(tmp_path, astronaut):
    code = encode_image(astronaut, 0.05)
    (tmp_path / "photo.sbw").write_bytes(code)
    assert torch.equal(decode_file(tmp_path / "photo.sbw"), decode_image(code))
    for name, content in {"foreign": b"GIF89a" * 20, "empty": b"", "cut": code[:500], "long": code + bytes(9)}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}: data "):
            decode_file(tmp_path / name)
    with pytest.raises(ValueError, match=r"is a folder"):
        decode_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        decode_file(tmp_path / "nothing.sbw")
