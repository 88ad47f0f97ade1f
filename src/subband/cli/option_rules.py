"""Options of a command that have no effect with the others: refused or warned about for every command in one place.

A command lists them in its `OPTION_RULES`. Options whose effect depends on a file (a recipe, the model) are said where
that is read: `subband.training.options`, and the functions that open a model.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from jsonargparse import Namespace

__all__ = ["Needs", "check_alone", "check_given"]


class Needs(NamedTuple):
    """When an option has an effect. A command lists these in its `OPTION_RULES`.

    Attributes:
        option: The option, `--name`, or the name of an argument without dashes.
        works: Whether it has an effect with the other options.
        words: How the sentence about it goes on, for example `goes with --int8`.
        is_harmless: Whether the user gets what was asked for all the same; a warning then, not an error.
    """

    option: str
    works: Callable[[Any], bool]
    words: str
    is_harmless: bool = False


def check_given(args: Namespace, defaults: Namespace, rules: Iterable[Needs]) -> None:
    """Look for options that were given, with another value than their default, and have no effect.

    Args:
        args: Values of all options.
        defaults: Their defaults.
        rules: Those of the command.

    Raises:
        ValueError: For the first one that is not harmless.
    """
    idle = [rule for rule in rules if _is_given(rule, args, defaults) and not rule.works(args)]
    for rule in sorted(idle, key=lambda rule: rule.is_harmless):
        if not rule.is_harmless:
            raise ValueError(f"{rule.option} {rule.words}.")
        warnings.warn(f"{rule.option} {rule.words}.", stacklevel=2)


def check_alone(option: str, words: Sequence[str], does: str) -> None:
    """Look for anything beside an option that does something and stops.

    Args:
        option: The option, `--name`.
        words: The words of the command line, without the command.
        does: How the sentence about it goes on, for example `lists the recipes and stops`.

    Raises:
        ValueError: If something is given beside it.

    Example:
        >>> check_alone("--list", ["--list"], "lists the recipes and stops")
    """
    named = [word.partition("=")[0] for place, word in enumerate(words) if place == 0 or word.startswith("-")]
    others = [word for word in named if word not in (option, "--traceback")]
    if others:
        raise ValueError(f"{option} {does}; leave out {', '.join(others)}.")


def _is_given(rule: Needs, args: Namespace, defaults: Namespace) -> bool:
    name = rule.option.removeprefix("--").replace("-", "_")
    return args[name] != defaults[name]
