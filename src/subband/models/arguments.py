"""What a network is called with, one tensor or several, and what comes back."""

from __future__ import annotations

from typing import Any, TypeAlias

from torch import Tensor

__all__ = ["Inputs", "as_arguments", "first_output"]

Inputs: TypeAlias = Tensor | tuple[Tensor, ...]
"""A tensor, or a tuple of arguments."""


def as_arguments(inputs: Inputs) -> tuple[Tensor, ...]:
    """The arguments of a call, `model(*as_arguments(inputs))`.

    Args:
        inputs: A tensor, or a tuple of arguments.

    Example:
        >>> import torch
        >>> len(as_arguments(torch.zeros(2))), len(as_arguments((torch.zeros(2), torch.ones(3))))
        (1, 2)
    """
    return (inputs,) if isinstance(inputs, Tensor) else inputs


def first_output(output: Any) -> Tensor:
    """What a call is made for: its result, or the first where it gives several; of a detector the first image's boxes.

    Args:
        output: What a network returned.

    Example:
        >>> import torch
        >>> first_output((torch.zeros(2), torch.ones(3)))
        tensor([0., 0.])
    """
    return output if isinstance(output, Tensor) else first_output(output[0])
