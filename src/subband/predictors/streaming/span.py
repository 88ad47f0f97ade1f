"""A part of a clip: from when and for how long, in seconds or as a clock shows it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import takewhile
from typing import NamedTuple

from subband.media.frames import ClipReader, Frame, Size, frame_rate
from subband.media.video_writer import FASTEST, SLOWEST

Seconds = int | float | Fraction | str
"""A number of seconds, or a text as `parse_seconds` takes it."""

DEFAULT_FPS = 10.0
"""Frames per second of a clip that does not say."""

_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)")
_UNITS = re.compile(r"(?=.*\d)(?:(\d+)\s*h)?\s*(?:(\d+)\s*m(?:in)?)?\s*(?:(\d+(?:\.\d*)?|\.\d+)\s*s?)?")


def parse_seconds(text: Seconds, name: str = "time") -> Fraction:
    """Seconds of a text such as `5`, `5s`, `2.5 s`, `1:02.5`, `1:00:00` or `1h 2m 3s`; numbers are seconds.

    Args:
        text: Number or text.
        name: What messages call it, such as `--start`.

    Raises:
        ValueError: If it is no time, or negative.

    Example:
        >>> parse_seconds("1:02.5"), parse_seconds("5s"), parse_seconds("1h 2m 3s"), parse_seconds(0.5)
        (Fraction(125, 2), Fraction(5, 1), Fraction(3723, 1), Fraction(1, 2))
    """
    if not isinstance(text, str):
        if not math.isfinite(text) or text < 0:
            raise ValueError(f"{name} must be a time of at least 0 seconds, got {text}.")
        return Fraction(text).limit_denominator(1_000_000)
    found = _CLOCK.fullmatch(text.strip()) or _UNITS.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{name} must be a time such as 5s, 1:02.5 or 1:00:00, got {text!r}.")
    hours, minutes, seconds = (Fraction(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


class Span(NamedTuple):
    """A part of a clip.

    Attributes:
        start: First moment, in seconds from the beginning of the clip.
        duration: How long, in seconds; None to the end.
    """

    start: Fraction = Fraction(0)
    duration: Fraction | None = None

    @classmethod
    def of(cls, start: Seconds = 0, duration: Seconds | None = None) -> Span:
        """A span of numbers or texts.

        Args:
            start: First moment.
            duration: How long; None to the end.

        Raises:
            ValueError: If one is no time, or `duration` is 0.
        """
        length = None if duration is None else parse_seconds(duration, "duration")
        if length == 0:
            raise ValueError("duration must be above 0 seconds.")
        return cls(parse_seconds(start, "start"), length)

    def holds(self, time: Fraction) -> bool:
        """Whether a frame is shown from a moment inside the span on.

        Args:
            time: In seconds from `start`.
        """
        return self.duration is None or time < self.duration

    def num_frames(self, total: int | None, fps: float) -> int | None:
        """About how many frames it has.

        Args:
            total: Frames of the clip; None if unknown.
            fps: Frames per second.
        """
        wanted = None if self.duration is None else math.ceil(self.duration * frame_rate(fps))
        left = None if total is None else max(total - math.ceil(self.start * frame_rate(fps)), 0)
        return min((count for count in (wanted, left) if count is not None), default=None)


def clip_rate(reader: ClipReader, fps: float | None) -> float:
    """Frames per second of a clip, where one is needed.

    Args:
        reader: The clip.
        fps: Of a clip without times; None for the usual 10.

    Raises:
        ValueError: If `fps` is given for a clip that has times, or is out of range.
    """
    if fps is None:
        return reader.fps or DEFAULT_FPS
    if reader.details.time_base is not None:
        raise ValueError(f"fps is for clips without times, such as folders of frames; {reader.path} has its own.")
    if not SLOWEST <= fps <= FASTEST:
        raise ValueError(f"fps must be above 0, at least 1/3600 and at most {FASTEST}, got {fps:.10g}.")
    return fps


def span_frames(
    reader: ClipReader,
    span: Span,
    fps: float,
    *,
    first: int = 0,
    before: Fraction | None = None,
    size: Size = None,
) -> Iterator[Frame]:
    """Frames of a span, with times that start at zero where the span does.

    Args:
        reader: The clip.
        span: Which part.
        fps: Frames per second of a clip without times.
        first: Number of the first frame to give, counted in the span.
        before: Its time where frames have times, by which it is found without decoding all before it.
        size: Scales frames: height and width, or the longest side.

    Raises:
        ValueError: If the clip cannot be read, or ends before the span begins.
    """
    frames = _timed(reader, span, size, before) if before is not None else None
    found = None if frames is None else next(frames, None)
    if frames is None or found is None or found.time != before:
        # Also where the time stamps are so broken that a jump does not lead to the frame that was there before.
        frames, found = _from_beginning(reader, span, fps, size, first), None
    else:
        yield found
    yield from frames


def _from_beginning(reader: ClipReader, span: Span, fps: float, size: Size, first: int) -> Iterator[Frame]:
    if reader.details.time_base is None:
        rate = frame_rate(fps)
        offset, stop = math.ceil(span.start * rate), span.num_frames(None, fps)
        count = reader.count
        if offset >= count:
            _refuse_start(reader, span, f"{count} frames at {float(rate):g} a second")
        for number, frame in enumerate(reader.stream(offset + first, size), first):
            if stop is not None and number >= stop:
                return
            yield frame
        return
    frames = _timed(reader, span, size, None)
    number = -1
    for number, frame in enumerate(frames):
        if number >= first:
            yield frame
    if number < 0:
        _refuse_start(reader, span, "its frames are over before")


def _timed(reader: ClipReader, span: Span, size: Size, before: Fraction | None) -> Iterator[Frame]:
    shift = max(reader.details.start, Fraction(0)) + span.start
    begin = shift if before is None else shift + before
    moved = (
        frame._replace(time=None if frame.time is None else frame.time - shift)
        for frame in reader.stream(begin if begin > 0 and (before is not None or span.start) else None, size)
    )
    return takewhile(lambda frame: frame.time is None or span.holds(frame.time), moved)


def _refuse_start(reader: ClipReader, span: Span, reason: str) -> None:
    raise ValueError(f"start {float(span.start):g} s lies outside {reader.path} ({reason}).")
