"""Circular filter banks: both kernels, the adjoint pair and the cache blocks, against the defining sums."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import pywt
import torch
from torch import Tensor

from subband.transforms import _circular_kernels as kernels
from subband.transforms._circular import CircularAnalysis, CircularSynthesis, circular


def random_filters(num_taps: int, num_axes: int) -> tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]:
    numbers = np.random.default_rng(num_taps).standard_normal((num_axes, 2, num_taps))
    return tuple((tuple(low), tuple(high)) for low, high in numbers.tolist())


def filtered(x: Tensor, taps: tuple[float, ...], axis: int, step: int, center: int) -> Tensor:
    return sum(tap * x.roll(-step * (m - center), axis) for m, tap in enumerate(taps))


def bands_by_definition(x: Tensor, analysis: CircularAnalysis) -> list[Tensor]:
    bands = [x]
    for pair, axis in zip(analysis.filters, analysis.axes, strict=True):
        bands = [filtered(band, taps, axis, analysis.step, len(taps) // 2 - 1) for band in bands for taps in pair]
    return bands


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_both_forms_are_the_defining_sum(dtype: torch.dtype, rng: torch.Generator, case: Callable) -> None:
    signals = [
        ((3, 16), (-1,), 1),
        ((3, 16), (-1,), 8),
        ((16, 9), (-2,), 2),
        ((4, 8, 16), (-1, -3), 1),
        ((8, 8, 8), (-2, -3, -1), 4),
    ]
    for num_taps, (shape, axes, step) in itertools.product((2, 6, 26), signals):
        with case(f"{num_taps} taps", shape, axes, step):
            check_both_forms(dtype, num_taps, shape, axes, step, rng)


def check_both_forms(
    dtype: torch.dtype, num_taps: int, shape: tuple[int, ...], axes: tuple[int, ...], step: int, rng: torch.Generator
) -> None:
    x = torch.randn(shape, generator=rng, dtype=dtype)
    analysis = CircularAnalysis(random_filters(num_taps, len(axes)), axes, step)
    expected = bands_by_definition(x, analysis)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-4
    scale = max(float(band.abs().max()) for band in expected)
    for bands in (analysis.eager(x), analysis.traced(x)):
        for band, wanted in zip(bands, expected, strict=True):
            torch.testing.assert_close(band, wanted, rtol=0, atol=tolerance * scale)
    others = [torch.randn(shape, generator=rng, dtype=dtype) for _ in expected]
    left = sum((band * other).sum() for band, other in zip(expected, others, strict=True))
    synthesis = analysis.adjoint(x.shape)
    for total in (synthesis.eager(*others), synthesis.traced(*others)):
        torch.testing.assert_close((x * total).sum(), left, rtol=100 * tolerance, atol=100 * tolerance * scale)
    assert synthesis.adjoint() == analysis


@pytest.mark.parametrize("block", [1, 50, 100, 1 << 17])
def test_haar_in_blocks_of_any_size(
    block: int, rng: torch.Generator, case: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "_BLOCK", block)
    for axes, step in itertools.product([(-1,), (-2,), (-1, -2), (-3, -1, -2)], (1, 2, 4)):
        with case(axes, step):
            check_haar(axes, step, rng)


def check_haar(axes: tuple[int, ...], step: int, rng: torch.Generator) -> None:
    x = torch.randn(2, 8, 16, 8, generator=rng, dtype=torch.float64)
    analysis = CircularAnalysis((((0.5, 0.5), (0.5, -0.5)),) * len(axes), axes, step)
    bands = analysis.eager(x)
    for band, wanted in zip(bands, bands_by_definition(x, analysis), strict=True):
        torch.testing.assert_close(band, wanted, rtol=0, atol=1e-14)
    others = tuple(torch.randn(x.shape, generator=rng, dtype=torch.float64) for _ in bands)
    synthesis = analysis.adjoint()
    torch.testing.assert_close(synthesis.eager(*others), synthesis.traced(*others), rtol=0, atol=1e-13)


@pytest.mark.parametrize("block", [1, 30, 1 << 17])
def test_sums_in_blocks_of_any_size(block: int, rng: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_BLOCK", block)
    x = torch.randn(3, 12, 5, generator=rng, dtype=torch.float64)
    for axis in (-1, -2, -3):
        analysis = CircularAnalysis(random_filters(4, 1), (axis,), 1)
        for band, wanted in zip(analysis.eager(x), bands_by_definition(x, analysis), strict=True):
            torch.testing.assert_close(band, wanted, rtol=0, atol=1e-13)


def test_haar_is_recognized_up_to_scale_and_nothing_else_is() -> None:
    bank = pywt.Wavelet("haar")
    pair = (tuple(bank.dec_lo[::-1]), tuple(bank.dec_hi[::-1]))
    assert CircularAnalysis((pair,) * 2, (-2, -1), 1).haar_scale(1.0) == pytest.approx(0.5)
    assert CircularAnalysis((pair, random_filters(2, 1)[0]), (-2, -1), 1).haar_scale(1.0) is None
    assert CircularSynthesis((pair,), (-1,), 1).haar_scale(-1.0) is None
    assert CircularAnalysis((((1.0, 2.0), (1.0, -2.0)),), (-1,), 1).haar_scale(1.0) is None


def test_a_filter_of_zeros_gives_zeros() -> None:
    low, high = circular(CircularAnalysis((((1.0, 1.0), (0.0, 0.0)),), (-1,), 1), torch.ones(2, 4))
    assert torch.equal(low, torch.full((2, 4), 2.0))
    assert torch.equal(high, torch.zeros(2, 4))


def test_orders_of_keys_are_inverse_to_each_other() -> None:
    for num_axes in (1, 2, 3):
        keys = list(itertools.product("ad", repeat=num_axes))
        for axes in itertools.permutations(range(-num_axes, 0)):
            outer = kernels.outermost_first(keys, axes)
            for key, sorted_key in zip(outer, keys, strict=True):
                assert [key[axes.index(axis)] for axis in range(-num_axes, 0)] == list(sorted_key)
            assert list(kernels.as_keys_of(outer, axes)) == keys
