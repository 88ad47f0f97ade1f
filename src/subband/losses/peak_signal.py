"""The mean square error on a logarithmic scale, on which a small error counts as much as a large one."""

import math

import torch
from torch import Tensor

from subband.losses.pairs import pair
from subband.transforms.arguments import check_dtype

__all__ = ["harm_loss", "psnr_loss"]


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
    errors = _decibels(pred, target, eps)
    return errors.mean() if errors.numel() else errors.sum()


def harm_loss(pred: Tensor, target: Tensor, given: Tensor, *, eps: float = 1e-8) -> Tensor:
    """Mean over the samples of a batch of the dB by which they became worse, 0 for those that became better.

    Ours: beside another loss it says how much more a loss counts than a gain, for networks that must leave alone what
    they cannot improve.

    Args:
        pred: Restored samples `(B, ...)`, of one axis at least.
        target: What they should be, of the same shape.
        given: What they were before, of the same shape.
        eps: As for `psnr_loss`.

    Returns:
        Scalar in dB, at least 0; 0 for tensors without values.

    Raises:
        TypeError: If one of them is not floating.
        ValueError: If shapes differ, there is no batch axis, or `eps` is not positive.

    Example:
        >>> harm_loss(torch.full((2, 3), 0.1), torch.zeros(2, 3), torch.full((2, 3), 0.01))
        tensor(19.9996)
    """
    check_dtype(given, "given")
    if given.shape != target.shape:
        raise ValueError(f"given must have the shape of target, got {tuple(given.shape)}, {tuple(target.shape)}")
    change = _decibels(pred, target, eps) - _decibels(given, target, eps)
    return change.relu().mean() if change.numel() else change.sum()


def _decibels(pred: Tensor, target: Tensor, eps: float) -> Tensor:
    """`10 log10(mse + eps)` of every sample, `(B,)`; nothing, connected to `pred`, where there are no values."""
    pred, target = pair(pred, target)
    if eps <= 0:
        raise ValueError(f"eps must be positive, got {eps}")
    if not pred.ndim:
        raise ValueError("pred must be (B, ...), got a scalar")
    square = (pred - target).square()
    if not square.numel():
        return square.flatten()
    return torch.log(square.reshape(len(square), -1).mean(1) + eps) * (10 / math.log(10))
