"""Energies and frequencies of spectra."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.func import vmap

from subband.transforms import half_spectrum_weights, radial_bins, radial_frequency, radial_spectrum, spectral_energy

SIZES = [(8, 8), (7, 9), (5, 12), (16, 6)]


def full_spectrum_reference(image: np.ndarray, num_bins: int) -> np.ndarray:
    """The same averages by a plain loop over the full spectrum."""
    height, width = image.shape
    power = np.abs(np.fft.fft2(image, norm="ortho")) ** 2
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    rings = np.ceil(radius / radius.max() * (num_bins - 1) - 0.5 - 1e-6).astype(int)  # ties go down
    return np.array([power[rings == ring].mean() for ring in range(num_bins)])


@pytest.mark.parametrize("size", SIZES)
def test_spectrum_equals_the_mean_over_the_full_spectrum(size: tuple[int, int], rng: torch.Generator) -> None:
    x = torch.randn(2, 3, *size, generator=rng, dtype=torch.float64)
    for num_bins in (max(size) // 2 + 1, 3):
        spectrum = radial_spectrum(x, num_bins)
        assert spectrum.shape == (2, 3, num_bins)
        expected = full_spectrum_reference(x[1, 2].numpy(), num_bins)
        np.testing.assert_allclose(spectrum[1, 2].numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_weighted_half_spectrum_has_the_energy_of_the_image(size: tuple[int, int], rng: torch.Generator) -> None:
    x = torch.randn(size, generator=rng, dtype=torch.float64)
    power = torch.fft.rfft2(x, norm="ortho").abs().square()
    torch.testing.assert_close((power * half_spectrum_weights(size[1], x)).sum(), x.square().sum())


def test_a_wave_appears_at_its_frequency() -> None:
    wave = torch.cos(2 * torch.pi * 0.25 * torch.arange(32)).expand(32, 32)
    frequency, spectrum = radial_bins(32, 32), radial_spectrum(wave)
    peak = spectrum.argmax()
    assert abs(frequency[peak] - 0.25) <= frequency[1] / 2
    assert spectrum[peak] > 1e6 * spectrum[torch.arange(len(spectrum)) != peak].max()


def test_every_ring_holds_a_frequency() -> None:
    for height in range(2, 20):
        for width in range(2, 20):
            num_bins = len(radial_bins(height, width))
            rings = (radial_frequency(height, width) / radial_bins(height, width)[1]).round().long()
            assert rings.unique().tolist() == list(range(num_bins))


def test_half_precision_and_gradient(rng: torch.Generator) -> None:
    x = torch.randn(3, 8, 8, generator=rng)
    assert radial_spectrum(x.bfloat16()).dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(radial_spectrum(x), radial_spectrum(x))
    x = x[:1, :5].double().requires_grad_()
    assert gradcheck(radial_spectrum, (x,))


def test_errors() -> None:
    with pytest.raises(ValueError, match="num_bins must lie between 2 and 5"):
        radial_spectrum(torch.zeros(8, 8), 6)
    with pytest.raises(TypeError, match="must be real"):
        radial_spectrum(torch.zeros(8, 8, dtype=torch.complex64))
    with pytest.raises(TypeError, match=r"\.float\(\)"):
        radial_spectrum(torch.zeros(8, 8, dtype=torch.uint8))


@pytest.mark.parametrize("size", [*SIZES, (1, 1), (1, 2), (2, 1)])
def test_total_energy_is_the_sum_of_squares(size: tuple[int, int], rng: torch.Generator) -> None:
    x = torch.randn(2, 3, *size, generator=rng, dtype=torch.float64)
    spectrum = torch.fft.rfft2(x, norm="ortho")
    expected = x.square().sum((-2, -1))
    torch.testing.assert_close(spectral_energy(spectrum, size[1]), expected)
    torch.testing.assert_close(spectral_energy(spectrum.abs(), size[1]), expected)


@pytest.mark.parametrize("size", SIZES)
def test_energy_per_band_equals_the_full_spectrum(size: tuple[int, int], rng: torch.Generator) -> None:
    x = torch.randn(2, *size, generator=rng, dtype=torch.float64)
    edges = [0.05, 0.25, 0.3, 0.9]
    energy = spectral_energy(torch.fft.rfft2(x, norm="ortho"), size[1], edges)
    power = np.abs(np.fft.fft2(x.numpy(), norm="ortho")) ** 2
    radius = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.fftfreq(size[1])[None, :])
    for band, (low, high) in enumerate(zip([0, *edges], [*edges, np.inf], strict=True)):
        expected = power[:, (radius >= low) & (radius < high)].sum(-1)
        np.testing.assert_allclose(energy[:, band].numpy(), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(energy.sum(-1), x.square().sum((-2, -1)))


def test_energy_gradient_and_errors(rng: torch.Generator) -> None:
    z = torch.randn(2, 4, 3, generator=rng, dtype=torch.complex128, requires_grad=True)
    assert gradcheck(lambda t: spectral_energy(t, 5, [0.2]), (z,), check_forward_ad=True)
    assert gradgradcheck(lambda t: spectral_energy(t, 4), (z,))
    torch.testing.assert_close(vmap(lambda t: spectral_energy(t, 5, [0.2]))(z), spectral_energy(z, 5, [0.2]))
    with pytest.raises(ValueError, match=r"width 6 does not belong to a half spectrum of shape \(2, 4, 3\)"):
        spectral_energy(z, 6)
    for edges in ([], [0.2, 0.1], [0.1, 0.1]):
        with pytest.raises(ValueError, match="edges must be increasing frequencies"):
            spectral_energy(z, 5, edges)
