"""One axis with any filter bank, as plain expressions."""

import pytest
import pywt
import torch

from subband.transforms import MODES, Wavelet
from subband.transforms.separable import analyze, analyze_adjoint, synthesize


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wavelet", ["haar", "db3", "bior2.2"])
def test_numbers_and_adjoint(mode: str, wavelet: str, rng: torch.Generator) -> None:
    bank = Wavelet(wavelet).filter_bank
    for length in (2, 3, 7, 8):
        x = torch.randn(2, length, generator=rng, dtype=torch.float64)
        bands = analyze(x, bank, mode, -1)
        for band, expected in zip(bands, pywt.dwt(x.numpy(), wavelet, mode), strict=True):
            torch.testing.assert_close(band, torch.from_numpy(expected), rtol=0, atol=1e-12)
        signal = synthesize(*bands, bank, mode, -1)
        expected = pywt.idwt(bands[0].numpy(), bands[1].numpy(), wavelet, mode)
        torch.testing.assert_close(signal, torch.from_numpy(expected), rtol=0, atol=1e-12)
        grads = [torch.randn(band.shape, generator=rng, dtype=torch.float64) for band in bands]
        transposed = analyze_adjoint(*grads, bank, mode, -1, length)
        products = sum((g * band).sum() for g, band in zip(grads, bands, strict=True))
        torch.testing.assert_close((transposed * x).sum(), products, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("axis", [-1, -2, -3])
def test_every_axis_gives_the_same_numbers(axis: int, rng: torch.Generator) -> None:
    x = torch.randn(5, generator=rng, dtype=torch.float64)
    bank = Wavelet("db2").filter_bank
    low, high = analyze(x, bank, "symmetric", -1)
    shape = [-1 if i == 3 + axis else 1 for i in range(3)]
    wide = x.reshape(shape).expand(*(5 if n == -1 else 2 for n in shape))
    for band, expected in zip(analyze(wide, bank, "symmetric", axis), (low, high), strict=True):
        torch.testing.assert_close(band, expected.reshape(shape).expand_as(band), rtol=0, atol=1e-15)
