"""Lifting against PyWavelets, and its inverse at any parameters."""

import itertools

import numpy as np
import pytest
import pywt
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.utils._pytree import tree_leaves

from subband.layers.lifting import LiftingDWT1d, LiftingDWT2d, LiftingDWT3d

WAVELETS = ("haar", "bior2.2", "bior4.4")
MODES = ("symmetric", "periodization", "zero")


def scrambled(module: nn.Module, rng: torch.Generator) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(2 * torch.randn(parameter.shape, generator=rng, dtype=parameter.dtype))
    return module


@pytest.mark.parametrize("wavelet", WAVELETS)
@pytest.mark.parametrize("length", [2, 7, 16, 33])
def test_initial_steps_are_the_wavelet_in_mode_periodization(wavelet, length, rng):
    x = torch.randn(2, 3, length, generator=rng, dtype=torch.float64)
    bands = LiftingDWT1d(wavelet, "periodization", dtype=torch.float64)(x).detach()
    np.testing.assert_allclose(bands.movedim(2, 0), pywt.dwt(x.numpy(), wavelet, "periodization"), rtol=0, atol=1e-11)


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_initial_steps_mirror_the_signal_at_its_end_samples(wavelet, rng):
    """PyWavelets extends to the same infinite signal in mode `reflect` and keeps L / 4 more coefficients in front."""
    x = torch.randn(2, 3, 32, generator=rng, dtype=torch.float64)
    low, high = LiftingDWT1d(wavelet, dtype=torch.float64)(x).detach().unbind(2)
    first = (pywt.Wavelet(wavelet).dec_len - 2) // 4
    for ours, theirs in zip((low, high), pywt.dwt(x.numpy(), wavelet, "reflect"), strict=True):
        np.testing.assert_allclose(ours, theirs[..., first : first + 16], rtol=0, atol=1e-11)


@pytest.mark.parametrize("mode", MODES)
def test_the_interior_does_not_depend_on_the_mode(mode, rng):
    x = torch.randn(1, 1, 40, generator=rng, dtype=torch.float64)
    approx, detail = pywt.dwt(x.numpy(), "bior4.4", "zero")
    low, high = LiftingDWT1d("bior4.4", mode, dtype=torch.float64)(x).detach().unbind(2)
    np.testing.assert_allclose(low[..., 3:-3], approx[..., 5:19], rtol=0, atol=1e-11)
    np.testing.assert_allclose(high[..., 3:-3], detail[..., 5:19], rtol=0, atol=1e-11)


@pytest.mark.parametrize("wavelet", [*WAVELETS, ("bior4.4", "haar")])
def test_two_axes(wavelet, rng):
    x = torch.randn(2, 3, 9, 12, generator=rng, dtype=torch.float64)
    bands = LiftingDWT2d(wavelet, "periodization", dtype=torch.float64)(x).detach()
    expected = pywt.dwtn(x.numpy(), wavelet, "periodization", axes=(2, 3))
    for s, key in enumerate(sorted(expected)):
        np.testing.assert_allclose(bands[:, :, s], expected[key], rtol=0, atol=1e-11)


@pytest.mark.parametrize("mode", MODES)
def test_inverts_at_any_parameters(mode, rng, case):
    for wavelet, length in itertools.product(WAVELETS, (1, 2, 3, 8, 15)):
        module = scrambled(LiftingDWT1d(wavelet, mode, dtype=torch.float64), rng)
        x = torch.randn(2, 3, length, generator=rng, dtype=torch.float64)
        with case(wavelet, length):
            bands = module(x)
            bound = 1e-12 * bands.abs().max() * module.lifting[0].log_scale.abs().exp()
            assert (module.inverse(bands, size=length) - x).abs().max() < bound


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_float32_inverts_to_a_few_units_in_the_last_place(wavelet, rng):
    module = LiftingDWT2d(wavelet)
    x = torch.randn(2, 3, 33, 40, generator=rng)
    error = (module.inverse(module(x), size=(33, 40)) - x).abs().max()
    assert error <= 8 * torch.finfo(torch.float32).eps * x.abs().max()


def test_whole_numbers_come_back_exactly_without_scaling(rng):
    """Dyadic steps round nothing on integers, so 5/3 lifting is bit-exact once the factors are 1."""
    module = LiftingDWT2d("bior2.2")
    nn.init.zeros_(module.lifting[0].log_scale)
    x = torch.randint(0, 256, (2, 3, 17, 20), generator=rng).float()
    assert torch.equal(module.inverse(module(x), size=(17, 20)), x)


@pytest.mark.parametrize("layout", ["channels", "interleaved", "split", "batch"])
def test_levels_and_layouts(layout, rng):
    options = {"levels": 2, "layout": layout, "order": ("aa", "da", "ad", "dd"), "signs": (1, -1, 1, 1), "scale": 0.5}
    module = scrambled(LiftingDWT2d("bior2.2", **options), rng).double()
    x = torch.randn(2, 3, 13, 18, generator=rng, dtype=torch.float64)
    low, highs = module(x)
    assert low.shape == (2, 3, 4, 5)
    torch.testing.assert_close(module.inverse((low, highs), size=(13, 18)), x, rtol=0, atol=1e-7)
    x_last = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(tree_leaves(module(x_last)), tree_leaves((low, highs)))


def test_three_axes(rng):
    module = scrambled(LiftingDWT3d("bior2.2", layout="channels", dtype=torch.float64), rng)
    x = torch.randn(1, 2, 5, 6, 7, generator=rng, dtype=torch.float64)
    torch.testing.assert_close(module.inverse(module(x), size=(5, 6, 7)), x, rtol=0, atol=1e-8)


def test_parameters_and_dtypes(rng):
    module = LiftingDWT2d("bior4.4")
    assert len(module.state_dict()) == 5
    assert len(LiftingDWT2d(("bior2.2", "haar")).state_dict()) == 6
    x = torch.randn(2, 3, 8, 8, generator=rng)
    for dtype, tolerance in ((torch.bfloat16, 1e-2), (torch.float16, 2e-3)):
        bands = module(x.to(dtype))
        assert bands.dtype == dtype
        torch.testing.assert_close(bands.float(), module(x.to(dtype).float()), rtol=tolerance, atol=tolerance)
    with torch.autocast("cpu", torch.bfloat16):
        inside = module(x)
    assert torch.equal(inside, module(x))
    assert module.inverse(module(x[:0])).shape == (0, 3, 8, 8)
    strided = torch.randn(2, 3, 16, 8, generator=rng).mT[..., ::2]
    torch.testing.assert_close(module(strided), module(strided.contiguous()))


def test_gradients(rng):
    module = scrambled(LiftingDWT1d("bior2.2", dtype=torch.float64), rng)
    x = torch.randn(1, 1, 5, generator=rng, dtype=torch.float64, requires_grad=True)
    names, parameters = zip(*module.named_parameters(), strict=True)
    small = tuple(0.3 * parameter.detach() for parameter in parameters)
    inputs = (x, *(parameter.requires_grad_() for parameter in small))

    def forward(x: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), (x,))

    assert gradcheck(forward, inputs, check_forward_ad=True)
    assert gradgradcheck(forward, inputs)
    assert gradcheck(lambda bands: module.inverse(bands), (module(x).detach().requires_grad_(),))


def test_learns_a_transform_that_empties_the_high_band(rng):
    """Steps at random find a prediction of straight lines: the high band of a ramp vanishes."""
    module = LiftingDWT1d("bior2.2", "symmetric", dtype=torch.float64)
    nn.init.normal_(module.lifting[0].steps[0], generator=rng)
    ramps = torch.arange(32.0, dtype=torch.float64) / 32 * torch.randn(8, 1, 1, generator=rng, dtype=torch.float64)
    optimizer = torch.optim.LBFGS(
        [module.lifting[0].steps[0]], max_iter=50, tolerance_grad=1e-14, tolerance_change=1e-16
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = module(ramps)[:, :, 1, :-1].square().sum()
        value.backward()
        return value

    for _ in range(5):
        optimizer.step(loss)
    assert module(ramps)[:, :, 1, :-1].abs().max() < 1e-6
    torch.testing.assert_close(module.inverse(module(ramps)), ramps, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LiftingDWT1d("db2"), "wavelet must be one of haar"),
        (lambda: LiftingDWT1d(mode="reflect"), "mode must be one of symmetric, periodization, zero"),
        (lambda: LiftingDWT1d(levels=2), r"layout 'bands' must have levels=1"),
        (lambda: LiftingDWT2d(("haar",)), "one name or one per axis"),
        (lambda: LiftingDWT1d()(torch.zeros(1, 1, 0)), "at least one sample"),
        (lambda: LiftingDWT1d().inverse(torch.zeros(1, 1, 2, 4), size=6), "size must be equal to or one below 8"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
    with pytest.raises(TypeError, match=r"\.float\(\)"):
        LiftingDWT1d()(torch.zeros(1, 1, 4, dtype=torch.int32))


class RoundTrip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lifting = LiftingDWT2d("bior4.4", layout="channels")

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        bands = self.lifting(x)
        return bands, self.lifting.inverse(2 * bands, x.shape[-2:])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx(rng, check_onnx):
    check_onnx(RoundTrip(), torch.randn(2, 3, 11, 16, generator=rng))
