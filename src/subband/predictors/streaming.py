"""A video into a video, frame by frame: what every command that restores, enlarges or changes footage stands on."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from subband.files import check_new_path
from subband.media.frames import ClipReader, Frame, Size
from subband.media.sources import open_clip
from subband.media.video import to_pixels
from subband.media.video_writer import VIDEO_SUFFIXES
from subband.media.writers import check_clip_path
from subband.predictors.progress import Progress
from subband.predictors.segments import VideoStyle, WorkFolder
from subband.predictors.windows import Restart, Window, cut_windows

Process = Callable[[Tensor], Tensor]
"""Frames `(T, 3, H, W)` in `[0, 1]` to as many frames `(T, C, H', W')`, C = 1 or 3; values are clipped to `[0, 1]`."""

_AHEAD = 2  # windows that are read, or wait to be written, while the network computes
_WAIT = 0.1  # seconds after which a waiting thread looks whether the job was stopped


def stream_clip(
    source: Path | str,
    target: Path | str,
    process: Process,
    *,
    window: int = 1,
    overlap: int = 0,
    size: Size = None,
    fps: float = 10,
    segment_frames: int = 250,
    options: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> int:
    """Sends a clip through a function in overlapping windows and writes the result, in bounded memory.

    Reading, `process` and encoding run side by side, `process` in the calling thread. Times of frames, pixel aspect and
    color tags are kept; audio, subtitles, chapters and metadata of a video are copied at the end. Results are stored in
    segments in the folder `TARGET.parts` beside the output. When the job is stopped (Ctrl-C, a crash, a kill), the same
    call goes on after the last finished segment and gives the same video; another call is refused as long as that
    folder is there.

    Args:
        source: Video file, animated image or folder of images.
        target: What to write; see `write_clip` for the suffixes.
        process: What is done to the frames of a window.
        window: Most frames that `process` is given at once; a shorter clip comes as it is.
        overlap: Frames that neighboring windows share; of the results, half of them are taken from each.
        size: Scales frames before they are processed: height and width, or the longest side.
        fps: Frames per second of a clip without times.
        segment_frames: A segment ends with the window that reaches this many frames.
        options: Options of the video encoder by FFmpeg's names.
        settings: What else the result depends on, such as the name of the network; compared when a job goes on.
        overwrite: Replaces an existing output.
        progress: Called after every window, in the calling thread; `show_progress` gives one that draws a bar.

    Returns:
        Number of frames.

    Raises:
        FileExistsError: If there is an output and `overwrite` is False.
        FileNotFoundError: If there is no source, or no folder for the output.
        ValueError: If the clip cannot be read, an argument is out of range, `process` returns another number of frames,
            or there is an unfinished job with other settings.
        ImportError: If a video is read or written and PyAV is not installed.

    Example:
        >>> from subband.media import probe, write_clip
        >>> folder = getfixture("tmp_path")
        >>> write_clip(folder / "clip.mp4", torch.rand(5, 3, 16, 24))
        >>> stream_clip(folder / "clip.mp4", folder / "negative.mp4", lambda frames: 1 - frames, window=2)
        5
    """
    source, target = Path(source), Path(target)
    _check(source, target, window, overlap, segment_frames, overwrite)
    with open_clip(source) as reader:
        arguments = {"window": window, "overlap": overlap, "size": size, "fps": fps, "segment_frames": segment_frames}
        facts = {**_identity(source), **arguments, "options": options, "settings": settings}
        work = WorkFolder(target, facts, _style(reader, target, fps, options))
        if not work.is_complete:
            windows = cut_windows(_frames(reader, work.restart, size), window, overlap, work.restart)
            _Pipeline(work, windows, process, segment_frames, _meter(reader, work, progress)).run()
    num_frames = sum(len(segment.times) for segment in work.segments)
    work.finish(overwrite=overwrite)
    return num_frames


def _check(source: Path, target: Path, window: int, overlap: int, segment_frames: int, overwrite: bool) -> None:
    check_clip_path(target)
    if window < 1 or not 0 <= overlap < window:
        raise ValueError(f"overlap must be at least 0 and below window, got {overlap} and {window}.")
    if segment_frames < 1:
        raise ValueError(f"segment_frames must be at least 1, got {segment_frames}.")
    if target.exists() and source.exists() and target.samefile(source):
        raise ValueError(f"{target} is the clip itself; choose another name for the result.")
    check_new_path(target, overwrite=overwrite)


def _identity(source: Path) -> dict[str, Any]:
    """By which a changed source is noticed."""
    facts = source.stat()
    return {"source": str(source.resolve()), "bytes": facts.st_size, "changed": facts.st_mtime_ns}


def _style(reader: ClipReader, target: Path, fps: float, options: Mapping[str, str] | None) -> VideoStyle:
    details = reader.details
    is_video = reader.details.codec is not None
    rate = reader.fps or fps
    return VideoStyle(
        time_base=details.time_base or 1 / Fraction(rate).limit_denominator(1001),
        fps=rate,
        options={
            "options": options,
            "colors": details.colors if is_video else None,
            "pixel_aspect": details.pixel_aspect if is_video else None,
        },
        copy_from=reader.path if is_video and target.suffix.lower() in VIDEO_SUFFIXES else None,
        shift=max(details.start, Fraction(0)),
    )


def _frames(reader: ClipReader, restart: Restart, size: Size) -> Iterator[Frame]:
    """Frames from a place on, with times that start at zero."""
    shift = max(reader.details.start, Fraction(0))
    begin = restart.first if restart.before is None else restart.before + shift
    frames = reader.stream(begin or None, size)
    if restart.before is not None:
        next(frames)  # the frame before
    for frame in frames:
        yield frame._replace(time=None if frame.time is None else frame.time - shift)


def _meter(reader: ClipReader, work: WorkFolder, progress: Callable[[Progress], None] | None) -> Callable[[int], None]:
    """Tells how far the job is, given the number of finished frames."""
    started, begun_at, total = time.perf_counter(), work.restart.done, reader.details.about_frames

    def report(done: int) -> None:
        if progress is None:
            return
        seconds, fresh = time.perf_counter() - started, done - begun_at
        left = seconds / fresh * max(total - done, 0) if total is not None and fresh else None
        progress(Progress(done, total, seconds, left))

    return report


class _StoppedError(Exception):
    """Another thread ended the job."""


class _Pipeline:
    """Three threads with short queues between them: windows are read, processed, and written in segments."""

    def __init__(
        self,
        work: WorkFolder,
        windows: Generator[Window, None, None],
        process: Process,
        segment_frames: int,
        report: Callable[[int], None],
    ) -> None:
        self._work = work
        self._windows = windows
        self._process = process
        self._segment_frames = segment_frames
        self._report = report
        self._read: queue.Queue[Window | None] = queue.Queue(_AHEAD)
        self._made: queue.Queue[tuple[Window, np.ndarray] | None] = queue.Queue(_AHEAD)
        self._stop = threading.Event()
        self._size: torch.Size | None = None

    def run(self) -> None:
        """Processes all windows; an error in any thread ends all three and is raised here."""
        with ThreadPoolExecutor(2) as pool:
            threads = [pool.submit(self._guarded, task) for task in (self._read_all, self._write_all)]
            try:
                with suppress(_StoppedError):
                    self._process_all()
            except BaseException:
                self._stop.set()
                raise
        for thread in threads:
            thread.result()

    def _guarded(self, task: Callable[[], None]) -> None:
        try:
            with suppress(_StoppedError):
                task()
        except BaseException:
            self._stop.set()
            raise

    def _read_all(self) -> None:
        with closing(self._windows):
            for window in self._windows:
                self._put(self._read, window)
        self._put(self._read, None)

    def _process_all(self) -> None:
        while (window := self._get(self._read)) is not None:
            self._put(self._made, (window, self._apply(window)))
            self._report(window.first + window.keep.stop)
        self._put(self._made, None)

    def _apply(self, window: Window) -> np.ndarray:
        """Results that are kept, `(T, H, W, 3)` uint8."""
        pixels = torch.from_numpy(np.stack([frame.pixels for frame in window.frames]))
        with torch.inference_mode():
            results = self._process(pixels.permute(0, 3, 1, 2).float().div_(255))
        if results.ndim != 4 or len(results) != len(window.frames) or results.shape[1] not in (1, 3):
            raise ValueError(
                f"process must return {len(window.frames)} frames (T, C, H, W) with C = 1 or 3, "
                f"got {tuple(results.shape)}."
            )
        if self._size is not None and results.shape[2:] != self._size:
            raise ValueError(
                f"process must return frames of one size, got {tuple(results.shape[2:])} after {tuple(self._size)}."
            )
        self._size = results.shape[2:]
        return to_pixels(results[window.keep])

    def _write_all(self) -> None:
        item = self._get(self._made)
        while item is not None:
            with self._work.new_segment() as segment:
                while item is not None:
                    window, pixels = item
                    segment.write(list(pixels), [frame.time for frame in window.frames[window.keep]])
                    segment.restart, segment.is_last = window.restart, window.is_last
                    if len(segment.times) >= self._segment_frames:
                        break
                    item = self._get(self._made)
            if item is not None:
                item = self._get(self._made)

    def _get(self, source: queue.Queue[Any]) -> Any:
        while not self._stop.is_set():
            with suppress(queue.Empty):
                return source.get(timeout=_WAIT)
        raise _StoppedError

    def _put(self, target: queue.Queue[Any], item: Any) -> None:
        while not self._stop.is_set():
            with suppress(queue.Full):
                return target.put(item, timeout=_WAIT)
        raise _StoppedError
