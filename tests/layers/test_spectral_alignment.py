"""Alignment by spectra: what it is at first, offsets between levels, the prior, parameter counts."""

import pytest
import torch
from torch.nn import functional as F

from subband.layers import PyramidAlignment, SpectralAlignment, SpectrumPrior, deform_conv2d
from subband.models.complexity import count_parameters


def test_parameters():
    assert count_parameters(SpectrumPrior(64, 216, 32)) == 70_744
    assert count_parameters(PyramidAlignment(64)) == 1_490_256


def test_a_fresh_prior_is_one(rng):
    a, b = torch.rand(2, 2, 8, 9, 7, generator=rng)
    assert torch.equal(SpectrumPrior(8, 54, 4)(a, b), torch.ones(2, 54, 9, 7))


def test_a_prior_lies_between_zero_and_two(rng):
    prior = SpectrumPrior(4, 6, 2)
    torch.nn.init.normal_(prior.factors.weight, std=10)
    factors = prior(*torch.rand(2, 1, 4, 8, 8, generator=rng))
    assert factors.min() >= 0
    assert factors.max() <= 2
    assert factors.max() > factors.min()


def test_a_fresh_level_is_half_a_convolution(rng):
    """Offsets are zero and masks one half."""
    level = SpectralAlignment(4, groups=2)
    reference, neighbor = torch.rand(2, 1, 4, 8, 7, generator=rng)
    aligned, offsets = level(reference, neighbor)
    wanted = F.conv2d(neighbor, level.filter.weight / 2, level.filter.bias, padding=1)
    torch.testing.assert_close(aligned, wanted, rtol=0, atol=1e-6)
    assert not offsets.any()


def test_offsets_of_a_coarser_level_count_twice(rng):
    """A fresh pyramid hands the offsets of its coarsest level on, doubled with every doubling of the size."""
    alignment = PyramidAlignment(4, levels=3, groups=1, with_prior=False).double()
    torch.nn.init.constant_(alignment.levels[2].offsets.bias, 0.25)
    x = torch.rand(1, 4, 16, 16, generator=rng, dtype=torch.float64)
    seen = []
    for level in alignment.levels:
        level.register_forward_hook(lambda module, args, result: seen.append(result[1]))
    alignment(x, x)
    assert [float(offsets.unique()) for offsets in seen] == [0.25, 0.5, 1.0]


def test_differences_are_compared_and_features_moved(rng):
    reference, neighbor = torch.rand(2, 1, 4, 8, 8, generator=rng)
    alignment = PyramidAlignment(4, levels=1, groups=1, with_prior=False, align_input="differences")
    level = alignment.levels[0]
    torch.nn.init.normal_(level.offsets.weight, std=0.1)
    found = level.offsets(level.compare(torch.cat([neighbor - reference, reference], 1)))
    wanted = deform_conv2d(
        neighbor, found, level.filter.weight, bias=level.filter.bias, mask=torch.full((1, 9, 8, 8), 0.5), padding=1
    )
    torch.testing.assert_close(alignment(reference, neighbor), wanted)


def test_gradients_are_finite_where_spectra_are_zero():
    alignment = PyramidAlignment(4, levels=2, groups=2)
    torch.nn.init.normal_(alignment.levels[0].prior.factors.weight)
    for image in (torch.zeros(1, 4, 8, 8), torch.ones(1, 4, 8, 8)):
        alignment(image.requires_grad_(), image).square().sum().backward()
        assert image.grad.isfinite().all()
        assert all(value.grad is None or value.grad.isfinite().all() for value in alignment.parameters())


def test_options_out_of_range_are_named():
    with pytest.raises(ValueError, match="groups must divide the 4 channels, got 3"):
        SpectralAlignment(4, groups=3)
    with pytest.raises(ValueError, match="levels must be at least 1"):
        PyramidAlignment(4, levels=0)
    with pytest.raises(ValueError, match="align_input must be 'features' or 'differences', got 'flow'"):
        PyramidAlignment(4, groups=2, align_input="flow")
