"""Charbonnier losses: absolute errors, rounded off near zero."""

import torch
from torch import Tensor

from subband.losses.pairs import pair

__all__ = ["charbonnier_loss"]

COLORS_AXIS = -3


def charbonnier_loss(pred: Tensor, target: Tensor, *, eps: float = 1e-3, over_colors: bool = False) -> Tensor:
    """Mean of `sqrt(d^2 + eps^2)` for differences `d`.

    VD-Diff was trained with `eps=1e-6`, with which it is the mean absolute error for all practical purposes; ESTRNN
    with `eps=1e-3` and `over_colors`.

    Args:
        pred: Prediction, any shape; `(..., C, H, W)` for `over_colors`; any range.
        target: Of the same shape.
        eps: Error below which the loss is round, positive.
        over_colors: Take one root for each pixel, of the mean square over its colors.

    Returns:
        Scalar, at least `eps`; 0 for an empty batch.

    Raises:
        TypeError: If one of them is not floating.
        ValueError: If shapes differ or do not fit, or `eps` is not positive.

    Example:
        >>> charbonnier_loss(torch.zeros(3), torch.full((3,), 4.0), eps=3.0)
        tensor(5.)
    """
    pred, target = pair(pred, target)
    if eps <= 0:
        raise ValueError(f"eps must be positive, got {eps}")
    if over_colors and pred.ndim < 3:
        raise ValueError(f"pred must be (..., C, H, W) for over_colors, got {tuple(pred.shape)}")
    square = (pred - target).square()
    if over_colors and square.numel():
        square = square.mean(COLORS_AXIS)
    root = torch.sqrt(square + eps**2)
    return root.mean() if root.numel() else root.sum()
