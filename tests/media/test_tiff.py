"""TIFF layouts that Pillow reads wrongly: read rightly here, or refused by name."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from subband.media.images import read_image
from subband.media.pixels import as_frame, read_pixels, upright_size


def tiff(
    values: np.ndarray,
    *,
    photometric: int = 1,
    bits: int = 0,
    order: str = "<",
    planar: bool = False,
    rows: int = 0,
    tile: int = 0,
    data: bytes | None = None,
    extra: dict[int, tuple[int, ...]] | None = None,
) -> bytes:
    """An uncompressed file of one page from `(H, W, C)` values, written by the book (TIFF 6.0)."""
    height, width, channels = values.shape
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    stored = values.astype(values.dtype.newbyteorder(order))
    planes = np.split(stored, channels, axis=2) if planar else [stored]
    chunks = []
    for plane in planes:
        if tile:
            padded = np.pad(plane, ((0, -height % tile), (0, -width % tile), (0, 0)))
            cells = padded.reshape(padded.shape[0] // tile, tile, padded.shape[1] // tile, tile, -1).swapaxes(1, 2)
            chunks += [cell.tobytes() for row in cells for cell in row]
        else:
            step = rows or height
            chunks += [plane[first : first + step].tobytes() for first in range(0, height, step)]
    if data is not None:
        chunks = [data]
    starts = [8 + sum(map(len, chunks[:index])) for index in range(len(chunks))]
    sizes = [len(chunk) for chunk in chunks]
    bits = bits or 8 * values.dtype.itemsize
    tags = {256: [width], 257: [height], 258: [bits] * channels, 259: [1], 262: [photometric], 277: [channels]}
    tags |= {284: [2 if planar else 1], 339: [kind] * channels, **(extra or {})}
    tags |= (
        {322: [tile], 323: [tile], 324: starts, 325: sizes}
        if tile
        else {273: starts, 278: [rows or height], 279: sizes}
    )
    content = b"".join(chunks)
    place = 8 + len(content)
    later = place + 2 + 12 * len(tags) + 4
    directory, tail = struct.pack(f"{order}H", len(tags)), b""
    for tag, numbers in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
        if len(packed) > 4:
            where = later + len(tail)
            tail, packed = tail + packed, struct.pack(f"{order}I", where)
        directory += struct.pack(f"{order}HHI", tag, 4, len(numbers)) + packed
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}I", place) + content + directory + bytes(4) + tail


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.tif"


def test_every_layout_gives_its_numbers(path):
    generator = np.random.default_rng(0)
    tried = 0
    for kind in ("u1", "u2", "u4", "f2", "f4", "f8"):
        is_float = kind[0] == "f"
        white = 1.0 if is_float else float(np.iinfo(kind).max)
        for channels, photometric in ((1, 0), (1, 1), (3, 2)):
            shape = (9, 11, channels)
            values = generator.random(shape) if is_float else generator.integers(0, int(white), shape, endpoint=True)
            values = values.astype(kind)
            wanted = values.astype(np.float64) / white
            wanted = 1 - wanted if photometric == 0 else wanted
            for order in "<>":
                for layout in ({}, {"planar": True}, {"rows": 4}, {"tile": 16}, {"planar": True, "rows": 4}):
                    path.write_bytes(tiff(values, photometric=photometric, order=order, **layout))
                    found = read_pixels(path)
                    error = np.abs(found.values / found.white - wanted).max()
                    assert error < 1e-6, (kind, photometric, order, layout, error)
                    assert read_image(path).info.bit_depth == (8 if kind == "u1" else 16)
                    tried += 1
    assert tried == 180


def test_compressed_rows_with_differences(path):
    generator = np.random.default_rng(0)
    floats, shorts = generator.random((9, 7), np.float32), generator.integers(0, 65536, (9, 7)).astype(np.uint16)
    for compression in ("tiff_lzw", "tiff_adobe_deflate"):
        for values, predictors in ((floats, (1, 2, 3)), (shorts, (1, 2))):
            for predictor in predictors:
                Image.fromarray(values).save(path, compression=compression, tiffinfo={317: predictor})
                found = read_pixels(path).values[..., 0]
                assert np.array_equal(found, values), (compression, values.dtype, predictor)


def test_twelve_bits_and_inks_and_opacity(path):
    generator = np.random.default_rng(0)
    values = generator.integers(0, 4096, (5, 7, 1)).astype(np.uint16)
    digits = (values >> np.arange(11, -1, -1)) & 1
    packed = np.packbits(digits.reshape(5, -1).astype(np.uint8), axis=1).tobytes()
    path.write_bytes(tiff(values, bits=12, data=packed))
    found = read_pixels(path)
    assert (found.white, found.values.tolist()) == (4095, values.tolist())

    inks = np.full((4, 6, 4), [0, 65535, 0, 0], np.uint16)
    for planar in (False, True):
        path.write_bytes(tiff(inks, photometric=5, planar=planar))
        assert read_pixels(path).values[0, 0].tolist() == [255, 0, 255]

    # Colors multiplied by their opacity.
    path.write_bytes(tiff(np.full((4, 6, 4), [100, 50, 0, 100], np.uint16), photometric=2, extra={338: (1,)}))
    assert read_pixels(path).values[0, 0].tolist() == [65535, 32768, 0, 100]


def test_deep_files_are_turned_once(path):
    upper = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    for orientation in range(1, 9):
        still = Image.fromarray(upper)
        still.getexif()[0x0112] = orientation
        wanted = np.asarray(ImageOps.exif_transpose(still))
        path.write_bytes(tiff(upper.astype(np.uint16) * 257, photometric=2, extra={274: (orientation,)}))
        assert np.array_equal(as_frame(read_pixels(path)), wanted), orientation
        assert upright_size(path) == wanted.shape[:2]


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (np.full((4, 4, 1), -3, np.int16), {}, r"signed values, from -3 to -3"),
        (np.full((4, 4, 1), 3, np.int8), {}, r"signed values"),
        (np.full((4, 4, 1), 1.5, np.float32), {}, r"must lie in \[0, 1\]"),
        (np.full((4, 4, 1), np.nan, np.float32), {}, r"must lie in \[0, 1\]"),
        (np.zeros((4, 4, 1), np.uint64), {}, r"whole numbers of 64 bits"),
        (np.zeros((4, 4, 5), np.uint8), {"extra": {338: (0, 0, 0, 0)}}, r"5 values per pixel without a meaning"),
        (np.zeros((4, 4, 3), np.uint16), {}, r"3 values per pixel, and does not say what they mean"),
        (np.zeros((4, 4, 1), np.uint16), {"photometric": 32803}, r"raw numbers of a camera"),
        (np.zeros((4, 4, 3), np.uint8), {"photometric": 6}, r"YCbCr colors in blocks"),
    ],
)
def test_what_means_no_brightness_is_refused_by_name(path, values, options, message):
    path.write_bytes(tiff(values, **options))
    with pytest.raises(ValueError, match=rf"a\.tif .*{message}"):
        read_image(path)


def test_cut_files_and_notes(path):
    whole = tiff(np.zeros((8, 8, 3), np.uint16), photometric=2, planar=True)
    for length in (3, 9, 200, len(whole) - 30):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"a\.tif cannot be read as an image"):
            read_image(path)
    # EXIF that lies beyond the end of the file is no damage of the picture.
    path.write_bytes(tiff(np.full((8, 8, 3), 7, np.uint8), photometric=2, extra={34665: (10**8,)}))
    assert read_pixels(path).values.max() == 7
