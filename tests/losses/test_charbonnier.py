"""Charbonnier's loss against the published implementations and in closed form."""

import math

import numpy as np
import pytest
import torch
from fill import make_input

from subband.losses import build_loss, charbonnier_loss


def test_published_value_of_vd_diff(golden):
    shape = (1, 2, 3, 48, 64)
    pred, target = (make_input(f"vddiff_losses_metrics{end}", shape, 0, "unit") for end in ("", ":gt"))
    stored = np.load(golden / "video_deblurring" / "vddiff_losses_metrics.npz")
    assert charbonnier_loss(pred, target, eps=1e-6).item() == pytest.approx(float(stored["charbonnier"]), rel=1e-6)
    assert 0.1 * build_loss("fft_modulus", {})(pred, target).item() == pytest.approx(float(stored["fft"]), rel=1e-6)


def test_the_square_of_epsilon_stands_inside_of_the_root():
    pred, target = torch.full((1, 3, 2, 2), 0.3, dtype=torch.float64), torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    assert charbonnier_loss(pred, target, eps=0.4).item() == pytest.approx(0.5)
    assert charbonnier_loss(target, target).item() == pytest.approx(1e-3)


def test_squares_of_a_pixel_are_averaged_over_its_colors_as_estrnn_does():
    """The root of the mean over three colors, not the mean of their roots."""
    pred, target = torch.zeros(1, 2, 3, 4, 4), torch.zeros(1, 2, 3, 4, 4)
    pred[:, :, 0] = 0.6
    assert charbonnier_loss(pred, target, eps=1e-3, over_colors=True).item() == pytest.approx(
        math.sqrt(0.12 + 1e-6), rel=1e-6
    )
    assert charbonnier_loss(pred, target, eps=1e-3).item() == pytest.approx((0.6 + 2e-3) / 3, rel=1e-4)


def test_gradients_are_finite_where_there_is_no_error():
    frames = torch.rand(1, 3, 4, 4, requires_grad=True)
    charbonnier_loss(frames, frames.detach()).backward()
    assert frames.grad.eq(0).all()


def test_errors():
    frames = torch.zeros(1, 3, 4, 4)
    with pytest.raises(ValueError, match="eps must be positive, got 0"):
        charbonnier_loss(frames, frames, eps=0)
    with pytest.raises(ValueError, match="one shape, got"):
        charbonnier_loss(frames, frames[..., :2])
    assert charbonnier_loss(frames[:0], frames[:0]) == 0
