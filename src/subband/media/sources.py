"""Where frames come from: a video file (PyAV), an animated picture (Pillow) or a folder of pictures (Pillow).

Every source is opened by its class, knows its `VideoInfo` without decoding frames, and yields chosen frames one at a
time as uint8 arrays `(H, W, 3)`, so that no caller ever holds more of a clip than was asked for.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol

import numpy as np

MAX_FRAME_PIXELS = 8192 * 4320
"""Largest frame that is decoded (8K); larger ones are refused before their pixels are touched."""

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
ANIMATION_SUFFIXES = frozenset({".apng", ".gif", ".png", ".webp"})

# A file may name other files or addresses (playlists); only containers that hold their own data are opened.
_OPEN_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,avi,matroska,webm,mpegts,mpeg,mpegvideo,h264,hevc,flv,ogg,asf,ivf,yuv4mpegpipe,mjpeg",
}
_SEEKABLE = (
    "mov",
    "matroska",
)  # containers whose packet times are the times of the frames; others are read from frame 0


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


class FrameSource(Protocol):
    """An opened clip."""

    info: VideoInfo

    def frames(self, indices: range) -> Iterator[np.ndarray]:
        """Yields the frames of ascending `indices`, `(H, W, 3)` uint8; fewer when the file ends early."""
        ...


def open_source(path: Path) -> FrameSource:
    """Opens `path` by what it is: a folder, an animated picture (by suffix) or a video file.

    Raises:
        FileNotFoundError: If `path` does not exist.
        ValueError: If it cannot be read as a clip; the message names the file and the reason.
    """
    if path.is_dir():
        return _FolderSource(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes).")
    if path.suffix.lower() in ANIMATION_SUFFIXES:
        return _AnimationSource(path)
    return _VideoSource(path)


class _FolderSource:
    """Pictures of a folder in natural order of their names (`frame2` before `frame10`)."""

    def __init__(self, path: Path) -> None:
        names = [file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and file.name[0] != "."]
        self.files = sorted(names, key=natural_key)
        if not self.files:
            raise ValueError(f"{path} holds no pictures ({', '.join(sorted(IMAGE_SUFFIXES))}).")
        width, height = _picture_size(self.files[0])
        self.info = VideoInfo(num_frames=len(self.files), height=height, width=width, fps=None, kind="folder")

    def frames(self, indices: range) -> Iterator[np.ndarray]:
        for index in indices:
            frame = next(_picture_frames(self.files[index], range(1)))
            if frame.shape[:2] != (self.info.height, self.info.width):
                raise ValueError(
                    f"{self.files[index]} is {frame.shape[1]} x {frame.shape[0]} pixels but the first frame of its folder is "
                    f"{self.info.width} x {self.info.height}; all frames of a clip must have one size."
                )
            yield frame


class _AnimationSource:
    """A GIF, WebP or animated PNG; a still picture is a clip of one frame."""

    def __init__(self, path: Path) -> None:
        self.path = path
        width, height = _picture_size(path)
        with _picture(path) as image:
            num_frames = getattr(image, "n_frames", 1)
            milliseconds = image.info.get("duration", 0)
        fps = 1000 / milliseconds if milliseconds else None
        self.info = VideoInfo(num_frames=num_frames, height=height, width=width, fps=fps, kind="animation")

    def frames(self, indices: range) -> Iterator[np.ndarray]:
        yield from _picture_frames(self.path, indices)


class _VideoSource:
    """The first video stream of a file.

    The packets are walked once without decoding. That costs one pass over the file and gives the exact number of frames
    and their times, also where the header is silent or the frame rate varies, and shows whether the file was cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _container(path) as container:
            stream = container.streams.video[0]
            _check_frame_size(path, stream.width, stream.height)
            self.times = self._packet_times(container)
            rate = stream.average_rate or stream.guessed_rate
            width, height = stream.width, stream.height
        if abs(self._rotation()) % 180 == 90:
            width, height = height, width
        num_frames, fps = len(self.times), float(rate) if rate else None
        self.info = VideoInfo(num_frames=num_frames, height=height, width=width, fps=fps, kind="video")

    def frames(self, indices: range) -> Iterator[np.ndarray]:
        with _container(self.path) as container:
            for index, frame in self._numbered_from(container, indices.start):
                if index in indices:
                    yield self._to_array(frame)
                if index >= indices[-1]:
                    return

    def _packet_times(self, container: Any) -> list[Any]:
        """Presentation times of all frames in order; a None in it means that times are unknown and only the count is good."""
        packets = [packet for packet in container.demux(video=0) if packet.size and not packet.is_discard]
        if not packets:
            raise ValueError(f"{self.path} holds no video frames.")
        if any(packet.is_corrupt for packet in packets):
            raise ValueError(f"{self.path} is damaged or was cut off: its frames end before the file says so.")
        times = [packet.pts for packet in packets]
        return times if None in times else sorted(times)

    def _rotation(self) -> int:
        with _container(self.path) as container:
            return next((frame.rotation for frame in container.decode(video=0)), 0)

    def _numbered_from(self, container: Any, start: int) -> Iterator[tuple[int, Any]]:
        """Decoded frames with their numbers, from a key frame at or before `start` where the times allow to jump there."""
        times, stream = self.times, container.streams.video[0]
        if (
            start > 0
            and container.format.name.startswith(_SEEKABLE)
            and None not in times
            and len(set(times)) == len(times)
        ):
            number = {time: index for index, time in enumerate(times)}
            container.seek(times[start], stream=stream, backward=True)
            decoded = container.decode(stream)
            landed = next(decoded, None)
            if landed is not None and number.get(landed.pts, start + 1) <= start:
                yield from ((number.get(frame.pts, -1), frame) for frame in chain([landed], decoded))
                return
            container.seek(times[0], stream=stream, backward=True)
        yield from enumerate(container.decode(stream))

    def _to_array(self, frame: Any) -> np.ndarray:
        array = np.rot90(frame.to_ndarray(format="rgb24"), k=frame.rotation // 90)
        if array.shape[:2] != (self.info.height, self.info.width):
            raise ValueError(f"{self.path} changes its frame size in the middle; re-encode it with one size.")
        return np.ascontiguousarray(array)


def import_av() -> ModuleType:
    """PyAV, which only video files need.

    Raises:
        ImportError: If it is not installed; the message says how to install it.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError("video files need PyAV; install it with: pip install 'subband[video]'.") from error
    return av


@contextmanager
def _container(path: Path) -> Iterator[Any]:
    """Opens a video file with PyAV; whatever FFmpeg finds wrong inside the block becomes a ValueError that names the file."""
    av = import_av()
    try:
        with av.open(str(path), options=_OPEN_OPTIONS) as container:
            if not container.streams.video:
                raise ValueError(f"{path} has no video stream.")
            container.streams.video[0].thread_type = "AUTO"
            yield container
    except av.error.FFmpegError as error:
        raise ValueError(
            f"{path} cannot be read as a video: it is damaged, cut off or something else ({error.strerror})."
        ) from error


@contextmanager
def _picture(path: Path) -> Iterator[Any]:
    """Opens a picture with Pillow; unreadable or oversized ones become a ValueError that names the file."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is checked, and is lower
            with Image.open(path) as image:
                _check_frame_size(path, *image.size)
                yield image
    except (Image.UnidentifiedImageError, Image.DecompressionBombError, OSError, EOFError, SyntaxError) as error:
        raise ValueError(
            f"{path} cannot be read as a picture: it is damaged, cut off or something else ({error})."
        ) from error


def _picture_size(path: Path) -> tuple[int, int]:
    """Width and height."""
    with _picture(path) as image:
        return image.size


def _picture_frames(path: Path, indices: range) -> Iterator[np.ndarray]:
    with _picture(path) as image:
        for index in indices:
            image.seek(index)
            yield np.asarray(image.convert("RGB"))


def _check_frame_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_FRAME_PIXELS:
        raise ValueError(
            f"{path} has frames of {width} x {height} pixels; at most {MAX_FRAME_PIXELS} pixels (8K) are read."
        )


def natural_key(file: Path) -> list[tuple[int, int | str]]:
    """Key that sorts file names by the numbers in them, `frame2` before `frame10`."""
    parts = re.split(r"(\d+)", file.name.lower())
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts]
