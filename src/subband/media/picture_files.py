"""Which files are pictures, and which of a folder are left out and why: one answer for every command and data set."""

from __future__ import annotations

import importlib
import importlib.util
import re
import struct
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from subband.files import shown
from subband.media.frames import natural_key
from subband.media.tiff import has_more_pages

READ_SUFFIXES = frozenset(
    {".apng", ".avif", ".avifs", ".bmp", ".dib", ".gif", ".jfif", ".jif", ".jpe", ".jpeg", ".jpg", ".mpo", ".pbm"}
    | {".pgm", ".png", ".pnm", ".ppm", ".qoi", ".tga", ".tif", ".tiff", ".webp"}
    | {".j2c", ".j2k", ".jp2", ".jpc", ".jpf", ".jpx"}
)
"""Names by which photographs of a folder are found; files with other names are found by their content."""

_HEIF_SUFFIXES = frozenset({".heic", ".heics", ".heif", ".heifs", ".hif"})
_SUFFIX_FORMATS = dict.fromkeys(_HEIF_SUFFIXES, "HEIF") | {".jxl": "JXL", ".avif": "AVIF", ".avifs": "AVIF"}
# Formats that Pillow may need a package for: module, and the name to install it by.
_PACKAGES = {
    "AVIF": ("pillow_avif", "pillow-avif-plugin"),
    "HEIF": ("pillow_heif", "pillow-heif"),
    "JXL": ("pillow_jxl", "pillow-jxl-plugin"),
}
_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG"),
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"GIF8[79]a"), "GIF"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WEBP"),
    (re.compile(rb"II[*+]\0|MM\0[*+]|MM\*\0|II\0\*"), "TIFF"),
    (re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL), "BMP"),
    (re.compile(rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"), "JPEG2000"),
    (re.compile(rb"....ftyp.{0,48}?avi[fs]", re.DOTALL), "AVIF"),
    (re.compile(rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL), "HEIF"),
    (re.compile(rb"qoif"), "QOI"),
    (re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n"), "JXL"),
)
_PLAIN_MAP = re.compile(rb"P[1-6Ff][\s#]")  # so short that texts may begin so; counts only where a picture is expected
_WITHOUT_SIGNATURE = {".dib": "DIB", ".tga": "TGA"}  # nothing at their beginning says what they are
_PICTURE_STREAMS = {".mjpeg", ".mjpg"}  # videos: pictures one after the other, which begin as the first one does
_MAX_NAMED = 5
DAMAGE = (EOFError, IndexError, OSError, SyntaxError, ValueError, struct.error)
"""What Pillow raises for files that are damaged or cut off."""
_NOT_MINE = {"thumbs.db", "desktop.ini", "__macosx"}  # what operating systems leave beside the user's files


NO_PICTURE = "no picture"


class PictureList(NamedTuple):
    """What is in a folder.

    Attributes:
        files: Pictures in natural order of their names (`image2` before `image10`).
        left_out: Other files, with the reason that they share, for example `no picture`.
        folders: Folders that were not searched.
    """

    files: list[Path]
    left_out: dict[str, list[Path]]
    folders: list[Path]

    def summary(self) -> str:
        """How many are left out, why, and their first names; empty if nothing is."""
        parts = [f"{_count(files, 'file')}: {reason} ({_names(files)})" for reason, files in self.left_out.items()]
        if self.folders:
            parts.append(f"{_count(self.folders, 'folder')} inside, not searched ({_names(self.folders)})")
        return "; ".join(parts)


def find_pictures(folder: Path, *, with_subfolders: bool = False) -> PictureList:
    """Pictures of a folder by their names, or else by their content.

    Hidden files and what operating systems put beside the user's files do not count at all.

    Args:
        folder: Where to look; links are followed, but no folder is searched twice.
        with_subfolders: Whether to look in the folders inside it, too.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it is no folder.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> for name in ("b10.JPG", "b9.jfif", "notes.txt"):
        ...     _ = (folder / name).write_text("")
        >>> found = find_pictures(folder)
        >>> [path.name for path in found.files], found.summary()
        (['b9.jfif', 'b10.JPG'], '1 file: no picture (notes.txt)')
    """
    if not folder.exists():
        raise FileNotFoundError(f"{shown(folder)} does not exist.")
    if not folder.is_dir():
        raise ValueError(f"{shown(folder)} is a file, not a folder of photographs.")
    found = PictureList([], {}, [])
    _search(folder, found, {folder.resolve()}, with_subfolders)
    return found


def pictures_in(folder: Path, what: str) -> list[Path]:
    """Pictures of a folder in natural order of their names, with warnings of what else is there and of animated files.

    Args:
        folder: The folder; those inside it are not searched.
        what: What they are called where there are none.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it is no folder or holds no pictures.
    """
    found = find_pictures(folder)
    if not found.files:
        beside = f"; beside them it holds {found.summary()}" if found.summary() else ""
        raise ValueError(f"{shown(folder)} holds no {what} (.jpg, .png, .tif, .webp and others){beside}.")
    warn_left_out(folder, found)
    warn_animated(found.files)
    return found.files


def warn_left_out(folder: Path, found: PictureList) -> None:
    """One warning about all that a folder holds beside its pictures.

    Args:
        folder: The folder.
        found: What is in it.
    """
    if summary := found.summary():
        warnings.warn(f"left out in {shown(folder)}: {summary}.", stacklevel=3)


def warn_animated(files: Iterable[Path]) -> None:
    """One warning about the files that hold more than the one picture that is taken from them.

    Args:
        files: Pictures.
    """
    if animated := [file for file in files if is_animated(file)]:
        warnings.warn(
            f"only the first image counts of {_count(animated, 'animated or multi-page file')} ({_names(animated)}).",
            stacklevel=3,
        )


def picture_format(path: Path) -> str | None:
    """Pillow's name of the format of a file by its content, None if it is no picture.

    Args:
        path: The file.
    """
    if path.suffix.lower() in _PICTURE_STREAMS:
        return None
    with path.open("rb") as file:
        head = file.read(64)
    found = _by_signature(head)
    if found is None and _PLAIN_MAP.match(head):
        return "PPM"
    return found or _WITHOUT_SIGNATURE.get(path.suffix.lower())


def missing_package(file_format: str) -> str | None:
    """The package that a format needs and that is not installed; None if all is there, after making Pillow know it.

    Args:
        file_format: Pillow's name.
    """
    from PIL import Image

    if file_format not in _PACKAGES or file_format in Image.OPEN:
        return None
    Image.init()
    module, package = _PACKAGES[file_format]
    if file_format in Image.OPEN:
        return None
    if importlib.util.find_spec(module) is None:
        return package
    plugin = importlib.import_module(module)
    if hasattr(plugin, "register_heif_opener"):
        plugin.register_heif_opener()
    return None if file_format in Image.OPEN else package


def is_animated(path: Path) -> bool:
    """Whether a file holds more pictures than its first: an animation, or further pages.

    Args:
        path: The file; not looked into if it has the name of a format that cannot hold several.
    """
    suffix = path.suffix.lower()
    moves = _ANIMATED.get(suffix, None if suffix in READ_SUFFIXES else _moves_for_pillow)
    try:
        # What comes out of a pipe can be read once only, and not for this.
        return moves is not None and path.is_file() and moves(path)
    except DAMAGE:  # found and named when it is read
        return False


def depth_and_alpha(path: Path) -> tuple[int, bool]:
    """Bits of a stored value, and whether a picture is transparent in places.

    Args:
        path: The picture, the first one of an animation; of one that Pillow cannot read, the usual is assumed, 8 bits
            without transparency.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")  # about the size: whoever reads the pixels tells
            is_deep = image.mode[0] in "IF" or any(";16" in str(tile[3]) for tile in image.tile)
            may_be_transparent = "A" in image.mode[1:] or "transparency" in image.info
            has_alpha = may_be_transparent and image.convert("RGBA").getchannel("A").getextrema()[0] < 255
            return (16 if is_deep else 8), has_alpha
    except DAMAGE:
        return 8, False


def _search(folder: Path, found: PictureList, seen: set[Path], with_subfolders: bool) -> None:
    for item in sorted(folder.iterdir(), key=natural_key):
        if item.name.startswith(".") or item.name.lower() in _NOT_MINE:
            continue
        if item.is_dir():
            place = item.resolve()
            if not with_subfolders:
                found.folders.append(item)
            elif place not in seen:
                seen.add(place)
                _search(item, found, seen, True)
        elif reason := _why_not(item):
            found.left_out.setdefault(reason, []).append(item)
        else:
            found.files.append(item)


def _why_not(item: Path) -> str | None:
    """Why a file is not read as a picture."""
    if not item.is_file():
        return "a link to nothing" if item.is_symlink() else "no file"
    suffix = item.suffix.lower()
    if suffix in _PICTURE_STREAMS:
        return NO_PICTURE
    file_format = _SUFFIX_FORMATS.get(suffix)
    if file_format is None and suffix not in READ_SUFFIXES:
        try:
            with item.open("rb") as file:
                file_format = _by_signature(file.read(64))
        except OSError:
            return "no permission"
        if file_format is None:
            return NO_PICTURE
    package = None if file_format is None else missing_package(file_format)
    return None if package is None else f"needs the package {package}"


def _by_signature(head: bytes) -> str | None:
    return next((name for pattern, name in _SIGNATURES if pattern.match(head)), None)


def _count(files: Sequence[Path], word: str) -> str:
    return f"{len(files)} {word}{'s' * (len(files) > 1)}"


def _names(files: Sequence[Path]) -> str:
    listed = [shown(file.name) for file in files[:_MAX_NAMED]]
    return ", ".join([*listed, *(["..."] if len(files) > _MAX_NAMED else [])])


def _png_moves(path: Path) -> bool:
    """Whether a PNG file says before its pixels that it is animated."""
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            return _moves_for_pillow(path)
        while True:
            length, name = struct.unpack(">I4s", file.read(8))
            if name in (b"acTL", b"IDAT", b"IEND"):
                return name == b"acTL" and struct.unpack(">I", file.read(4))[0] > 1
            file.seek(length + 4, 1)


def _moves_for_pillow(path: Path) -> bool:
    from PIL import Image

    file_format = picture_format(path)
    if file_format is None or missing_package(file_format):
        return False
    if file_format == "TIFF":
        return has_more_pages(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path, formats=[file_format]) as image:
            # Cameras store previews and depths beside a JPEG photograph; these are no animation.
            return image.format not in ("JPEG", "MPO") and bool(getattr(image, "is_animated", False))


_ANIMATED = dict.fromkeys((".avif", ".avifs", ".gif", ".tif", ".tiff", ".webp", *_HEIF_SUFFIXES), _moves_for_pillow)
_ANIMATED |= {".apng": _png_moves, ".png": _png_moves}
