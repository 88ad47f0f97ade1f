"""Levels and shapes in plain integers, against PyWavelets."""

import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from subband.transforms import MODES, Wavelet, dwt_coeff_len, dwt_max_level, wavedecn, wavedecn_shapes

pytestmark = pytest.mark.filterwarnings("ignore:.*(boundary effects|border reaches):UserWarning")


def test_largest_level() -> None:
    for length in (1, 2, 3, 7, 8, 63, 64, 65, 1000, 2**31):
        for filter_len in (2, 4, 10, 76):
            assert dwt_max_level(length, filter_len) == pywt.dwt_max_level(length, filter_len)
    assert dwt_max_level(100, "db4") == dwt_max_level(100, Wavelet("db4")) == pywt.dwt_max_level(100, "db4")


def test_number_of_coefficients() -> None:
    for mode in MODES:
        for length in (1, 2, 7, 8, 33):
            for filter_len in (2, 4, 10):
                assert dwt_coeff_len(length, filter_len, mode) == pywt.dwt_coeff_len(length, filter_len, mode)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(3, 40), min_size=1, max_size=4),
    wavelet=st.sampled_from(["haar", "db3"]),
    mode=st.sampled_from(MODES),
    level=st.integers(0, 3),
    data=st.data(),
)
def test_shapes(shape: list[int], wavelet: str, mode: str, level: int, data: st.DataObject) -> None:
    axes = tuple(data.draw(st.permutations(range(len(shape)))))[: data.draw(st.integers(1, len(shape)))]
    shapes = wavedecn_shapes(shape, wavelet, mode, level, axes)
    assert shapes == pywt.wavedecn_shapes(tuple(shape), wavelet, mode, level, axes)


def test_shapes_are_those_of_the_transform() -> None:
    """Also with one wavelet per axis, where PyWavelets counts levels with the shortest axis and the longest filter."""
    coeffs = wavedecn(torch.zeros(64, 9, 16), ("db4", "haar"), axes=(0, 2))
    shapes = wavedecn_shapes((64, 9, 16), ("db4", "haar"), axes=(0, 2))
    assert coeffs.level == 3
    assert [coeffs.approx.shape] == shapes[:1]
    assert [{key: tuple(band.shape) for key, band in item.items()} for item in coeffs.details] == shapes[1:]
    assert wavedecn_shapes((4, 9), "haar", level=1, axes=-1) == [(4, 5), {"d": (4, 5)}]


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"filter_len must be at least 2, got 1"):
        dwt_max_level(10, 1)
    with pytest.raises(ValueError, match=r"data_len and filter_len must be at least 1, got 0 and 2"):
        dwt_coeff_len(0, 2)
    with pytest.raises(ValueError, match=r"mode must be one of"):
        dwt_coeff_len(4, 2, "mirror")
    with pytest.raises(ValueError, match=r"level must not be negative, got -2"):
        wavedecn_shapes((8, 8), "haar", level=-2)
