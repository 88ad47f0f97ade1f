"""Opens a clip by what it is: a video file (PyAV), an animated image or a folder of images (both Pillow)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np

from subband.files import shown
from subband.media.containers import is_pipe
from subband.media.decoding import Damage
from subband.media.endings import is_gif_cut_off
from subband.media.frame_folders import list_frames
from subband.media.frame_index import RECORDS
from subband.media.frames import (
    BaseReader,
    ClipDetails,
    ClipReader,
    Frame,
    Size,
    VideoInfo,
    check_frame_size,
    scaled_size,
)
from subband.media.picture_files import READ_SUFFIXES, depth_and_alpha, is_animated, picture_format
from subband.media.pixels import as_frame, decode, image_errors, load_image, read_pixels, upright_size
from subband.media.video_reader import VideoReader

ANIMATION_SUFFIXES = frozenset({".apng", ".avif", ".avifs", ".gif", ".png", ".webp"})

_MILLISECOND = Fraction(1, 1000)
_DEFAULT_DURATION = 100  # milliseconds of a frame whose file does not say, as browsers show it


def open_clip(path: Path | str) -> ClipReader:
    """Opens a clip once, for its facts and its frames.

    Args:
        path: Folder of images, animated or still image (by suffix; a still one is a clip of one frame) or video file of
            any other suffix; a pipe such as `/dev/stdin` is read to its end as a video.

    Returns:
        A reader, to be used in a `with` block.

    Raises:
        FileNotFoundError: If `path` does not exist.
        ValueError: If it cannot be read as a clip; the message names the file and the reason.
        ImportError: If it is a video file and PyAV is not installed.

    Example:
        >>> import torch
        >>> from subband.media import write_clip
        >>> path = getfixture("tmp_path") / "clip.gif"
        >>> write_clip(path, torch.rand(4, 3, 8, 12), fps=10)
        >>> with open_clip(path) as reader:
        ...     reader.info.num_frames, [str(frame.time) for frame in reader.stream(start=2)]
        (4, ['1/5', '3/10'])
    """
    path = Path(path)
    if path.is_dir():
        return FolderReader(path)
    if not path.exists():
        hint = " For standard input, give /dev/stdin." if str(path) == "-" else ""
        raise FileNotFoundError(f"{path} does not exist.{hint}")
    if is_pipe(path):
        return VideoReader(path)
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes).")
    if path.suffix.lower() in ANIMATION_SUFFIXES or _is_still(path):
        return AnimationReader(path)
    if path.suffix.lower() in READ_SUFFIXES and is_animated(path):
        raise ValueError(f"{shown(path)} holds several pages and no times; put them into a folder as single pictures.")
    return VideoReader(path)


def _is_still(path: Path) -> bool:
    """Whether a file with the name of a picture holds one, which FFmpeg would not read as Pillow does."""
    return path.suffix.lower() in READ_SUFFIXES and picture_format(path) is not None and not is_animated(path)


class _ImageReader(BaseReader, ABC):
    """A clip that Pillow reads, in which every frame can be reached directly."""

    path: Path
    height: int
    width: int
    fps: float | None
    details: ClipDetails
    info: VideoInfo

    @property
    def count(self) -> int:
        """Number of frames."""
        return self.info.num_frames

    @abstractmethod
    def _times(self) -> list[tuple[Fraction, Fraction]] | None:
        """Time and duration of every frame."""

    @abstractmethod
    def _images(self, indices: range, size: tuple[int, int] | None) -> Iterator[np.ndarray]:
        """Frames of ascending indices, resized if a size is given."""

    def frames(self, indices: range) -> Iterator[np.ndarray]:
        """Yields the frames of ascending `indices`, `(H, W, 3)` uint8; fewer when the clip ends early.

        Raises:
            ValueError: If an image is damaged or has another size.
        """
        yield from self._images(range(indices.start, min(indices.stop, self.count), indices.step), None)

    def stream(self, start: Fraction | int | None = None, size: Size = None) -> Iterator[Frame]:
        """Yields frames with their times, one at a time.

        Args:
            start: None for all; a fraction for the frames at this time in seconds and later; a whole number for the
                frames with this number and later.
            size: Size to scale to on the way (bicubic): height and width, or the longest side, which nothing is
                enlarged to.

        Raises:
            ValueError: If an image is damaged, `size` is not positive, or `start` is a time and there are none.
        """
        times = self._times()
        first = self._first(start, times)
        target = None if size is None else scaled_size(self.height, self.width, size)
        indices = range(first, self.info.num_frames)
        for index, pixels in zip(indices, self._images(indices, target), strict=False):
            time, duration = times[index] if times else (None, None)
            yield Frame(pixels, time, duration)

    def __iter__(self) -> Iterator[Frame]:
        """All frames."""
        return self.stream()

    def _first(self, start: Fraction | int | None, times: list[tuple[Fraction, Fraction]] | None) -> int:
        if start is None or isinstance(start, int):
            return start or 0
        if times is None:
            raise ValueError(f"{self.path} has no time stamps; give the number of the first frame instead of a time.")
        return sum(time < start for time, _ in times)


class FolderReader(_ImageReader):
    """Images of a folder in natural order of their names (`frame2` before `frame10`); missing numbers are warned of.

    Args:
        path: The folder.

    Raises:
        ValueError: If it holds no images, or the first one cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = list_frames(path)
        self.height, self.width = upright_size(self.files[0])
        check_frame_size(self.files[0], self.width, self.height)
        self.fps = None
        count = len(self.files)
        bit_depth, has_alpha = depth_and_alpha(self.files[0])
        self.details = ClipDetails(about_frames=count, bit_depth=bit_depth, has_alpha=has_alpha)
        self.info = VideoInfo(num_frames=count, height=self.height, width=self.width, fps=None, kind="folder")

    def _times(self) -> None:
        return None

    def _images(self, indices: range, size: tuple[int, int] | None) -> Iterator[np.ndarray]:
        for index in indices:
            pixels = as_frame(read_pixels(self.files[index]))
            height, width = pixels.shape[:2]
            if (height, width) != (self.height, self.width):
                raise ValueError(
                    f"{shown(self.files[index])} is {width} x {height} pixels but the first frame of its folder is "
                    f"{self.width} x {self.height}; all frames of a clip must have one size."
                )
            yield _resized(pixels, size)


class AnimationReader(_ImageReader):
    """A GIF, WebP or animated PNG; a still image is a clip of one frame.

    Args:
        path: The file.

    Raises:
        ValueError: If it cannot be read as an image.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._image = load_image(path)
        try:
            with image_errors(path):
                self._hidden = int(getattr(self._image, "default_image", False))  # for viewers that show no animation
                num_frames = max(getattr(self._image, "n_frames", 1) - self._hidden, 1)
                milliseconds = self._milliseconds(0)
                self.height, self.width = upright_size(path)
            check_frame_size(path, self.width, self.height)
        except BaseException:
            self.close()
            raise
        self.fps = 1000 / milliseconds if milliseconds else None
        bit_depth, has_alpha = depth_and_alpha(path)
        self.details = ClipDetails(
            about_frames=num_frames, time_base=_MILLISECOND, bit_depth=bit_depth, has_alpha=has_alpha
        )
        self.info = VideoInfo(
            num_frames=num_frames, height=self.height, width=self.width, fps=self.fps, kind="animation"
        )

    def close(self) -> None:
        """Closes the file."""
        self._image.close()

    def _times(self) -> list[tuple[Fraction, Fraction]]:
        with image_errors(self.path):
            milliseconds = [self._milliseconds(index) or _DEFAULT_DURATION for index in range(self.info.num_frames)]
        durations = [Fraction(round(each), 1000) for each in milliseconds]
        return list(zip(accumulate([Fraction(0), *durations[:-1]]), durations, strict=True))

    def _milliseconds(self, index: int) -> float:
        """How long a frame is shown, 0 where the file does not say."""
        self._image.seek(index + self._hidden)
        # WebP and AVIF tell the duration of a frame only after its pixels.
        if self._image.format in ("WEBP", "AVIF"):
            self._image.load()
        return self._image.info.get("duration", 0)

    def _images(self, indices: range, size: tuple[int, int] | None) -> Iterator[np.ndarray]:
        for index in indices:
            if self.info.num_frames == 1 and not self._hidden:
                pixels = as_frame(read_pixels(self.path))
            else:
                with image_errors(self.path):
                    self._image.seek(index + self._hidden)
                    pixels = as_frame(decode(self._image))
            yield _resized(pixels, size)
        if indices.stop == self.info.num_frames and self._image.format == "GIF" and is_gif_cut_off(self.path):
            RECORDS.record(self.path).tell("damage", Damage(is_cut=True).describe(self.path))


def _resized(pixels: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """`(H, W, 3)` uint8 of the wanted height and width."""
    from PIL import Image

    if size is None or size == pixels.shape[:2]:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC))
