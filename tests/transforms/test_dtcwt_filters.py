"""Filters of the dual-tree transform, against the tables of the NumPy package `dtcwt` and their defining properties."""

import dtcwt
import numpy as np
import pytest

from subband.transforms.dtcwt_filters import FIRST_LEVEL, LATER_LEVELS, first_level, later_levels


@pytest.mark.parametrize("biort", FIRST_LEVEL)
def test_first_level_equals_dtcwt(biort: str) -> None:
    dec_lo, rec_lo, dec_hi, rec_hi = (taps.ravel() for taps in dtcwt.coeffs.biort(biort))
    bank = first_level(biort)
    for ours, theirs in zip(bank, (dec_lo, dec_hi, rec_lo, rec_hi), strict=True):
        margin = (len(ours) - len(theirs)) // 2  # the shorter filters of a pair are filled up with zeros
        np.testing.assert_allclose(ours, np.pad(theirs, margin), rtol=0, atol=1e-14)


@pytest.mark.parametrize("biort", FIRST_LEVEL)
def test_first_level_reconstructs(biort: str) -> None:
    """Low and high path together are a delta: `h0 * g0 + h1 * g1 = 1` in the z-domain."""
    bank = first_level(biort)
    path = np.convolve(bank.dec_lo, bank.rec_lo) + np.convolve(bank.dec_hi, bank.rec_hi)
    np.testing.assert_allclose(path, np.eye(1, path.size, path.size // 2)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("qshift", LATER_LEVELS)
def test_later_levels_equal_dtcwt(qshift: str) -> None:
    low_a, low_b, _, _, high_a, high_b, _, _ = (taps.ravel() for taps in dtcwt.coeffs.qshift(qshift))
    for ours, theirs in zip(later_levels(qshift), (low_a, low_b, high_a, high_b), strict=True):
        np.testing.assert_array_equal(ours, np.pad(theirs, (len(ours) - len(theirs)) // 2))


@pytest.mark.parametrize("qshift", LATER_LEVELS)
def test_later_levels_are_orthogonal(qshift: str) -> None:
    bank = later_levels(qshift)
    rows = [np.roll(np.pad(taps, (0, 30)), 2 * k) for taps in (bank.low_a, bank.high_a) for k in range(15)]
    np.testing.assert_allclose(np.inner(rows, rows), np.eye(len(rows)), rtol=0, atol=1e-13)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"biort must be one of antonini, legall, .*, got 'qshift_a'"):
        first_level("qshift_a")
    with pytest.raises(ValueError, match=r"qshift must be one of qshift_06, qshift_a, .*, got 'legall'"):
        later_levels("legall")
