"""Fourier units: stored output, the published graph with every option, export."""

import numpy as np
import pytest
import torch
from fill import make_input, state_dict_from_manifest

from published.fourier_convolution import FourierUnit as Published
from subband.layers import FourierUnit
from subband.layers.fourier_unit import image_from_spectrum_channels, spectrum_channels

METHODS = ["fft", "matrix"]


@pytest.mark.parametrize("method", METHODS)
def test_stored_output(golden, method):
    unit = FourierUnit(12, 12, method=method).eval()
    unit.load_state_dict(state_dict_from_manifest(golden / "fourier" / "ffc_fourier_unit.json"))
    with np.load(golden / "fourier" / "ffc_fourier_unit.npz") as file:
        stored = torch.from_numpy(file["output"])
    with torch.no_grad():
        found = unit(make_input("ffc_fourier_unit", [2, 12, 24, 20], kind="normal"))
    torch.testing.assert_close(found, stored, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(8, 8), (7, 10), (6, 9)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"groups": 2},
        {"spatial_scale": 0.5},
        {"with_coordinates": True},
        {"with_squeeze_excite": True},
        {"with_coordinates": True, "with_squeeze_excite": True, "spatial_scale": 2.0},
    ],
)
def test_published_graph(rng, method, size, options, compare_layers):
    ours = FourierUnit(8, 6, method=method, **options)
    names = {"spatial_scale": "scale", "with_coordinates": "coordinates", "with_squeeze_excite": "use_se"}
    theirs = Published(8, 6, **{names.get(key, key): value for key, value in options.items()})
    theirs.load_state_dict(ours.state_dict())
    compare_layers(ours, theirs, torch.randn(3, 8, *size, generator=rng))


@pytest.mark.parametrize("method", METHODS)
def test_spectrum_channels_are_interleaved(rng, method):
    x = torch.randn(2, 3, 5, 8, generator=rng)
    spectrum = spectrum_channels(x, method=method)
    wanted = torch.from_numpy(np.fft.rfft2(x.double().numpy(), norm="ortho"))
    torch.testing.assert_close(spectrum[:, 0::2].double(), wanted.real, rtol=0, atol=1e-5)
    torch.testing.assert_close(spectrum[:, 1::2].double(), wanted.imag, rtol=0, atol=1e-5)
    torch.testing.assert_close(image_from_spectrum_channels(spectrum, (5, 8), method=method), x, rtol=0, atol=1e-5)


def test_precision(rng):
    unit, x = FourierUnit(4, 4).eval(), torch.randn(2, 4, 8, 8, generator=rng)
    expected = unit(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = unit(x)
    assert mixed.dtype == torch.float32
    assert (mixed - expected).abs().max() < 0.03 * expected.abs().max()
    assert unit.bfloat16()(x.bfloat16()).dtype == torch.bfloat16
    assert unit.double()(x.double()).dtype == torch.float64


def test_errors():
    with pytest.raises(ValueError, match="method must be 'fft' or 'matrix', got 'dft'"):
        FourierUnit(4, 4, method="dft")
    with pytest.raises(ValueError, match="squeeze and excitation needs at least 16 channels, got 8"):
        FourierUnit(4, 4, with_squeeze_excite=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx(rng, check_onnx):
    check_onnx(FourierUnit(3, 5, with_coordinates=True).eval(), torch.randn(2, 3, 8, 7, generator=rng))
