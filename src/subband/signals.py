"""Ctrl-C, SIGTERM, a closed terminal: said in one line, and an exit code of 128 and the number of the signal."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, NoReturn

__all__ = ["STOP_SIGNALS", "SignalHandlers", "Stopped", "delayed_signals", "end_now", "exit_code", "say"]

STOP_SIGNALS = tuple(signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(BaseException):
    """A signal asked the program to end. Not an Exception, so that nothing swallows it.

    Args:
        message: What the user is told.
        code: Exit code of the program.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class SignalHandlers:
    """Handles `STOP_SIGNALS` inside a `with` block, in the main thread; a signal that is ignored stays ignored.

    Args:
        handle: Called with the number of a first signal.
        at_once: Called before a second Ctrl-C ends the process, which waits for nothing. Other signals that follow
            change nothing: schedulers and launchers often send the same or another one again.

    Attributes:
        received: Number of the first signal that came.
    """

    def __init__(self, handle: Callable[[int], None], at_once: Callable[[], None] | None = None) -> None:
        self.received: int | None = None
        self._handle, self._at_once = handle, at_once
        self._process = os.getpid()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> SignalHandlers:
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a process that was forked from this one, before it sets its own handlers
            return
        if self.received is None:
            self.received = number
            self._handle(number)
        elif number == signal.SIGINT:
            if self._at_once is not None:
                self._at_once()
            end_now(number)


@contextmanager
def delayed_signals() -> Iterator[None]:
    """Inside a `with` block no signal of `STOP_SIGNALS` reaches this thread; it gets them afterwards.

    Processes that are started inside never get one. Without effect on Windows, which has no masks of signals.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def exit_code(number: int) -> int:
    """The exit code of a program that a signal ended, as shells count.

    Example:
        >>> exit_code(signal.SIGTERM)
        143
    """
    return 128 + number


def end_now(number: int) -> NoReturn:
    """End this process and the ones it started, without any clean-up."""
    multiprocessing = sys.modules.get("multiprocessing")  # not imported for this: no process was started without it
    for child in multiprocessing.active_children() if multiprocessing else ():
        child.kill()
    os._exit(exit_code(number))


def say(text: str) -> None:
    """One line on standard error, at once, if there is still a terminal; also from within a handler of signals."""
    line = f"subband: {text}\n"
    try:
        # Past the buffer, which a signal may find in the middle of writing, and which then refuses to be entered again.
        place = sys.stderr.fileno() if isinstance(sys.stderr, io.TextIOWrapper) else None
    except (OSError, ValueError):  # closed, or not a file
        place = None
    with suppress(OSError, ValueError, RuntimeError, AttributeError):
        if place is None:
            print(line, end="", file=sys.stderr, flush=True)
        else:
            os.write(place, line.encode(sys.stderr.encoding, "backslashreplace"))
