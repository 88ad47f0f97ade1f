"""Checks the arguments a recipe gives to a data set against the signature of its function."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def check_arguments(function: Callable[..., Any], args: Mapping[str, Any], what: str) -> None:
    """Compare arguments with a function's keyword-only parameters, except `seed`.

    Args:
        function: Fully annotated.
        args: What it will be called with; lists are taken for tuples, as YAML has no others.
        what: Whose arguments they are, for the message.

    Raises:
        TypeError: If an argument is unknown, missing or of another type.
        ValueError: If it is none of the values a parameter is limited to.
    """
    parameters = {name: value for name, value in inspect.signature(function).parameters.items() if name != "seed"}
    allowed = ", ".join(parameters)
    for name in args:
        if name not in parameters:
            raise TypeError(f"{what} has no argument {name!r}; it takes {allowed}")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in args:
            raise TypeError(f"{what} needs the argument {name!r}; it takes {allowed}")
    hints = get_type_hints(function)
    for name, value in args.items():
        if not _fits(value, hints[name]):
            has_choices = any(get_origin(hint) is Literal for hint in _alternatives(hints[name]))
            error = ValueError if has_choices else TypeError
            hint = "; a text that looks like something else needs quotes" if str in _alternatives(hints[name]) else ""
            raise error(f"argument {name!r} of {what} must be {_describe(hints[name])}, got {value!r}{hint}")


def _fits(value: Any, hint: Any) -> bool:
    alternatives = _alternatives(hint)
    if len(alternatives) > 1:
        return any(_fits(value, alternative) for alternative in alternatives)
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        return isinstance(value, tuple | list) and len(value) == len(parts) and all(map(_fits, value, parts))
    if isinstance(value, bool):
        return hint is bool
    widened = {float: (int, float), str: (str, Path)}
    return isinstance(value, widened.get(hint, hint))


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _describe(hint: Any) -> str:
    alternatives = _alternatives(hint)
    if len(alternatives) > 1:
        return " or ".join(_describe(alternative) for alternative in alternatives)
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    if get_origin(hint) is tuple:
        return f"({', '.join(map(_describe, get_args(hint)))})"
    return "null" if hint is NoneType else hint.__name__
