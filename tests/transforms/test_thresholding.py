"""Thresholds against PyWavelets, their gradients, and where PyWavelets divides zero by zero."""

import itertools
import math
import warnings

import numpy as np
import pytest
import pywt
import torch
from torch.autograd import gradcheck

from subband.transforms import threshold, threshold_firm, wavedec2

MODES = ("soft", "hard", "garrote", "garotte", "greater", "less")
REAL = torch.tensor([-3.0, -1.0, -0.25, 0.0, 0.5, 1.0, 1.0000001, 2.5, 100.0], dtype=torch.float64).view(3, 3)
COMPLEX = torch.tensor([3 + 4j, 0.3 - 0.4j, 0j, -1 + 0j, 1j, 1 - 1j], dtype=torch.complex128)


def assert_same(ours: torch.Tensor, theirs: np.ndarray, where: object) -> None:
    expected = torch.from_numpy(np.asarray(theirs))
    assert ours.dtype == expected.dtype, where
    torch.testing.assert_close(ours, expected, rtol=1e-14, atol=1e-15, msg=lambda text: f"{where}: {text}")


def test_equals_pywavelets() -> None:
    warnings.simplefilter("ignore", RuntimeWarning)  # pywt divides by zero
    for data, mode, value, substitute in itertools.product((REAL, COMPLEX), MODES, (0.5, 1.0, 2), (0, -1.5)):
        if data.is_complex() and mode in ("greater", "less"):
            with pytest.raises(ValueError, match="complex"):
                threshold(data, value, mode, substitute)
            continue
        ours = threshold(data, value, mode, substitute)
        assert_same(ours, pywt.threshold(data.numpy(), value, mode, substitute), (mode, value, substitute))
        if not data.is_complex():
            rounded = data.bfloat16()
            half = threshold(rounded, value, mode, substitute)
            expected = threshold(rounded.double(), value, mode, substitute)
            torch.testing.assert_close(half.double(), expected, rtol=2e-2, atol=1e-2)
    per_column = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    assert_same(threshold(REAL, per_column), pywt.threshold(REAL.numpy(), per_column.numpy()), "a tensor of values")


def test_firm_equals_pywavelets() -> None:
    # Not with the largest number in front: pywt asks whether the *numbers* of large entries are other than zero.
    for data, (low, high) in itertools.product((REAL, COMPLEX.flip(0)), ((0.0, 1.0), (0.5, 2.0), (1, 3), (0.6, 0.6))):
        with np.errstate(all="ignore"):
            theirs = pywt.threshold_firm(data.numpy(), low, high)
        assert_same(threshold_firm(data, low, high), np.nan_to_num(theirs), (low, high))  # 0 / 0 at a zero
    assert torch.equal(threshold_firm(REAL, 1.0, 1.0), torch.where(REAL.abs() > 1, REAL, 0))
    assert torch.equal(threshold_firm(REAL, 1.0, math.inf), threshold(REAL, 1.0))


def test_zeros_stay_and_nan_is_seen() -> None:
    for data in (torch.zeros(2), torch.zeros(2, dtype=torch.complex64)):
        for value in (0.0, 1.0):
            for mode in ("soft", "hard", "garrote"):
                assert torch.equal(threshold(data, value, mode), data), (mode, value)
            assert torch.equal(threshold_firm(data, value, 2.0), data)
    broken = torch.tensor([math.nan, 2.0, math.inf])
    for result in (*(threshold(broken, 1.0, mode) for mode in MODES[:3]), threshold_firm(broken, 1.0, 3.0)):
        assert result.isnan().tolist() == [True, False, False]
        assert result[2] == math.inf
    tiny = torch.tensor([1e-4, 3e-4], dtype=torch.float16)  # whose squares are zero
    torch.testing.assert_close(threshold(tiny, 2e-4, "garrote")[1].item(), 3e-4 * (1 - 4 / 9), rtol=0.01, atol=0)


def test_gradients() -> None:
    for data in (torch.tensor([-3.0, 0.3, 0.7, 2.0]).double(), COMPLEX[[0, 1, 3, 5]] + 0.1):
        data = data.clone().requires_grad_()
        for mode in ("soft", "hard", "garrote"):
            assert gradcheck(lambda x, mode=mode: threshold(x, 0.6, mode), data)
        assert gradcheck(lambda x: threshold_firm(x, 0.6, 1.9), data)
    for kind in (torch.float32, torch.complex64):
        zeros = torch.zeros(3, dtype=kind, requires_grad=True)
        for mode in ("soft", "hard", "garrote"):
            (grad,) = torch.autograd.grad(threshold(zeros, 1.0, mode).abs().sum(), zeros)
            assert not grad.abs().any(), (mode, kind)


def test_shrinks_the_details_of_a_transform() -> None:
    x = torch.rand(8, 8, dtype=torch.float64)
    ours = wavedec2(x, "db2", level=1).map(lambda band: threshold(band, 0.2)).inverse()
    approx, details = pywt.wavedec2(x.numpy(), "db2", level=1)
    theirs = pywt.waverec2([approx, tuple(pywt.threshold(band, 0.2) for band in details)], "db2")
    assert_same(ours, theirs, "denoised")


def test_errors() -> None:
    with pytest.raises(ValueError, match="mode must be one of"):
        threshold(REAL, 1.0, "firm")
    with pytest.raises(TypeError, match="floating or complex"):
        threshold(torch.arange(3), 1)
    for low, high in ((-1.0, 2.0), (2.0, 1.0)):
        with pytest.raises(ValueError, match="value_low must lie within"):
            threshold_firm(REAL, low, high)
