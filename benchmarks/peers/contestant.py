"""One way to compute a transform: how to run it, and how to read its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree

__all__ = ["Contestant", "as_array", "flat", "only_input"]


def only_input(x: Tensor) -> tuple[Tensor, ...]:
    """The input itself is the only argument."""
    return (x,)


def flat(result: Any) -> list[Tensor]:
    """Tensors of a nested result in the order in which it holds them; arrays become tensors."""
    return [torch.as_tensor(leaf) for leaf in _pytree.tree_leaves(result)]


@dataclass(frozen=True)
class Contestant:
    """A library's or layer's way to compute one transform.

    Args:
        name: As shown in tables.
        run: Takes the arguments, returns the result in the contestant's own form. This is what is timed.
        bands: Brings the result into the form that all contestants of a case share; not timed.
        arguments: Makes the arguments from the input of the case; not timed.
        is_tensor_program: Whether it runs on a GPU and has gradients.
        tolerance: Largest error in double precision, relative to the largest value.
        can_compile: Whether `--compile` adds a compiled variant.
    """

    name: str
    run: Callable[..., Any]
    bands: Callable[[Any], Sequence[Tensor]] = field(default=flat)
    arguments: Callable[[Tensor], tuple[Any, ...]] = field(default=only_input)
    is_tensor_program: bool = True
    tolerance: float = 1e-12
    can_compile: bool = False


def as_array(function: Callable[..., Any]) -> Callable[..., Any]:
    """A NumPy function that takes tensors; the arrays share their memory."""

    def run(*tensors: Tensor) -> Any:
        return function(*[tensor.numpy() for tensor in tensors])

    return run
