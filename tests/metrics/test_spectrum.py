"""Energies per band and frequency."""

import numpy as np
import pytest
import pywt
import torch

from subband.metrics.spectrum import SubbandEnergy, subband_energy
from subband.transforms import radial_bins, radial_spectrum


def test_band_energies_equal_pywavelets(rng: torch.Generator) -> None:
    x = torch.randn(2, 3, 8, 10, generator=rng, dtype=torch.float64)
    approx, (horizontal, vertical, diagonal) = pywt.dwt2(x.numpy(), "haar")
    expected = [(band**2).mean((-2, -1)) for band in (approx, vertical, horizontal, diagonal)]  # ll, hl, lh, hh
    np.testing.assert_allclose(subband_energy(x).numpy(), np.stack(expected, -1), rtol=1e-12)
    torch.testing.assert_close(subband_energy(x).mean(-1), x.square().mean((-2, -1)))


def test_stripes_across_the_height_are_lh() -> None:
    metric = SubbandEnergy()
    stripes = torch.tensor([1.0, -1.0]).repeat(4)[:, None].expand(1, 1, 1, 8, 8)
    metric.update(stripes, stripes.mT)
    energy = metric.compute()["subband_energy"]
    assert energy["prediction"] == pytest.approx({"ll": 0, "lh": 4, "hl": 0, "hh": 0}, abs=1e-6)
    assert energy["target"] == pytest.approx({"ll": 0, "lh": 0, "hl": 4, "hh": 0}, abs=1e-6)
    assert list(energy["target"]) == ["ll", "lh", "hl", "hh"]


def test_streaming_equals_one_batch(rng: torch.Generator) -> None:
    pred, target = torch.rand(2, 6, 3, 2, 12, 9, generator=rng)
    metric = SubbandEnergy()
    for part in (slice(0, 1), slice(1, 4), slice(4, 6)):
        metric.update(pred[part], target[part])
    result = metric.compute()
    bands = subband_energy(pred).mean((0, 1, 2)).tolist()
    assert result["subband_energy"]["prediction"] == pytest.approx(
        dict(zip(("ll", "hl", "lh", "hh"), bands, strict=True)), rel=1e-5
    )
    assert result["spectrum"]["frequency"] == radial_bins(12, 9).tolist()
    for name, frames in {"prediction": pred, "target": target}.items():
        expected = radial_spectrum(frames).mean((0, 1, 2)).tolist()
        assert result["spectrum"][name] == pytest.approx(expected, rel=1e-5)


def test_blur_loses_high_frequencies(rng: torch.Generator) -> None:
    target = torch.rand(4, 1, 32, 32, generator=rng)
    blurred = torch.nn.functional.avg_pool2d(target, 3, stride=1, padding=1)
    metric = SubbandEnergy()
    metric.update(blurred, target)
    result = metric.compute()
    energy = result["subband_energy"]
    ratios = {band: energy["prediction"][band] / energy["target"][band] for band in energy["target"]}
    assert ratios["hh"] < 0.05 < ratios["lh"] < 0.2 < 0.6 < ratios["ll"]  # ll is mostly the mean, which blur keeps
    kept = np.array(result["spectrum"]["prediction"]) / np.array(result["spectrum"]["target"])
    assert kept[1] > 0.7 > 0.1 > kept[-1]


def test_reset_allows_another_size() -> None:
    metric = SubbandEnergy()
    metric.update(torch.ones(1, 8, 8), torch.ones(1, 8, 8))
    with pytest.raises(ValueError, match="frames of one size"):
        metric.update(torch.ones(1, 16, 16), torch.ones(1, 16, 16))
    metric.reset()
    with (
        pytest.raises(ValueError, match="no frame was added"),
        pytest.warns(UserWarning, match="before the ``update``"),
    ):
        metric.compute()
    metric.update(torch.ones(1, 16, 16), torch.ones(1, 16, 16))
    assert len(metric.compute()["spectrum"]["target"]) == 9
