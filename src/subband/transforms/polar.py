"""Amplitudes and phases of complex spectra, with gradients that stay finite where a spectrum is zero."""

import torch
from torch import Tensor

from subband.transforms._parts import check_complex, check_real

__all__ = ["amplitude", "from_amplitude_phase", "phase", "phasor"]


def amplitude(spectrum: Tensor, *, eps: float = 0.0) -> Tensor:
    """Absolute values of a spectrum, `sqrt(re^2 + im^2 + eps^2)`.

    Args:
        spectrum: Any shape, complex.
        eps: Smooths the kink at zero. With 0 the gradient at zero is zero.

    Returns:
        Same shape, real, at least `eps`.

    Raises:
        TypeError: If `spectrum` is not complex.
        ValueError: If `eps` is negative.

    Example:
        >>> amplitude(torch.tensor([3 + 4j, 0j]))
        tensor([5., 0.])
    """
    check_complex(spectrum, "spectrum")
    if eps < 0:
        raise ValueError(f"eps must not be negative, got {eps}")
    if eps == 0:
        # Square roots have no derivatives at zero: those entries take another way, and any number of derivatives is 0.
        is_zero = spectrum == 0
        return torch.where(is_zero, 0.0, torch.where(is_zero, 1.0, spectrum).abs())
    return (spectrum.real.square() + spectrum.imag.square() + eps**2).sqrt()


def phase(spectrum: Tensor, *, eps: float = 0.0) -> Tensor:
    """Angles of a spectrum in radians.

    Angles jump from pi to -pi and their gradient grows as one over the amplitude: good for figures and for taking
    spectra apart, but networks and losses had better compare `phasor`.

    Args:
        spectrum: Any shape, complex.
        eps: Entries with an amplitude of at most `eps` have phase 0 and gradient 0, which bounds all gradients by
            `1 / eps`. With 0 that holds for entries that are zero or whose square is.

    Returns:
        Same shape, real, between -pi and pi.

    Raises:
        TypeError: If `spectrum` is not complex.
        ValueError: If `eps` is negative.

    Example:
        >>> phase(torch.tensor([2j, 0j, 1 + 1j]))
        tensor([1.5708, 0.0000, 0.7854])
    """
    check_complex(spectrum, "spectrum")
    if eps < 0:
        raise ValueError(f"eps must not be negative, got {eps}")
    floor = max(eps, torch.finfo(spectrum.real.dtype).tiny ** 0.5)
    return torch.where(spectrum.abs() > floor, spectrum, 1.0).angle()


def phasor(spectrum: Tensor, *, eps: float = 1e-4) -> Tensor:
    """Phases as complex numbers of modulus one, `spectrum / sqrt(re^2 + im^2 + eps^2)`.

    Real and imaginary part are cosine and sine of the phase. Small entries shrink towards 0, so that the function is
    smooth everywhere and its gradient at most `1 / eps`. The cosine of the phase difference of two spectra is the real
    part of one phasor times the conjugate of the other.

    Args:
        spectrum: Any shape, complex.
        eps: Amplitude below which an entry counts as small.

    Returns:
        Same shape, complex, modulus below 1.

    Raises:
        TypeError: If `spectrum` is not complex.
        ValueError: If `eps` is not positive.

    Example:
        >>> phasor(torch.tensor([3 + 4j, 0j]))
        tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """
    check_complex(spectrum, "spectrum")
    if eps <= 0:
        raise ValueError(f"eps must be positive, got {eps}")
    return spectrum / amplitude(spectrum, eps=eps)


def from_amplitude_phase(amplitude: Tensor, phase: Tensor) -> Tensor:
    """Spectrum of given absolute values and angles.

    Args:
        amplitude: Real, any shape.
        phase: Radians, broadcastable to it.

    Returns:
        `amplitude * exp(i phase)`, complex128 for float64, else complex64.

    Raises:
        TypeError: If an argument is not real and floating.

    Example:
        >>> from_amplitude_phase(torch.tensor([2.0, 1.0]), torch.tensor([0.0, torch.pi / 2])).imag
        tensor([0., 1.])
    """
    check_real(amplitude, "amplitude")
    check_real(phase, "phase")
    dtype = torch.promote_types(torch.promote_types(amplitude.dtype, phase.dtype), torch.float32)
    amplitude, phase = amplitude.to(dtype), phase.to(dtype)
    return torch.complex(amplitude * phase.cos(), amplitude * phase.sin())
