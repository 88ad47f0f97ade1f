"""Real and complex arguments."""

from collections.abc import Callable

import torch
from torch import Tensor

from subband.transforms.arguments import check_dtype

__all__ = ["check_complex", "check_real", "on_parts"]


def check_real(x: Tensor, name: str) -> None:
    """Refuse integer and complex tensors.

    Raises:
        TypeError: If `x` is not real and floating.
    """
    check_dtype(x, name)
    if x.is_complex():
        raise TypeError(f"{name} must be real, got {x.dtype}")


def check_complex(x: Tensor, name: str) -> None:
    """Refuse real tensors.

    Raises:
        TypeError: If `x` is not complex.
    """
    if not x.is_complex():
        raise TypeError(f"{name} must be complex, got {x.dtype}")


def on_parts(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a real-linear function to a real tensor, or to the real and the imaginary part of a complex one.

    Example:
        >>> on_parts(lambda part: part.sum(0), torch.tensor([1 + 2j, 3 + 4j]))
        tensor(4.+6.j)
    """
    return torch.complex(function(x.real), function(x.imag)) if x.is_complex() else function(x)
