"""Convolutions over spectra: what they are at first, that they see the whole image, parameter counts."""

import pytest
import torch

from subband.layers import FrequencySpatialBlock, SpectralConv2d
from subband.models.complexity import count_parameters


@pytest.mark.parametrize(("channels", "block"), [(16, 7_344), (64, 115_392)])
def test_parameters(channels, block):
    spectral = 2 * (4 * channels**2 + 2 * channels) + 4 * channels
    assert count_parameters(SpectralConv2d(channels)) == spectral
    assert count_parameters(FrequencySpatialBlock(channels)) == block


def test_a_fresh_layer_says_nothing(rng):
    x = torch.rand(2, 4, 7, 9, generator=rng)
    assert not SpectralConv2d(4)(x).any()


def test_every_pixel_sees_every_other(rng):
    layer = SpectralConv2d(2).double()
    torch.nn.init.normal_(layer.project.weight)
    x = torch.rand(1, 2, 7, 8, generator=rng, dtype=torch.float64, requires_grad=True)
    layer(x)[0, 0, 0, 0].backward()
    assert (x.grad.abs() > 1e-6).float().mean() > 0.95  # the norm takes the mean out


def test_means_do_not_count_when_they_are_removed(rng):
    layer = SpectralConv2d(2, remove_mean=True).double()
    torch.nn.init.normal_(layer.project.weight)
    x = torch.rand(1, 2, 8, 8, generator=rng, dtype=torch.float64)
    torch.testing.assert_close(layer(x + 5), layer(x))
    layer.remove_mean = False
    assert (layer(x + 5) - layer(x)).abs().max() > 1e-3


@pytest.mark.parametrize("size", [(1, 4), (5, 1), (8, 7)])
def test_gradients_are_finite(rng, size):
    layer = FrequencySpatialBlock(4)
    for image in (torch.rand(1, 4, *size, generator=rng), torch.zeros(1, 4, *size), torch.ones(1, 4, *size)):
        layer.zero_grad()
        layer(image.requires_grad_()).square().sum().backward()
        assert all(value.grad.isfinite().all() for value in layer.parameters())
        assert image.grad.isfinite().all()
