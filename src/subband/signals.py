"""Ctrl-C, SIGTERM, a closed terminal: said in one line, and an exit code of 128 and the number of the signal."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, NoReturn

__all__ = ["STOP_SIGNALS", "SignalHandlers", "Stopped", "end_now", "exit_code", "say"]

STOP_SIGNALS = tuple(signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_PROGRAM = "subband.cli.main"


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


def _guard_start() -> None:
    """Let Ctrl-C end the program `subband`, and no other, quietly while Python loads it, before its own handler is set.

    Python loads this package, and PyTorch with it, before the first line of the program runs.
    """
    is_program = os.path.basename(sys.argv[0] if sys.argv else "").partition(".")[0] == "subband"
    is_module = any(pair == ("-m", _PROGRAM) for pair in zip(sys.orig_argv, sys.orig_argv[1:], strict=False))
    if (is_program or is_module) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_quietly)


def _end_quietly(number: int, frame: FrameType | None) -> NoReturn:
    os.write(2, b"subband: interrupted.\n")
    os._exit(exit_code(number))


def say(text: str) -> None:
    """One line on standard error, at once, if there is still a terminal."""
    with suppress(OSError):
        print(f"subband: {text}", file=sys.stderr, flush=True)


_guard_start()
