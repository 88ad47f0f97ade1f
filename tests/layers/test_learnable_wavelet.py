"""Filters as parameters: the conditions of perfect reconstruction, gradients of the taps, training."""

import numpy as np
import pytest
import pywt
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.utils._pytree import tree_leaves

from subband.layers.learnable_wavelet import (
    LearnableDWT1d,
    LearnableDWT2d,
    LearnableDWT3d,
    alias_loss,
    reconstruction_loss,
)
from subband.layers.wavelet import DWT1d, DWT2d, DWT3d
from subband.transforms import MODES
from subband.transforms.filters import FilterBank

PERFECT = [name for name in pywt.wavelist(kind="discrete") if name != "dmey"]
MODULES = {1: (DWT1d, LearnableDWT1d), 2: (DWT2d, LearnableDWT2d), 3: (DWT3d, LearnableDWT3d)}


def bank_of(wavelet: str) -> FilterBank:
    return FilterBank(*(torch.tensor(taps, dtype=torch.float64) for taps in pywt.Wavelet(wavelet).filter_bank))


def disturbed(module: nn.Module, amount: float, rng: torch.Generator) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += amount * torch.randn(parameter.shape, generator=rng, dtype=parameter.dtype)
    return module


def test_losses_vanish_for_every_wavelet_that_reconstructs():
    for wavelet in PERFECT:
        bank = bank_of(wavelet)
        assert reconstruction_loss(bank) < 1e-12, wavelet
        assert alias_loss(bank) < 1e-12, wavelet
    assert reconstruction_loss(bank_of("dmey")) > 1e-6  # its taps are cut off


@pytest.mark.parametrize("wavelet", ["haar", "db4", "bior2.2"])
def test_losses_are_the_conditions_on_polynomials(wavelet, rng):
    bank = FilterBank(
        *(taps + 0.1 * torch.randn(taps.shape, generator=rng, dtype=taps.dtype) for taps in bank_of(wavelet))
    )
    lo, hi, rec_lo, rec_hi = (np.poly1d(taps.numpy()[::-1]) for taps in bank)  # in powers of 1/z
    mirrored_lo, mirrored_hi = (np.poly1d((taps.numpy() * (-1.0) ** np.arange(len(taps)))[::-1]) for taps in bank[:2])
    delay = np.poly1d([2.0] + [0.0] * (len(bank.dec_lo) - 1))
    distortion = (lo * rec_lo + hi * rec_hi - delay).coeffs
    aliasing = (mirrored_lo * rec_lo + mirrored_hi * rec_hi).coeffs
    np.testing.assert_allclose(reconstruction_loss(bank), (distortion**2).sum(), rtol=1e-12)
    np.testing.assert_allclose(alias_loss(bank), (aliasing**2).sum(), rtol=1e-12)
    assert reconstruction_loss(bank) > 1e-3
    assert alias_loss(bank) > 1e-3


@pytest.mark.parametrize("num_axes", [1, 2, 3])
@pytest.mark.parametrize("wavelet", ["haar", "db2", "bior4.4"])
@pytest.mark.parametrize("mode", ["symmetric", "smooth", "periodization"])
def test_starts_as_the_wavelet(num_axes, wavelet, mode, rng):
    fixed, learnable = MODULES[num_axes]
    module = learnable(wavelet, mode, dtype=torch.float64)
    x = torch.randn(2, 3, *(9, 8, 7)[:num_axes], generator=rng, dtype=torch.float64)
    bands = module(x)
    torch.testing.assert_close(bands, fixed(wavelet, mode)(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(module.inverse(bands, size=x.shape[2:]), x, rtol=0, atol=1e-10)
    assert list(module.state_dict()) == [f"filters.0.{name}" for name in ("dec_lo", "dec_hi", "rec_lo", "rec_hi")]


@pytest.mark.parametrize("layout", ["bands", "channels", "split"])
@pytest.mark.parametrize("levels", [1, 2])
def test_options_are_those_of_the_fixed_transform(layout, levels, rng):
    x = torch.randn(2, 3, 14, 17, generator=rng)
    options = {"levels": levels, "layout": layout}
    if (levels, layout) != (2, "bands"):
        options |= {"order": ("aa", "da", "ad", "dd"), "signs": (1, -1, 1, 1), "scale": 0.5}
    module = LearnableDWT2d(("db2", "haar"), ("zero", "reflect"), **options)
    out = module(x)
    expected = DWT2d(("db2", "haar"), ("zero", "reflect"), **options)(x)
    torch.testing.assert_close(tree_leaves(out), tree_leaves(expected), rtol=0, atol=1e-5)
    torch.testing.assert_close(module.inverse(out, size=(14, 17)), x, rtol=0, atol=1e-5)
    assert len(module.state_dict()) == 8


def test_taps_are_a_bank_like_any_other(rng):
    """Disturbed taps give what PyWavelets gives for the same numbers."""
    module = disturbed(LearnableDWT2d("db2", "reflect", dtype=torch.float64), 0.3, rng)
    bank = [parameter.tolist() for parameter in module.parameters()]
    x = torch.randn(1, 1, 7, 8, generator=rng, dtype=torch.float64)
    approx, details = pywt.dwt2(x.numpy(), pywt.Wavelet("mine", filter_bank=bank), "reflect")
    bands = module(x).detach()
    for s, band in enumerate((approx, details[1], details[0], details[2])):
        np.testing.assert_allclose(bands[:, :, s], band, atol=1e-12)
    restored = module.inverse(bands).detach()
    expected = pywt.idwt2((approx, details), pywt.Wavelet("mine", filter_bank=bank), "reflect")
    np.testing.assert_allclose(restored, expected, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wavelet", ["haar", "db2"])
def test_gradients_of_taps_and_signal(mode, wavelet, rng):
    module = LearnableDWT1d(wavelet, mode, dtype=torch.float64)
    x = torch.randn(1, 1, 5, generator=rng, dtype=torch.float64, requires_grad=True)
    names, parameters = zip(*module.named_parameters(), strict=True)
    inputs = (x, *(parameter.detach().clone().requires_grad_() for parameter in parameters))

    def round_trip(x: Tensor, *taps: Tensor) -> tuple[Tensor, Tensor]:
        state = dict(zip(names, taps, strict=True))
        bands = torch.func.functional_call(module, state, (x,))
        bank = FilterBank(*taps)
        with torch.nn.utils.stateless._reparametrize_module(module, state):
            return module.inverse(bands.square()), reconstruction_loss(bank) + alias_loss(bank)

    assert gradcheck(round_trip, inputs)
    assert gradgradcheck(round_trip, inputs)


@pytest.mark.parametrize("wavelet", ["haar", "db2", "bior2.2"])
def test_trains_back_to_perfect_reconstruction(wavelet, rng):
    module = disturbed(LearnableDWT2d(wavelet, "periodization", dtype=torch.float64), 0.1, rng)
    x = torch.randn(1, 2, 16, 16, generator=rng, dtype=torch.float64)
    assert (module.inverse(module(x)) - x).abs().max() > 0.05
    optimizer = torch.optim.LBFGS(module.parameters(), max_iter=200, tolerance_grad=0, tolerance_change=0)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = module.reconstruction_loss() + module.alias_loss()
        value.backward()
        return value

    optimizer.step(loss)
    assert loss() < 1e-15
    assert (module.inverse(module(x)) - x).abs().max() < 1e-6


def test_losses_of_a_bank_per_axis_add_up(rng):
    module = disturbed(LearnableDWT2d(("db2", "haar"), dtype=torch.float64), 0.1, rng)
    banks = [filters() for filters in module.filters]
    torch.testing.assert_close(module.reconstruction_loss(), sum(reconstruction_loss(bank) for bank in banks))
    torch.testing.assert_close(module.alias_loss(), sum(alias_loss(bank) for bank in banks))


def test_dtypes_autocast_and_memory_layout(rng):
    module = LearnableDWT2d("db2", layout="channels")
    x = torch.randn(2, 3, 8, 8, generator=rng)
    expected = module(x)
    for dtype, tolerance in ((torch.bfloat16, 2e-2), (torch.float64, 1e-5)):
        bands = module(x.to(dtype))
        assert bands.dtype == dtype
        torch.testing.assert_close(bands.float(), expected, rtol=tolerance, atol=tolerance)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(module(x), expected)
    torch.testing.assert_close(module(x.to(memory_format=torch.channels_last)), expected)
    empty = module(x[:0])
    assert empty.shape == (0, 12, 5, 5)
    assert module.inverse(empty).shape == (0, 3, 8, 8)
    empty.sum().backward()


class RoundTrip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.transform = LearnableDWT2d("db2", layout="channels")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        bands = self.transform(x)
        return bands, self.transform.inverse(2 * bands, x.shape[-2:])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx(rng, check_onnx):
    check_onnx(RoundTrip(), torch.randn(2, 3, 11, 16, generator=rng))


def test_errors():
    with pytest.raises(ValueError, match="closest are"):
        LearnableDWT2d("haarr")
    with pytest.raises(ValueError, match="order, signs and scale"):
        LearnableDWT2d(levels=2, scale=0.5)
