"""Losses between spectra: reference values in float64, what they must not see, and gradients that stay finite."""

import pytest
import torch

from subband.losses import (
    fft_amplitude_phase_loss,
    fft_charbonnier_loss,
    fft_l1_loss,
    fft_modulus_loss,
    focal_frequency_loss,
)


@pytest.fixture
def pair():
    """Two smooth images of 6 x 7 pixels."""
    i, j = torch.arange(6, dtype=torch.float64)[:, None], torch.arange(7, dtype=torch.float64)[None]
    first = torch.sin(0.7 * i + 0.3 * j) + 0.25 * torch.cos(1.1 * i * j / 3)
    assert first.sum().item() == pytest.approx(9.462605025)
    return first[None, None], torch.cos(0.5 * i - 0.2 * j)[None, None]


def test_reference_values(pair):
    assert fft_l1_loss(*pair).item() == pytest.approx(0.825749103, abs=1e-9)
    assert fft_charbonnier_loss(*pair).item() == pytest.approx(0.6398042, abs=1e-7)
    assert focal_frequency_loss(*pair).item() == pytest.approx(0.382385162, abs=2e-9)
    amplitudes = fft_amplitude_phase_loss(*pair, phase_weight=0)
    phases = fft_amplitude_phase_loss(*pair, amplitude_weight=0)
    assert amplitudes.item() == pytest.approx(0.241302194, abs=1e-9)
    assert phases.item() == pytest.approx(0.950008610, abs=1e-9)
    assert fft_amplitude_phase_loss(*pair).item() == pytest.approx((amplitudes + phases).item())


def full(pair):
    """Difference of the full orthonormal spectra."""
    return torch.fft.fft2(pair[0] - pair[1], norm="ortho")


@pytest.mark.parametrize("width", [6, 7])
def test_half_spectra_count_as_the_full_ones(pair, width):
    """Whether the width is even or odd; the published focal loss takes the full spectrum."""
    pair = tuple(image[..., :width] for image in pair)
    spectrum = full(pair)
    assert fft_l1_loss(*pair).item() == pytest.approx((spectrum.real.abs() + spectrum.imag.abs()).mean().item())
    weight = spectrum.abs() / spectrum.abs().amax((-2, -1), keepdim=True)
    assert focal_frequency_loss(*pair).item() == pytest.approx((weight * spectrum.abs() ** 2).mean().item())
    # The published loss of VD-Diff is a mean over the entries of the half spectrum, without normalization.
    half = torch.fft.rfft2(pair[0] - pair[1])
    assert fft_modulus_loss(*pair).item() == pytest.approx(half.abs().mean().item())


def test_options_of_the_published_focal_loss(pair):
    batch = tuple(torch.cat([image, 0.5 * image.flip(-1)])[..., :6] for image in pair)
    spectrum = full(batch)
    logs = torch.log1p(spectrum.abs() ** 2)
    found = focal_frequency_loss(*batch, alpha=2.0, log_matrix=True, batch_matrix=True)
    assert found.item() == pytest.approx((logs / logs.max() * spectrum.abs() ** 2).mean().item())
    mean = spectrum.mean(0)
    found = focal_frequency_loss(*batch, ave_spectrum=True)
    assert found.item() == pytest.approx((mean.abs() / mean.abs().max() * mean.abs() ** 2).mean().item())
    patches = [full([image[..., y : y + 3, x : x + 3] for image in batch]) for y in (0, 3) for x in (0, 3)]
    wanted = sum((p.abs() ** 3 / p.abs().amax((-2, -1), keepdim=True)).mean().item() for p in patches) / 4
    assert focal_frequency_loss(*batch, patch_factor=2).item() == pytest.approx(wanted)


def test_phases_alone_do_not_see_contrast(pair):
    _, target = pair
    assert fft_amplitude_phase_loss(3 * target, target, amplitude_weight=0) < 2e-3
    assert fft_amplitude_phase_loss(3 * target, target) > 0.1


@pytest.mark.parametrize(
    "loss", [fft_amplitude_phase_loss, fft_charbonnier_loss, fft_l1_loss, fft_modulus_loss, focal_frequency_loss]
)
def test_gradients_are_finite_on_empty_images_and_nothing_is_lost_on_empty_batches(loss):
    for level in (0.0, 0.5):
        frames = torch.full((1, 2, 3, 8, 8), level, requires_grad=True)
        loss(frames, torch.full_like(frames, level)).backward()
        assert frames.grad.isfinite().all()
    empty = torch.zeros(0, 2, 3, 8, 8, requires_grad=True)
    value = loss(empty, empty.detach())
    value.backward()
    assert value == 0


def test_errors():
    frames = torch.zeros(1, 3, 6, 6)
    with pytest.raises(ValueError, match="one shape, got"):
        fft_l1_loss(frames, frames[..., :2])
    with pytest.raises(ValueError, match="eps must be positive, got 0"):
        fft_charbonnier_loss(frames, frames, eps=0)
    with pytest.raises(ValueError, match="eps must be positive, got 0"):
        fft_amplitude_phase_loss(frames, frames, eps=0)
    with pytest.raises(ValueError, match="patch_factor 4 does not divide the 6x6 band"):
        focal_frequency_loss(frames, frames, patch_factor=4)
