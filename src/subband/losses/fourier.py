"""Losses between Fourier spectra of predicted and true frames.

A squared error of orthonormal spectra is the squared error of pixels (Parseval); what these losses add comes from not
squaring, or from taking amplitude and phase apart. All but one are means over all frequencies of the full orthonormal
spectrum, of which half is computed; `fft_modulus_loss` is defined otherwise, as published.
"""

from torch import Tensor

from subband.losses.pairs import pair
from subband.transforms import amplitude, half_spectrum_weights, phasor, rfft2
from subband.transforms.arguments import check_real, without_autocast

__all__ = ["fft_amplitude_phase_loss", "fft_charbonnier_loss", "fft_l1_loss", "fft_modulus_loss"]


def fft_l1_loss(pred: Tensor, target: Tensor) -> Tensor:
    """Mean over all frequencies of the absolute errors of real and imaginary part, added.

    Args:
        pred: Predicted images or frames, `(..., H, W)`, any range.
        target: True ones of the same shape.

    Returns:
        Scalar; 0 for an empty batch.

    Raises:
        TypeError: If one of them is not real.
        ValueError: If shapes differ or have fewer than two axes.

    Example:
        >>> import torch
        >>> frames = torch.rand(2, 3, 8, 8)
        >>> fft_l1_loss(frames, frames)
        tensor(0.)
    """
    error = _spectrum_of_difference(pred, target)
    return _mean(error.real.abs() + error.imag.abs(), pred.shape[-1])


def fft_charbonnier_loss(pred: Tensor, target: Tensor, *, eps: float = 1e-3) -> Tensor:
    """Mean over all frequencies of `sqrt(|d|^2 + eps^2) - eps` for differences `d` of the spectra.

    Args:
        pred: Predicted images or frames, `(..., H, W)`, any range.
        target: True ones of the same shape.
        eps: Error below which the loss is round, positive.

    Returns:
        Scalar; 0 for an empty batch.

    Raises:
        TypeError: If one of them is not real.
        ValueError: If shapes differ or have fewer than two axes, or `eps` is not positive.

    Example:
        >>> import torch
        >>> frames = torch.rand(2, 3, 8, 8)
        >>> fft_charbonnier_loss(frames, frames)
        tensor(0.)
    """
    if eps <= 0:
        raise ValueError(f"eps must be positive, got {eps}")
    return _mean(amplitude(_spectrum_of_difference(pred, target), eps=eps) - eps, pred.shape[-1])


def fft_modulus_loss(pred: Tensor, target: Tensor) -> Tensor:
    """The Fourier loss of VD-Diff, without its weight of 0.1: mean modulus of the unscaled half spectrum's error.

    The transform is not orthonormal, so that the loss grows with the root of the number of pixels, and the columns of
    the half spectrum count once each.

    Args:
        pred: Predicted images or frames, `(..., H, W)`, any range.
        target: True ones of the same shape.

    Returns:
        Scalar; 0 for an empty batch.

    Raises:
        TypeError: If one of them is not real.
        ValueError: If shapes differ or have fewer than two axes.

    Example:
        >>> import torch
        >>> fft_modulus_loss(torch.zeros(1, 1, 4), torch.ones(1, 1, 4))
        tensor(1.3333)
    """
    error = amplitude(_spectrum_of_difference(pred, target))
    scale = (pred.shape[-2] * pred.shape[-1]) ** 0.5
    return scale * error.mean() if error.numel() else error.sum()


def fft_amplitude_phase_loss(
    pred: Tensor, target: Tensor, *, amplitude_weight: float = 1.0, phase_weight: float = 1.0, eps: float = 1e-4
) -> Tensor:
    """Absolute errors of amplitudes, and one minus the cosine of phase errors weighted by the target's amplitudes.

    The phase term does not see a factor of the whole image, so it is nothing to use alone. Amplitudes below `eps` have
    no phase, which bounds the gradients and leaves about a thousandth of the phase term even between equal images.

    Args:
        pred: Predicted images or frames, `(..., H, W)`, any range.
        target: True ones of the same shape; gets no gradient.
        amplitude_weight: Factor of the first term.
        phase_weight: Factor of the second.
        eps: Amplitude that counts as none, positive.

    Returns:
        Scalar; 0 for an empty batch.

    Raises:
        TypeError: If one of them is not real.
        ValueError: If shapes differ or have fewer than two axes, or `eps` is not positive.

    Example:
        >>> import torch
        >>> frames = torch.rand(2, 3, 8, 8)
        >>> fft_amplitude_phase_loss(frames, frames) < 1e-3
        tensor(True)
    """
    if eps <= 0:
        raise ValueError(f"eps must be positive, got {eps}")
    pred, target = _real_pair(pred, target)
    with without_autocast(pred.device):
        own, other = rfft2(pred), rfft2(target.detach())
        size, wanted = amplitude(own, eps=eps), amplitude(other, eps=eps)
        cosine = (phasor(own, eps=eps) * phasor(other, eps=eps).conj()).real
        counted = half_spectrum_weights(pred.shape[-1], wanted) * wanted
        phase = (counted * (1 - cosine)).sum() / counted.sum() if counted.numel() else counted.sum()
        return amplitude_weight * _mean((size - wanted).abs(), pred.shape[-1]) + phase_weight * phase


def _spectrum_of_difference(pred: Tensor, target: Tensor) -> Tensor:
    """Half spectrum of the error: transforms are linear, so one pass does for both."""
    pred, target = _real_pair(pred, target)
    return rfft2(pred - target)


def _real_pair(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    check_real(pred, "pred")
    check_real(target, "target")
    pred, target = pair(pred, target)
    if pred.ndim < 2:
        raise ValueError(f"pred and target must be (..., H, W), got {tuple(pred.shape)}")
    return pred, target


def _mean(values: Tensor, width: int) -> Tensor:
    """Mean over the full spectra whose halves are given, `(..., H, W // 2 + 1)`."""
    if not values.numel():
        return values.sum()
    columns = (values * half_spectrum_weights(width, values)).sum(-1) / width
    return columns.mean()
