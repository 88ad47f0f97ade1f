"""How far a long job is, and a bar that shows it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Progress(NamedTuple):
    """How far a job is.

    Attributes:
        done: Frames that are finished.
        total: Frames in all by the header of the file; None where it is silent.
        seconds: Time since the start.
        seconds_left: Estimate of the time to go; None before the first window and without `total`.
    """

    done: int
    total: int | None
    seconds: float
    seconds_left: float | None


@contextmanager
def show_progress(title: str) -> Iterator[Callable[[Progress], None]]:
    """A bar on the error stream with frames done and the time left.

    When the job fails, it stays where it stopped, or vanishes if nothing was done.

    Args:
        title: What is being done.

    Yields:
        What `stream_clip` takes as `progress`.

    Raises:
        ImportError: If rich is not installed.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
    console = Console(stderr=True)
    bar = Bar(*columns, console=console)
    number = bar.add_task(title, total=None, state="")
    task = bar.tasks[number]

    def update(progress: Progress) -> None:
        bar.start()
        # A header may promise too few frames.
        total = None if progress.total is None else max(progress.total, progress.done)
        bar.update(number, completed=progress.done, total=total, state=describe(progress))

    if console.is_terminal:  # in a file there is nothing to see before the first window
        bar.start()
    try:
        yield update
    except BaseException:
        bar.live.transient = not task.completed
        if task.total is None:  # else shown like a full one
            bar.update(number, total=math.inf)
        raise
    finally:
        if bar.live.is_started:
            bar.stop()


def describe(progress: Progress) -> str:
    """A job's state in words.

    Args:
        progress: The state.

    Example:
        >>> describe(Progress(done=40, total=100, seconds=10.0, seconds_left=75.0))
        '40 of 100 frames, 1:15 left'
    """
    frames = f"{progress.done} frames" if progress.total is None else f"{progress.done} of {progress.total} frames"
    if progress.seconds_left is None:
        return frames
    return f"{frames}, {clock_text(progress.seconds_left)} left"


def clock_text(seconds: float) -> str:
    """A time as a clock shows it.

    Args:
        seconds: The time.

    Example:
        >>> clock_text(75), clock_text(3723)
        ('1:15', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
