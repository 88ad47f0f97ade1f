"""The mean square error on a logarithmic scale, on which an error that is small counts as much as one that is large."""

import math

import torch
from torch import Tensor

from subband.losses.pairs import pair

__all__ = ["psnr_loss"]


def psnr_loss(pred: Tensor, target: Tensor, *, eps: float = 1e-8) -> Tensor:
    """Mean of `10 log10(mse + eps)` over the samples of a batch: the PSNR in dB times -1, for values in [0, 1].

    NAFNet was trained with it (Chen et al., ECCV 2022). Where samples differ in how much can be gained, the mean square
    error cares for the worst ones only; here a sample that is nearly right must be kept so.

    Args:
        pred: Prediction `(B, ...)`, of one axis at least.
        target: Of the same shape.
        eps: Mean square error below which nothing more is gained, positive.

    Returns:
        Scalar in dB, at least `10 log10(eps)`; 0 for tensors without values.

    Raises:
        TypeError: If one of them is not floating.
        ValueError: If shapes differ, there is no batch axis, or `eps` is not positive.

    Example:
        >>> psnr_loss(torch.zeros(2, 3), torch.full((2, 3), 0.1))
        tensor(-20.0000)
    """
    pred, target = pair(pred, target)
    if eps <= 0:
        raise ValueError(f"eps must be positive, got {eps}")
    if not pred.ndim:
        raise ValueError("pred must be (B, ...), got a scalar")
    square = (pred - target).square()
    if not square.numel():
        return square.sum()
    errors = square.reshape(len(square), -1).mean(1)
    return torch.log(errors + eps).mean() * (10 / math.log(10))
