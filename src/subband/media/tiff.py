"""TIFF files by their own tags: what is in the first page, and its numbers where Pillow would read them wrongly.

Pillow knows some forty layouts; planes stored apart, dark meaning white, signed, 12-bit and 32-bit color files it turns
into other pictures without a word, or refuses as damaged. Here the tags that describe the pixels are read first.
Pillow gets a file with one plain page and none of the notes beside it (EXIF, GPS, XMP), so damage in these is no damage
of the picture. Sources: TIFF 6.0 (Adobe, 1992), TIFF Technical Note 3 for floating point, libtiff's BigTIFF.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES = 273, 274, 277, 278, 279
PLANAR, PREDICTOR, COLOR_MAP, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 284, 317, 320, 322, 323, 324, 325
EXTRA_SAMPLES, SAMPLE_FORMAT, SUBSAMPLING, ICC_PROFILE, SUBFILE_TYPE = 338, 339, 530, 34675, 254
_PREVIEW_OR_MASK = 0b101
# How the pixels are compressed and meant: CCITT options, ink set, JPEG tables, coefficients of YCbCr.
_PASSED_ON = (292, 293, 332, 347, 529, 531, 532)
_WANTED = {WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, STRIP_OFFSETS, ORIENTATION, SAMPLES}
_WANTED |= {ROWS_PER_STRIP, STRIP_BYTES, PLANAR, PREDICTOR, COLOR_MAP, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS}
_WANTED |= {TILE_BYTES, EXTRA_SAMPLES, SAMPLE_FORMAT, SUBSAMPLING, ICC_PROFILE, SUBFILE_TYPE, *_PASSED_ON}

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_MAX_ENTRIES = 4096

_NO_COMPRESSION, _OLD_JPEG, _JPEG = 1, 6, 7
_BYTE_STREAMS = {_NO_COMPRESSION, 5, 8, 32773, 32946, 34925, 50000}  # LZW, Deflate, PackBits, LZMA, Zstandard
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLORS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4}
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_BYTES_AT_ONCE = 2**26  # decoded by Pillow at a time, below its own limit


class TiffError(Exception):
    """A file in order that is not read; the text continues its name."""


class TiffPixels(NamedTuple):
    """Numbers of a page.

    Attributes:
        values: `(H, W, C)` as stored, C = 1 gray, 2 gray and alpha, 3 color, 4 color and alpha, or the four inks.
        white: Largest value, 1.0 for floating point.
        has_inks: Whether the values are cyan, magenta, yellow and black.
    """

    values: np.ndarray
    white: float
    has_inks: bool


class _Entry(NamedTuple):
    """One tag: its type, the number of its values, and their bytes in the order of the file."""

    kind: int
    length: int
    data: bytes


class TiffPage:
    """The first page of a TIFF file.

    Args:
        path: The file.

    Attributes:
        width: As stored, before the page is turned.
        height: Likewise.
        orientation: Number of the EXIF standard, 1 for upright.
        icc_profile: Color profile, None if there is none.

    Raises:
        ValueError: If the tags that describe the pixels are damaged or lie beyond the end of the file.
        struct.error: Likewise.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self._order, self._entries, _ = _read_tags(file)
        self.width, self.height = self._number(WIDTH), self._number(HEIGHT)
        if min(self.width, self.height) < 1:
            raise ValueError("no width or height")
        self.orientation = self._number(ORIENTATION, 1)
        profile = self._entries.get(ICC_PROFILE)
        self.icc_profile = profile.data if profile else None
        self._compression = self._number(COMPRESSION, _NO_COMPRESSION)
        self._photometric = self._number(PHOTOMETRIC, _WHITE_IS_ZERO)
        self._is_planar = self._number(PLANAR, 1) == 2
        self._samples = self._number(SAMPLES, 1)
        self._bits = self._values(BITS) or (1,)
        self._formats = set(self._values(SAMPLE_FORMAT)) or {_UNSIGNED}
        self._extra = self._values(EXTRA_SAMPLES)

    def pixels(self) -> TiffPixels | None:
        """The numbers, or None where Pillow reads `as_file` rightly.

        Raises:
            TiffError: If nobody reads this layout rightly.
            ValueError: If the pixels are damaged or cut off.
        """
        self._check()
        if self._compression not in _BYTE_STREAMS or self._photometric not in _COLORS or self._is_plain():
            return None
        bits, sample_format = self._bits[0], next(iter(self._formats))
        values = self._typed(bits, sample_format)  # (H, W, samples)
        values, white = _brightness(values, bits, sample_format)
        if self._photometric == _WHITE_IS_ZERO:
            colors = values[..., :1]
            values = np.concatenate(((white - colors).astype(values.dtype), values[..., 1:]), axis=2)
        if self._photometric == _CMYK:
            return TiffPixels(values[..., :4], white, True)
        return TiffPixels(self._with_alpha(values, white), white, False)

    def as_file(self) -> Path | io.BytesIO:
        """The page for Pillow: alone, without a turn to apply and without notes."""
        if self._compression == _OLD_JPEG:  # its pieces lie anywhere
            return self.path
        left_out = {ORIENTATION, SUBFILE_TYPE, STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES}
        tags = {tag: entry for tag, entry in self._entries.items() if tag not in left_out}
        tags |= {WIDTH: self._long([self.width]), HEIGHT: self._long([self.height])}
        return self._file(tags, self._chunks(), is_tiled=TILE_OFFSETS in self._entries)

    def _check(self) -> None:
        samples, bits = self._samples, self._bits
        if self._photometric == _YCBCR and self._compression in _BYTE_STREAMS and self._values(SUBSAMPLING) != (1, 1):
            raise TiffError("holds YCbCr colors in blocks without JPEG, which is not read; write it as RGB.")
        if self._photometric in (32803, 34892):
            raise TiffError("holds the raw numbers of a camera's sensor; develop it to RGB first.")
        if self._photometric not in _COLORS or self._compression not in _BYTE_STREAMS:
            if self._is_planar and (self._photometric not in _COLORS or set(bits) != {8}):
                raise TiffError("stores its planes apart in a way that is not read; write it with planar=contig.")
            return
        if len(set(bits)) > 1 or len(bits) not in (1, samples) or len(self._formats) > 1:
            raise TiffError(f"has values of several kinds ({bits} bits), which is not read.")
        extra = samples - _COLORS[self._photometric]
        if extra < 0 or extra > max(len(self._extra), int(self._photometric == _RGB and samples == 4)):
            raise TiffError(f"has {samples} values per pixel, and does not say what they mean.")
        if extra > 1 and _COLORS[self._photometric] == 1 and not set(self._extra) & {1, 2}:
            raise TiffError(f"has {samples} values per pixel without a meaning, not colors; split its channels first.")
        if next(iter(self._formats)) not in (_UNSIGNED, _SIGNED, _FLOAT):
            raise TiffError("has values that are no brightnesses (complex, or of unknown kind).")

    def _is_plain(self) -> bool:
        """Whether Pillow reads it: whole bytes or less, interleaved, bright for large numbers."""
        is_inverted = self._photometric == _WHITE_IS_ZERO and self._bits[0] == 8
        alpha_last = len(self._extra) < 2
        return (
            self._bits[0] in (1, 2, 4, 8)
            and self._formats == {_UNSIGNED}
            and not self._is_planar
            and (alpha_last and not is_inverted and (self._bits[0] == 8 or self._samples == 1))
        )

    def _typed(self, bits: int, sample_format: int) -> np.ndarray:
        """`(H, W, samples)` in the machine's own byte order."""
        per_plane = 1 if self._is_planar else self._samples
        is_tiled = TILE_OFFSETS in self._entries
        width = self._number(TILE_WIDTH) if is_tiled else self.width
        rows = self._number(TILE_HEIGHT) if is_tiled else min(self._number(ROWS_PER_STRIP, self.height), self.height)
        if min(width, rows) < 1:
            raise ValueError("empty tiles or strips")
        across, down = (-(-self.width // width), -(-self.height // rows))
        chunks = self._chunks()
        num_planes = self._samples if self._is_planar else 1
        if len(chunks) < num_planes * across * down:
            raise ValueError("some strips are missing")
        row_bytes = -(-width * per_plane * bits // 8)
        planes = []
        for plane in range(num_planes):
            own = chunks[plane * across * down : (plane + 1) * across * down]
            height = down * rows if is_tiled else self.height
            raw = self._raw(own, rows, across * height, row_bytes)
            values = _numbers(raw, width, per_plane, bits, sample_format, self._order, self._number(PREDICTOR, 1))
            if is_tiled:
                tiles = values.reshape(down, across, rows, width, per_plane).swapaxes(1, 2)
                values = tiles.reshape(height, across * width, per_plane)[: self.height, : self.width]
            planes.append(values)
        return np.concatenate(planes, axis=2)

    def _raw(self, chunks: list[bytes], rows: int, height: int, row_bytes: int) -> np.ndarray:
        """Decompressed rows `(height, row_bytes)`: Pillow decodes them as gray pictures of that many bytes a row."""
        from PIL import Image

        step = max(_BYTES_AT_ONCE // (rows * row_bytes), 1)
        parts = []
        for first in range(0, len(chunks), step):
            count = min(step * rows, height - first * rows)
            tags = {WIDTH: self._long([row_bytes]), HEIGHT: self._long([count]), ROWS_PER_STRIP: self._long([rows])}
            tags |= {BITS: self._short([8]), SAMPLES: self._short([1]), PHOTOMETRIC: self._short([_BLACK_IS_ZERO])}
            tags |= {tag: self._entries[tag] for tag in (COMPRESSION, FILL_ORDER) if tag in self._entries}
            with Image.open(self._file(tags, chunks[first : first + step], is_tiled=False), formats=["TIFF"]) as image:
                parts.append(np.array(image))
        return np.concatenate(parts)

    def _with_alpha(self, values: np.ndarray, white: float) -> np.ndarray:
        """Colors and the one opacity among the further values, which are left out otherwise."""
        colors = _COLORS[self._photometric]
        extra = self._extra or ((2,) if values.shape[2] > colors else ())
        alphas = [index for index, meaning in enumerate(extra) if meaning in (1, 2)]
        if not alphas or colors + alphas[0] >= values.shape[2]:
            return values[..., :colors]
        color, alpha = values[..., :colors], values[..., colors + alphas[0], None]
        if extra[alphas[0]] == 1:  # the colors are multiplied by the opacity
            shares = color.astype(np.float64) * white / np.maximum(alpha, 1e-9)
            shares = np.where(alpha > 0, shares, 0).clip(0, white)
            color = (shares if white == 1 else shares.round()).astype(values.dtype)
        return np.concatenate((color, alpha), axis=2)

    def _chunks(self) -> list[bytes]:
        """Strips or tiles as they lie in the file."""
        is_tiled = TILE_OFFSETS in self._entries
        offsets = self._values(TILE_OFFSETS if is_tiled else STRIP_OFFSETS)
        sizes = self._values(TILE_BYTES if is_tiled else STRIP_BYTES)
        end = self.path.stat().st_size
        if not offsets:
            raise ValueError("it holds no pixels")
        if len(sizes) != len(offsets):  # some old writers leave them out
            sizes = tuple(after - before for before, after in zip(offsets, (*offsets[1:], end), strict=True))
        chunks = []
        with self.path.open("rb") as file:
            for offset, size in zip(offsets, sizes, strict=True):
                if size < 0 or offset + size > end:
                    raise ValueError("some strips lie beyond its end")
                file.seek(offset)
                chunks.append(file.read(size))
        return chunks

    def _file(self, tags: dict[int, _Entry], chunks: list[bytes], *, is_tiled: bool) -> io.BytesIO:
        """A TIFF file of one page."""
        offsets, content = [], bytearray(8)
        for chunk in chunks:
            offsets.append(len(content))
            content += chunk
        where, sizes = (TILE_OFFSETS, TILE_BYTES) if is_tiled else (STRIP_OFFSETS, STRIP_BYTES)
        tags = tags | {where: self._long(offsets), sizes: self._long([len(chunk) for chunk in chunks])}
        directory = struct.pack(f"{self._order}H", len(tags))
        for tag, entry in sorted(tags.items()):
            data = entry.data.ljust(4, b"\0")
            if len(data) > 4:
                content += b"\0" * (len(content) % 2)
                place = len(content)
                content += data
                data = struct.pack(f"{self._order}I", place)
            directory += struct.pack(f"{self._order}HHI", tag, entry.kind, entry.length) + data
        content += b"\0" * (len(content) % 2)
        mark = b"II*\0" if self._order == "<" else b"MM\0*"
        content[:8] = mark + struct.pack(f"{self._order}I", len(content))
        return io.BytesIO(bytes(content) + directory + bytes(4))

    def _long(self, values: list[int]) -> _Entry:
        return _Entry(4, len(values), struct.pack(f"{self._order}{len(values)}I", *values))

    def _short(self, values: list[int]) -> _Entry:
        return _Entry(3, len(values), struct.pack(f"{self._order}{len(values)}H", *values))

    def _values(self, tag: int) -> tuple[int, ...]:
        return _unpacked(self._order, self._entries.get(tag))

    def _number(self, tag: int, default: int = 0) -> int:
        values = self._values(tag)
        return values[0] if values else default


def has_more_pages(path: Path) -> bool:
    """Whether a TIFF file has pages after the first that are pictures of their own, no previews or masks.

    Args:
        path: The file.

    Raises:
        struct.error: If it is cut off.
    """
    seen: set[int] = set()
    with path.open("rb") as file:
        _, _, place = _read_tags(file)
        while place and place not in seen:
            seen.add(place)
            order, entries, place = _read_tags(file, place)
            if not next(iter(_unpacked(order, entries.get(SUBFILE_TYPE))), 0) & _PREVIEW_OR_MASK:
                return True
    return False


def _read_tags(file: BinaryIO, place: int | None = None) -> tuple[str, dict[int, _Entry], int]:
    """Byte order, the tags of a page that describe its pixels, and where the next page is; the first by default."""
    file.seek(0)
    head = file.read(16)
    order = "<" if head.startswith(b"II") else ">"
    is_big = b"\x2b" in head[2:4]
    word = struct.Struct(f"{order}{'Q' if is_big else 'I'}")
    end = file.seek(0, io.SEEK_END)
    file.seek(word.unpack_from(head, 8 if is_big else 4)[0] if place is None else place)
    count = struct.unpack(f"{order}{'Q' if is_big else 'H'}", file.read(8 if is_big else 2))[0]
    layout = struct.Struct(f"{order}HHQ8s" if is_big else f"{order}HHI4s")
    directory = file.read(min(count, _MAX_ENTRIES) * layout.size)
    following = file.read(word.size)
    entries: dict[int, _Entry] = {}
    for start in range(0, len(directory) - layout.size + 1, layout.size):
        tag, kind, number, value = layout.unpack_from(directory, start)
        size = _SIZES.get(kind, 0) * number
        if tag not in _WANTED or tag in entries or not size:
            continue
        if size > len(value):
            at = word.unpack(value)[0]
            if at + size > end:
                if tag in (ICC_PROFILE, *_PASSED_ON):
                    continue
                raise ValueError("its tags lie beyond its end")
            file.seek(at)
            value = file.read(size)
        entries[tag] = _Entry(kind, number, value[:size])
    return order, entries, word.unpack(following)[0] if len(following) == word.size else 0


def _unpacked(order: str, entry: _Entry | None) -> tuple[int, ...]:
    if entry is None or entry.kind not in _CODES:
        return ()
    return struct.unpack(f"{order}{entry.length}{_CODES[entry.kind]}", entry.data)


def _numbers(
    raw: np.ndarray, width: int, samples: int, bits: int, sample_format: int, order: str, predictor: int
) -> np.ndarray:
    """Rows of bytes as numbers `(rows, width, samples)`, with the differences of neighbors summed up again."""
    if predictor == 3 and sample_format == _FLOAT:
        summed = np.cumsum(raw.reshape(len(raw), -1, samples), axis=1, dtype=np.uint8)
        planes = summed.reshape(len(raw), bits // 8, -1)  # bytes of equal weight stand together, the heaviest first
        return (
            planes.swapaxes(1, 2)
            .copy()
            .view(f">f{bits // 8}")
            .reshape(len(raw), width, samples)
            .astype(f"f{bits // 8}")
        )
    if bits % 8 or bits not in (8, 16, 32, 64):
        if sample_format != _UNSIGNED or bits > 16 or predictor != 1:
            raise TiffError(f"has values of {bits} bits in a form that is not read.")
        digits = np.unpackbits(raw, axis=1)[:, : width * samples * bits].reshape(len(raw), width, samples, bits)
        return digits @ (1 << np.arange(bits - 1, -1, -1)).astype(np.uint16)
    kinds = {_UNSIGNED: "u", _SIGNED: "i", _FLOAT: "f"}
    if sample_format == _FLOAT and bits == 8:
        raise TiffError("has floating point values of 8 bits, which are not read.")
    stored = f"{order}u{bits // 8}"
    values = np.ascontiguousarray(raw).view(stored).astype(f"u{bits // 8}").reshape(len(raw), width, samples)
    if predictor == 2:
        values = np.cumsum(values, axis=1, dtype=values.dtype)
    elif predictor != 1:
        raise TiffError(f"was written with predictor {predictor}, which is not read for such values.")
    return values.view(f"{kinds[sample_format]}{bits // 8}")


def _brightness(values: np.ndarray, bits: int, sample_format: int) -> tuple[np.ndarray, float]:
    """Values that mean brightness, and white."""
    low, high = values.min().item(), values.max().item()
    if sample_format == _FLOAT:
        return float_brightness(values.astype(np.float32) if bits == 16 else values), 1.0
    if sample_format == _SIGNED:
        # Pillow writes sixteen bits so; what else signed numbers mean, nobody says.
        if bits != 32 or low < 0 or high > 65535:
            raise TiffError(f"has signed values, from {low} to {high}, whose black and white are not known.")
        return values.astype(np.uint16), 65535.0
    if bits < 8 and 255 % (2**bits - 1) == 0:
        return (values * (255 // (2**bits - 1))).astype(np.uint8), 255.0
    if bits == 64:
        raise TiffError("has whole numbers of 64 bits, which are not read as brightness.")
    if bits == 32:
        return values / (2.0**32 - 1), 1.0
    return values, 2.0**bits - 1


def float_brightness(values: np.ndarray) -> np.ndarray:
    """Floating point values if they are brightnesses.

    Args:
        values: Of any shape.

    Raises:
        TiffError: If any lies outside [0, 1].
    """
    if not (values.min() >= 0 and values.max() <= 1):
        raise TiffError(f"has values from {values.min()} to {values.max()}; floating point values must lie in [0, 1].")
    return values
