"""Picture files without what is noted beside the pixels, for files in which only the notes are damaged."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

_PNG_PICTURE = {b"IHDR", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"fdAT", b"IDAT", b"IEND"}
_PNG_PICTURE_CHUNK = re.compile(rb"PLTE|tRNS|IDAT|IEND")
_JPEG_TABLES = re.compile(rb"\xff[\xc0-\xc4\xda\xdb\xdd]")
_JPEG_SCAN = 0xDA
_JPEG_NOTES = {*range(0xE0, 0xF0), 0xFE}
_JPEG_NEEDED = {0xE0, 0xEE}  # JFIF's and Adobe's, which say how colors are stored
_JPEG_WANTED = {0xE1, 0xE2}  # EXIF and the color profile, in order in most files
_AVIF_LIST = 65536
_WEBP_PICTURE = {b"ALPH", b"ANIM", b"ANMF", b"VP8 ", b"VP8L", b"VP8X"}
_WEBP_NOTES = 0x20 | 0x08 | 0x04  # color profile, EXIF, XMP in the flags of VP8X


def without_notes(content: bytes, file_format: str) -> Iterator[bytes]:
    """Copies of a file with fewer and fewer notes, as long as there may be a picture in them.

    Args:
        content: A PNG, JPEG, WebP or AVIF file; there are no copies of others.
        file_format: Pillow's name of the format.
    """
    try:
        if file_format == "PNG":
            yield _png(content)
        elif file_format == "JPEG":
            yield _jpeg(content, _JPEG_NEEDED | _JPEG_WANTED)
            yield _jpeg(content, _JPEG_NEEDED)
        elif file_format == "WEBP":
            yield _webp(content)
        elif file_format == "AVIF":  # the name of the note in the list of what is in the file
            yield content[:_AVIF_LIST].replace(b"Exif", b"none") + content[_AVIF_LIST:]
    except (struct.error, IndexError):  # cut off before the pixels
        return


def _png(content: bytes) -> bytes:
    """Chunks of the picture as they are; EXIF and color profile if they are whole."""
    kept, place = bytearray(content[:8]), 8
    note = 0  # where the last note began, whose length may be wrong
    while place + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        end = place + 12 + length
        if end > len(content) or not name.isalpha():  # go on where the picture does
            following = _PNG_PICTURE_CHUNK.search(content, (note or place) + 8)
            if following is None:
                kept += content[place:]
                break
            place = following.start() - 4
            continue
        chunk = content[place:end]
        if name in _PNG_PICTURE or (name in (b"eXIf", b"iCCP") and _is_whole(chunk)):
            kept += chunk
        note, place = 0 if name in _PNG_PICTURE else place, end
    return bytes(kept)


def _is_whole(chunk: bytes) -> bool:
    if zlib.crc32(chunk[4:-4]) != struct.unpack(">I", chunk[-4:])[0]:
        return False
    if chunk[4:8] == b"iCCP":
        try:
            zlib.decompress(chunk[8:-4].partition(b"\0")[2][1:])
        except zlib.error:
            return False
    return True


def _jpeg(content: bytes, notes: set[int]) -> bytes:
    """Everything but the notes, up to the pixels, which stay as they are."""
    kept, place = bytearray(content[:2]), 2
    note = 0  # where the last note began, whose length may be wrong
    while True:
        marker = content[place + 1]
        end = place + 2 + struct.unpack_from(">H", content, place + 2)[0]
        if content[place] != 0xFF or marker < 0xC0 or end > len(content):
            following = _JPEG_TABLES.search(content, (note or place) + 4)
            if following is None:
                return bytes(kept)
            place, note = following.start(), 0
            continue
        if marker == 0xFF:  # filling
            place += 1
            continue
        if marker == _JPEG_SCAN:
            return bytes(kept) + content[place:]
        if marker not in _JPEG_NOTES or marker in notes:
            kept += content[place:end]
        note, place = place if marker in _JPEG_NOTES else 0, end


def _webp(content: bytes) -> bytes:
    kept, place = bytearray(), 12
    while place + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, place)
        end = place + 8 + length + length % 2
        if name in _WEBP_PICTURE and place + 8 + length <= len(content):
            chunk = bytearray(content[place:end].ljust(end - place, b"\0"))
            if name == b"VP8X":
                chunk[8] &= ~_WEBP_NOTES & 0xFF
            kept += chunk
        place = end
    return b"RIFF" + struct.pack("<I", 4 + len(kept)) + b"WEBP" + bytes(kept)
