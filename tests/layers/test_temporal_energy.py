"""Weights of frames from the energy of their spectra: sums, what they favor, the layer around them."""

import pytest
import torch
from torch.nn import functional as F

from subband.layers import TemporalEnergyAggregation, temporal_energy_weights
from subband.models.complexity import count_parameters
from subband.transforms import rfft2

MODES = ("bin", "channel", "frame")


def parts(clip):
    return torch.view_as_real(rfft2(clip)).movedim(-1, 3)


@pytest.fixture
def sharp_and_blurred(rng):
    """A noise image and two copies blurred by a box of five pixels, `(1, 3, 1, 32, 32)`."""
    sharp = torch.rand(1, 1, 32, 32, generator=rng)
    blurred = F.avg_pool2d(F.pad(sharp, (2, 2, 2, 2), mode="circular"), 5, stride=1)
    return torch.stack([sharp, blurred, blurred], 1)


@pytest.mark.parametrize("mode", MODES)
def test_weights_add_up_to_one(rng, mode):
    clip = torch.rand(2, 4, 3, 9, 7, generator=rng)
    weights = temporal_energy_weights(parts(clip), 7, 1.3, mode=mode)
    shapes = {"bin": (2, 4, 3, 9, 4), "channel": (2, 4, 3, 1, 1), "frame": (2, 4, 1, 1, 1)}
    assert weights.shape == shapes[mode]
    torch.testing.assert_close(weights.sum(1), torch.ones_like(weights[:, 0]))


@pytest.mark.parametrize("mode", ["channel", "frame"])
def test_the_sharp_frame_counts_most(sharp_and_blurred, mode):
    weights = temporal_energy_weights(parts(sharp_and_blurred), 32, mode=mode).flatten()
    torch.testing.assert_close(weights, torch.tensor([0.96, 0.02, 0.02]), rtol=0, atol=0.02)


def test_contrast_and_size_do_not_matter(sharp_and_blurred):
    weights = [
        temporal_energy_weights(parts(clip), clip.shape[-1], mode="frame")
        for clip in (sharp_and_blurred, 0.3 * sharp_and_blurred, sharp_and_blurred.repeat(1, 1, 1, 2, 2))
    ]
    for other in weights[1:]:
        torch.testing.assert_close(other, weights[0], rtol=0, atol=1e-4)


def test_noise_counts_less_below_a_frequency(rng):
    clip = torch.rand(1, 1, 1, 32, 32, generator=rng)
    smooth = F.avg_pool2d(F.pad(clip[0], (2, 2, 2, 2), mode="circular"), 5, stride=1)[None]
    noisy = torch.cat([smooth, smooth + 0.02 * torch.randn(1, 1, 1, 32, 32, generator=rng)], 1)
    all_of_it, low = (
        temporal_energy_weights(parts(noisy), 32, mode="frame", max_freq=limit)[0, 1].item() for limit in (None, 0.35)
    )
    assert all_of_it > low >= 0.5


def test_a_fresh_layer_is_the_convolution(rng):
    layer = TemporalEnergyAggregation(4, 3)
    clip = torch.rand(2, 3, 4, 8, 7, generator=rng)
    torch.testing.assert_close(layer(clip), F.leaky_relu(layer.fuse(clip.flatten(1, 2)), 0.1))
    assert count_parameters(TemporalEnergyAggregation(64, 5)) == 24_705


def test_guidance_of_equal_frames_is_the_frame(rng):
    layer = TemporalEnergyAggregation(2, 3, mode="channel")
    torch.nn.init.zeros_(layer.fuse.weight)
    torch.nn.init.zeros_(layer.fuse.bias)
    torch.nn.init.eye_(layer.guide.weight.data.view(2, 2))
    frame = torch.rand(1, 2, 8, 7, generator=rng)
    torch.testing.assert_close(layer(torch.stack([frame] * 3, 1)), frame)


@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_finite_where_there_is_no_energy(mode):
    layer = TemporalEnergyAggregation(2, 3, mode=mode)
    torch.nn.init.normal_(layer.guide.weight)
    for clip in (torch.zeros(1, 3, 2, 8, 8), torch.ones(1, 3, 2, 8, 8)):
        layer(clip.requires_grad_()).square().sum().backward()
        assert clip.grad.isfinite().all()
        assert layer.gamma.grad.isfinite()


def test_options_without_effect_are_named():
    with pytest.raises(ValueError, match="max_freq must be positive and goes with mode 'channel' or 'frame'"):
        TemporalEnergyAggregation(2, 3, max_freq=0.35)
    with pytest.raises(ValueError, match="mode must be one of bin, channel, frame, got 'energy'"):
        temporal_energy_weights(torch.zeros(1, 2, 1, 2, 4, 3), 4, mode="energy")
