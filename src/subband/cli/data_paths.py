"""Paths of data sets on the command line, which may look like numbers, lists or nothing to a reader of YAML."""

from __future__ import annotations

from typing import Any

from subband.config import PATH_ARGUMENTS, path_arguments

__all__ = ["take_paths", "without_paths"]

_OPTIONS = {f"--data.args.{name}": name for name in PATH_ARGUMENTS}
_STAND_IN = "taken"


def take_paths(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Words with another in place of each path of a data set, and the paths as they were given, by argument.

    Values of `--data.args` are read as YAML, to which the folders `2024`, `a: b` and `null` are no text, and bytes that
    are no UTF-8 an error.

    Args:
        words: Those of a command.

    Example:
        >>> take_paths(["small", "--data.args.path", "2024", "--data.args.root=a: b"])
        (['small', '--data.args.path', 'taken', '--data.args.root=taken'], {'path': '2024', 'root': 'a: b'})
    """
    kept: list[str] = []
    paths: dict[str, str] = {}
    for word in words:
        option, equals, value = word.partition("=")
        if kept and kept[-1] in _OPTIONS and not word.startswith("--"):
            paths[_OPTIONS[kept[-1]]] = word
            word = _STAND_IN
        elif equals and option in _OPTIONS:
            paths[_OPTIONS[option]] = value
            word = f"{option}={_STAND_IN}"
        kept.append(word)
    return kept, paths


def without_paths(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a recipe with another text in place of each path of its data.

    Args:
        settings: By dotted names.
    """
    args = settings.get("data.args") or {}
    hidden = dict.fromkeys(path_arguments(args), _STAND_IN)
    return {**settings, "data.args": {**args, **hidden}} if hidden else settings
