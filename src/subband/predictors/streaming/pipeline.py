"""Reading, computing and encoding side by side, with short queues between them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor

from subband.media.video import to_pixels
from subband.predictors.segments import WorkFolder
from subband.predictors.windows import Window

SEGMENT_SECONDS = 120
"""A segment also ends with the window after this time, so that a kill costs slow networks little."""

_AHEAD = 2  # windows that are read, or wait to be written, while the network computes
_WAIT = 0.1  # seconds after which a waiting thread looks whether the job was stopped


class _StoppedError(Exception):
    """Another thread ended the job."""


class Pipeline:
    """Three threads with short queues between them: windows are read, processed, and written in segments.

    Args:
        work: Where segments are written.
        windows: What is processed.
        apply: Gives the results of a window that are kept, `(T, C, H, W)`, of frames `(T, 3, H, W)` in `[0, 1]`; called
            in the calling thread.
        segment_frames: A segment ends with the window that reaches this many frames; after one that ended early, the
            next is as much shorter.
        report: Told the number of frames done after every window.
    """

    def __init__(
        self,
        work: WorkFolder,
        windows: Generator[Window, None, None],
        apply: Callable[[Tensor, Window], Tensor],
        segment_frames: int,
        report: Callable[[int], None],
    ) -> None:
        self._work = work
        self._windows = windows
        self._apply = apply
        self._segment_frames = segment_frames
        self._report = report
        self._read: queue.Queue[Window | None] = queue.Queue(_AHEAD)
        self._made: queue.Queue[tuple[Window, np.ndarray] | None] = queue.Queue(_AHEAD)
        self._stop = threading.Event()
        self._size: torch.Size | None = None

    def run(self) -> None:
        """Processes all windows.

        An error in any thread ends all three and is raised here. What was processed before an error or interrupt in the
        calling thread is written first, as a finished segment.
        """
        with ThreadPoolExecutor(2) as pool:
            reader, writer = (pool.submit(self._guarded, task) for task in (self._read_all, self._write_all))
            try:
                with suppress(_StoppedError):
                    self._process_all()
            except BaseException:
                try:
                    with suppress(_StoppedError):
                        self._put(self._made, None)
                    wait([writer])
                finally:
                    self._stop.set()
                raise
        for thread in (reader, writer):
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
            self._put(self._made, (window, self._results(window)))
            self._report(window.first + window.keep.stop)
        self._put(self._made, None)

    def _results(self, window: Window) -> np.ndarray:
        """Results that are kept, `(T, H, W, 3)` uint8."""
        with torch.inference_mode():
            results = self._apply(window_tensor(window), window)
        if self._size is not None and results.shape[2:] != self._size:
            raise ValueError(
                f"process must return frames of one size, got {tuple(results.shape[2:])} after {tuple(self._size)}."
            )
        self._size = results.shape[2:]
        return to_pixels(results)

    def _write_all(self) -> None:
        item = self._get(self._made)
        while item is not None:
            began, num_before = time.monotonic(), self._frames_of_unfinished()
            with self._work.new_segment() as segment:
                while item is not None:
                    window, pixels = item
                    segment.write(list(pixels), [frame.time for frame in window.frames[window.keep]])
                    segment.restart, segment.is_last = window.restart, window.is_last
                    is_full = num_before + len(segment.times) >= self._segment_frames
                    if is_full or time.monotonic() - began > SEGMENT_SECONDS:
                        break
                    item = self._get(self._made)
            if item is not None:
                item = self._get(self._made)

    def _frames_of_unfinished(self) -> int:
        """Frames of the last segments, if they ended early: the next one ends where it would without a stop."""
        count = 0
        for segment in self._work.segments:
            count += len(segment.times)
            if count >= self._segment_frames:
                count = 0
        return count

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


def window_tensor(window: Window) -> Tensor:
    """Frames of a window as networks take them, `(T, 3, H, W)` float32 in `[0, 1]`."""
    pixels = torch.from_numpy(np.stack([frame.pixels for frame in window.frames]))
    return pixels.permute(0, 3, 1, 2).float().div_(255)
