"""Entry point of the `subband` command: finds the subcommand, parses its options, reports bad input in one sentence."""

from __future__ import annotations

import difflib
import importlib
import io
import os
import signal
import sys
import warnings
from argparse import ArgumentError, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from subband._version import __version__
from subband.cli.data_paths import put_back, take_paths, without_paths
from subband.cli.nested_options import put_nested, take_nested
from subband.cli.option_rules import check_given
from subband.files import described, shown
from subband.signals import SignalHandlers, Stopped, exit_code, say

# Adding a command: write its file, name it here.
COMMANDS = {
    "train": ("subband.cli.commands.train", "train a model by a recipe"),
    "evaluate": ("subband.cli.commands.evaluate", "score a trained model on a test set"),
    "predict": ("subband.cli.commands.predict", "predict the next frames of a clip"),
    "report": ("subband.cli.commands.report", "one HTML page about one or more runs"),
    "classify": ("subband.cli.commands.classify", "say what photographs show"),
    "detect": ("subband.cli.commands.detect", "find objects in photographs or a video"),
    "pose": ("subband.cli.commands.pose", "find the joints of people in photographs or a video"),
    "explain": ("subband.cli.commands.explain", "why a network decides as it does, as images and a page"),
    "deblur": ("subband.cli.commands.deblur", "make a blurred video or photograph sharp"),
    "upscale": ("subband.cli.commands.upscale", "make a small video or photograph larger"),
    "denoise": ("subband.cli.commands.denoise", "remove noise from photographs"),
    "generate": ("subband.cli.commands.generate", "draw images that never were there"),
    "fit-prior": ("subband.cli.commands.fit_prior", "fit what `generate` needs to a Wavelet-VAE that has none"),
    "reconstruct": ("subband.cli.commands.reconstruct", "code photographs by a network and decode them again"),
    "latent": ("subband.cli.commands.latent", "heat maps of the wavelet coefficients of a photograph"),
    "edit": ("subband.cli.commands.edit", "smooth, sharpen or copy detail of a photograph inside a mask"),
    "interpolate": ("subband.cli.commands.interpolate", "ways from one photograph to another, side by side"),
    "decompose": ("subband.cli.commands.decompose", "wavelet subbands of photographs as an image and a table"),
    "fuse": ("subband.cli.commands.fuse", "several exposures or foci of a scene in one photograph"),
    "compress": (
        "subband.cli.commands.compress",
        "code photographs by their largest wavelet coefficients: bits per pixel against quality",
    ),
    "decompress": ("subband.cli.commands.decompress", "turn the files of compress back into images"),
    "synthesize-blur": (
        "subband.cli.commands.synthesize_blur",
        "blurred and sharp pairs from sharp videos or photographs",
    ),
    "models": ("subband.cli.commands.models", "list the models"),
    "weights": ("subband.cli.commands.weights", "published weights: list, get, verify and remove them"),
    "info": ("subband.cli.commands.info", "parameters, operations, memory and time of a model"),
    "convert": ("subband.cli.commands.convert", "published checkpoints to our files and back"),
    "push": ("subband.cli.commands.push", "share a trained network on the Hugging Face Hub"),
    "export": ("subband.cli.commands.export", "write a model as ONNX or as a torch.export program"),
    "benchmark": ("subband.cli.commands.benchmark", "measure speed, or train networks against each other"),
}
UNREAD, USER_ERROR = 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Words after `subband`; those of the process by default.

    Returns:
        Exit code: 0, 1 if nobody reads the output any more, 2 for bad input (one sentence on standard error), 130 after
            Ctrl-C, 143 after SIGTERM.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    handlers = SignalHandlers(_stop)
    try:
        with handlers:
            try:
                return _main(words)
            except BaseException as error:
                return _end(error, words, handlers.received)
    except (KeyboardInterrupt, Stopped) as error:  # the signal came while the handlers were set or taken back
        return _end(error, words, handlers.received)


def _end(error: BaseException, words: list[str], received: int | None) -> int:
    """The exit code of a command that an error or a signal has ended, which is said."""
    # A library may have turned what the signal raised into an error of its own.
    if received is None and not isinstance(error, KeyboardInterrupt | Stopped):
        return _report(error, words)
    stop = error if isinstance(error, Stopped) else _stopped(received or signal.SIGINT)
    if str(stop):
        say(str(stop))
    return stop.code


def _main(words: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names may hold what the terminal's encoding does not
            stream.reconfigure(errors="backslashreplace")
    code = _answer(words)
    _flush_output()  # a reader that is gone is noticed here at the latest
    return code


def _answer(words: list[str]) -> int:
    if not words or words[0] in {"-h", "--help"}:
        print(_overview())
        return 0
    if words[0] == "--version":
        print(f"subband {__version__}")
        return 0
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _run(words[0], words[1:])


def _flush_output() -> None:
    try:
        sys.stdout.flush()
    except OSError as error:
        _discard_output()
        raise OSError(error.errno, error.strerror, "standard output") from error


def _discard_output() -> None:
    """What is still in the buffer of standard output goes nowhere, not to an error at the very end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Interrupt(KeyboardInterrupt):
    """Ctrl-C, as a class of our own.

    A KeyboardInterrupt that passes through code which Python compiles from a text, as dataclasses and extension modules
    do, makes it kill the process by the signal at its end, whatever the exit code; one of another class does not.
    """


def _stop(number: int) -> None:
    """What a first signal does: Ctrl-C as Python has it, SIGTERM likewise."""
    raise _Interrupt if number == signal.SIGINT else _stopped(number)


def _stopped(number: int) -> Stopped:
    words = "interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"
    return Stopped(f"{words}; what was finished before is there.", exit_code(number))


def _report(error: BaseException, words: list[str]) -> int:
    """Say what is wrong with the input; other errors go on."""
    if isinstance(error, BrokenPipeError):  # whoever read our output, `head` for one, has seen enough
        _discard_output()
        return UNREAD
    if "--traceback" in words or not isinstance(error, ValueError | TypeError | OSError | ImportError):
        raise error
    if isinstance(error, OSError) and error.errno and not error.filename:
        try:
            _flush_output()
        except OSError as of_output:
            error = of_output
    print(f"subband: error: {_sentence(error)}", file=sys.stderr)
    return USER_ERROR


def _run(command: str, words: list[str]) -> int:
    if command not in COMMANDS:
        close = difflib.get_close_matches(command, COMMANDS, n=1)
        raise ValueError(f"unknown command {command!r}; " + (f"did you mean {close[0]}?" if close else "see --help."))
    module = importlib.import_module(COMMANDS[command][0])
    namespace = _parse(command, module, words)
    if namespace is not None:
        module.run(namespace)
    return 0


def _parse(command: str, module: ModuleType, words: list[str]) -> Any:
    import jsonargparse

    words, paths = take_paths(_without_dashes(words))
    jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = jsonargparse.ArgumentParser(
        prog=f"subband {command}",
        description=(module.__doc__ or "").strip(),
        epilog=module.EXAMPLES,
        exit_on_error=False,
        formatter_class=_formatter(),
    )
    module.add_arguments(parser)
    stored: dict[str, Any] = {}
    parser.add_argument("--traceback", action="store_true", help="Show the Python traceback of an error.")
    try:
        if hasattr(module, "defaults"):  # a command whose defaults come from a file named on its command line
            stored = module.defaults(words)
            parser.set_defaults(without_paths(stored))
        options = [option for action in parser._actions for option in action.option_strings]
        words, nested = take_nested(words, options)
        args = parser.parse_args(words)
    except ArgumentError as error:
        raise ValueError(_with_hint(str(error), words, options)) from None
    except SystemExit as end:  # --help and --print_config have printed what was asked for
        if end.code:
            raise
        return None
    check_given(args, parser.get_defaults(), getattr(module, "OPTION_RULES", ()))
    put_back(args, stored, paths)
    put_nested(args, nested)
    return args


def _without_dashes(words: list[str]) -> list[str]:
    """The words without a `--`, as which jsonargparse has no option; what begins with a dash after it is a file."""
    if "--" not in words:
        return words
    place = words.index("--")
    return words[:place] + [f"./{word}" if word.startswith("-") else word for word in words[place + 1 :]]


def _formatter() -> type:
    from jsonargparse import DefaultHelpFormatter

    # Examples keep their lines; options keep jsonargparse's types and defaults.
    return type("HelpFormatter", (DefaultHelpFormatter, RawDescriptionHelpFormatter), {})


def _with_hint(message: str, words: list[str], options: list[str]) -> str:
    for word in words:
        name = word.split("=")[0]
        if name.startswith("--") and name in message and name not in options:
            close = difflib.get_close_matches(name, options, n=1)
            return f"unknown option {name}" + (f"; did you mean {close[0]}?" if close else ".")
        if word.startswith("-") and word in message and Path(word).exists():
            return f"{word} looks like an option; write ./{word} for the file."
    return message


def _show_warning(message: Warning | str, *place: Any, **where: Any) -> None:
    print(f"subband: warning: {shown(' '.join(str(message).split()))}", file=sys.stderr)


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{described(error)}."
    return shown(" ".join(str(error).split())) or type(error).__name__


def _overview() -> str:
    rows = "\n".join(f"  {name:<15} {text}" for name, (_, text) in COMMANDS.items())
    return (
        "usage: subband COMMAND [OPTIONS]\n\nFrequency-domain vision: from media to a result in one command.\n\n"
        f"{rows}\n\n"
        "examples:\n"
        "  subband predict clip.mp4 --num-frames 20 --out future.mp4\n"
        "  subband classify photos/ --model runs/mine --out classes.csv\n"
        "  subband train video_prediction/wast_digits --out runs/wast\n"
        "  subband report runs/wast\n\n"
        "subband COMMAND --help shows the options of a command, subband --version the version."
    )


if __name__ == "__main__":
    sys.exit(main())
