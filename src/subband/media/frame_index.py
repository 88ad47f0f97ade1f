"""What is found out about a video file once per process: facts of its first frames, and where its frames are."""

from __future__ import annotations

import threading
import warnings
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from subband.media.decoding import Damage
from subband.media.frames import ClipDetails
from subband.media.orientation import Turn

MAX_REMEMBERED_FRAMES = 4_000_000
"""Most frames of all files whose places are remembered, about 64 MB; the files that were not used for longest go."""

MAX_REMEMBERED_FILES = 20_000


class StreamFacts(NamedTuple):
    """What the first frames of a file tell.

    Attributes:
        height: Height of a frame, upright.
        width: Width of a frame, upright.
        turn: How a stored frame becomes upright.
        rate: Mean frames per second, None where the file does not say.
        details: What the file says beside the frames.
    """

    height: int
    width: int
    turn: Turn
    rate: Fraction | None
    details: ClipDetails


@dataclass
class FrameIndex:
    """Times of the frames of a file, and those at which decoding can begin.

    Attributes:
        count: Number of frames.
        times: Time of every frame in units of the stream, ascending; empty where a time is missing or they do not grow,
            in which case frames are counted from the start.
        entries: Numbers of the key frames.
        checksums: Of the pixels of every frame when the file is decoded from its start: in a damaged file, what a
            decoder puts in the place of what is missing depends on all that it decoded before. Empty where the packets
            were counted only.
        damage: What was wrong.
    """

    count: int = 0
    times: array[int] = field(default_factory=lambda: array("q"))
    entries: array[int] = field(default_factory=lambda: array("q"))
    checksums: array[int] = field(default_factory=lambda: array("L"))
    damage: Damage = field(default_factory=Damage)

    def number_at(self, time: int) -> int | None:
        """Number of the frame with a time.

        Args:
            time: In units of the stream.
        """
        number = bisect_left(self.times, time)
        return number if number < len(self.times) and self.times[number] == time else None

    def entries_before(self, number: int) -> list[int]:
        """Numbers of the last two key frames at or before a frame, the later one first.

        Args:
            number: Number of the frame.
        """
        end = bisect_right(self.entries, number)
        return list(reversed(self.entries[max(end - 2, 0) : end]))

    def agrees(self, number: int, frame: Any) -> bool:
        """Whether a frame that was jumped to is what decoding from the start gives.

        Args:
            number: Its number.
            frame: The decoded frame.
        """
        return not self.checksums or (number < self.count and self.checksums[number] == checksum(frame))


def checksum(frame: Any) -> int:
    """A number by which frames of other pixels are told apart.

    Args:
        frame: A decoded frame.
    """
    planes = [plane for plane in frame.planes if plane.line_size > 0]  # none that is upside down, and no palette
    one_plane = -(-frame.format.padded_bits_per_pixel // 8)
    value_bytes = one_plane if len(planes) == 1 else -(-frame.format.components[0].bits // 8)
    value = 1
    for plane in planes:
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        value = zlib.adler32(np.ascontiguousarray(rows[:, : value_bytes * plane.width]).data, value)  # without padding
    return value


@dataclass
class FileRecord:
    """What is known of a file, or of a folder of frames.

    Attributes:
        facts: Of its first frames, once it was opened.
        index: Its frames, once they were counted by decoding.
        stored: Its pictures by their packets, where frames were not counted.
        needs_one_thread: Whether its frames depend on the number of decoding threads.
        told: Kinds of trouble that were warned of.
    """

    facts: StreamFacts | None = None
    index: FrameIndex | None = None
    stored: FrameIndex | None = None
    needs_one_thread: bool = False
    told: set[str] = field(default_factory=set)

    def tell(self, kind: str, message: str) -> None:
        """Warns of a kind of trouble once, however often the file is opened, and whatever part of it is read.

        Args:
            kind: A word for it.
            message: What is said.
        """
        if kind not in self.told:
            self.told.add(kind)
            warnings.warn(message, stacklevel=3)

    @property
    def size(self) -> int:
        """Number of frames that are remembered."""
        return sum(len(index.times) for index in (self.index, self.stored) if index is not None)


class RecordCache:
    """Records of the files that were used last; a file that changed has a new one.

    Args:
        max_frames: Most frames in all records together.
        max_files: Most records.
    """

    def __init__(self, max_frames: int = MAX_REMEMBERED_FRAMES, max_files: int = MAX_REMEMBERED_FILES) -> None:
        self._max_frames = max_frames
        self._max_files = max_files
        self._records: OrderedDict[tuple[str, int, int], FileRecord] = OrderedDict()
        self._lock = threading.Lock()

    def record(self, path: Path) -> FileRecord:
        """The record of a file.

        Args:
            path: An existing file or folder.
        """
        state = path.stat()
        key = (str(path.resolve()), state.st_mtime_ns, state.st_size)
        with self._lock:
            record = self._records.setdefault(key, FileRecord())
            self._records.move_to_end(key)
            if len(self._records) > self._max_files:
                self._records.popitem(last=False)
        return record

    def trim(self) -> None:
        """Forgets files until few enough frames are remembered; called when frames were counted."""
        with self._lock:
            total = sum(record.size for record in self._records.values())
            while len(self._records) > 1 and total > self._max_frames:
                total -= self._records.popitem(last=False)[1].size


RECORDS = RecordCache()
"""Records of this process; processes that are forked from it inherit them."""
