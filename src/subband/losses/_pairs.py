"""What losses do with their two tensors before they compute."""

import torch
from torch import Tensor

from subband.transforms.arguments import check_real, common_dtype

__all__ = ["as_pair"]


def as_pair(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Prediction and target `(..., C, H, W)` in one dtype, at least float32: half precision loses small errors.

    Raises:
        TypeError: If one of them is no real tensor.
        ValueError: If the shapes differ or have fewer than three axes.
    """
    check_real(pred, "pred")
    check_real(target, "target")
    if pred.shape != target.shape or pred.ndim < 3:
        raise ValueError(
            f"pred and target must be (..., C, H, W) alike, got {tuple(pred.shape)}, {tuple(target.shape)}"
        )
    dtype = torch.promote_types(common_dtype((pred, target)), torch.float32)
    return pred.to(dtype), target.to(dtype)
