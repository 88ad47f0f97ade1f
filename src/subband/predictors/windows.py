"""A stream of frames cut into overlapping windows, of whose results neighbors each keep a part."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

from subband.media.frames import Frame


class Window(NamedTuple):
    """Frames that a network is given at once.

    Attributes:
        frames: In their order.
        keep: Which of the results count: every frame of the clip is kept in exactly one window.
        first: Number of the first frame in the clip.
        restart: The window that comes next, were the clip read anew from here.
        is_last: Whether the clip ends with this window.
    """

    frames: tuple[Frame, ...]
    keep: slice
    first: int
    restart: Restart
    is_last: bool


class Restart(NamedTuple):
    """Where to begin in the middle of a clip, so that the windows are those of the whole clip.

    Attributes:
        first: Number of the first frame to read: the last window may reach back to it.
        done: Number of the first frame that is kept.
        due: How many frames of the clip are read when the first full window is; None at the start.
        before: Time of the frame before `first`, from which on it is found; None at the start and where there are no
            times.
    """

    first: int = 0
    done: int = 0
    due: int | None = None
    before: Fraction | None = None


def cut_windows(
    frames: Iterable[Frame], window: int, overlap: int, restart: Restart | None = None
) -> Generator[Window, None, None]:
    """Cuts a stream into windows, holding no more frames than one window and the frame after it.

    A clip that is shorter than a window is one window as it is. The last window reaches back so far that it is full.

    Args:
        frames: Frames in their order, from `restart.first` on.
        window: Frames in a window.
        overlap: Frames that neighbors share; half of them are kept of each.
        restart: Where `frames` begins; None at the start of the clip.

    Raises:
        ValueError: If `window` is not positive or `overlap` is not below it.

    Example:
        >>> import numpy as np
        >>> clip = [Frame(np.zeros((1, 1, 3), np.uint8)) for _ in range(9)]
        >>> for part in cut_windows(clip, window=4, overlap=2):
        ...     print(part.first, len(part.frames), part.keep.start, part.keep.stop)
        0 4 0 3
        2 4 1 3
        4 4 1 3
        5 4 2 4
    """
    if window < 1 or not 0 <= overlap < window:
        raise ValueError(f"overlap must be at least 0 and below window, got {overlap} and {window}.")
    start = restart or Restart()
    step, done = window - overlap, start.done
    held: list[Frame] = []
    end, due = start.first, window if start.due is None else start.due  # a window is due when `end` reaches `due`
    for frame, is_last in _marking_the_last(frames):
        held = [*held[-(window - 1) :], frame] if window > 1 else [frame]
        end += 1
        if end < due and not is_last:
            continue
        first = end - len(held)
        stop = end if is_last else end - overlap // 2
        due += step
        following = Restart(first + 1, stop, due, held[0].time)
        yield Window(tuple(held), slice(done - first, stop - first), first, following, is_last)
        done = stop


def _marking_the_last(frames: Iterable[Frame]) -> Iterator[tuple[Frame, bool]]:
    held: Frame | None = None
    for frame in frames:
        if held is not None:
            yield held, False
        held = frame
    if held is not None:
        yield held, True
