"""Options below the arguments of a model or a data set, such as `--data.args.blur.speed 16`: one value of a mapping.

The parser of options would take such a value for text, and forget the rest of the mapping.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from subband.cli.options import parse_value
from subband.config import merge

if TYPE_CHECKING:
    from jsonargparse import Namespace

__all__ = ["put_nested", "take_nested"]

_NESTED = re.compile(r"--(?P<section>\w+\.args)\.(?P<keys>\w+(\.\w+)+)(=.*)?", re.DOTALL)


def take_nested(words: list[str], options: Collection[str]) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Words without options that are two or more keys deep, and their values, nested, by section.

    Args:
        words: Those of a command.
        options: Its options; what belongs to none of them is left to the parser, which knows what is meant.

    Raises:
        ValueError: If a value is missing or not YAML.

    Example:
        >>> take_nested(["small", "--data.args.blur.speed", "16", "--quiet"], ["--data.args"])
        (['small', '--quiet'], {'data.args': {'blur': {'speed': 16}}})
    """
    kept: list[str] = []
    nested: dict[str, dict[str, Any]] = {}
    rest = iter(words)
    for word in rest:
        found = _NESTED.fullmatch(word)
        if found is None or f"--{found['section']}" not in options:
            kept.append(word)
            continue
        option, equals, text = word.partition("=")
        text = text if equals else next(rest, "--")
        if text.startswith("--"):
            raise ValueError(f"{option} needs a value.")
        value = parse_value(option, text)
        for key in reversed(found["keys"].split(".")):
            value = {key: value}
        nested[found["section"]] = merge(nested.get(found["section"], {}), value)
    return kept, nested


def put_nested(args: Namespace, nested: dict[str, dict[str, Any]]) -> None:
    """Merge what `take_nested` has taken into parsed options, which are changed."""
    for section, values in nested.items():
        args[section] = merge(args[section] or {}, values)
