"""The unbiased Fourier unit against the published graph; statistics of the batch and of each image; export."""

import pytest
import torch

from published.fourier_convolution import UnbiasedFourierUnit as Published
from subband.layers import UnbiasedFourierUnit

NAMES = {
    "place_map": "locMap",
    "mix": "lambda_base",
    "conv": "conv_layer_down55",
    "conv_shifted": "conv_layer_down55_shift",
}


@pytest.mark.parametrize("method", ["fft", "matrix"])
@pytest.mark.parametrize(("size", "scale", "side"), [(8, None, 8), (9, None, 9), (8, 0.5, 16), (8, 2.0, 4)])
def test_published_graph(rng, method, size, scale, side, compare_layers):
    ours, theirs = UnbiasedFourierUnit(4, size=size, spatial_scale=scale, method=method), Published(4, size, scale)
    with torch.no_grad():
        ours.mix.fill_(-1.0)
    state = {NAMES[key.split(".")[0]] + key[len(key.split(".")[0]) :]: x for key, x in ours.state_dict().items()}
    missing = theirs.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys
    assert all(key.startswith("norm.") for key in missing.missing_keys)
    compare_layers(ours, theirs, torch.randn(3, 4, side, side, generator=rng))


def test_statistics_of_each_image(rng):
    unit = UnbiasedFourierUnit(4, size=8, batch_statistics=False)
    x = torch.randn(3, 4, 8, 8, generator=rng) * torch.tensor([1.0, 3.0, 0.2]).view(3, 1, 1, 1)
    together = unit(x)
    torch.testing.assert_close(together, torch.cat([unit(image) for image in x.split(1)]))
    assert (together.amax((1, 2, 3)) <= x.amax((1, 2, 3)) + 0.5 + 1e-6).all()
    whole = UnbiasedFourierUnit(4, size=8)
    whole.load_state_dict(unit.state_dict())
    assert not torch.allclose(whole(x), together, atol=1e-3)
    torch.testing.assert_close(whole(x[:1]), unit(x[:1]))


def test_start():
    unit = UnbiasedFourierUnit(4)
    assert unit.place_map.shape == (32, 17)
    assert unit.mix.item() == 0
    assert unit.place_map.min() >= 0
    assert unit.place_map.max() < 1
    assert 0.45 < unit.place_map.mean() < 0.55


def test_precision(rng):
    unit, x = UnbiasedFourierUnit(4, size=8), torch.randn(2, 4, 8, 8, generator=rng)
    expected = unit(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = unit(x)
    assert mixed.dtype == torch.float32
    assert (mixed - expected).abs().max() < 0.03 * expected.abs().max()
    assert unit.bfloat16()(x.bfloat16()).dtype == torch.bfloat16


def test_errors():
    with pytest.raises(ValueError, match="size must be at least 4, got 3"):
        UnbiasedFourierUnit(4, size=3)
    with pytest.raises(ValueError, match="method must be 'fft' or 'matrix', got 'dft'"):
        UnbiasedFourierUnit(4, method="dft")
    with pytest.raises(ValueError, match="maps must be 8x8, got 8x9"):
        UnbiasedFourierUnit(4, size=8)(torch.zeros(1, 4, 8, 9))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx(rng, check_onnx):
    check_onnx(UnbiasedFourierUnit(3, size=8), torch.randn(2, 3, 8, 8, generator=rng))
