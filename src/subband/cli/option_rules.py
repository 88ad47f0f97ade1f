"""Options of a command that have no effect with the others: refused or warned about for every command in one place."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from jsonargparse import Namespace

__all__ = ["Needs", "check_given"]


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


def _is_given(rule: Needs, args: Namespace, defaults: Namespace) -> bool:
    name = rule.option.removeprefix("--").replace("-", "_")
    return args[name] != defaults[name]
