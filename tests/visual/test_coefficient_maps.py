"""Maps of coefficients: what is drawn where, in which size."""

import numpy as np
import pytest
import torch

from subband.models.generation.pyramid import Pyramid, PyramidTransform
from subband.visual.coefficient_maps import bit_figure, colored, combined_map, map_figure

NOTHING = 4  # the first of the colors is nearly black


def pyramid_of(height, width, levels=2):
    images = torch.zeros(1, 3, height, width)
    images[..., : height // 2, ::2] = 0.8  # stripes in the upper half
    return PyramidTransform(levels=levels).analyze(images)


def test_the_combined_map_has_the_energy_of_all_details(rng):
    images = torch.rand(1, 3, 16, 24, generator=rng)
    pyramid = PyramidTransform(levels=3).analyze(images)
    energy = sum(detail.square().sum() for detail in pyramid.details) / 3
    torch.testing.assert_close(combined_map(pyramid).square().sum(), energy)


@pytest.mark.parametrize(("height", "width", "side"), [(16, 24, 144), (256, 256, 256), (1280, 640, 640)])
def test_a_figure_has_a_row_for_every_level_and_maps_of_a_handy_size(height, width, side):
    pyramid = pyramid_of(height, width)
    cell = (round(side * height / max(height, width)), round(side * width / max(height, width)))
    bits = [detail.abs() for detail in pyramid.details]
    for figure in (map_figure(pyramid), bit_figure(pyramid, bits)):
        assert figure.dtype == np.uint8
        assert figure.shape == (3 * cell[0] + 4, 3 * cell[1] + 4, 3)
        fine = figure[2 * (cell[0] + 2) :, cell[1] + 2 : 2 * cell[1] + 2].astype(float)  # vertical edges of level 1
        assert fine[: cell[0] // 2].mean() > 100
        assert fine[cell[0] // 2 + 1 :].max() == NOTHING


def test_colors_rise_with_the_logarithm():
    ramp = colored(torch.tensor([[0.0, 0.01, 0.1, 1.0]]), 1.0).astype(int).sum(-1)[0]
    assert ramp[0] == NOTHING
    assert (np.diff(ramp) > 100).all()


def test_there_are_no_maps_without_details():
    flat = Pyramid(torch.zeros(1, 3, 4, 4), ())
    for function in (map_figure, lambda pyramid: bit_figure(pyramid, [])):
        with pytest.raises(ValueError, match="without details"):
            function(flat)
