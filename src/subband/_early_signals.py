"""Ctrl-C while Python loads the package: the first thing that `import subband` runs, so it imports next to nothing."""

import _signal  # type: ignore[import-not-found]  # built in; `signal` takes longer to import than the rest of this
import os
import sys

_PROGRAM = "subband.cli.main"


def _guard_start() -> None:
    """Let Ctrl-C end the program `subband`, and no other, quietly while Python loads it, before its own handler is set.

    Python loads this package before the first line of the program runs.
    """
    is_program = os.path.basename(sys.argv[0] if sys.argv else "").partition(".")[0] == "subband"
    is_module = any(pair == ("-m", _PROGRAM) for pair in zip(sys.orig_argv, sys.orig_argv[1:], strict=False))
    if (is_program or is_module) and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _end_quietly)


def _end_quietly(number: int, frame: object) -> None:
    os.write(2, b"subband: interrupted.\n")
    os._exit(128 + number)


_guard_start()
