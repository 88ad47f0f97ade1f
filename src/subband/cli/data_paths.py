"""Paths on the command line and in recipes, which may look like numbers, lists or nothing to a reader of YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subband.config import PATH_ARGUMENTS, WEIGHT_SETTINGS, path_arguments

if TYPE_CHECKING:
    from jsonargparse import Namespace

__all__ = ["put_back", "take_paths", "without_paths"]

_ARGS = "data.args"
_WEIGHTS = [f"{section}.{name}" for section, name in WEIGHT_SETTINGS]
_NAMES = [*(f"{_ARGS}.{name}" for name in PATH_ARGUMENTS), *_WEIGHTS]
_OPTIONS = {f"--{name}": name for name in _NAMES}
_NOTHING = "null"  # of weights
# In place of a path of the recipe and of one on the command line; two, so that the second is known to have been given.
_STORED, _GIVEN = "path-in-the-recipe", "path-on-the-command-line"


def take_paths(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Words with another in place of each path, and the paths as they were given, by dotted name.

    Values of options that need not be text are read as YAML, to which the folders `2024`, `a: b` and `#1` are none, and
    bytes that are no UTF-8 an error.

    Args:
        words: Those of a command.

    Example:
        >>> words, paths = take_paths(["small", "--data.args.path", "2024", "--model.weights=#1"])
        >>> paths
        {'data.args.path': '2024', 'model.weights': '#1'}
    """
    kept: list[str] = []
    paths: dict[str, str] = {}
    for word in words:
        option, equals, value = word.partition("=")
        if kept and kept[-1] in _OPTIONS and not word.startswith("--"):
            word = _taken(_OPTIONS[kept[-1]], word, paths)
        elif equals and option in _OPTIONS:
            word = f"{option}={_taken(_OPTIONS[option], value, paths)}"
        kept.append(word)
    return kept, paths


def _taken(name: str, value: str, paths: dict[str, str]) -> str:
    if name in _WEIGHTS and value == _NOTHING:
        return value
    paths[name] = value
    return _GIVEN


def without_paths(stored: dict[str, Any]) -> dict[str, Any]:
    """Settings of a recipe with another text in place of each path in them.

    Args:
        stored: By dotted names.
    """
    hidden: dict[str, Any] = {name: _STORED for name in _WEIGHTS if isinstance(stored.get(name), str)}
    args = stored.get(_ARGS) or {}
    if paths := path_arguments(args):
        hidden[_ARGS] = {**args, **dict.fromkeys(paths, _STORED)}
    return {**stored, **hidden}


def put_back(args: Namespace, stored: dict[str, Any], paths: dict[str, str]) -> None:
    """Give parsed options the paths that were taken out; what was given in another way stays.

    Args:
        args: The options, which are changed.
        stored: What `without_paths` was given.
        paths: What `take_paths` has taken.
    """
    args_of_recipe = {f"{_ARGS}.{key}": path for key, path in path_arguments(stored.get(_ARGS)).items()}
    sources = {_STORED: {**stored, **args_of_recipe}, _GIVEN: paths}

    def path(name: str, value: Any) -> Any:
        return sources[value][name] if isinstance(value, str) and value in sources else value

    if args.get(_ARGS):
        args[_ARGS] = {key: path(f"{_ARGS}.{key}", value) for key, value in args[_ARGS].items()}
    for name in _WEIGHTS:
        if name in args:
            args[name] = path(name, args[name])
