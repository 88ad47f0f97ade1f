"""Whether the end of a video file is missing, at which FFmpeg stops as at any other end, by the sizes it notes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

_HEAD = 4096
_TRANSPORT_UNITS = ((188, 0), (192, 4), (204, 0))  # size of a packet and place of its first byte, 0x47
_OF_ONE_SIZE = ("dv", "yuv4mpegpipe")  # frames without more around them


def is_cut_off(container: Any, end: int | None) -> bool:
    """Whether a file that was read to its end goes on beyond it, by its own words.

    Matroska, WebM, AVI, FLV, IVF and MXF files say where parts of them end, and DV, YUV4MPEG and MPEG transport streams
    have parts of one size. Raw streams of H.264, HEVC and others say nothing; of MP4 and what is not named here, FFmpeg
    tells itself.

    Args:
        container: An opened file.
        end: Where its last packet ends; None if nobody knows.
    """
    name = container.format.name
    if name in _OF_ONE_SIZE:
        return end is not None and end != container.size
    check = next((check for part, check in _CHECKS.items() if part in name.split(",")), None)
    if check is None:
        return False
    with open(container.name.removeprefix("file:"), "rb") as file:
        return check(file, container.size)


def is_gif_cut_off(path: Path) -> bool:
    """Whether a GIF file lacks the byte at which all its pictures have been; zeros behind it do not count."""
    with open(path, "rb") as file:
        file.seek(max(os.fstat(file.fileno()).st_size - _HEAD, 0))
        return not file.read().rstrip(b"\0").endswith(b";")


def _matroska(file: BinaryIO, size: int) -> bool:
    head = file.read(_HEAD)
    place = 0
    for name in (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"):  # the header, then the segment, which holds all else
        if head[place : place + 4] != name or len(head) < place + 12:
            return False
        width = 9 - head[place + 4].bit_length()
        length = int.from_bytes(head[place + 4 : place + 4 + width], "big") - (1 << 7 * width)
        is_unknown = length == (1 << 7 * width) - 1  # what is written to a pipe
        place += 4 + width + length
    return not is_unknown and place > size


def _transport_stream(file: BinaryIO, size: int) -> bool:
    """Whether the last packet is incomplete; a stream that ends with a whole one is taken for whole."""
    head = file.read(_HEAD)
    for unit, first in _TRANSPORT_UNITS:
        if len(head) >= 3 * unit and all(head[place] == 0x47 for place in range(first, 3 * unit, unit)):
            rest = size % unit
            file.seek(size - rest + first)
            return rest > first and file.read(1) == b"\x47"
    return False


def _avi(file: BinaryIO, size: int) -> bool:
    """Large files are several of these one after the other; what else stands behind them does not count."""
    place, is_cut = 0, False
    while place + 8 <= size:
        file.seek(place)
        name, length = file.read(4), int.from_bytes(file.read(4), "little")
        if name != b"RIFF" or not length:  # none in what is written to a pipe
            break
        place += 8 + length + length % 2
        is_cut = place - length % 2 > size
    return is_cut


def _flash(file: BinaryIO, size: int) -> bool:
    """After every part its length stands once more."""
    file.seek(5)
    place = int.from_bytes(file.read(4), "big") + 4
    while place + 15 <= size:
        file.seek(place + 1)
        length = int.from_bytes(file.read(3), "big")
        file.seek(place + 11 + length)
        if place + 15 + length <= size and int.from_bytes(file.read(4), "big") != 11 + length:
            return False  # something else: FFmpeg tells of damage
        place += 15 + length
    return place != size


def _ivf(file: BinaryIO, size: int) -> bool:
    file.seek(6)
    place = int.from_bytes(file.read(2), "little")
    while place + 12 <= size:
        file.seek(place)
        place += 12 + int.from_bytes(file.read(4), "little")
    return place != size


def _mxf(file: BinaryIO, size: int) -> bool:
    """The header says where the footer begins, 0 where it was never told."""
    head = file.read(_HEAD)
    place = head.find(b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02")
    if place < 0 or len(head) < place + 64:
        return False
    length = head[place + 16]
    place += 17 + (length & 0x7F if length & 0x80 else 0)
    return int.from_bytes(head[place + 24 : place + 32], "big") >= size


_CHECKS: dict[str, Callable[[BinaryIO, int], bool]] = {
    "avi": _avi,
    "flv": _flash,
    "ivf": _ivf,
    "matroska": _matroska,
    "mpegts": _transport_stream,
    "mxf": _mxf,
}
