"""Losses between Fourier spectra of frames.

A squared error would be the same in both domains (Parseval), so all of them are something else: absolute errors,
rounded ones, or amplitudes and phases apart. Spectra are those of `subband.transforms.rfft2`, orthonormal, hence of the
size of the frames' values; means are over all H * W frequencies, each column of the half spectrum counted as often as
it stands for one of the full. `fft_modulus_loss` alone is as it was published.
"""

import math

import torch
from torch import Tensor

from subband.losses._pairs import as_pair
from subband.transforms import amplitude, half_spectrum_weights, phasor, rfft2

__all__ = ["fft_amplitude_phase_loss", "fft_charbonnier_loss", "fft_l1_loss", "fft_modulus_loss"]


def fft_modulus_loss(pred: Tensor, target: Tensor) -> Tensor:
    """Mean modulus of the difference of spectra, as VD-Diff was trained with (there with a weight of 0.1).

    The transform is not normalized, so the loss grows with the root of the number of pixels; the mean is over the
    entries of the half spectrum.

    Args:
        pred: Predicted images or frames, `(..., C, H, W)`, any range.
        target: True ones of the same shape.

    Returns:
        Scalar; 0 for an empty batch.

    Raises:
        ValueError: If shapes differ.

    Example:
        >>> fft_modulus_loss(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)).round(decimals=4)
        tensor(1.3333)
    """
    spectrum, height, width = _difference(pred, target)
    if spectrum.numel() == 0:
        return spectrum.real.sum()
    return math.sqrt(height * width) * amplitude(spectrum).mean()


def fft_l1_loss(pred: Tensor, target: Tensor) -> Tensor:
    """Absolute errors of the real and of the imaginary parts of spectra.

    Args:
        pred: Predicted images or frames, `(..., C, H, W)`, any range.
        target: True ones of the same shape.

    Returns:
        Scalar; 0 for an empty batch.

    Raises:
        ValueError: If shapes differ.

    Example:
        >>> fft_l1_loss(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4))
        tensor(0.2500)
    """
    spectrum, _, width = _difference(pred, target)
    return _mean(spectrum.real.abs() + spectrum.imag.abs(), width)


def fft_charbonnier_loss(pred: Tensor, target: Tensor, *, eps: float = 1e-3) -> Tensor:
    """Modulus of the difference of spectra with a rounded kink: `sqrt(|d|^2 + eps^2) - eps`.

    Args:
        pred: Predicted images or frames, `(..., C, H, W)`, any range.
        target: True ones of the same shape.
        eps: Difference below which the loss is quadratic.

    Returns:
        Scalar; 0 for an empty batch.

    Raises:
        ValueError: If shapes differ, or `eps` is not positive.

    Example:
        >>> fft_charbonnier_loss(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)).round(decimals=4)
        tensor(0.2499)
    """
    if eps <= 0:
        raise ValueError(f"eps must be positive, got {eps}")
    spectrum, _, width = _difference(pred, target)
    return _mean(amplitude(spectrum, eps=eps) - eps, width)


def fft_amplitude_phase_loss(
    pred: Tensor,
    target: Tensor,
    *,
    amplitude_weight: float = 1.0,
    phase_weight: float = 1.0,
    eps: float = 1e-4,
) -> Tensor:
    """Absolute error of amplitudes, and `1 - cos` of the phase differences, weighted by the target's amplitudes.

    The phase term alone is blind to contrast: a prediction of three times the target has almost none.

    Args:
        pred: Predicted images or frames, `(..., C, H, W)`, any range.
        target: True ones of the same shape.
        amplitude_weight: Factor of the first term.
        phase_weight: Factor of the second one.
        eps: Amplitude below which phases fade out; it leaves a small remainder in the second term.

    Returns:
        Scalar; 0 for an empty batch.

    Raises:
        ValueError: If shapes differ, or `eps` is not positive.

    Example:
        >>> target = torch.rand(1, 3, 8, 8)
        >>> bool(fft_amplitude_phase_loss(target, target) < 1e-3)
        True
    """
    pred, target = as_pair(pred, target)
    width = target.shape[-1]
    if target.numel() == 0:
        return (pred - target).sum()
    spectra = rfft2(pred), rfft2(target)
    ours, wanted = (amplitude(spectrum, eps=eps) for spectrum in spectra)
    cosine = (phasor(spectra[0], eps=eps) * phasor(spectra[1], eps=eps).conj()).real
    weight = half_spectrum_weights(width, wanted) * wanted.detach()
    misplaced = (weight * (1 - cosine)).sum() / weight.sum()
    return amplitude_weight * _mean((ours - wanted).abs(), width) + phase_weight * misplaced


def _difference(pred: Tensor, target: Tensor) -> tuple[Tensor, int, int]:
    """Spectrum of the difference, which is the difference of the spectra, and height and width of the frames."""
    pred, target = as_pair(pred, target)
    difference = pred - target
    if difference.numel() == 0:
        return torch.complex(difference, difference), *difference.shape[-2:]
    return rfft2(difference), *difference.shape[-2:]


def _mean(values: Tensor, width: int) -> Tensor:
    """Mean over everything and all frequencies of the full spectrum, of values on the half spectrum."""
    if values.numel() == 0:
        return values.sum()
    return (half_spectrum_weights(width, values) * values).sum(-1).mean() / width
