"""Frames of a video file, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from subband.media.containers import open_container, reading, repeats_chapters
from subband.media.frames import (
    BaseReader,
    Chapter,
    ClipDetails,
    ColorTags,
    Frame,
    Size,
    StreamInfo,
    VideoInfo,
    check_frame_size,
    scaled_size,
)

# Containers whose packet times are the times of the frames; others are read from frame 0.
_SEEKABLE = ("mov", "matroska")
_DISPLAY_MATRIX_VALUES = 9
_MOST_FPS = 240  # Matroska files without a rate claim one of 1000


class VideoReader(BaseReader):
    """The first video stream of a file, opened once and decoded frame by frame.

    Rotation and mirroring that the file notes are applied. Time stamps are kept as they are, also where the rate
    varies. Frames come as 8-bit red, green and blue by the matrix of the file; the curve of HDR footage stays as it is.

    Args:
        path: Video file.

    Attributes:
        path: The file.
        height: Height of a frame, upright.
        width: Width of a frame, upright.
        fps: Mean frames per second, None where the file does not say.
        details: Time base, pixel aspect, color tags, further streams and chapters.

    Raises:
        ValueError: If it is damaged, no video, or its frames are larger than 8192 x 4320 pixels.
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
        self._container = open_container(self.path)
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        """Decodes two frames: the first tells rotation and color tags, both the rate if the header does not."""
        stream = self._container.streams.video[0]
        check_frame_size(self.path, stream.width, stream.height)
        self._turn_count = 0
        self._scanned: list[Any] | None = None
        decoded = self._decoded()
        begin = list(islice(decoded, 2))
        if not begin:
            raise ValueError(f"{self.path} holds no video frames.")
        first = begin[0]
        self._pending: Iterator[Any] | None = chain(begin, decoded)  # for the first iteration, which needs no seek
        self._turn = _turn(first)
        self.height, self.width = first.height, first.width
        if self._turn.is_transposed:
            self.height, self.width = self.width, self.height
        rate = _rate(stream, begin)
        self.fps = float(rate) if rate else None
        self.details = _details(self._container, first, rate, self._turn.is_transposed)

    @property
    def info(self) -> VideoInfo:
        """Exact facts. The packets are walked once without decoding, which also shows whether the file was cut off."""
        num_frames = len(self._times)
        return VideoInfo(num_frames=num_frames, height=self.height, width=self.width, fps=self.fps, kind="video")

    def frames(self, indices: range) -> Iterator[np.ndarray]:
        """Yields the frames of ascending `indices`, `(H, W, 3)` uint8; fewer when the file ends early.

        Raises:
            ValueError: If the file is damaged.
        """
        for index, frame in self._numbered_from(indices.start):
            if index in indices:
                yield self._to_array(frame)
            if index >= indices[-1]:
                return

    def stream(self, start: Fraction | int | None = None, size: Size = None) -> Iterator[Frame]:
        """Yields frames with their times, one at a time.

        Args:
            start: None for all; a fraction for the frames at this time in seconds and later; a whole number for the
                frames with this number and later.
            size: Size to scale to on the way (bicubic): height and width, or the longest side, which nothing is
                enlarged to.

        Raises:
            ValueError: If the file is damaged, or `size` is not positive.
        """
        size = None if size is None else scaled_size(self.height, self.width, size)
        if isinstance(start, int):
            frames = (frame for index, frame in self._numbered_from(start) if index >= start)
            yield from self._timed(frames, size)
        else:
            yield from self._timed(self._from(start), size, start)

    def __iter__(self) -> Iterator[Frame]:
        """All frames."""
        return self.stream()

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    @property
    def _times(self) -> list[Any]:
        """Presentation times of all frames in order; a None in it: times are unknown and only the count is good."""
        if self._scanned is None:
            self._rewind()
            with reading(self.path):
                found = self._container.demux(video=0)
                packets = [(packet.pts, packet.is_corrupt) for packet in found if packet.size and not packet.is_discard]
            if not packets:
                raise ValueError(f"{self.path} holds no video frames.")
            if any(is_corrupt for _, is_corrupt in packets):
                raise self._cut_off()
            times = [time for time, _ in packets]
            self._scanned = times if None in times else sorted(times)
        return self._scanned

    def _cut_off(self) -> ValueError:
        return ValueError(f"{self.path} is damaged or was cut off: its frames end before the file says so.")

    @property
    def _can_seek(self) -> bool:
        return self._container.format.name.startswith(_SEEKABLE)

    def _rewind(self) -> None:
        """Back to the first packet."""
        self._pending = None
        self._turn_count += 1
        if self._can_seek:
            stream = self._container.streams.video[0]
            with reading(self.path):
                self._container.seek(min(stream.start_time or 0, 0), stream=stream, backward=True)
        else:
            self._container.close()
            self._container = open_container(self.path)

    def _decoded(self) -> Iterator[Any]:
        """Frames from the present position on."""
        turn = self._turn_count
        with reading(self.path):
            for packet in self._container.demux(video=0):
                if packet.size and packet.is_corrupt and not packet.is_discard:
                    raise self._cut_off()
                for frame in packet.decode():
                    if turn != self._turn_count:
                        raise RuntimeError(f"{self.path} is iterated anew; one iteration of a reader runs at a time.")
                    yield frame

    def _from_start(self) -> Iterator[Any]:
        if self._pending is None:
            self._rewind()
            return self._decoded()
        pending, self._pending = self._pending, None
        return pending

    def _from(self, start: Fraction | None) -> Iterator[Any]:
        """Decoded frames from a key frame at or before a time on."""
        base = self.details.time_base
        if start is None or base is None or not self._can_seek:
            return self._from_start()
        return self._sought(int(start / base)) or self._from_start()

    def _sought(self, time: int) -> Iterator[Any] | None:
        """Decoded frames from a frame at or before `time` on; None if the file does not let jump there."""
        self._rewind()
        with reading(self.path):
            self._container.seek(time, stream=self._container.streams.video[0], backward=True)
        decoded = self._decoded()
        landed = next(decoded, None)
        if landed is None or landed.pts is None or landed.pts > time:
            return None
        return chain([landed], decoded)

    def _numbered_from(self, start: int) -> Iterator[tuple[int, Any]]:
        """Decoded frames with numbers, from a key frame at or before `start` where the times allow to jump there."""
        if start > 0:
            times = self._times
            if self._can_seek and start < len(times) and None not in times and len(set(times)) == len(times):
                number = {time: index for index, time in enumerate(times)}
                decoded = self._sought(times[start])
                if decoded is not None:
                    landed = next(decoded)
                    if number.get(landed.pts, start + 1) <= start:
                        yield from ((number.get(frame.pts, -1), frame) for frame in chain([landed], decoded))
                        return
        yield from enumerate(self._from_start())

    def _timed(
        self, frames: Iterator[Any], size: tuple[int, int] | None, start: Fraction | None = None
    ) -> Iterator[Frame]:
        step = Fraction(1) / Fraction(self.fps or 25).limit_denominator(1001)
        previous: Fraction | None = None
        for frame in frames:
            time = None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
            if previous is not None and (time is None or time <= previous):
                time = previous + step  # some AVI files have times of decoding only
            time = self.details.start if time is None else time
            previous = time
            if start is None or time >= start:
                duration = frame.duration * frame.time_base if frame.duration and frame.time_base else None
                yield Frame(self._to_array(frame, size), time, duration)

    def _to_array(self, frame: Any, size: tuple[int, int] | None = None) -> np.ndarray:
        turn = self._turn
        stored = (self.width, self.height) if turn.is_transposed else (self.height, self.width)
        if (frame.height, frame.width) != stored:
            raise ValueError(f"{self.path} changes its frame size in the middle; re-encode it with one size.")
        if size is not None and size != (self.height, self.width):
            height, width = size[::-1] if turn.is_transposed else size
            frame = frame.reformat(width=width, height=height, format="rgb24", interpolation="BICUBIC")
        array = frame.to_ndarray(format="rgb24")
        if turn.is_transposed:
            array = array.swapaxes(0, 1)
        array = array[:: -1 if turn.is_upside_down else 1, :: -1 if turn.is_mirrored else 1]
        return np.ascontiguousarray(array)


class _Turn(NamedTuple):
    """How stored pixels become upright: first transposed, then flipped."""

    is_transposed: bool
    is_upside_down: bool
    is_mirrored: bool


def _turn(frame: Any) -> _Turn:
    """By the display matrix of the file (ISO/IEC 14496-12), which maps stored (x, y) to (ax + cy, bx + dy).

    Angles that are no quarter turns are left alone.
    """
    from av.sidedata.sidedata import Type

    found = frame.side_data.get(Type.DISPLAYMATRIX)
    if found is None:
        return _Turn(False, False, False)
    a, b, _, c, d = np.frombuffer(bytes(found), np.int32, count=_DISPLAY_MATRIX_VALUES)[:5].tolist()
    if a == d == 0 and b and c:
        return _Turn(True, b < 0, c < 0)
    if b == c == 0 and a and d:
        return _Turn(False, d < 0, a < 0)
    return _Turn(False, False, False)


def _rate(stream: Any, begin: list[Any]) -> Fraction | None:
    """Frames per second by the header, or by two frames where the header has the unit of time in its place."""
    rate = stream.average_rate or stream.guessed_rate
    if not rate or rate <= _MOST_FPS or len(begin) < 2 or None in (begin[0].pts, begin[1].pts):
        return rate
    seconds = (begin[1].pts - begin[0].pts) * stream.time_base
    return (1 / seconds).limit_denominator(1001) if seconds > 0 else rate


def _details(container: Any, first: Any, rate: Fraction | None, is_transposed: bool) -> ClipDetails:
    stream = container.streams.video[0]
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    # Frames tell the first two since PyAV 17 only.
    context = stream.codec_context
    tags = (context.color_primaries, context.color_trc, first.colorspace, first.color_range)
    colors = ColorTags(*(int(tag) for tag in tags))
    return ClipDetails(
        codec=stream.codec_context.name,
        time_base=stream.time_base,
        start=Fraction(container.start_time or 0, 1_000_000),
        about_frames=_about_frames(container, rate),
        pixel_aspect=1 / aspect if is_transposed and aspect else aspect or Fraction(1),
        colors=colors,
        streams=tuple(
            _stream_info(other)
            for other in container.streams
            if other.index != stream.index and not repeats_chapters(container, other)
        ),
        chapters=chapters_of(container),
    )


def _about_frames(container: Any, rate: Fraction | None) -> int | None:
    stream = container.streams.video[0]
    if stream.frames:
        return stream.frames
    seconds = stream.duration * stream.time_base if stream.duration else Fraction(container.duration or 0, 1_000_000)
    return round(seconds * rate) if seconds and rate else None


def _stream_info(stream: Any) -> StreamInfo:
    context = stream.codec_context
    return StreamInfo(
        index=stream.index,
        kind=stream.type,
        codec=None if context is None else context.name,
        language=stream.metadata.get("language"),
    )


def chapters_of(container: Any) -> tuple[Chapter, ...]:
    """Chapters of an opened container; none where the installed PyAV cannot read them."""
    found = container.chapters() if hasattr(container, "chapters") else []
    return tuple(
        Chapter(
            entry["start"] * entry["time_base"],
            entry["end"] * entry["time_base"],
            entry.get("metadata", {}).get("title", ""),
        )
        for entry in found
    )
