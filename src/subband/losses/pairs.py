"""Prediction and target as the losses take them."""

import torch
from torch import Tensor

from subband.transforms.arguments import check_dtype, common_dtype

__all__ = ["pair"]


def pair(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one dtype, at least float32: sums over pixels lose what is small in half precision.

    Args:
        pred: Any shape, floating.
        target: Of the same shape.

    Raises:
        TypeError: If one of them is not floating.
        ValueError: If the shapes differ.

    Example:
        >>> pair(torch.zeros(2, dtype=torch.bfloat16), torch.zeros(2))[0].dtype
        torch.float32
    """
    check_dtype(pred, "pred")
    check_dtype(target, "target")
    if pred.shape != target.shape:
        raise ValueError(f"pred and target must have one shape, got {tuple(pred.shape)}, {tuple(target.shape)}")
    dtype = torch.promote_types(common_dtype((pred, target)), torch.float32)
    return pred.to(dtype), target.to(dtype)
