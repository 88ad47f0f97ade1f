"""Real and imaginary parts."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["on_parts"]


def on_parts(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a real-linear function to a real tensor, or to the real and the imaginary part of a complex one.

    Example:
        >>> on_parts(lambda part: part.sum(0), torch.tensor([1 + 2j, 3 + 4j]))
        tensor(4.+6.j)
    """
    return torch.complex(function(x.real), function(x.imag)) if x.is_complex() else function(x)
