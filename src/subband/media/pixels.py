"""The one decoder of picture files: photographs, labelled images, frames of folders and of animations.

Pillow decodes; what it would shorten, misread or refuse for notes beside the pixels is mended here: sixteen bits, TIFF
files (`subband.media.tiff`), the turn of the camera, damaged EXIF, text and color profiles.
"""

from __future__ import annotations

import io
import re
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from subband.files import shown
from subband.media.picture_files import DAMAGE, missing_package, picture_format
from subband.media.tiff import TiffError, TiffPage, float_brightness
from subband.media.undamaged import without_notes

MAX_IMAGE_PIXELS = 120_000_000
"""Largest image that is opened anywhere in the package; 1.4 GB as a color tensor."""

_ORIENTATION = 0x0112
_GRAY_MODES = {"1", "L", "LA", "La"}
_PNG_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


class Decoded(NamedTuple):
    """What is in an image file.

    Attributes:
        values: `(H, W, C)` with C = 1 gray, 2 gray and alpha, 3 color, 4 color and alpha; upright.
        white: Largest value: 255, 65535 or what else the file says, 1.0 for floating point.
        file_format: Pillow's name of the format.
        icc_profile: Color profile of the values.
    """

    values: np.ndarray
    white: float
    file_format: str
    icc_profile: bytes | None


def read_pixels(path: Path) -> Decoded:
    """Decodes an image file, for every part of the package that reads pictures.

    Of an animation or a file with several pages the first image counts. Damage in what is noted beside the pixels
    (EXIF, text, color profile) does not matter.

    Args:
        path: The file, recognized by its content.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If it is a folder, empty, damaged, no image, or has more than `MAX_IMAGE_PIXELS` pixels.
    """
    file_format = _checked_format(path)
    if file_format == "TIFF":
        return _read_tiff(path)
    if file_format == "PPM" and (deep := _read_deep_map(path)) is not None:
        return deep
    try:
        with open_image(path) as image:
            return decode(image)
    except ValueError as error:
        if isinstance(error, UnreadableImageError):
            raise
        for content in without_notes(path.read_bytes(), file_format):
            with suppress(ValueError), image_errors(path), _open(io.BytesIO(content), file_format) as image:
                return decode(image)
        raise


def upright_size(path: Path) -> tuple[int, int]:
    """Height and width of an image file after the turn that its camera noted; no pixels are decoded.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: As `read_pixels`.
        ValueError: As `read_pixels`.
    """
    if _checked_format(path) == "TIFF":
        with image_errors(path):
            page = TiffPage(path)
        width, height, orientation = page.width, page.height, page.orientation
    else:
        try:
            with open_image(path) as image:
                (width, height), orientation = image.size, _orientation(image)
        except ValueError:
            # Damage in a note before the pixels, or in the picture: decoding tells.
            height, width, _ = read_pixels(path).values.shape
            return height, width
    return (width, height) if orientation in (5, 6, 7, 8) else (height, width)


def as_frame(decoded: Decoded) -> np.ndarray:
    """Eight bits of red, green and blue, transparent parts on white.

    Args:
        decoded: What `read_pixels` or `decode` returns.

    Returns:
        `(H, W, 3)` uint8.
    """
    values, channels = decoded.values, decoded.values.shape[2]
    color = values[..., :3] if channels > 2 else values[..., :1]
    if channels in (2, 4):
        alpha = values[..., -1:].astype(np.float32) / decoded.white
        color = decoded.white - alpha * (decoded.white - color.astype(np.float32))
    if color.dtype != np.uint8:
        color = (color * np.float32(255 / decoded.white)).round().astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(color, (*color.shape[:2], 3)))


@contextmanager
def open_image(path: Path) -> Iterator[Any]:
    """Opens an image file with Pillow, for what is asked beside its pixels.

    Whatever is wrong with the file, here or inside the block, is a ValueError that names it.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: As `read_pixels`.
        ValueError: As `read_pixels`.
    """
    with load_image(path) as image, image_errors(path):
        yield image


def load_image(path: Path) -> Any:
    """Like `open_image`, for an image that stays open; work on it stands in `image_errors` blocks.

    Args:
        path: The file.

    Returns:
        Pillow's image, which the caller closes.

    Raises:
        FileNotFoundError: As `read_pixels`.
        ValueError: As `read_pixels`.
    """
    file_format = _checked_format(path)
    with image_errors(path):
        return _open(path, file_format)


def _checked_format(path: Path) -> str:
    if not path.exists():
        raise FileNotFoundError(f"{shown(path)} does not exist.")
    if path.is_dir():
        raise ValueError(f"{shown(path)} is a folder, not an image.")
    if not path.is_file():
        raise ValueError(f"{shown(path)} is a pipe or a device; an image is read from a file, save it in one first.")
    if path.stat().st_size == 0:
        raise ValueError(f"{shown(path)} is empty (0 bytes).")
    with image_errors(path):
        file_format = picture_format(path)
        if file_format is None:
            raise UnfitImageError("cannot be read as an image: it is not an image of a known kind, or is damaged.")
        if package := missing_package(file_format):
            raise UnfitImageError(f"is a {file_format} image, which needs a further package: pip install {package}.")
    return file_format


def _open(source: Path | io.BytesIO, file_format: str) -> Any:
    from PIL import Image

    image = Image.open(source, formats=[file_format])
    width, height = image.size
    if width * height > MAX_IMAGE_PIXELS:
        image.close()
        _refuse_size(width, height)
    return image


def _refuse_size(width: int, height: int) -> None:
    raise UnfitImageError(f"has {width} x {height} pixels; at most {MAX_IMAGE_PIXELS:,} pixels are read.")


@contextmanager
def image_errors(path: Path) -> Iterator[None]:
    """Turns whatever is wrong with an image inside the block into a ValueError that names the file.

    Args:
        path: The file.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is checked, and is lower
            # About odd notes beside the pixels.
            warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
            yield
    except PermissionError:
        raise
    except (UnfitImageError, TiffError) as error:
        raise UnreadableImageError(f"{shown(path)} {error}") from None
    except Image.DecompressionBombError:
        raise UnreadableImageError(
            f"{shown(path)} says it has more pixels than can be read; at most {MAX_IMAGE_PIXELS:,} are."
        ) from None
    except Image.UnidentifiedImageError as error:
        raise ValueError(
            f"{shown(path)} cannot be read as an image: it is not an image of a known kind, or is damaged."
        ) from error
    except DAMAGE as error:
        raise ValueError(
            f"{shown(path)} cannot be read as an image, it is damaged or cut off ({shown(str(error))})."
        ) from error


class UnfitImageError(Exception):
    """An image in order that is refused all the same; the text continues its name."""


class UnreadableImageError(ValueError):
    """The sentence about an image in order that is refused all the same."""


def _read_tiff(path: Path) -> Decoded:
    with image_errors(path):
        page = TiffPage(path)
        if page.width * page.height > MAX_IMAGE_PIXELS:
            _refuse_size(page.width, page.height)
        found = page.pixels()
        if found is None:
            source = page.as_file()
            with _open(source, "TIFF") as image:
                decoded = decode(image)
            return decoded if source is path else decoded._replace(values=_turn(decoded.values, page.orientation))
        if found.has_inks:
            values = _from_inks(found.values, found.white, page.icc_profile)
            return Decoded(_turn(values, page.orientation), 255.0, "TIFF", None)
        return Decoded(_turn(found.values, page.orientation), found.white, "TIFF", page.icc_profile)


def _from_inks(values: np.ndarray, white: float, profile: bytes | None) -> np.ndarray:
    from PIL import Image

    inks = (values * (255 / white)).round().astype(np.uint8)
    image = Image.frombytes("CMYK", (inks.shape[1], inks.shape[0]), inks.tobytes())
    image.info["icc_profile"] = profile
    return np.asarray(_by_profile(image))


def _read_deep_map(path: Path) -> Decoded | None:
    """A PGM or PPM file of more than eight bits, which Pillow shortens in color; None for others."""
    with image_errors(path):
        content = path.read_bytes()
        head = re.match(rb"P([2356])" + 3 * rb"(?:\s|#[^\n]*\n)+([0-9]+)" + rb"(?:\s*#[^\n]*\n)?\s", content)
        if head is None or int(head[4]) < 256:
            return None
        channels = 3 if head[1] in b"36" else 1
        width, height, white = (int(head[index]) for index in (2, 3, 4))
        if width * height > MAX_IMAGE_PIXELS:
            _refuse_size(width, height)
        if white > 65535:
            raise UnfitImageError(f"has {white} for white; at most 65535 is read.")
        count = width * height * channels
        if head[1] in b"56":
            values = np.frombuffer(content, ">u2", count, head.end())  # a ValueError if there are fewer
        else:
            values = np.array(content[head.end() :].split()[:count], np.int64)
        return Decoded(values.astype(np.uint16).reshape(height, width, channels), float(white), "PPM", None)


def decode(image: Any) -> Decoded:
    """Upright values of an opened image in the depth of its file.

    Args:
        image: What `open_image` yields, inside its block.
    """
    rawmode = _rawmode(image)
    if image.mode in ("RGB", "RGBA") and ";16" in rawmode and not image.tell():
        values, white = _sixteen_bits(image, rawmode), 65535.0
    elif image.mode.startswith("I"):
        values, white = _integers(image), 65535.0
    elif image.mode == "F":
        values, white = float_brightness(np.asarray(image)[..., None]), 1.0
    else:
        values, white = _eight_bits(image), 255.0
    if white == 65535 and values.shape[2] in (1, 3) and "transparency" in image.info:
        values = _with_key(values, image.info["transparency"])
    # A profile speaks of the values in the file: not of printing colors that were converted, nor of a palette's grays.
    is_converted = image.mode in ("CMYK", "LAB") or (image.mode in ("P", "PA") and values.shape[2] < 3)
    profile = None if is_converted else image.info.get("icc_profile")
    return Decoded(_turn(values, _orientation(image)), white, image.format, profile)


def _orientation(image: Any) -> int:
    """How the camera was held, by EXIF or XMP; a damaged note says nothing."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except (*DAMAGE, LookupError, TypeError, OverflowError):
        return 1


def _rawmode(image: Any) -> str:
    """How a pixel is laid out in the file, for example `RGB;16B`."""
    if not image.tile:
        return ""
    args = image.tile[0][3]
    first = args if isinstance(args, str) else args[0] if args else ""
    return first if isinstance(first, str) else ""


def _sixteen_bits(image: Any, rawmode: str) -> np.ndarray:
    """All sixteen bits of color values, of which Pillow gives only the upper eight.

    Asked to read the file in the wrong byte order, it gives the lower eight. A gray value with alpha has the size of
    four bytes, and is read as those.
    """
    tiles = list(image.tile)
    if rawmode.startswith("LA;16"):
        values = _reload(image, tiles, "RGBA").astype(np.uint16)
        return values[..., 0::2] << 8 | values[..., 1::2]
    colors, order = rawmode.split(";16")
    is_big = order == "B" or (order == "N" and sys.byteorder == "big")
    lower = _reload(image, tiles, f"{colors};16{'L' if is_big else 'B'}")
    upper = _reload(image, tiles, rawmode)
    return upper.astype(np.uint16) << 8 | lower


def _reload(image: Any, tiles: list[Any], rawmode: str) -> np.ndarray:
    from PIL import Image

    source = image.filename or io.BytesIO(image.fp.getvalue())
    with Image.open(source, formats=[image.format]) as again:
        again.tile = [_with_rawmode(tile, rawmode) for tile in tiles]
        again.load()
        return np.array(again)


def _with_rawmode(tile: Any, rawmode: str) -> Any:
    args = rawmode if isinstance(tile[3], str) else (rawmode, *tile[3][1:])
    # Named tuples since Pillow 11.
    return tile._replace(args=args) if hasattr(tile, "_replace") else (*tile[:3], args)


def _integers(image: Any) -> np.ndarray:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise UnfitImageError(f"has values from {values.min()} to {values.max()}, which are not 16-bit brightnesses.")
    return values.astype(np.uint16)[..., None]


def _with_key(values: np.ndarray, key: int | tuple[int, ...]) -> np.ndarray:
    """The values with their opacity: none where they have the one color that the file names as transparent."""
    opaque = (values != np.array(key)).any(axis=2, keepdims=True)
    return np.concatenate((values, 65535 * opaque.astype(np.uint16)), axis=2)


def _eight_bits(image: Any) -> np.ndarray:
    alpha = "A" if image.has_transparency_data else ""
    if image.mode in _GRAY_MODES:
        image = image.convert("L" + alpha)
    elif image.mode in ("CMYK", "LAB"):
        image = _by_profile(image)
    else:
        is_palette = image.mode in ("P", "PA")
        image = image.convert("RGB" + alpha)
        values = np.asarray(image)
        if is_palette and all((values[..., 0] == values[..., channel]).all() for channel in (1, 2)):
            return values[..., [0, 3] if alpha else [0]]
    values = np.asarray(image)
    return values[..., None] if values.ndim == 2 else values


def _by_profile(image: Any) -> Any:
    """Printing colors as sRGB, by the profile of the file, or by the plain formula if it has none that is usable."""
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    if image.mode == "CMYK" and profile is None:
        return image.convert("RGB")
    try:
        is_lab = image.mode == "LAB"
        source: Any = ImageCms.createProfile("LAB") if is_lab else ImageCms.getOpenProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except ImageCms.PyCMSError:  # the profile is damaged or belongs to other colors
        return image.convert("RGB")


def _turn(values: np.ndarray, orientation: int) -> np.ndarray:
    """Values turned upright; the numbers are those of the EXIF standard."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values[:, ::-1] if orientation in (2, 3, 6, 7) else values


def save_png16(path: Path, values: np.ndarray, icc_profile: bytes | None = None) -> None:
    """Writes a PNG file with sixteen bits per value, which Pillow cannot do in color.

    Every row is stored as the difference to its left or upper neighbor or to the mean of both, whichever has the least
    sum, the rule that the PNG standard suggests (ISO/IEC 15948, clause 12.8).

    Args:
        path: File to write.
        values: `(H, W, C)` uint16, C = 1 to 4 as in `Decoded`.
        icc_profile: Color profile to note in the file.
    """
    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, _PNG_COLOR_TYPES[channels], 0, 0, 0)
    chunks = [_chunk(b"IHDR", header)]
    if icc_profile is not None:
        chunks.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc_profile)))
    chunks += [_chunk(b"IDAT", zlib.compress(_filtered_rows(values), 6)), _chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def _filtered_rows(values: np.ndarray) -> bytes:
    height, channels = values.shape[0], values.shape[2]
    rows = values.astype(">u2").reshape(height, -1).view(np.uint8)
    left, above = np.zeros_like(rows), np.zeros_like(rows)
    left[:, 2 * channels :] = rows[:, : -2 * channels]
    above[1:] = rows[:-1]
    mean = ((left.astype(np.uint16) + above) // 2).astype(np.uint8)
    candidates = [rows, rows - left, rows - above, rows - mean]
    costs = [np.abs(candidate.view(np.int8).astype(np.int16)).sum(1) for candidate in candidates]
    best = np.argmin(costs, axis=0)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = best
    for number, candidate in enumerate(candidates):
        filtered[best == number, 1:] = candidate[best == number]
    return filtered.tobytes()


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
