"""Wavelet filter banks."""

import pytest
import pywt
import torch

from subband.transforms import Wavelet, dwt
from subband.transforms.filters import HAAR, FilterBank, filter_banks


@pytest.mark.parametrize("name", ["haar", "db1", "bior1.1", "rbio1.1"])
def test_two_taps_are_haar(name: str) -> None:
    assert filter_banks(name, 2) == (HAAR, HAAR)
    assert [list(taps) for taps in HAAR] == [list(taps) for taps in pywt.Wavelet(name).filter_bank]


def test_every_discrete_wavelet_has_its_taps_and_an_even_length() -> None:
    for name in pywt.wavelist(kind="discrete"):
        wavelet = Wavelet(name)
        assert [list(taps) for taps in wavelet.filter_bank] == [list(taps) for taps in pywt.Wavelet(name).filter_bank]
        assert wavelet.dec_len == wavelet.rec_len == len(wavelet.dec_lo)
        assert wavelet.dec_len % 2 == 0


def test_one_wavelet_per_axis() -> None:
    assert filter_banks(("db7", "haar"), 2) == (Wavelet("db7").filter_bank, HAAR)


def test_a_wavelet_may_be_given_in_many_ways(rng: torch.Generator) -> None:
    x = torch.randn(3, 21, generator=rng, dtype=torch.float64)
    reference = pywt.Wavelet("bior2.2")
    taps = [torch.tensor(taps, dtype=torch.float64, requires_grad=True) for taps in reference.filter_bank]
    expected = pywt.dwt(x.numpy(), reference)
    for wavelet in (
        "bior2.2",
        Wavelet("bior2.2"),
        reference,
        reference.filter_bank,
        tuple(taps),
        FilterBank(*taps),
        ["bior2.2"],
        (reference,),
        Wavelet("mine", reference.filter_bank),
    ):
        for band, numbers in zip(dwt(x, wavelet), expected, strict=True):
            torch.testing.assert_close(band.detach(), torch.from_numpy(numbers), rtol=0, atol=1e-12)


def test_a_reversed_bank_swaps_analysis_and_synthesis() -> None:
    bank = Wavelet("db3").filter_bank  # orthogonal: its synthesis is its transposed analysis
    for taps, expected in zip(bank.time_reversed(), bank, strict=True):
        assert taps == pytest.approx(expected, abs=1e-12)


def test_wavelets_compare_and_hash_by_name_and_taps() -> None:
    assert Wavelet("db2") == Wavelet("db2")
    assert len({Wavelet("db2"), Wavelet("db2"), Wavelet("db3")}) == 2
    assert repr(Wavelet("db2")) == "Wavelet('db2')"


def test_unknown_wavelet_names_the_closest() -> None:
    with pytest.raises(ValueError, match=r"'dab4' is not a discrete wavelet; closest are .*db4"):
        filter_banks("dab4", 1)
    with pytest.raises(ValueError, match="not a discrete wavelet"):
        Wavelet("morl")  # continuous


def test_taps_that_do_not_fit_together() -> None:
    with pytest.raises(ValueError, match=r"same even number of taps .*\[2, 2, 2, 4\]"):
        filter_banks(([1, 1], [1, -1], [1, 1], [1, 1, 0, 0]), 1)
    with pytest.raises(ValueError, match=r"\[3, 3, 3, 3\]"):
        Wavelet("odd", [[1.0, 2.0, 1.0]] * 4)
    with pytest.raises(ValueError, match="four lists of taps"):
        Wavelet("half", [[1.0, 1.0], [1.0, -1.0]])
    with pytest.raises(ValueError, match="dec_hi must be a 1-D tensor"):
        filter_banks((torch.ones(2), torch.ones(1, 2).expand(2, 2), torch.ones(2), torch.ones(2)), 1)
    with pytest.raises(TypeError, match="four lists of taps, got int"):
        filter_banks(3, 1)
    with pytest.raises(ValueError, match=r"one per axis \(2\), got 3"):
        filter_banks(("haar", "db2", "db3"), 2)
