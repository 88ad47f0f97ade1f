"""One band alone, against PyWavelets."""

import itertools

import numpy as np
import pytest
import pywt
import torch

from subband.transforms import downcoef, upcoef


def test_equals_pywavelets(rng: torch.Generator) -> None:
    for part, wavelet, level in itertools.product("ad", ("haar", "db3", "bior2.4"), (1, 2, 3)):
        x = torch.randn(2, 25, generator=rng, dtype=torch.float64)
        for mode in ("symmetric", "periodization"):
            ours = downcoef(part, x, wavelet, mode, level)
            theirs = [pywt.downcoef(part, row.numpy(), wavelet, mode, level) for row in x]
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12, err_msg=f"{part} {wavelet} {level} {mode}")
        for take in (0, 9, 10, 1000):
            ours = upcoef(part, x.mT, wavelet, level, take, axis=0).mT
            theirs = [pywt.upcoef(part, row.numpy(), wavelet, level, take) for row in x]
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-11, err_msg=f"{part} {wavelet} {level} {take}")


def test_errors() -> None:
    x = torch.rand(8)
    for call, message in (
        (lambda: downcoef("h", x), "part must be 'a' or 'd'"),
        (lambda: upcoef("a", x, level=0), "level must be at least 1"),
        (lambda: upcoef("a", x, take=-1), "take must not be negative"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
