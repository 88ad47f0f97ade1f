"""Fourier losses: closed forms, the full spectrum, stored figures of VD-Diff, gradients where spectra are zero."""

import numpy as np
import pytest
import torch
from fill import make_input

from subband.losses import (
    charbonnier_loss,
    fft_amplitude_phase_loss,
    fft_charbonnier_loss,
    fft_l1_loss,
    fft_modulus_loss,
    focal_frequency_loss,
)

LOSSES = (fft_l1_loss, fft_charbonnier_loss, fft_modulus_loss, fft_amplitude_phase_loss, focal_frequency_loss)


@pytest.fixture
def waves():
    """Two images of 6 x 7 with known figures."""
    i, j = torch.arange(6, dtype=torch.float64)[:, None], torch.arange(7, dtype=torch.float64)
    first = torch.sin(0.7 * i + 0.3 * j) + 0.25 * torch.cos(1.1 * i * j / 3)
    return first[None], torch.cos(0.5 * i - 0.2 * j)[None]


def test_known_figures(waves):
    found = [
        fft_l1_loss(*waves),
        fft_charbonnier_loss(*waves),
        focal_frequency_loss(*waves),
        fft_amplitude_phase_loss(*waves, phase_weight=0),
        fft_amplitude_phase_loss(*waves, amplitude_weight=0),
    ]
    wanted = [0.825749103, 0.6398042, 0.382385162, 0.241302194, 0.950008610]
    assert [float(value) for value in found] == pytest.approx(wanted, abs=1e-7)


def test_those_of_vd_diff(golden):
    with np.load(golden / "video_deblurring" / "vddiff_losses_metrics.npz") as stored:
        wanted = {key: float(stored[key]) for key in ("charbonnier", "fft")}
    pair = [make_input(f"vddiff_losses_metrics{suffix}", [1, 2, 3, 48, 64]) for suffix in ("", ":gt")]
    assert float(charbonnier_loss(*pair, eps=1e-6)) == pytest.approx(wanted["charbonnier"], rel=1e-6)
    assert 0.1 * float(fft_modulus_loss(*pair)) == pytest.approx(wanted["fft"], rel=1e-6)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (5, 8), (8, 7), (1, 2), (1, 1)])
def test_means_are_those_of_the_full_spectrum(rng, size):
    pred, target = torch.rand(2, 3, 2, *size, generator=rng, dtype=torch.float64)
    error = torch.fft.fft2(pred - target, norm="ortho")
    torch.testing.assert_close(fft_l1_loss(pred, target), (error.real.abs() + error.imag.abs()).mean())
    round_off = torch.sqrt(error.abs().square() + 1e-6) - 1e-3
    torch.testing.assert_close(fft_charbonnier_loss(pred, target), round_off.mean())


def test_focal_weights(rng):
    """The published form: weights of every image are scaled to a maximum of one."""
    pred, target = torch.rand(2, 2, 3, 8, 6, generator=rng, dtype=torch.float64)
    error = torch.fft.fft2(pred - target, norm="ortho").abs()
    weight = error**2 / (error**2).amax((-2, -1), keepdim=True)
    torch.testing.assert_close(focal_frequency_loss(pred, target, alpha=2), (weight * error**2).mean())
    weight = torch.log1p(error) / torch.log1p(error).amax()
    found = focal_frequency_loss(pred, target, log_matrix=True, batch_matrix=True)
    torch.testing.assert_close(found, (weight * error**2).mean())


def test_the_phase_term_does_not_see_a_factor(rng):
    target = torch.rand(1, 1, 16, 16, generator=rng)
    assert fft_amplitude_phase_loss(3 * target, target, amplitude_weight=0) < 2e-3
    assert fft_amplitude_phase_loss(target.roll(3, -1), target, amplitude_weight=0) > 0.1


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_finite(loss, rng):
    for pred, target in ((torch.zeros(1, 2, 6, 6), torch.zeros(1, 2, 6, 6)), torch.rand(2, 1, 2, 6, 6, generator=rng)):
        pred = pred.clone().requires_grad_()
        loss(pred, target).backward()
        assert pred.grad.isfinite().all()


@pytest.mark.parametrize("loss", [*LOSSES, charbonnier_loss])
def test_empty_batches_and_shapes_that_differ(loss):
    assert loss(torch.zeros(0, 3, 8, 8), torch.zeros(0, 3, 8, 8)) == 0
    with pytest.raises(ValueError, match="pred and target must"):
        loss(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 7))


def test_charbonnier():
    pred, target = torch.zeros(2, 3, 1, 2), torch.zeros(2, 3, 1, 2)
    pred[..., 0] = torch.tensor([1.0, 2.0, 2.0]).view(3, 1)
    found = charbonnier_loss(pred, target, eps=1.0)
    assert float(found) == pytest.approx((2**0.5 + 2 * 5**0.5 + 3) / 6)
    found = charbonnier_loss(pred, target, eps=1.0, over_colors=True)
    assert float(found) == pytest.approx((2 + 1) / 2)
    for loss in (charbonnier_loss, fft_charbonnier_loss):
        with pytest.raises(ValueError, match="eps must be positive"):
            loss(pred, target, eps=0.0)
    with pytest.raises(ValueError, match=r"\(\.\.\., C, H, W\) for over_colors"):
        charbonnier_loss(torch.zeros(3), torch.zeros(3), over_colors=True)
