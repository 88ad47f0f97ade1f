"""What is known of a clip and of a frame, and what every reader of clips offers, wherever the frames are stored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeVar

import numpy as np

MAX_FRAME_PIXELS = 8192 * 4320
"""Largest frame that is decoded (8K); larger ones are refused before their pixels are touched."""

_Reader = TypeVar("_Reader", bound="BaseReader")

Size = tuple[int, int] | int | None
"""Height and width, or the longest side, or None for the size as stored."""


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What is known of a clip before it is decoded.

    Attributes:
        num_frames: Number of frames.
        height: Height of a frame in pixels, after the rotation that phones note in their files.
        width: Width of a frame in pixels, likewise.
        fps: Frames per second (the mean rate of a video, the rate of the first frame of an animation), None for a
            folder.
        kind: What the clip is stored as.
    """

    num_frames: int
    height: int
    width: int
    fps: float | None
    kind: Literal["video", "animation", "folder"]


class Frame(NamedTuple):
    """One frame of a clip.

    Attributes:
        pixels: `(H, W, 3)` uint8, red, green and blue.
        time: When it is shown, in seconds on the clock of the file; None in a folder of images.
        duration: How long it is shown, in seconds, where the file says so.
    """

    pixels: np.ndarray
    time: Fraction | None = None
    duration: Fraction | None = None


class ColorTags(NamedTuple):
    """How the colors of a video are meant, by the numbers of ITU-T H.273; 2 means that the file does not say.

    Attributes:
        primaries: What red, green and blue are: 1 is BT.709, 9 is BT.2020.
        transfer: The curve of brightness: 1 is BT.709, 16 is PQ, 18 is HLG.
        matrix: How luma and chroma are made: 1 is BT.709, 5 and 6 are BT.601, 9 is BT.2020.
        value_range: 1 for 16 to 235, 2 for 0 to 255, 0 where the file does not say.
    """

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    value_range: int = 0


@dataclass(frozen=True, kw_only=True)
class StreamInfo:
    """A stream beside the images.

    Attributes:
        index: Number in the file.
        kind: `audio`, `subtitle`, `data`, `attachment` or `video`.
        codec: FFmpeg's name of the codec, None where it has none.
        language: Language code, None where the file does not say.
    """

    index: int
    kind: str
    codec: str | None
    language: str | None


class Chapter(NamedTuple):
    """A named part of a video.

    Attributes:
        start: In seconds.
        end: In seconds.
        title: May be empty.
    """

    start: Fraction
    end: Fraction
    title: str


@dataclass(frozen=True, kw_only=True)
class ClipDetails:
    """What a file says beside the frames; folders and animations have the defaults.

    Attributes:
        codec: FFmpeg's name of the codec of the images, None where no video file is read.
        time_base: Unit of the time stamps in seconds, None where there are none.
        start: Time of the first stream in seconds.
        about_frames: Number of frames by the header, which may be wrong; None where it is silent.
        pixel_aspect: Width of a pixel over its height, after the rotation.
        colors: How the colors are meant.
        bit_depth: Bits of a stored value; frames come with 8.
        has_alpha: Whether the file stores transparency (a video), or its first picture is transparent in places.
        is_interlaced: Whether the rows of its first picture are of two moments.
        streams: Streams beside the images.
        chapters: Named parts.
    """

    codec: str | None = None
    time_base: Fraction | None = None
    start: Fraction = Fraction(0)
    about_frames: int | None = None
    pixel_aspect: Fraction = Fraction(1)
    colors: ColorTags = field(default_factory=ColorTags)
    bit_depth: int = 8
    has_alpha: bool = False
    is_interlaced: bool = False
    streams: tuple[StreamInfo, ...] = ()
    chapters: tuple[Chapter, ...] = ()


class ClipReader(Protocol):
    """An opened clip: a video file, an animated image or a folder of images.

    It is opened once for all that is asked of it, and holds a few frames at most. One iteration runs at a time; a new
    one ends the one before. It is closed by `close`, or at the end of a `with` block.

    Attributes:
        path: Where it is.
        height: Height of a frame.
        width: Width of a frame.
        fps: Frames per second, None for a folder.
        details: What the file says beside the frames.
    """

    path: Path
    height: int
    width: int
    fps: float | None
    details: ClipDetails

    @property
    def info(self) -> VideoInfo:
        """Exact facts; a video file is decoded for them, once for a file and process."""
        ...

    @property
    def count(self) -> int:
        """Number of frames as `frames` and `stream` number them: that of `info`, except in a video of more than 3000
        frames that was not counted yet, where pictures count as the container lists them.
        """
        ...

    def frames(self, indices: range) -> Iterator[np.ndarray]:
        """Yields the frames of ascending `indices`, `(H, W, 3)` uint8; fewer when the file ends early."""
        ...

    def stream(self, start: Fraction | int | None = None, size: Size = None) -> Iterator[Frame]:
        """Yields frames with their times, one at a time.

        Args:
            start: None for all; a fraction for the frames at this time in seconds and later; a whole number for the
                frames with this number and later.
            size: Size to scale to on the way (bicubic): height and width, or the longest side, which nothing is
                enlarged to.
        """
        ...

    def close(self) -> None:
        """Closes the file."""
        ...

    def __enter__(self) -> ClipReader: ...

    def __exit__(self, *error: object) -> None: ...

    def __iter__(self) -> Iterator[Frame]: ...


class BaseReader:
    """What readers share: the end of a `with` block closes."""

    def close(self) -> None:
        """Closes the file; readers that hold none have nothing to do."""

    def __enter__(self: _Reader) -> _Reader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def working_size(height: int, width: int, max_side: int | None) -> tuple[int, int]:
    """Height and width after the longer side is reduced to `max_side`; the ratio is kept, nothing is enlarged.

    Args:
        height: Of the frames.
        width: Of the frames.
        max_side: Largest side wanted, None for any.

    Example:
        >>> working_size(720, 1280, 256)
        (144, 256)
    """
    longer = max(height, width)
    if max_side is None or longer <= max_side:
        return height, width
    return max(round(height * max_side / longer), 1), max(round(width * max_side / longer), 1)


def scaled_size(height: int, width: int, size: Size) -> tuple[int, int]:
    """Height and width of frames that are scaled to `size`.

    Raises:
        ValueError: If `size` is not positive.
    """
    if isinstance(size, tuple):
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"size must be a positive height and width, got {size}.")
        return size
    if size is not None and size < 1:
        raise ValueError(f"the longest side must be at least 1, got {size}.")
    return working_size(height, width, size)


def check_frame_size(path: Path, width: int, height: int) -> None:
    """Refuses frames that are too large to decode.

    Raises:
        ValueError: If a frame has more than `MAX_FRAME_PIXELS` pixels.
    """
    if width * height > MAX_FRAME_PIXELS:
        raise ValueError(
            f"{path} has frames of {width} x {height} pixels; at most {MAX_FRAME_PIXELS} pixels (8K) are read."
        )


def frame_rate(fps: float) -> Fraction:
    """A rate as files store it: 29.97 is 30000/1001, and slow ones are not rounded to nothing.

    Args:
        fps: Frames per second, above 0.

    Example:
        >>> frame_rate(29.97003), frame_rate(0.0001)
        (Fraction(30000, 1001), Fraction(1, 10000))
    """
    if fps < 1:
        return 1 / Fraction(1 / fps).limit_denominator(1001)
    return Fraction(fps).limit_denominator(1001)


def same_shape(path: Path, shape: tuple[int, ...] | None, pixels: np.ndarray) -> tuple[int, ...]:
    """The shape of all frames of a clip.

    Raises:
        ValueError: If `pixels` is no frame, or has another shape than the frames before.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise ValueError(f"a frame must be (H, W, 3) of uint8, got {pixels.shape} of {pixels.dtype}.")
    if shape is not None and pixels.shape != shape:
        raise ValueError(f"all frames of {path.name} must have one size, got {pixels.shape[:2]} after {shape[:2]}.")
    return pixels.shape


def natural_key(file: Path) -> tuple[list[tuple[int, int | str]], str]:
    """Key that sorts file names by the numbers in them, `frame2` before `frame10`; no two names are equal."""
    parts = re.split(r"([0-9]+)", file.name.lower())
    return [(0, int(part)) if index % 2 else (1, part) for index, part in enumerate(parts)], file.name
