"""A video into a video: windows, times, sound, and jobs that are stopped and go on."""

from __future__ import annotations

import errno
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from subband.files import check_new_path, folder_lock
from subband.media.containers import is_pipe
from subband.media.frames import ClipReader, Frame, Size, frame_rate, scaled_size
from subband.media.sources import open_clip
from subband.media.stream_copy import CopiedPart
from subband.media.video_writer import VIDEO_SUFFIXES
from subband.media.writers import check_clip_length, check_clip_path, check_clip_rate, most_frames
from subband.predictors.progress import Progress, clock_text
from subband.predictors.segments import VideoStyle, WorkFolder, work_path
from subband.predictors.streaming.pipeline import Pipeline
from subband.predictors.streaming.scene_cuts import SceneCuts, marked
from subband.predictors.streaming.span import Seconds, Span, clip_rate, span_frames
from subband.predictors.windows import Restart, Window, check_windows, cut_windows

Process = Callable[[Tensor], Tensor]
"""Frames `(T, 3, H, W)` in `[0, 1]` to as many frames `(T, C, H', W')`, C = 1 or 3; values are clipped to `[0, 1]`."""

_HDR = {16: "PQ", 18: "HLG"}  # curves of ITU-T H.273
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LONG = 3600  # seconds to go that are worth a warning
_MEASURED = 10  # seconds of work after which the rest is estimated


@runtime_checkable
class WindowProcess(Protocol):
    """What is done to windows of a clip, with the facts by which they are cut, such as a `NetworkRunner`.

    Attributes:
        window: Most frames in a window.
        margins: Results at the beginning and at the end of a window that are taken from its neighbors.
    """

    window: int
    margins: tuple[int, int]

    @property
    def facts(self) -> Mapping[str, Any]:
        """What results depend on, in values that JSON has."""
        ...

    def begin(self, notes: Mapping[str, Any], note: Callable[[str, Any], None]) -> None:
        """Prepares for a clip.

        Args:
            notes: What an interrupted job has noted.
            note: Called with the name and the value of what shall be noted.
        """
        ...

    def __call__(self, frames: Tensor, window: Window) -> Tensor:
        """Results of a window that are kept.

        Args:
            frames: Those of the window, `(T, 3, H, W)` in `[0, 1]`.
            window: Where they stand in the clip.
        """
        ...


def stream_clip(
    source: Path | str,
    target: Path | str,
    process: Process | WindowProcess,
    *,
    window: int | None = None,
    overlap: int | None = None,
    scene_cuts: SceneCuts = "off",
    start: Seconds = 0,
    duration: Seconds | None = None,
    size: Size = None,
    fps: float | None = None,
    segment_frames: int = 250,
    options: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> int:
    """Sends a clip through a function or network in overlapping windows and writes the result, in bounded memory.

    Reading, `process` (in the calling thread) and encoding run side by side. Times of frames, pixel aspect and color
    tags are kept; audio, subtitles, chapters and metadata of a video are copied at the end. Results are stored in
    segments in the folder `TARGET.parts` beside the output. When the job is stopped, the same call goes on after the
    last finished segment; another call is refused as long as that folder is there. Results and times are the same; only
    an encoder with loss, which begins anew where the job was stopped or a segment took two minutes, may store the
    frames up to the planned end of that segment otherwise, within its loss. A warning names what is not kept, such as
    transparency, and more than an hour of work.

    Args:
        source: Video file, animated image or folder of images.
        target: What to write; see `write_clip` for the suffixes.
        process: What is done to the frames of a window: a function, or a `NetworkRunner` where more must be known.
        window: Most frames that a function is given at once, 1 by default; a shorter scene comes as it is.
        overlap: Frames that neighboring windows share, 0 by default; of the results, half of them are taken from each.
        scene_cuts: `auto` looks for hard cuts; no window holds frames of two scenes.
        start: Where to begin, in seconds or as `1:02.5`. The result begins at 0.
        duration: How much to take, likewise; None for all.
        size: Scales frames before they are processed: height and width, or the longest side.
        fps: Frames per second of a clip without times, 10 by default; refused beside one that has its own.
        segment_frames: A segment ends with the window that reaches this many frames, or early after two minutes.
        options: Options of the video encoder by FFmpeg's names.
        settings: What else the result depends on, such as the name of a function; compared when a job goes on.
        overwrite: Replaces an existing output.
        progress: Called after every window, in the calling thread; `show_progress` gives one that draws a bar.

    Returns:
        Number of frames.

    Raises:
        FileExistsError: If there is an output and `overwrite` is False.
        FileNotFoundError: If there is no source, or no folder for the output.
        FolderInUseError: If another process makes the same output.
        TypeError: If `window` or `overlap` is given beside a `NetworkRunner`, which has its own.
        ValueError: If the clip cannot be read or is a pipe, an argument or the rate is out of range, the result is too
            long for an animation, `process` returns another number of frames, or an unfinished job has other settings.

    Example:
        >>> import torch
        >>> from subband.media import write_clip
        >>> folder = getfixture("tmp_path")
        >>> write_clip(folder / "clip.mp4", torch.rand(5, 3, 16, 24))
        >>> stream_clip(folder / "clip.mp4", folder / "negative.mp4", lambda frames: 1 - frames, window=2)
        5
    """
    source, target, span = Path(source), Path(target), Span.of(start, duration)
    _check(source, target, segment_frames, overwrite)
    process = _as_window_process(process, window, overlap)
    part: dict[str, Any] = {"start": str(span.start), "duration": str(span.duration), "scene_cuts": scene_cuts}
    part |= {"size": size, "segment_frames": segment_frames, "options": options, "settings": settings, **process.facts}
    with folder_lock(work_path(target)), open_clip(source) as reader:
        rate = clip_rate(reader, fps)
        work = WorkFolder(target, _identity(source) | part | {"fps": rate}, _style(reader, target, rate, span, options))
        if not work.is_complete:
            _look_ahead(reader, target, span, rate, _sides(reader, size, process.facts.get("scale", 1)))
            frames = marked(_frames(reader, work.restart, span, rate, size), scene_cuts)
            meter = _Meter(source, span.num_frames(reader.details.about_frames, rate), work.restart.done, progress)
            _fill(work, process, frames, segment_frames, meter)
        with _kept(work):
            work.finish(overwrite=overwrite)
    return sum(len(segment.times) for segment in work.segments)


def _fill(
    work: WorkFolder,
    process: WindowProcess,
    frames: Iterator[tuple[Frame, bool]],
    segment_frames: int,
    meter: Callable[[int], None],
) -> None:
    """Makes all segments that are not there."""
    process.begin(work.notes, work.note)
    windows = cut_windows(frames, process.window, process.margins, work.restart)
    with _kept(work):
        Pipeline(work, windows, process, segment_frames, meter).run()


@contextmanager
def _kept(work: WorkFolder) -> Iterator[None]:
    """Says of a full disk that what is finished is not lost; removes what is left of a job that failed at once."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL or not work.segments:
            raise
        words = f"{error.strerror}; what is finished is kept in {work.path.name}, and the same call goes on with it"
        raise OSError(error.errno, words, str(work.target)) from error
    finally:
        work.drop_if_empty()


class _PlainProcess:
    """A function that gives as many frames as it takes."""

    def __init__(self, function: Process, window: int, overlap: int) -> None:
        self.window, self.margins = window, (overlap - overlap // 2, overlap // 2)
        self._function = function

    @property
    def facts(self) -> dict[str, Any]:
        return {"window": self.window, "overlap": sum(self.margins)}

    def begin(self, notes: Mapping[str, Any], note: Callable[[str, Any], None]) -> None:
        """Needs nothing."""

    def __call__(self, frames: Tensor, window: Window) -> Tensor:
        results = self._function(frames)
        if results.ndim != 4 or len(results) != len(frames) or results.shape[1] not in (1, 3):
            raise ValueError(
                f"process must return {len(frames)} frames (T, C, H, W) with C = 1 or 3, got {tuple(results.shape)}."
            )
        return results[window.keep]


def _as_window_process(process: Process | WindowProcess, window: int | None, overlap: int | None) -> WindowProcess:
    if isinstance(process, WindowProcess):
        if window is not None or overlap is not None:
            raise TypeError("window and overlap are for functions; give those of a network to its NetworkRunner.")
        return process
    plain = _PlainProcess(process, 1 if window is None else window, overlap or 0)
    check_windows(plain.window, plain.margins)
    return plain


def _check(source: Path, target: Path, segment_frames: int, overwrite: bool) -> None:
    check_clip_path(target)
    if segment_frames < 1:
        raise ValueError(f"segment_frames must be at least 1, got {segment_frames}.")
    if source.exists() and is_pipe(source):
        raise ValueError(f"{source} is a pipe, but a job that may go on later reads its clip again; save it to a file.")
    if target.exists() and source.exists() and target.samefile(source):
        raise ValueError(f"{target} is the clip itself; choose another name for the result.")
    check_new_path(target, overwrite=overwrite)


def _identity(source: Path) -> dict[str, Any]:
    """By which a changed source is noticed."""
    facts = source.stat()
    return {"source": str(source.resolve()), "bytes": facts.st_size, "changed": facts.st_mtime_ns}


def _style(reader: ClipReader, target: Path, rate: float, span: Span, options: Mapping[str, str] | None) -> VideoStyle:
    details = reader.details
    is_video = reader.details.codec is not None
    check_clip_rate(target, rate)
    return VideoStyle(
        time_base=details.time_base or 1 / frame_rate(rate),
        fps=rate,
        options={
            "options": options,
            "colors": details.colors if is_video else None,
            "pixel_aspect": details.pixel_aspect if is_video else None,
        },
        copy_from=reader.path if is_video and target.suffix.lower() in VIDEO_SUFFIXES else None,
        part=CopiedPart(max(details.start, Fraction(0)) + span.start, span.start > 0, span.duration),
    )


def _frames(reader: ClipReader, restart: Restart, span: Span, rate: float, size: Size) -> Iterator[Frame]:
    first = restart.first - restart.lead
    return span_frames(reader, span, rate, first=first, before=restart.before, size=size)


def _look_ahead(reader: ClipReader, target: Path, span: Span, rate: float, sides: tuple[int, int]) -> None:
    """Says before the work what will not fit, and what will not be kept."""
    _check_length(reader, target, span, rate, sides)
    _warn_of_losses(reader)
    _warn_of_odd_sides(reader, target, *sides)


def _warn_of_losses(reader: ClipReader) -> None:
    """Names what results, which are opaque and of 8 bits, do not keep."""
    details = reader.details
    if details.bit_depth > 8:
        curve = _HDR.get(details.colors.transfer)
        kind = f"{details.bit_depth} bits per value" + (f" and the HDR curve {curve}" if curve else "")
        kept = "; the result has 8, and keeps the curve with its tags." if curve else "; the result has 8."
        warnings.warn(f"{reader.path} has {kind}{kept}", stacklevel=3)
    if details.is_interlaced:
        words = "every frame shows two moments in turns of rows, which is taken for detail; deinterlace it before."
        warnings.warn(f"{reader.path} is interlaced: {words}", stacklevel=3)
    if details.has_alpha:
        ground = "leaves transparency out" if details.codec else "shows transparent parts on white"
        warnings.warn(f"{reader.path} is transparent in places; the result {ground}.", stacklevel=3)


def _sides(reader: ClipReader, size: Size, scale: int) -> tuple[int, int]:
    """Height and width of the results, as far as they are known before."""
    height, width = (reader.height, reader.width) if size is None else scaled_size(reader.height, reader.width, size)
    return scale * height, scale * width


def _check_length(reader: ClipReader, target: Path, span: Span, rate: float, sides: tuple[int, int]) -> None:
    """Refuses before the work what is too long for an animation; what a header says is not believed, but counted."""
    most = most_frames(target, *sides)
    about = span.num_frames(reader.details.about_frames, rate)
    if most is not None and (about is None or about > most):
        count = sum(1 for _ in islice(span_frames(reader, span, rate), most + 1))
        check_clip_length(target, count, *sides)


def _warn_of_odd_sides(reader: ClipReader, target: Path, height: int, width: int) -> None:
    """Names the row or column that a video has more."""
    if target.suffix.lower() in VIDEO_SUFFIXES and (height % 2 or width % 2):
        warnings.warn(
            f"{reader.path} is {width} x {height} pixels and {target.name} needs even sides: its last row or column is "
            f"repeated, to {width + width % 2} x {height + height % 2}; a folder of frames keeps the size.",
            stacklevel=3,
        )


class _Meter:
    """Tells how far the job is, given the number of finished frames, and warns once if it takes very long."""

    def __init__(
        self, source: Path, total: int | None, begun_at: int, progress: Callable[[Progress], None] | None
    ) -> None:
        self._source, self._total, self._begun_at, self._progress = source, total, begun_at, progress
        self._started = time.perf_counter()
        self._has_warned = False

    def __call__(self, done: int) -> None:
        seconds, fresh = time.perf_counter() - self._started, done - self._begun_at
        left = seconds / fresh * max(self._total - done, 0) if self._total is not None and fresh else None
        if not self._has_warned and left is not None and left > _LONG and seconds > _MEASURED:
            self._has_warned = True
            warnings.warn(
                f"about {clock_text(left)} h are ahead for {self._source} at {fresh / seconds:.2g} frames a second; "
                "the job can be stopped and goes on later.",
                stacklevel=2,
            )
        if self._progress is not None:
            self._progress(Progress(done, self._total, seconds, left))
