"""The filter bank kernels of the CPU, against PyWavelets in both precisions and in every memory layout."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import pywt
import torch
from torch import Tensor

from subband.transforms import MODES, _memory_layout, separable
from subband.transforms._filter_bank import Axis, analysis, synthesis
from subband.transforms.filters import filter_banks

CASES = [((2, 13), (-1,)), ((3, 9, 14), (-2, -1)), ((2, 3, 7, 10), (-3, -1)), ((2, 12, 5, 4), (-3, -2))]
MORE_CASES = [((1, 40, 37), (-1, -2)), ((5, 6, 7), (-3, -2, -1)), ((2, 2, 2, 9), (-2, -1))]
PRECISIONS = [(torch.float64, 2e-12), (torch.float32, 2e-5)]


def make_axes(wavelet: str, mode: str, axes: tuple[int, ...]) -> list[Axis]:
    return [Axis(axis, bank, mode) for axis, bank in zip(axes, filter_banks(wavelet, len(axes)), strict=True)]


def check(x: Tensor, wavelet: str, mode: str, axes: tuple[int, ...], tolerance: float) -> None:
    parsed, keys = make_axes(wavelet, mode, axes), ["".join(key) for key in product("ad", repeat=len(axes))]
    bands = analysis(x, parsed, None)
    expected = pywt.dwtn(x.numpy(), wavelet, mode, axes=axes)
    scale = max(1.0, *(np.abs(band).max() for band in expected.values()))
    for key, band in zip(keys, bands, strict=True):
        assert band.shape == expected[key].shape
        assert np.abs(band.numpy() - expected[key]).max() < tolerance * scale
    for stack in (-1, -2, -x.ndim - 1):
        assert torch.equal(analysis(x, parsed, stack), torch.stack(bands, stack))
    signal = synthesis(bands, parsed)
    inverse = pywt.idwtn({key: band.numpy() for key, band in zip(keys, bands, strict=True)}, wavelet, mode, axes=axes)
    assert np.abs(signal.numpy() - inverse).max() < tolerance * max(1.0, np.abs(inverse).max())


def check_adjoint(x: Tensor, wavelet: str, mode: str, axes: tuple[int, ...], tolerance: float) -> None:
    parsed = make_axes(wavelet, mode, axes)
    generator = torch.Generator().manual_seed(1)
    grads = [torch.randn(band.shape, generator=generator, dtype=x.dtype) for band in analysis(x, parsed, None)]
    reversed_axes = [axis._replace(bank=axis.bank.time_reversed()) for axis in parsed]
    result = synthesis(grads, reversed_axes, [x.shape[axis] for axis in axes])
    expected: list[Tensor] = grads
    for axis in reversed(parsed):
        pairs, length = zip(expected[::2], expected[1::2], strict=True), x.shape[axis.axis]
        expected = [separable.analyze_adjoint(*pair, axis.bank, axis.mode, axis.axis, length) for pair in pairs]
    torch.testing.assert_close(result, expected[0], rtol=0, atol=tolerance * max(1.0, expected[0].abs().max().item()))


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("wavelet", ["haar", "db2", "bior4.4"])
def test_agrees_with_pywavelets(
    wavelet: str, dtype: torch.dtype, tolerance: float, rng: torch.Generator, case: Callable
) -> None:
    for mode, (shape, axes) in product(MODES, CASES):
        x = torch.randn(shape, generator=rng, dtype=dtype)
        with case(mode, shape, axes):
            check(x, wavelet, mode, axes, tolerance)
            check_adjoint(x, wavelet, mode, axes, tolerance)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("wavelet", ["db4", "db12", "sym5", "db20", "db38", "rbio3.1"])
def test_more_wavelets_agree_with_pywavelets(
    wavelet: str, dtype: torch.dtype, tolerance: float, rng: torch.Generator, case: Callable
) -> None:
    # The adjoint of 76 taps takes seconds for every case.
    cases = (CASES + MORE_CASES)[:: 3 if wavelet == "db38" else 1]
    # Long filters extrapolate a short signal far beyond its ends in mode `smooth`, where both lose digits.
    for mode, (shape, axes) in product(MODES, cases):
        x = torch.randn(shape, generator=rng, dtype=dtype)
        with case(mode, shape, axes):
            check(x, wavelet, mode, axes, 10 * tolerance)
            check_adjoint(x, wavelet, mode, axes, 10 * tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_channels_last_stays_channels_last(dtype: torch.dtype, rng: torch.Generator) -> None:
    x = torch.randn(2, 5, 9, 12, generator=rng, dtype=dtype)
    wide = x.contiguous(memory_format=torch.channels_last)
    axes = make_axes("db3", "reflect", (-2, -1))
    bands, expected = analysis(wide, axes, None), analysis(x, axes, None)
    for band, reference in zip(bands, expected, strict=True):
        assert band.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(band, reference)
    signal = synthesis(bands, axes)
    assert signal.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(signal, synthesis(expected, axes))


@pytest.mark.parametrize("stack", [None, 0, 1, 2, 3])
def test_chunks_do_not_matter(stack: int | None, rng: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(7, 3, 8, 10, generator=rng)
    axes = make_axes("db2", "smooth", (-2, -1))
    position = None if stack is None else stack - 5
    whole = analysis(x, axes, position)
    signal = synthesis(whole if stack is None else whole.unbind(position), axes)
    monkeypatch.setattr(_memory_layout, "_CHUNK_BYTES", 4 * 8 * 10 * 4)  # four planes, which do not divide 21
    torch.testing.assert_close(analysis(x, axes, position), whole)
    torch.testing.assert_close(synthesis(whole if stack is None else whole.unbind(position), axes), signal)
