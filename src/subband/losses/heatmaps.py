"""Losses between heatmaps of joints: squared error, and an error of their spectra, joint by joint.

Joints that nobody labelled do not count. The Fourier loss is ours: with squares in place of roots and without weights
it would be the squared error itself (Parseval). A Gaussian of spread s has the spectrum `exp(-2 pi^2 s^2 r^2)`: what
lies above its frequencies, and weighs more here, is noise.
"""

from __future__ import annotations

from torch import Tensor

from subband.losses.pairs import pair
from subband.transforms import amplitude, half_spectrum_weights, phasor, radial_frequency, rfft2
from subband.transforms.arguments import check_real, without_autocast

__all__ = ["heatmap_fourier_loss", "heatmap_mse_loss"]

NYQUIST = 0.5  # cycles per entry of a map
PHASE_EPS = 1e-4  # amplitude that has no phase


def heatmap_mse_loss(pred: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
    """Mean squared error of the maps of labelled joints.

    Args:
        pred: Heatmaps, `(..., H, W)`.
        target: True ones of the same shape, with peak 1.
        visible: Above 0 for labelled joints, occluded ones included (COCO's visibility), `(...)`; all by default.

    Returns:
        Scalar; 0 where no joint is labelled.

    Raises:
        TypeError: If the maps are not real.
        ValueError: If shapes differ or have fewer than two axes.

    Example:
        >>> import torch
        >>> heatmap_mse_loss(torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4), torch.tensor([[2, 0]]))
        tensor(1.)
    """
    pred, target = _map_pair(pred, target)
    return _mean_over_joints((pred - target).square().mean((-2, -1)), visible)


def heatmap_fourier_loss(
    pred: Tensor,
    target: Tensor,
    visible: Tensor | None = None,
    *,
    beta: float = 1.0,
    eps: float = 1e-3,
    phase_weight: float = 0.01,
) -> Tensor:
    """Error of the spectra of labelled joints' maps: a round absolute value that weighs high frequencies, and phases.

    The first term is the mean over all frequencies of `(1 + beta (r / 0.5)^2) (sqrt(|d|^2 + eps^2) - eps)` for
    differences d of orthonormal spectra at r cycles per entry; the second one minus the cosine of the phase errors,
    weighted by the target's amplitudes. It says where a joint is, whatever the height of its peak, and leaves about a
    thousandth between equal maps, since amplitudes next to zero have no phase.

    Args:
        pred: Heatmaps, `(..., H, W)`.
        target: True ones of the same shape, with peak 1; they get no gradient from the second term.
        visible: Above 0 for labelled joints, `(...)`; all by default.
        beta: How much more the highest frequencies along an axis weigh.
        eps: Error below which the first term is round, positive.
        phase_weight: Factor of the second term.

    Returns:
        Scalar; 0 where no joint is labelled.

    Raises:
        TypeError: If the maps are not real.
        ValueError: If shapes differ or have fewer than two axes, or `eps` is not positive.

    Example:
        >>> import torch
        >>> maps = torch.rand(2, 3, 8, 8)
        >>> heatmap_fourier_loss(maps, maps) < 1e-4
        tensor(True)
    """
    if eps <= 0:
        raise ValueError(f"eps must be positive, got {eps}")
    pred, target = _map_pair(pred, target)
    height, width = pred.shape[-2:]
    with without_autocast(pred.device):
        own, wanted = rfft2(pred), rfft2(target)
        counted = half_spectrum_weights(width, pred)
        rising = 1 + beta * (radial_frequency(height, width, pred) / NYQUIST).square()
        errors = ((amplitude(own - wanted, eps=eps) - eps) * (counted * rising)).sum((-2, -1)) / (height * width)
        wanted = wanted.detach()
        cosine = (phasor(own, eps=PHASE_EPS) * phasor(wanted, eps=PHASE_EPS).conj()).real
        shares = counted * amplitude(wanted, eps=PHASE_EPS)
        phases = (shares * (1 - cosine)).sum((-2, -1)) / shares.sum((-2, -1))
        return _mean_over_joints(errors + phase_weight * phases, visible)


def _map_pair(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    check_real(pred, "pred")
    check_real(target, "target")
    pred, target = pair(pred, target)
    if pred.ndim < 2 or not pred.shape[-1] or not pred.shape[-2]:
        raise ValueError(f"pred and target must be (..., H, W), got {tuple(pred.shape)}")
    return pred, target


def _mean_over_joints(values: Tensor, visible: Tensor | None) -> Tensor:
    if visible is None:
        return values.mean() if values.numel() else values.sum()
    if visible.shape != values.shape:
        raise ValueError(f"visible must be {tuple(values.shape)}, got {tuple(visible.shape)}")
    is_labelled = (visible > 0).to(values.dtype)
    return (is_labelled * values).sum() / is_labelled.sum().clamp(min=1)
