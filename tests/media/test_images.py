"""Photographs of every kind that people have, and files that are none."""

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageOps
from torch import Tensor

from subband.media import pixels
from subband.media.images import check_image_path, list_images, read_image, write_image


@pytest.fixture
def color(rng) -> Tensor:
    """A smooth image with all 8-bit values exact, `(3, 21, 30)`."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 21), torch.linspace(0, 1, 30), indexing="ij")
    return (torch.stack((rows, columns, rows * columns)) * 255).round() / 255


def to_pillow(x: Tensor) -> Image.Image:
    values = (x * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(values[..., 0] if len(x) == 1 else values)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_files_there_and_back(color, tmp_path, suffix, channels):
    path = tmp_path / f"image{suffix}"
    write_image(path, color[:channels])
    image = read_image(path)
    assert image.info.bit_depth == 8
    assert image.alpha is None
    # WebP has no gray: it comes back as color.
    expected = color[:channels].expand(len(image.pixels), -1, -1)
    assert len(image.pixels) == (3 if suffix == ".webp" else channels)
    torch.testing.assert_close(image.pixels, expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_close(color, tmp_path, channels):
    write_image(tmp_path / "image.jpg", color[:channels])
    image = read_image(tmp_path / "image.jpg")
    assert image.info.file_format == "JPEG"
    assert (image.pixels - color[:channels]).abs().max() < 0.05


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_sixteen_bits_there_and_back(tmp_path, rng, channels, with_alpha):
    pixels = torch.randint(0, 65536, (channels, 19, 23), generator=rng).float() / 65535
    alpha = torch.randint(0, 65536, (1, 19, 23), generator=rng).float() / 65535 if with_alpha else None
    write_image(tmp_path / "deep.png", pixels, alpha=alpha, bit_depth=16)
    image = read_image(tmp_path / "deep.png")
    assert image.info.bit_depth == 16
    assert torch.equal(image.pixels, pixels)
    assert image.alpha is None if alpha is None else torch.equal(image.alpha, alpha)
    # Another reader sees the same image in its eight bits.
    if channels == 3:
        with Image.open(tmp_path / "deep.png") as other:
            upper = np.asarray(other)[..., :3] / 255
        assert np.abs(upper - pixels.permute(1, 2, 0).numpy()).max() < 1.01 / 255


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_of_tiff(tmp_path, rng, byte_order, compression, channels):
    tifffile = pytest.importorskip("tifffile")
    values = torch.randint(0, 65536, (9, 7, channels), generator=rng).numpy().astype(np.uint16)
    kind = {"photometric": "minisblack" if channels == 1 else "rgb"}
    if channels == 4:
        kind["extrasamples"] = ["unassalpha"]
    array = values[..., 0] if channels == 1 else values
    tifffile.imwrite(tmp_path / "deep.tif", array, byteorder=byte_order, compression=compression, **kind)
    image = read_image(tmp_path / "deep.tif")
    found = torch.cat([image.pixels] + ([] if image.alpha is None else [image.alpha]))
    assert torch.equal(found, torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1) / 65535)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_as_the_camera_was_held(color, tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned{suffix}"
    to_pillow(color).save(path, exif=exif)
    with Image.open(path) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    found = (read_image(path).pixels * 255).round().permute(1, 2, 0).numpy()
    assert np.array_equal(found, expected)


def test_gray_stays_gray(color, tmp_path):
    gray = to_pillow(color[:1])
    gray.save(tmp_path / "gray.png")
    gray.convert("P").save(tmp_path / "palette.png")
    gray.convert("1").save(tmp_path / "bilevel.png")
    gray.convert("LA").save(tmp_path / "alpha.png")
    for name in ("gray", "palette", "alpha"):
        torch.testing.assert_close(read_image(tmp_path / f"{name}.png").pixels, color[:1])
    assert set(read_image(tmp_path / "bilevel.png").pixels.unique().tolist()) == {0, 1}


def test_palettes_and_transparency(color, tmp_path):
    to_pillow(color).quantize(16).save(tmp_path / "palette.gif")
    assert read_image(tmp_path / "palette.gif").pixels.shape == (3, 21, 30)
    alpha = torch.linspace(0, 1, 30).expand(1, 21, 30)
    write_image(tmp_path / "alpha.png", color, alpha=alpha)
    image = read_image(tmp_path / "alpha.png")
    torch.testing.assert_close(image.pixels, color)
    assert image.alpha is not None
    torch.testing.assert_close(image.alpha, alpha, rtol=0, atol=0.5 / 255)
    to_pillow(color).save(tmp_path / "key.png", transparency=(0, 0, 0))
    key = read_image(tmp_path / "key.png").alpha
    assert key is not None
    assert torch.equal(key[0] == 0, (color == 0).all(0))


def test_printing_colors(color, tmp_path):
    to_pillow(color).convert("CMYK").save(tmp_path / "print.tif")
    assert (read_image(tmp_path / "print.tif").pixels - color).abs().max() < 2 / 255
    to_pillow(color).convert("CMYK").save(tmp_path / "print.jpg", quality=95, icc_profile=b"no profile")
    image = read_image(tmp_path / "print.jpg")
    assert (image.pixels - color).abs().max() < 0.1
    assert image.info.icc_profile is None


@pytest.mark.parametrize("bit_depth", [8, 16])
def test_the_color_profile_is_kept(color, tmp_path, bit_depth):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write_image(tmp_path / "with.png", color, bit_depth=bit_depth, icc_profile=profile)
    assert read_image(tmp_path / "with.png").info.icc_profile == profile
    assert read_image(tmp_path / "with.png").info.bit_depth == bit_depth


def test_floating_point_files(tmp_path):
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    Image.fromarray(values).save(tmp_path / "float.tif")
    torch.testing.assert_close(read_image(tmp_path / "float.tif").pixels[0], torch.from_numpy(values))
    Image.fromarray(300 * values).save(tmp_path / "float.tif")
    with pytest.raises(ValueError, match=r"values from 0.0 to 300.0; floating point values must lie in \[0, 1\]"):
        read_image(tmp_path / "float.tif")


def test_values_are_clipped_and_rounded(tmp_path):
    write_image(tmp_path / "a.png", torch.tensor([[[-1.0, 2.0, 0.5, float("nan")]]]))
    assert (read_image(tmp_path / "a.png").pixels * 255).flatten().tolist() == [0, 255, 128, 0]


def header_of(width: int, height: int) -> bytes:
    """A PNG file that promises a size and holds nothing."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"just a text", r"is not an image of a known kind"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", r"is not an image of a known kind"),
        (header_of(11000, 11000), r"has 11000 x 11000 pixels; at most 120,000,000 pixels are read"),
        (header_of(60000, 60000), r"more pixels than can be read"),
        (header_of(8, 8), r"damaged or cut off"),
    ],
)
def test_files_that_are_no_images(tmp_path, content, message):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_cut_files(color, tmp_path, suffix):
    path = tmp_path / f"cut{suffix}"
    write_image(path, torch.rand(3, 64, 64))
    content = path.read_bytes()
    for length in (len(content) // 10, len(content) // 2, len(content) * 9 // 10):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"cut.*(damaged|cut off)"):
            read_image(path)


def test_the_limit_is_checked_before_decoding(color, tmp_path, monkeypatch):
    write_image(tmp_path / "a.png", color)
    monkeypatch.setattr(pixels, "MAX_IMAGE_PIXELS", 629)
    with pytest.raises(ValueError, match=r"has 30 x 21 pixels; at most 629 pixels are read"):
        read_image(tmp_path / "a.png")


def test_nothing_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"does not exist"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ValueError, match=r"is a folder, not an image"):
        read_image(tmp_path)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.gif", {}, r"a.gif has no suffix of an image that can be written"),
        ("a", {}, r"has no suffix"),
        ("a.jpg", {"alpha": torch.ones(1, 4, 4)}, r"a.jpg cannot hold transparency; write a .png"),
        ("a.jpg", {"bit_depth": 16}, r"cannot hold 16 bits"),
        ("a.png", {"bit_depth": 12}, r"bit_depth must be 8 or 16"),
        ("a.png", {"alpha": torch.ones(1, 4, 5)}, r"alpha must be \(1, H, W\)"),
    ],
)
def test_what_cannot_be_written(tmp_path, name, options, message):
    with pytest.raises(ValueError, match=message):
        write_image(tmp_path / name, torch.rand(3, 4, 4), **options)
    assert list(tmp_path.iterdir()) == []


def test_wrong_shapes_are_refused(tmp_path):
    for shape in ((4, 4), (2, 4, 4), (3, 0, 4), (1, 3, 4, 4)):
        with pytest.raises(ValueError, match=r"pixels must be \(C, H, W\)"):
            write_image(tmp_path / "a.png", torch.rand(shape))


def test_existing_files_stay(color, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"exists already"):
        write_image(path, color)
    assert path.read_bytes() == b"mine"
    write_image(path, color, overwrite=True)
    torch.testing.assert_close(read_image(path).pixels, color)
    with pytest.raises(FileNotFoundError, match=r"does not exist; make it first"):
        write_image(tmp_path / "none" / "a.png", color)


def test_folders_are_listed_in_natural_order(color, tmp_path):
    for name in ("b10.png", "b9.JPG", "a.webp", ".hidden.png"):
        write_image(tmp_path / name.lower(), color)
    (tmp_path / "b9.jpg").rename(tmp_path / "b9.JPG")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in list_images(tmp_path)] == ["a.webp", "b9.JPG", "b10.png"]
    with pytest.raises(ValueError, match=r"holds no photographs"):
        list_images(tmp_path / "folder.png")
    with pytest.raises(ValueError, match=r"is a file, not a folder"):
        list_images(tmp_path / "notes.txt")
    with pytest.raises(FileNotFoundError, match=r"does not exist"):
        list_images(tmp_path / "none")


def test_paths_are_checked_early():
    check_image_path("a.PNG", bit_depth=16, with_alpha=True)
    with pytest.raises(ValueError, match=r"cannot hold transparency"):
        check_image_path("a.bmp", with_alpha=True)
