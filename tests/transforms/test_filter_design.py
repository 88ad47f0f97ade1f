"""Filter banks made of one filter, against PyWavelets, and as learned taps."""

import numpy as np
import pytest
import pywt
import torch

from subband.transforms import dwt, idwt, orthogonal_filter_bank, qmf


def test_equals_pywavelets() -> None:
    for name in ("haar", "db4", "sym5"):
        taps = pywt.Wavelet(name).rec_lo
        for kind in (list, np.array, lambda t: torch.tensor(t, dtype=torch.float64)):
            np.testing.assert_allclose(np.asarray(qmf(kind(taps))), pywt.qmf(taps), rtol=0, atol=0)
            ours, theirs = orthogonal_filter_bank(kind(3 * np.array(taps))), pywt.orthogonal_filter_bank(taps)
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(np.asarray(a), b, rtol=0, atol=1e-14)
    with pytest.raises(ValueError, match="even number of taps"):
        orthogonal_filter_bank([1.0, 2.0, 3.0])


def test_is_a_wavelet_whose_taps_can_be_learned(rng: torch.Generator) -> None:
    taps = torch.tensor(pywt.Wavelet("db2").rec_lo, dtype=torch.float64, requires_grad=True)
    x = torch.randn(9, generator=rng, dtype=torch.float64)
    bank = orthogonal_filter_bank(taps)
    low, high = dwt(x, bank)
    torch.testing.assert_close(low, dwt(x, "db2")[0])
    torch.testing.assert_close(idwt(low, high, bank, size=9), x)
    (grad,) = torch.autograd.grad(low.square().sum(), taps)
    assert grad.abs().max() > 0.1
