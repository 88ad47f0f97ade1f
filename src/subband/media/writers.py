"""Clips written frame by frame: videos (PyAV), animations, strips and folders of images (Pillow)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

import numpy as np

from subband.extras import require
from subband.files import new_path
from subband.media.frames import same_shape
from subband.media.video_writer import VIDEO_SUFFIXES, VideoWriter, check_rate

MAX_ANIMATION_VALUES = 2**28
"""Most numbers (`T * 3 * H * W`) of an animation or strip, which Pillow wants to have at once: 256 MiB."""

_ANIMATIONS: dict[str, dict[str, Any]] = {
    ".apng": {"format": "PNG"},
    ".gif": {"format": "GIF"},
    ".webp": {"format": "WEBP", "lossless": True},
}
_STRIP, _FOLDER = ".png", ""
_SUFFIXES = {*VIDEO_SUFFIXES, *_ANIMATIONS, _STRIP, _FOLDER}
_DEVICES = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))
_LONGEST = {".apng": 65, ".gif": 655, ".webp": 16777}  # whole seconds of a frame that the formats can note
_SHORTEST = 20  # milliseconds; viewers slow down anything faster


class ClipWriter(Protocol):
    """A clip that is being written; it appears at the end of the `with` block, complete or not at all."""

    def write(self, pixels: np.ndarray, time: Fraction | None = None, duration: Fraction | None = None) -> None:
        """Writes the next frame.

        Args:
            pixels: `(H, W, 3)` uint8; all frames have one size.
            time: When it is shown, in seconds; None for the constant rate of the writer.
            duration: How long it is shown, in seconds; animations use it for the last frame.

        Raises:
            ValueError: If the size changes or the time does not grow.
        """
        ...

    def __enter__(self) -> ClipWriter: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def open_writer(path: Path | str, *, fps: float = 10, overwrite: bool = False, **video_options: Any) -> ClipWriter:
    """A writer by the suffix of `path`; see `write_clip` for what the suffixes mean.

    Args:
        path: Where to write.
        fps: Frames per second, for frames that come without times.
        overwrite: Replaces what is at `path`; a folder only when it holds nothing but numbered frames.
        **video_options: Further arguments of `VideoWriter`, for videos only.

    Raises:
        FileExistsError: If `path` is a folder with other files than numbered frames.
        TypeError: If there are further arguments and `path` is no video.
        ValueError: If the suffix is unknown or `fps` is out of range.

    Example:
        >>> import numpy as np
        >>> path = getfixture("tmp_path") / "clip.gif"
        >>> with open_writer(path) as writer:
        ...     for time in (0, 1, 3):
        ...         writer.write(np.full((8, 8, 3), 50 * time, np.uint8), Fraction(time, 10))
        >>> path.exists()
        True
    """
    path = Path(path)
    check_clip_path(path)
    check_clip_rate(path, fps)
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return VideoWriter(path, fps=fps, overwrite=overwrite, **video_options)
    if video_options:
        raise TypeError(f"{path.name} is no video and takes no {', '.join(sorted(video_options))}.")
    if suffix == _FOLDER:
        return FolderWriter(path, overwrite=overwrite)
    if suffix == _STRIP:
        return StripWriter(path, overwrite=overwrite)
    return AnimationWriter(path, fps=fps, overwrite=overwrite)


def check_clip_path(path: Path | str) -> None:
    """Refuses early what cannot be written as a clip, for work that takes long before there are frames.

    Args:
        path: Where a clip shall be written.

    Raises:
        FileExistsError: If `path` is a folder with other files than numbered frames.
        ImportError: If it is a video file and PyAV is not installed.
        ValueError: If the suffix is unknown, or it is a device or pipe, such as `/dev/stdout`.
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        known = ", ".join(sorted(_SUFFIXES - {_STRIP, _FOLDER}))
        raise ValueError(f"{path.name} has no known suffix; use {known}, .png (a strip) or none (a folder of images).")
    if path.suffix.lower() in VIDEO_SUFFIXES:
        require("av", "video files need")
    if path.parent in _DEVICES or (path.exists() and not (path.is_file() or path.is_dir())):
        raise ValueError(
            f"{path} is no place for a clip, which is written beside its name and moved there when it is complete; "
            "name a file or folder."
        )
    if path.is_dir() and any(not _is_numbered_frame(file) for file in path.iterdir()):
        raise FileExistsError(f"{path} is a folder with other files than numbered frames; choose another name.")


def check_clip_rate(path: Path | str, fps: float) -> None:
    """Refuses early a frame rate that cannot be written; strips and folders of images have none.

    Args:
        path: Where a clip shall be written.
        fps: Frames per second.

    Raises:
        ValueError: If it is above 1000, below one frame an hour, or slower than the format can say.
    """
    if Path(path).suffix.lower() not in (_STRIP, _FOLDER):
        check_rate(Path(path), fps)
        _check_duration(Path(path), 1 / fps)


def most_frames(path: Path | str, height: int, width: int) -> int | None:
    """How many frames a clip may have; None for any number.

    Args:
        path: Where it shall be written.
        height: Of the frames.
        width: Of the frames.
    """
    suffix = Path(path).suffix.lower()
    return MAX_ANIMATION_VALUES // (3 * height * width) if suffix in {*_ANIMATIONS, _STRIP} else None


def check_clip_length(path: Path | str, num_frames: int, height: int, width: int) -> None:
    """Refuses early more frames than an animation or strip may have.

    Args:
        path: Where a clip shall be written.
        num_frames: How many frames are known to come.
        height: Of the frames.
        width: Of the frames.

    Raises:
        ValueError: If they are more than `MAX_ANIMATION_VALUES` values.
    """
    most = most_frames(path, height, width)
    if most is not None and num_frames > most:
        raise ValueError(
            f"{Path(path).name} would hold more than {MAX_ANIMATION_VALUES} values, which are {most} frames of "
            f"{width} x {height} pixels; write a video instead (.mp4)."
        )


_Writer = TypeVar("_Writer", bound="_ImageWriter")


class _ImageWriter(ABC):
    """What the writers that use Pillow share."""

    def __init__(self, path: Path | str, *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self._overwrite = overwrite
        self._stack = ExitStack()
        self._shape: tuple[int, ...] | None = None

    def __enter__(self: _Writer) -> _Writer:
        self._temporary = self._stack.enter_context(new_path(self.path, overwrite=self._overwrite))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, traceback)
            return
        with self._stack:
            if self._shape is None:
                raise ValueError(f"{self.path} would be a clip without frames.")
            self._finish()

    def write(self, pixels: np.ndarray, time: Fraction | None = None, duration: Fraction | None = None) -> None:
        """Writes the next frame, `(H, W, 3)` uint8; see `ClipWriter`."""
        self._shape = same_shape(self.path, self._shape, pixels)
        self._add(pixels, time, duration)

    @abstractmethod
    def _add(self, pixels: np.ndarray, time: Fraction | None, duration: Fraction | None) -> None:
        """Takes a checked frame."""

    @abstractmethod
    def _finish(self) -> None:
        """Writes what is left when the last frame has come."""


class FolderWriter(_ImageWriter):
    """Numbered PNG files in a folder; times are not kept.

    Args:
        path: Folder to make.
        overwrite: Replaces a folder of numbered frames.
    """

    _count = 0

    def _add(self, pixels: np.ndarray, time: Fraction | None, duration: Fraction | None) -> None:
        self._temporary.mkdir(exist_ok=True)
        _image(pixels).save(self._temporary / f"frame_{self._count:04d}.png")
        self._count += 1

    def _finish(self) -> None:
        pass


class _CollectingWriter(_ImageWriter):
    """Pillow wants all frames of an animation at once, so these are kept, up to `MAX_ANIMATION_VALUES`."""

    def __init__(self, path: Path | str, *, overwrite: bool = False) -> None:
        super().__init__(path, overwrite=overwrite)
        self._frames: list[tuple[np.ndarray, Fraction | None, Fraction | None]] = []

    def _add(self, pixels: np.ndarray, time: Fraction | None, duration: Fraction | None) -> None:
        check_clip_length(self.path, len(self._frames) + 1, *pixels.shape[:2])
        before = self._frames[-1][1] if self._frames else None
        if time is not None and before is not None:
            if time <= before:
                raise ValueError(f"{self.path.name}: the times of frames must grow, {time} s comes too late.")
            _check_duration(self.path, float(time - before))
        self._frames.append((pixels.copy(), time, duration))


class StripWriter(_CollectingWriter):
    """One PNG file with the frames side by side.

    Args:
        path: File to write.
        overwrite: Replaces an existing file.
    """

    def _finish(self) -> None:
        _image(np.concatenate([pixels for pixels, _, _ in self._frames], axis=1)).save(self._temporary, format="PNG")


class AnimationWriter(_CollectingWriter):
    """A GIF, WebP or animated PNG that repeats.

    Args:
        path: File to write.
        fps: Frames per second, for frames that come without times.
        overwrite: Replaces an existing file.
    """

    def __init__(self, path: Path | str, *, fps: float = 10, overwrite: bool = False) -> None:
        super().__init__(path, overwrite=overwrite)
        self._fps = fps

    def _finish(self) -> None:
        images = [_image(pixels) for pixels, _, _ in self._frames]
        options = {**_ANIMATIONS[self.path.suffix.lower()], "duration": self._milliseconds(), "loop": 0}
        images[0].save(self._temporary, save_all=True, append_images=images[1:], **options)

    def _milliseconds(self) -> int | list[int]:
        """One duration for all frames, or one for each where they came with times; GIF knows hundredths only."""
        step = 10 if self.path.suffix.lower() == ".gif" else 1
        usual = max(round(1000 / step / self._fps) * step, _SHORTEST)
        times = [time for _, time, _ in self._frames]
        if None in times:
            return usual
        # Rounded times rather than rounded durations, so that errors do not add up.
        marks = [round(1000 * time / step) * step for time in times if time is not None]
        last = self._frames[-1][2]
        durations = [max(after - before, _SHORTEST) for before, after in pairwise(marks)]
        ending = max(round(1000 * last / step) * step, _SHORTEST) if last else (durations[-1] if durations else usual)
        return [*durations, ending]


def _check_duration(path: Path, seconds: float) -> None:
    longest = _LONGEST.get(path.suffix.lower())
    if longest is not None and seconds > longest:
        raise ValueError(
            f"{path.name} cannot show a frame for {seconds:.0f} s, at most {longest} s; write a video (.mp4)."
        )


def _image(pixels: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels))


def _is_numbered_frame(file: Path) -> bool:
    return file.name.startswith("frame_") and file.suffix == ".png"
