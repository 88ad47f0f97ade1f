"""Wavelet filter banks."""

import pytest
import pywt

from subband.transforms.filters import HAAR, filter_bank, filter_banks


@pytest.mark.parametrize("name", ["haar", "db1", "bior1.1", "rbio1.1"])
def test_two_taps_are_haar(name: str) -> None:
    assert filter_bank(name) is HAAR
    assert [list(taps) for taps in HAAR] == [list(taps) for taps in pywt.Wavelet(name).filter_bank]


def test_every_discrete_wavelet_has_its_taps_and_an_even_length() -> None:
    for name in pywt.wavelist(kind="discrete"):
        bank = filter_bank(name)
        assert [list(taps) for taps in bank] == [list(taps) for taps in pywt.Wavelet(name).filter_bank]
        assert len(bank.dec_lo) % 2 == 0


def test_lookup_is_cached() -> None:
    assert filter_bank("db7") is filter_bank("db7")
    assert filter_banks(("db7", "haar")) == (filter_bank("db7"), HAAR)


def test_unknown_wavelet_names_the_closest() -> None:
    with pytest.raises(ValueError, match=r"'dab4' is not a discrete wavelet; closest are .*db4"):
        filter_bank("dab4")
    with pytest.raises(ValueError, match="not a discrete wavelet"):
        filter_bank("morl")  # continuous
