"""Training losses on predicted and true frames, and the table by which recipes name them."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from subband.losses.charbonnier import charbonnier_loss
from subband.losses.divergence import DifferentialDivergence, differential_divergence
from subband.losses.focal_frequency import (
    HighFocalFrequencyLoss,
    focal_frequency_loss,
    high_focal_frequency_loss,
    high_frequency_mask,
    subband_focal_loss,
)
from subband.losses.fourier import fft_amplitude_phase_loss, fft_charbonnier_loss, fft_l1_loss, fft_modulus_loss
from subband.losses.heatmaps import heatmap_fourier_loss, heatmap_mse_loss
from subband.losses.pairs import pair
from subband.losses.peak_signal import harm_loss, psnr_loss

__all__ = [
    "LOSSES",
    "DifferentialDivergence",
    "HighFocalFrequencyLoss",
    "Loss",
    "build_loss",
    "charbonnier_loss",
    "differential_divergence",
    "fft_amplitude_phase_loss",
    "fft_charbonnier_loss",
    "fft_l1_loss",
    "fft_modulus_loss",
    "focal_frequency_loss",
    "harm_loss",
    "heatmap_fourier_loss",
    "heatmap_mse_loss",
    "high_focal_frequency_loss",
    "high_frequency_mask",
    "psnr_loss",
    "subband_focal_loss",
]

Loss = Callable[[Tensor, Tensor], Tensor]


def _mse() -> Loss:
    return partial(_pixelwise, F.mse_loss)


def _l1() -> Loss:
    return partial(_pixelwise, F.l1_loss)


def _pixelwise(loss: Loss, pred: Tensor, target: Tensor) -> Tensor:
    """A loss of `torch.nn.functional` on tensors of one shape, in at least float32; 0 for tensors without values."""
    pred, target = pair(pred, target)
    return loss(pred, target) if pred.numel() else (pred - target).sum()  # the mean of no values is NaN


def _charbonnier(*, eps: float = 1e-3, over_colors: bool = False) -> Loss:
    return partial(charbonnier_loss, eps=eps, over_colors=over_colors)


def _fft_charbonnier(*, eps: float = 1e-3) -> Loss:
    return partial(fft_charbonnier_loss, eps=eps)


def _psnr(*, eps: float = 1e-8) -> Loss:
    return partial(psnr_loss, eps=eps)


def _fft_amplitude_phase(*, amplitude_weight: float = 1.0, phase_weight: float = 1.0, eps: float = 1e-4) -> Loss:
    return partial(fft_amplitude_phase_loss, amplitude_weight=amplitude_weight, phase_weight=phase_weight, eps=eps)


def _focal_frequency(
    *,
    alpha: float = 1.0,
    patch_factor: int = 1,
    ave_spectrum: bool = False,
    log_matrix: bool = False,
    batch_matrix: bool = False,
) -> Loss:
    return partial(
        focal_frequency_loss,
        alpha=alpha,
        patch_factor=patch_factor,
        ave_spectrum=ave_spectrum,
        log_matrix=log_matrix,
        batch_matrix=batch_matrix,
    )


def _heatmap_fourier(*, beta: float = 1.0, eps: float = 1e-3, phase_weight: float = 0.01) -> Loss:
    return partial(heatmap_fourier_loss, beta=beta, eps=eps, phase_weight=phase_weight)


# Every factory takes the loss's arguments and returns loss(pred, target) on (B, T, C, H, W). None of them is weighted:
# the weight stands in the recipe, 0.1 for differential_divergence (TAU), fft_modulus (VD-Diff) and fft_l1 (FTDeblur),
# 0.001 for high_focal_frequency (WaST). Those of heatmaps also take which joints are labelled, as third argument.
LOSSES: dict[str, Callable[..., Loss]] = {
    "charbonnier": _charbonnier,
    "differential_divergence": DifferentialDivergence,
    "fft_amplitude_phase": _fft_amplitude_phase,
    "fft_charbonnier": _fft_charbonnier,
    "fft_l1": lambda: fft_l1_loss,
    "fft_modulus": lambda: fft_modulus_loss,
    "focal_frequency": _focal_frequency,
    "heatmap_fourier": _heatmap_fourier,
    "heatmap_mse": lambda: heatmap_mse_loss,
    "high_focal_frequency": partial(HighFocalFrequencyLoss, loss_weight=1.0),
    "l1": _l1,
    "mse": _mse,
    "psnr": _psnr,
}


def build_loss(name: str, args: Mapping[str, Any]) -> Loss:
    """A loss by its name in `LOSSES`.

    Args:
        name: A key of `LOSSES`.
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
