import numpy as np
import pytest
import pywt
import torch

from subband.imaging import band_energies, coefficient_mosaic, mosaic_layout
from subband.transforms import wavedec2, wavedec3


@pytest.mark.parametrize(("wavelet", "mode"), [("haar", "symmetric"), ("sym4", "periodization"), ("bior2.2", "zero")])
def test_energies_are_those_of_pywavelets(astronaut, wavelet, mode):
    rows = band_energies(wavedec2(astronaut, wavelet, mode, 2))
    approx, coarse, fine = pywt.wavedec2(astronaut.numpy(), wavelet, mode, 2)
    expected = [("LL", 2, approx)] + [
        (name, level, band)
        for level, bands in ((2, coarse), (1, fine))
        for name, band in zip(("LH", "HL", "HH"), bands, strict=True)
    ]
    for row, (name, level, band) in zip(rows, expected, strict=True):
        assert (row.band, row.level, row.height, row.width) == (name, level, *band.shape[1:])
        assert row.energy == pytest.approx(np.sum(band**2))
        assert row.rms == pytest.approx(np.sqrt(np.mean(band**2)))
        assert row.largest == pytest.approx(np.abs(band).max())
    assert sum(row.share for row in rows) == pytest.approx(1)


def test_parseval(camera):
    rows = band_energies(wavedec2(camera, "db3", "periodization", 4))
    assert sum(row.energy for row in rows) == pytest.approx(camera.square().sum().item())


def test_nothing_has_no_shares():
    assert all(row.share == row.energy == 0 for row in band_energies(wavedec2(torch.zeros(1, 8, 8), level=1)))


@pytest.mark.parametrize(("wavelet", "mode"), [("haar", "symmetric"), ("db4", "periodization"), ("db4", "symmetric")])
@pytest.mark.parametrize("size", [(64, 48), (61, 50)])
def test_bands_do_not_overlap(wavelet, mode, size):
    coeffs = wavedec2(torch.rand(1, *size), wavelet, mode, 2)
    height, width, boxes = mosaic_layout(coeffs)
    taken = torch.zeros(height, width)
    for box in boxes:
        taken[box.top : box.top + box.height, box.left : box.left + box.width] += 1
    assert taken.max() == 1
    assert taken.sum() == sum(band.numel() for band in (coeffs.approx, *(b for item in coeffs.details for b in item)))
    if size == (64, 48) and not (wavelet == "db4" and mode == "symmetric"):
        assert (height, width) == size


def test_mosaic_shows_each_band_in_its_place(astronaut):
    coeffs = wavedec2(astronaut, "haar", level=1)
    mosaic = coefficient_mosaic(coeffs, separator=0)
    approx, (lh, hl, hh) = coeffs
    tiles = {"ll": (0, 0, approx), "lh": (80, 0, lh), "hl": (0, 72, hl), "hh": (80, 72, hh)}
    for name, (top, left, band) in tiles.items():
        tile = mosaic[:, top : top + 80, left : left + 72]
        values = band if name == "ll" else band.abs()
        ranks = [np.argsort(np.argsort(x.flatten().numpy())) for x in (tile, values)]
        # Brightness rises with the coefficient, but for the few that are shown as white all alike.
        assert np.corrcoef(ranks)[0, 1] > 0.999
        assert tile.amin() >= 0
        assert tile.amax() == pytest.approx(1)


def test_edges_appear_in_their_bands():
    image = torch.zeros(1, 16, 16)
    image[:, 5:, :] = 1  # one horizontal edge
    mosaic = coefficient_mosaic(wavedec2(image, "haar", level=1), separator=0)
    assert mosaic[:, 8:, :8].amax() == 1
    assert mosaic[:, :8, 8:].amax() == mosaic[:, 8:, 8:].amax() == 0


def test_separators_lie_over_the_first_rows_and_columns(camera):
    coeffs = wavedec2(camera, "haar", level=2)
    plain, lined = coefficient_mosaic(coeffs, separator=0), coefficient_mosaic(coeffs, separator=2)
    assert plain.shape == lined.shape == camera.shape
    assert (lined[:, 80:82] == 1).all()
    assert (lined[:, :, 72:74] == 1).all()
    assert (lined[:, 40:42, :72] == 1).all()
    assert torch.equal(lined[:, 82:, :72], plain[:, 82:, :72])


def test_wrong_input():
    coeffs = wavedec2(torch.rand(1, 8, 8), level=1)
    with pytest.raises(ValueError, match=r"separator must not be negative"):
        coefficient_mosaic(coeffs, -1)
    with pytest.raises(ValueError, match=r"one image \(C, H, W\)"):
        coefficient_mosaic(wavedec2(torch.rand(2, 1, 8, 8), level=1))
    with pytest.raises(ValueError, match=r"must come from wavedec2, but 3 axes"):
        band_energies(wavedec3(torch.rand(1, 8, 8, 8), level=1))
