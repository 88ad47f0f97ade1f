"""What a compiler shall know about our functions."""

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["constant_result"]

_F = TypeVar("_F", bound=Callable[..., Any])


def constant_result(function: _F) -> _F:
    """Mark a function that the compiler shall run instead of trace: its arguments are constants, so is what it returns.

    This sets the mark that `torch.compiler.assume_constant_result` sets. Calling that one imports the compiler, which
    takes seconds at every import of the package.

    Example:
        >>> constant_result(lambda name: len(name))("haar")
        4
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function
