"""A stream of frames cut into overlapping windows, of whose results neighbors each keep a part."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

from subband.media.frames import Frame

LEAD = 48
"""Frames before a restart that are read again, from which scene cuts after it are judged."""


class Window(NamedTuple):
    """Frames that a network is given at once; all belong to one scene.

    Attributes:
        frames: In their order.
        keep: Which of the results count: every frame of the clip is kept in exactly one window.
        first: Number of the first frame in the clip.
        restart: The window that comes next, were the clip read anew from here.
        starts_scene: Whether the scene begins with this window.
        ends_scene: Whether the scene ends with it.
        is_last: Whether the clip ends with it.
    """

    frames: tuple[Frame, ...]
    keep: slice
    first: int
    restart: Restart
    starts_scene: bool
    ends_scene: bool
    is_last: bool


class Restart(NamedTuple):
    """Where to begin in the middle of a clip, so that the windows are those of the whole clip.

    Attributes:
        first: Number of the first frame that windows are cut from: the last window may reach back to it.
        done: Number of the first frame that is kept.
        due: How many frames of the clip are read when the first full window is; None at the start of a scene.
        scene: Number of the first frame of the scene.
        lead: So many frames before `first` are read, too.
        before: Time of the first frame to read, from which on it is found; None at the start and where there are no
            times.
    """

    first: int = 0
    done: int = 0
    due: int | None = None
    scene: int = 0
    lead: int = 0
    before: Fraction | None = None


def cut_windows(
    frames: Iterable[tuple[Frame, bool]], window: int, margins: tuple[int, int], restart: Restart | None = None
) -> Generator[Window, None, None]:
    """Cuts a stream into windows, holding no more frames than one window and the frame after it.

    A scene that is shorter than a window is one window as it is. The last window of a scene reaches back so far that it
    is full.

    Args:
        frames: Frames in their order, from `restart.lead` before `restart.first` on, and whether each begins a scene.
        window: Frames in a window.
        margins: So many results at the beginning and at the end of a window are not kept, but those of its neighbors;
            the ends of a scene are kept.
        restart: Where `frames` begins; None at the start of the clip.

    Raises:
        ValueError: If `window` is not positive, a margin is negative, or the margins leave nothing to keep.

    Example:
        >>> import numpy as np
        >>> clip = [(Frame(np.zeros((1, 1, 3), np.uint8)), number == 9) for number in range(11)]
        >>> for part in cut_windows(clip, window=4, margins=(1, 1)):
        ...     print(part.first, len(part.frames), part.keep.start, part.keep.stop)
        0 4 0 3
        2 4 1 3
        4 4 1 3
        5 4 2 4
        9 2 0 2
    """
    check_windows(window, margins)
    start = restart or Restart()
    done, scene = start.done, start.scene
    due = start.first + window if start.due is None else start.due  # a window is due when `end` reaches `due`
    held: deque[Frame] = deque(maxlen=window)
    times: deque[Fraction | None] = deque(maxlen=window + LEAD)
    end = start.first - start.lead
    for frame, is_cut, ends_scene, is_last in _marking_the_last(frames):
        times.append(frame.time)
        end += 1
        if end <= start.first:
            continue
        if is_cut and end - 1 > start.first:
            held.clear()
            scene, due = end - 1, end - 1 + window
        held.append(frame)
        if end < due and not ends_scene:
            continue
        first = end - len(held)
        stop = end if ends_scene else end - margins[1]
        due += window - sum(margins)
        if ends_scene:
            following = _restart(end, times, end, done=end, due=None, scene=end)
        else:
            following = _restart(first + 1, times, end, done=stop, due=due, scene=scene)
        keep = slice(done - first, stop - first)
        yield Window(tuple(held), keep, first, following, first == scene, ends_scene, is_last)
        done = stop


def check_windows(window: int, margins: tuple[int, int]) -> None:
    """Refuses windows of which nothing would be kept.

    Args:
        window: Frames in a window.
        margins: Results at its ends that are not kept.

    Raises:
        ValueError: If `window` is not positive, a margin is negative, or the margins leave nothing to keep.
    """
    if window < 1 or min(margins) < 0 or sum(margins) >= window:
        raise ValueError(f"overlap must be at least 0 and below window, got {sum(margins)} and {window}.")


def _restart(first: int, times: deque[Fraction | None], end: int, *, done: int, due: int | None, scene: int) -> Restart:
    """A restart at a frame; `times` are those of the frames up to `end`."""
    lead = min(LEAD, first)
    return Restart(first, done, due, scene, lead, times[first - lead - end])


def _marking_the_last(frames: Iterable[tuple[Frame, bool]]) -> Iterator[tuple[Frame, bool, bool, bool]]:
    """Frames, and whether each begins a scene, ends one, and is the last of all."""
    held: tuple[Frame, bool] | None = None
    for frame, is_cut in frames:
        if held is not None:
            yield *held, is_cut, False
        held = (frame, is_cut)
    if held is not None:
        yield *held, True, True
