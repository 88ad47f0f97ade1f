"""Amplitudes and phases: values of NumPy, and gradients that stay finite at zero."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.func import jvp, vmap

from subband.transforms import amplitude, from_amplitude_phase, phase, phasor, rfft2

EPS = 1e-4


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.complex128)


def test_values_equal_numpy() -> None:
    z = noise(3, 4, 5)
    z[0, 0, 0] = 0
    np.testing.assert_allclose(amplitude(z).numpy(), np.abs(z.numpy()), atol=1e-15)
    np.testing.assert_allclose(phase(z).numpy(), np.angle(z.numpy()), atol=1e-15)
    np.testing.assert_allclose(amplitude(z, eps=0.5).numpy(), np.hypot(np.abs(z.numpy()), 0.5), atol=1e-15)
    expected = z.numpy() / np.hypot(np.abs(z.numpy()), EPS)
    np.testing.assert_allclose(phasor(z).numpy(), expected, atol=1e-15)


@given(st.floats(0, 1e6), st.floats(-math.pi, math.pi))
def test_spectra_come_back(radius: float, angle: float) -> None:
    z = torch.polar(*torch.tensor([[radius], [angle]], dtype=torch.float64))
    again = from_amplitude_phase(amplitude(z), phase(z))
    torch.testing.assert_close(again, z, rtol=1e-12, atol=1e-150)


def test_shift_turns_phases_and_keeps_amplitudes() -> None:
    """Phase correlation of an image with its shifted self finds the shift."""
    image = noise(16, 15).real
    first, second = rfft2(image), rfft2(image.roll((3, -2), (0, 1)))
    torch.testing.assert_close(amplitude(first), amplitude(second))
    correlation = torch.fft.irfft2(phasor(second, eps=1e-9) * phasor(first, eps=1e-9).conj(), (16, 15))
    assert divmod(correlation.argmax().item(), 15) == (3, 13)
    assert correlation.max() == pytest.approx(1, abs=1e-6)


FUNCTIONS = {
    "amplitude": amplitude,
    "amplitude_eps": lambda z: amplitude(z, eps=0.1),
    "phase": phase,
    "phase_eps": lambda z: phase(z, eps=EPS),
    "phasor": lambda z: phasor(z, eps=0.1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients(name: str) -> None:
    z = (noise(2, 3) + 0.5).requires_grad_()
    assert gradcheck(FUNCTIONS[name], (z,), check_forward_ad=True)
    assert gradgradcheck(FUNCTIONS[name], (z,))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_first_and_second_derivatives_are_finite_at_zero(name: str, dtype: torch.dtype) -> None:
    z = torch.zeros(3, dtype=dtype, requires_grad=True)
    value = FUNCTIONS[name](z)
    (gradient,) = torch.autograd.grad(torch.view_as_real(value).sum() if value.is_complex() else value.sum(), z,
                                      create_graph=True)  # fmt: skip
    assert torch.isfinite(torch.view_as_real(gradient)).all()
    if not name.startswith("phasor"):
        assert torch.count_nonzero(gradient) == 0
    if gradient.requires_grad:
        (second,) = torch.autograd.grad(torch.view_as_real(gradient).sum(), z)
        assert torch.isfinite(torch.view_as_real(second)).all()


@pytest.mark.parametrize("image", [torch.zeros(6, 7), torch.ones(6, 7), torch.full((6, 7), 1e-30)])
def test_gradients_of_flat_images_are_finite(image: torch.Tensor) -> None:
    """All frequencies but zero have no amplitude, where plain square roots and angles have no gradient either."""
    for function in FUNCTIONS.values():
        x = image.clone().requires_grad_()
        value = function(rfft2(x))
        (torch.view_as_real(value) if value.is_complex() else value).sum().backward()
        assert x.grad is not None
        assert torch.isfinite(x.grad).all()


def test_eps_bounds_the_gradient() -> None:
    for radius in (0.0, 1e-9, 0.5 * EPS, EPS, 3 * EPS, 1.0):
        for function in (phase, phasor):
            z = torch.tensor(radius, dtype=torch.complex128, requires_grad=True)
            value = function(z, eps=EPS)
            (value.imag if value.is_complex() else value).backward()
            assert z.grad is not None
            assert z.grad.abs() <= 1.0001 / EPS


def test_batching_tangents_and_dtypes() -> None:
    z, tangent = noise(3, 4), noise(3, 4, seed=1)
    for function in FUNCTIONS.values():
        torch.testing.assert_close(vmap(function)(z), function(z))
        _, derivative = jvp(function, (z,), (tangent,))
        difference = (function(z + 1e-7 * tangent) - function(z - 1e-7 * tangent)) / 2e-7
        torch.testing.assert_close(derivative, difference, rtol=1e-5, atol=1e-6)
        assert function(z[:0]).shape == (0, 4)
    half = from_amplitude_phase(torch.ones(2, dtype=torch.bfloat16), torch.zeros(2))
    assert half.dtype == torch.complex64
    with torch.autocast("cpu", torch.bfloat16):
        assert amplitude(z.to(torch.complex64)).dtype == torch.float32
    polar = torch.ones(2, dtype=torch.float64), torch.tensor([0.3, 2.0], dtype=torch.float64)
    assert gradcheck(from_amplitude_phase, tuple(t.requires_grad_() for t in polar), check_forward_ad=True)


def test_errors() -> None:
    z = torch.zeros(2, dtype=torch.complex64)
    for function in (amplitude, phase, phasor):
        with pytest.raises(TypeError, match=r"spectrum must be complex, got torch\.float32"):
            function(torch.zeros(2))
    for function in (amplitude, phase):
        with pytest.raises(ValueError, match="eps must not be negative, got -1"):
            function(z, eps=-1)
    with pytest.raises(ValueError, match="eps must be positive, got 0"):
        phasor(z, eps=0)
    with pytest.raises(TypeError, match=r"phase must be real, got torch\.complex64"):
        from_amplitude_phase(z.real, z)
