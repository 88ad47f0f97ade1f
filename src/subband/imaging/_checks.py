"""What the functions of this package refuse."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensor

__all__ = ["check_finite", "check_real"]


def check_real(x: Any, name: str) -> None:
    """Refuse what is no tensor of real floating numbers.

    Raises:
        TypeError: If `x` is something else; the message says how to convert it.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(x).__name__}; convert an array with torch.from_numpy")
    if not x.is_floating_point():
        raise TypeError(f"{name} must be real and floating, got {x.dtype}; convert it with .float()")


def check_finite(x: Tensor, name: str) -> None:
    """Refuse pictures with values that are no numbers.

    Nothing is checked where values cannot be looked at: in compiled code, of tensors without storage, inside `vmap`.

    Raises:
        ValueError: If a value is NaN or infinite; the message counts them.
    """
    is_hollow = x.is_meta or isinstance(x, FakeTensor)
    if torch.compiler.is_compiling() or is_hollow or torch._C._functorch.is_batchedtensor(x):
        return
    count = x.numel() - int(x.detach().isfinite().sum())
    if count:
        raise ValueError(f"{name} must be finite, but {count:,} of its {x.numel():,} values are NaN or infinite")
