import matplotlib
import numpy as np
import pytest
import torch

import subband
from subband.explain.filters import filter_figure, filter_image, filter_spectra, row_centers


def pyramid() -> torch.nn.Module:
    return subband.create_model("gfnet_h_ti", dims=(30, 4), depths=(1, 2), patch_size=4, img_size=32, num_classes=2)


def test_spectra_are_those_of_the_papers_notebook():
    model = pyramid()
    spectra = filter_spectra(model)
    assert {name: tuple(item.shape) for name, item in spectra.items()} == {
        "levels.0.0.filter": (24, 8, 8),
        "levels.1.0.filter": (4, 4, 4),
        "levels.1.1.filter": (4, 4, 4),
    }
    weight = model.levels[0][0].filter.complex_weight.detach().numpy().astype(float)  # (8, 5, 30, 2)
    for channel in (0, 23):
        half = weight[..., channel, 0] + 1j * weight[..., channel, 1]
        expected = np.abs(np.fft.fftshift(np.fft.fft2(np.fft.irfft2(half, s=(8, 8)))))
        np.testing.assert_allclose(spectra["levels.0.0.filter"][channel], expected, atol=1e-5)


def test_every_spectrum_has_its_own_scale_and_its_own_place():
    fine = torch.zeros(2, 4, 4)
    fine[0, 1, 2], fine[1] = 7.0, torch.arange(16.0).reshape(4, 4) + 100
    coarse = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
    image = filter_image({"fine": fine, "coarse": coarse})
    colors = matplotlib.colormaps["YlGnBu"](np.array([0.0, 1.0]), bytes=True)[:, :3].tolist()
    assert image.shape == (9, 9, 3)
    assert image[1, 2].tolist() == colors[1]
    assert image[0, 0].tolist() == colors[0]
    assert [image[0, 5].tolist(), image[3, 8].tolist()] == colors
    assert (image[4] == 255).all()
    assert (image[:, 4] == 255).all()
    assert image[5:7, 2:4].tolist() == [[colors[1]] * 2] * 2, "the coarse filter's pixels are repeated"
    assert (image[5:, 5:] == 255).all()


def test_rows_have_their_names(rng):
    spectra = {name: torch.rand(3, 6, 6, generator=rng) for name in "abc"}
    assert row_centers(spectra) == [2.5, 9.5, 16.5]
    assert filter_image(spectra).shape == (20, 20, 3)
    large = {name: torch.rand(3, 56, 56, generator=rng) for name in "ab"}
    assert row_centers(large) == [27.5, 87.5]
    assert (filter_image(large)[56:60] == 255).all()
    axes = filter_figure(pyramid()).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "levels.0.0.filter",
        "levels.1.0.filter",
        "levels.1.1.filter",
    ]
    assert axes.images[0].get_array().shape[:2] == (3 * 9 - 1, 24 * 9 - 1)


def test_networks_without_global_filters():
    model = subband.create_model("wsfvit_p0", img_size=64)
    assert filter_spectra(model) == {}
    with pytest.raises(ValueError, match="at least one filter"):
        filter_figure(model)
