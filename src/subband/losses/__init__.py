"""Training losses on predicted and true frames, and the table by which recipes name them."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.losses.divergence import DifferentialDivergence, differential_divergence
from subband.losses.focal_frequency import (
    HighFocalFrequencyLoss,
    high_focal_frequency_loss,
    high_frequency_mask,
    subband_focal_loss,
)
from subband.transforms.arguments import check_dtype, common_dtype

__all__ = [
    "LOSSES",
    "DifferentialDivergence",
    "HighFocalFrequencyLoss",
    "Loss",
    "build_loss",
    "differential_divergence",
    "high_focal_frequency_loss",
    "high_frequency_mask",
    "subband_focal_loss",
]

Loss = Callable[[Tensor, Tensor], Tensor]


def _mse() -> Loss:
    return partial(_pixelwise, F.mse_loss)


def _l1() -> Loss:
    return partial(_pixelwise, F.l1_loss)


def _pixelwise(loss: Loss, pred: Tensor, target: Tensor) -> Tensor:
    """A loss of `torch.nn.functional` on tensors of one shape, in at least float32; 0 for tensors without values."""
    check_dtype(pred, "pred")
    check_dtype(target, "target")
    if pred.shape != target.shape:
        raise ValueError(f"pred and target must have one shape, got {tuple(pred.shape)}, {tuple(target.shape)}")
    dtype = torch.promote_types(common_dtype((pred, target)), torch.float32)
    pred, target = pred.to(dtype), target.to(dtype)
    return loss(pred, target) if pred.numel() else (pred - target).sum()  # the mean of no values is NaN


# Every factory takes the loss's arguments and returns loss(pred, target) on (B, T, C, H, W). None of them is weighted:
# the weight stands in the recipe, 0.1 for differential_divergence (TAU) and 0.001 for high_focal_frequency (WaST).
LOSSES: dict[str, Callable[..., Loss]] = {
    "differential_divergence": DifferentialDivergence,
    "high_focal_frequency": partial(HighFocalFrequencyLoss, loss_weight=1.0),
    "l1": _l1,
    "mse": _mse,
}


def build_loss(name: str, args: Mapping[str, Any]) -> Loss:
    """A loss by its name in `LOSSES`.

    Args:
        name: `mse`, `l1`, `differential_divergence` or `high_focal_frequency`.
        args: Arguments of that loss.

    Returns:
        `loss(pred, target)` on clips `(B, T, C, H, W)`, a scalar.

    Raises:
        ValueError: If the name is unknown (the closest one is given), or an argument has an impossible value.
        TypeError: If the loss has no such argument (the ones it has are listed).

    Example:
        >>> import torch
        >>> loss = build_loss("l1", {})
        >>> loss(torch.zeros(1, 2, 1, 4, 4), torch.ones(1, 2, 1, 4, 4))
        tensor(1.)
    """
    if name not in LOSSES:
        close = difflib.get_close_matches(name, LOSSES, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(LOSSES))}"
        raise ValueError(f"unknown loss {name!r}; {hint}")
    parameters = inspect.signature(LOSSES[name]).parameters
    for key in args:
        if key not in parameters:
            raise TypeError(f"loss {name!r} has no argument {key!r}; it takes {', '.join(parameters) or 'none'}")
    return LOSSES[name](**args)
