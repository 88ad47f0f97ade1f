"""Frames of a video file, one at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from subband.media.containers import reading, stored
from subband.media.frame_index import RECORDS, FrameIndex, StreamFacts, checksum
from subband.media.frame_source import FrameSource
from subband.media.frames import BaseReader, Frame, Size, VideoInfo, check_frame_size, frame_rate, scaled_size
from subband.media.orientation import find_turn
from subband.media.stream_facts import clip_details, mean_rate

COUNTED_FRAMES = 3000
"""Clips of up to so many frames by their header are counted by decoding them, once, where frame numbers need it."""

_LONGEST_STEP = 30 * 3600  # seconds from one frame to the next, where the ffmpeg program draws the same line
_READ_ALONG = 250  # a part that begins before this frame is read from the start, which costs what a usual jump costs


class VideoReader(BaseReader):
    """The first video stream of a file, opened once and decoded frame by frame.

    The frames are those that the ffmpeg program shows: a picture that cannot be decoded is no frame, and neither are
    pictures before the first from which decoding can begin, nor those that an edit list cuts off; a picture that the
    decoder restores in part is one. A damaged clip is read with one warning, once a process, that counts both. Frames
    have the same numbers and pixels whether they are read from the start or jumped to.

    Numbers are exact. The one exception: a clip of more than 3000 frames is not decoded only to jump into it, so there
    pictures count as their container lists them, until `info` was asked for.

    Rotation and mirroring that the file notes are applied; pixels that are not square stay so (`details.pixel_aspect`).
    Time stamps are kept as they are, also where the rate varies. Frames come as 8-bit red, green and blue by the matrix
    of the file, also those of 10-bit files; the curve of HDR footage stays as it is. Frames that change their size in
    the middle are scaled to the first one's with a warning. Further video streams are listed in `details` only.

    What was found out about a file is remembered by the process, as long as the file does not change.

    Args:
        path: Video file; a pipe such as `/dev/stdin` is first read to its end, into a temporary file.

    Attributes:
        path: The file.
        height: Height of a frame, upright.
        width: Width of a frame, upright.
        fps: Mean frames per second, None where the file does not say.
        details: Time base, pixel aspect, color tags, further streams and chapters.

    Raises:
        ValueError: If it is no video, holds no frames, or its frames are larger than 8192 x 4320 pixels.
        ImportError: If PyAV is not installed.

    Example:
        >>> import torch
        >>> from subband.media import VideoReader, write_clip
        >>> path = getfixture("tmp_path") / "clip.mp4"
        >>> write_clip(path, torch.rand(3, 3, 16, 24), fps=5)
        >>> with VideoReader(path) as reader:
        ...     [(frame.pixels.shape, str(frame.time)) for frame in reader.stream(size=12)]
        [((8, 12, 3), '0'), ((8, 12, 3), '1/5'), ((8, 12, 3), '2/5')]
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._stack = ExitStack()
        with ExitStack() as opened:
            file = opened.enter_context(stored(self.path))
            self._record = RECORDS.record(file)
            self._source = FrameSource(file, self.path, one_thread=self._record.needs_one_thread)
            opened.callback(self._source.close)
            self._pending: Iterator[Any] | None = None  # for the first iteration, which needs no second decoding
            if self._record.facts is None:
                self._record.facts = self._look()
            self._facts = self._record.facts
            self._stack = opened.pop_all()
        self.height, self.width, _, rate, self.details = self._facts
        check_frame_size(self.path, self.width, self.height)  # the limit may have changed since the file was looked at
        self.fps = float(rate) if rate else None

    def _look(self) -> StreamFacts:
        """Decodes two frames: the first tells rotation and color tags, both the rate if the header does not."""
        stream = self._source.stream
        check_frame_size(self.path, stream.width, stream.height)
        decoded = self._source.whole()
        begin = list(islice(decoded, 2))
        if not begin:
            reason = "" if not self._source.damage.is_found else f": {self._source.damage.describe(self.path)[:-1]}"
            raise ValueError(f"{self.path} holds no video frames that can be decoded{reason}.")
        first, stream = begin[0], self._source.stream
        self._pending = chain(begin, decoded)
        turn = find_turn(first, stream, self.path)
        size = (first.width, first.height) if turn.is_transposed else (first.height, first.width)
        rate = mean_rate(stream, begin)
        details = clip_details(self._source.container, stream, first, rate, is_transposed=turn.is_transposed)
        return StreamFacts(*size, turn, rate, details)

    @property
    def info(self) -> VideoInfo:
        """Exact facts. The clip is decoded for them, once for a file and process."""
        index = self._index()
        self._tell()
        return VideoInfo(num_frames=index.count, height=self.height, width=self.width, fps=self.fps, kind="video")

    @property
    def count(self) -> int:
        """Number of frames, by which they are numbered; see above for clips of more than 3000 frames."""
        if self._record.index is not None or self._is_short:
            return self._index().count
        return self._source.stream.frames if self._listed() else self._stored_index().count

    def frames(self, indices: range) -> Iterator[np.ndarray]:
        """Yields the frames of ascending `indices`, `(H, W, 3)` uint8; fewer when the clip ends early."""
        for index, frame in self._numbered_from(indices.start):
            if index in indices:
                yield self._to_array(frame)
            if index >= indices[-1]:
                break
        self._tell()

    def stream(self, start: Fraction | int | None = None, size: Size = None) -> Iterator[Frame]:
        """Yields frames with their times, one at a time.

        Args:
            start: None for all; a fraction for the frames at this time in seconds and later; a whole number for the
                frames with this number and later.
            size: Size to scale to on the way (bicubic): height and width, or the longest side, which nothing is
                enlarged to.

        Raises:
            ValueError: If `size` is not positive.
        """
        size = None if size is None else scaled_size(self.height, self.width, size)
        if isinstance(start, int):
            frames = (frame for index, frame in self._numbered_from(start) if index >= start)
            yield from self._timed(frames, size)
        else:
            yield from self._timed(self._from(start), size, start)
        self._tell()

    def __iter__(self) -> Iterator[Frame]:
        """All frames."""
        return self.stream()

    def close(self) -> None:
        """Closes the file."""
        self._stack.close()

    @property
    def _is_short(self) -> bool:
        if (self.details.about_frames or 0) <= COUNTED_FRAMES:
            return True
        # A damaged header may tell of a million frames.
        return not self._listed() and self._stored_index().count <= COUNTED_FRAMES

    def _tell(self) -> None:
        """Warns of damage."""
        index = self._record.index
        damage = self._source.damage if index is None else index.damage
        if self._source.needs_one_thread:
            self._record.needs_one_thread = True
        if damage.is_found:
            self._record.tell("damage", damage.describe(self.path))

    def _index(self) -> FrameIndex:
        """All frames, counted by decoding them."""
        if self._record.index is None:
            had_one_thread = self._source.needs_one_thread
            index = self._counted()
            if self._source.needs_one_thread and not had_one_thread:
                index = self._counted()  # before damage is noticed, threads may have mended frames in another way
            self._record.index, self._record.needs_one_thread = index, self._source.needs_one_thread
            RECORDS.trim()
        return self._record.index

    def _counted(self) -> FrameIndex:
        index = FrameIndex()
        times: list[Any] = []
        for number, frame in enumerate(self._from_start()):
            times.append(frame.pts)
            index.checksums.append(checksum(frame))
            if frame.key_frame:
                index.entries.append(number)
        index.count, index.damage = len(times), self._source.damage
        _note_times(index, times)
        return index

    def _stored_index(self) -> FrameIndex:
        """All pictures, counted without decoding them."""
        if self._record.stored is None:
            index = FrameIndex()
            self._pending = None
            shown = [(packet.pts, packet.is_keyframe) for packet in self._source.packets() if not packet.is_discard]
            index.count = len(shown)
            _note_times(index, sorted(time for time, _ in shown) if all(time is not None for time, _ in shown) else [])
            numbers = (index.number_at(time) for time, is_key in shown if is_key and index.times)
            index.entries.extend(sorted(number for number in numbers if number is not None))
            self._record.stored = index
            RECORDS.trim()
        return self._record.stored

    def _from_start(self) -> Iterator[Any]:
        pending, self._pending = self._pending, None
        return self._source.whole() if pending is None else pending

    def _from(self, start: Fraction | None) -> Iterator[Any]:
        """Decoded frames from a key frame at or before a time on."""
        base = self.details.time_base
        if start is not None and base is not None and self._source.can_seek:
            if self._record.index is not None or self._record.needs_one_thread:
                index = self._index()
                number = bisect_left(index.times, start / base)
                jumped = self._jump(index, number) if number else None
                return self._from_start() if jumped is None else (frame for _, frame in jumped)
            self._pending = None
            landing = self._source.landing(int(start / base))
            first = None if landing is None else next(landing.frames, None)
            if landing is not None and first is not None and first.pts == landing.time:
                return chain([first], landing.frames)
        return self._from_start()

    def _numbered_from(self, start: int) -> Iterator[tuple[int, Any]]:
        """Decoded frames with numbers, from a key frame at or before `start` where the file lets jump there."""
        if start > 0 and self._source.can_seek:
            if self._record.index is None and start <= _READ_ALONG:
                jumped = None
            elif self._record.index is not None or self._is_short:
                jumped = self._jump(self._index(), start)
            elif self._listed():
                jumped = self._jump_by_list(start)
            else:
                jumped = self._jump(self._stored_index(), start)
            if jumped is not None:
                yield from jumped
                return
        yield from enumerate(self._from_start())

    def _jump(self, index: FrameIndex, start: int) -> Iterator[tuple[int, Any]] | None:
        """By an index, if what is found there is what decoding from the start gives."""
        if start >= len(index.times):
            return None
        self._pending = None
        for entry in index.entries_before(start):
            landing = self._source.landing(index.times[entry])
            number = None if landing is None else index.number_at(landing.time)
            if landing is None or number is None:
                continue
            first = next(landing.frames, None)
            if first is not None and first.pts == landing.time and index.agrees(number, first):
                return self._as_from_start(index, enumerate(chain([first], landing.frames), number), start)
        return None

    def _as_from_start(
        self, index: FrameIndex, jumped: Iterator[tuple[int, Any]], start: int
    ) -> Iterator[tuple[int, Any]]:
        """Numbered frames after a jump; once one is not what decoding from the start gives, that is done."""
        for number, frame in jumped:
            if number >= start and not index.agrees(number, frame):
                self._source.reopen()
                yield from islice(enumerate(self._from_start()), number, None)
                return
            yield number, frame

    def _listed(self) -> bool:
        """Whether the container lists every picture, and an edit list leaves out none of them."""
        stream = self._source.stream
        entries = stream.index_entries
        is_full = stream.frames > 0 and len(entries) == stream.frames
        return is_full and self._source.can_seek and not any(entry.is_discard for entry in entries[:_READ_ALONG])

    def _jump_by_list(self, start: int) -> Iterator[tuple[int, Any]] | None:
        """By the container's list, in the order of decoding: so many pictures as stand before a key frame have lower
        numbers, and so have those after it that are shown before it.
        """
        self._pending = None
        entries = self._source.stream.index_entries
        target = entries[start].timestamp if start < len(entries) else -1
        for _ in range(2):
            landing = self._source.landing(target) if target > 0 else None
            if landing is None or landing.decoding_time is None:
                return None
            place = entries.search_timestamp(landing.decoding_time, any_frame=True)
            first = next(landing.frames, None)
            number = place + landing.num_before()
            is_there = first is not None and first.pts == landing.time
            if is_there and number <= start and entries[place].timestamp == landing.decoding_time:
                return enumerate(chain([first], landing.frames), number)
            target = landing.decoding_time - 1
        return None

    def _timed(
        self, frames: Iterator[Any], size: tuple[int, int] | None, start: Fraction | None = None
    ) -> Iterator[Frame]:
        step = 1 / frame_rate(self.fps or 25)
        base = self.details.time_base
        previous: Fraction | None = None
        for frame in frames:
            time = None if frame.pts is None or base is None else frame.pts * base
            # Some AVI files have times of decoding only; a leap of days is a broken time, which no file could hold.
            if previous is not None and (time is None or not previous < time <= previous + _LONGEST_STEP):
                time = previous + step
            time = self.details.start if time is None else time
            previous = time
            if start is None or time >= start:
                duration = frame.duration * base if frame.duration and base else None
                yield Frame(self._to_array(frame, size), time, duration)

    def _to_array(self, frame: Any, size: tuple[int, int] | None = None) -> np.ndarray:
        turn = self._facts.turn
        target = size or (self.height, self.width)
        stored_size = target[::-1] if turn.is_transposed else target
        usual = (self.width, self.height) if turn.is_transposed else (self.height, self.width)
        if (frame.height, frame.width) != usual:
            check_frame_size(self.path, frame.width, frame.height)
            self._record.tell(
                "sizes",
                f"{self.path} changes its frame size in the middle; all frames are scaled to that of the first, "
                f"{self.width} x {self.height}.",
            )
        with reading(self.path):
            if (frame.height, frame.width) != stored_size:
                height, width = stored_size
                frame = frame.reformat(width=width, height=height, format="rgb24", interpolation="BICUBIC")
            return turn.apply(frame.to_ndarray(format="rgb24"))


def _note_times(index: FrameIndex, times: list[Any]) -> None:
    """Keeps times by which frames can be found."""
    if None not in times and all(before < after for before, after in pairwise(times)):
        index.times.extend(times)
