"""The wavelet of WSF-ViT: formula and border rule."""

import pytest
import torch

from published.wsfvit import FourierHaar
from subband.layers.haar_bands import HaarBands


@pytest.mark.parametrize("size", [(16, 16), (12, 12), (7, 12), (9, 5), (12, 16), (16, 8)])
def test_bands_are_sums_and_differences(rng, size):
    images = torch.rand(2, 3, *size, generator=rng)
    periodic = size == (16, 16)  # square powers of two only
    row = torch.cat((images, images[..., :1] * periodic), -1)
    bands = []
    for across in (row[..., :-1] + row[..., 1:], row[..., 1:] - row[..., :-1]):
        column = torch.cat((across, across[..., :1, :] * periodic), -2)
        bands += [column[..., :-1, :] + column[..., 1:, :], column[..., 1:, :] - column[..., :-1, :]]
    torch.testing.assert_close(HaarBands()(images), torch.cat(bands, 1) / 2, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(32, 32), (28, 28), (28, 20), (56, 40)])
def test_bands_equal_the_published_products_of_spectra(rng, size):
    images = torch.randn(2, 3, *size, generator=rng)
    torch.testing.assert_close(HaarBands()(images), FourierHaar()(images), rtol=1e-5, atol=1e-5)


def test_gradient(rng):
    images = torch.randn(1, 2, 6, 5, generator=rng, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(HaarBands(), images)
