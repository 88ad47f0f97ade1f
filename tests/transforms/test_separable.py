"""One axis with any filter bank."""

import pytest
import torch

from subband.transforms import MODES, filter_bank
from subband.transforms.separable import analyze, band_length, signal_length, synthesize


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wavelet", ["haar", "db3", "bior2.2"])
def test_lengths(mode: str, wavelet: str) -> None:
    bank = filter_bank(wavelet)
    num_taps = len(bank.dec_lo)
    for length in (2, 3, 7, 8):
        low, high = analyze(torch.zeros(length), bank, mode, -1)
        assert low.shape == high.shape == (band_length(length, num_taps, mode),)
        signal = synthesize(low, high, bank, mode, -1)
        assert len(signal) == signal_length(len(low), num_taps, mode) == length + length % 2


@pytest.mark.parametrize("axis", [-1, -2, -3])
def test_every_axis_gives_the_same_numbers(axis: int, rng: torch.Generator) -> None:
    x = torch.randn(5, generator=rng, dtype=torch.float64)
    bank = filter_bank("db2")
    low, high = analyze(x, bank, "symmetric", -1)
    shape = [-1 if i == 3 + axis else 1 for i in range(3)]
    wide = x.reshape(shape).expand(*(5 if n == -1 else 2 for n in shape))
    for band, expected in zip(analyze(wide, bank, "symmetric", axis), (low, high), strict=True):
        torch.testing.assert_close(band, expected.reshape(shape).expand_as(band), rtol=0, atol=1e-15)
