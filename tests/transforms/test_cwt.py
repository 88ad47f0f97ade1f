"""The continuous wavelet transform, against PyWavelets."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import pywt
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from subband.transforms import central_frequency, cwt, scale2frequency

FAMILIES = ["mexh", "morl", "gaus1", "gaus8", "cgau2", "cgau7", "cmor1.5-1.0", "shan0.5-2.0", "fbsp2-1.0-0.5"]
EVERY_NAME = [
    *("mexh", "morl", *(f"gaus{n}" for n in range(1, 9)), *(f"cgau{n}" for n in range(1, 9))),
    *("cmor1.5-1.0", "cmor0.7-2.5", "shan1.5-1.0", "shan0.5-2.0", "fbsp1-1.5-1.0", "fbsp2-1.0-0.5", "fbsp3-0.8-1.2"),
]
SCALES = (1.0, 2.5, 7.0, 40.0)


def normal(rng: torch.Generator, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=rng, dtype=dtype)


def assert_equals_pywavelets(x: Tensor, wavelet: str, method: str) -> None:
    expected, frequencies = pywt.cwt(x.numpy(), np.array(SCALES), wavelet, 0.25, method="fft")
    ours, ours_frequencies = cwt(x, SCALES, wavelet, 0.25, method)
    assert ours.numpy().dtype == expected.dtype
    np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    np.testing.assert_allclose(ours_frequencies.numpy(), frequencies, rtol=1e-14)


@pytest.mark.parametrize("wavelet", FAMILIES)
@pytest.mark.parametrize("method", ["fft", "conv"])
def test_equals_pywavelets(wavelet: str, method: str, rng: torch.Generator) -> None:
    for length in (1, 5, 100):
        assert_equals_pywavelets(normal(rng, 2, length), wavelet, method)
    assert_equals_pywavelets(normal(rng, 33, dtype=torch.complex128), wavelet, method)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fft", "conv"])
def test_equals_pywavelets_for_every_name(method: str, rng: torch.Generator, case: Callable) -> None:
    lengths, dtypes = (1, 2, 3, 8, 31, 257, 1024), (torch.float64, torch.complex128)
    for wavelet, length, dtype in itertools.product(EVERY_NAME, lengths, dtypes):
        with case(wavelet, length, dtype):
            assert_equals_pywavelets(normal(rng, 3, length, dtype=dtype), wavelet, method)


def test_many_large_scales_at_once(rng: torch.Generator) -> None:
    """More work than fits into one chunk of scales."""
    x, scales = normal(rng, 8, 2000), np.geomspace(2, 500, 40)
    expected, _ = pywt.cwt(x.numpy(), scales, "morl", method="fft")
    np.testing.assert_allclose(cwt(x, scales, "morl")[0].numpy(), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("axis", [0, 1, -2, -1])
def test_any_axis(axis: int, rng: torch.Generator) -> None:
    x = normal(rng, 9, 3, 12).transpose(0, 1)
    expected, _ = pywt.cwt(x.numpy(), SCALES, "cmor1.5-1.0", axis=axis)
    np.testing.assert_allclose(cwt(x, SCALES, "cmor1.5-1.0", axis=axis)[0].numpy(), expected, rtol=0, atol=1e-12)


def test_scales_in_every_form_and_precision(rng: torch.Generator) -> None:
    x = normal(rng, 64)
    expected, _ = pywt.cwt(x.numpy(), [3], "mexh", precision=9)
    for scales in (3, 3.0, [3], np.array([3.0]), torch.tensor([3])):
        np.testing.assert_allclose(cwt(x, scales, "mexh", precision=9)[0].numpy(), expected, rtol=0, atol=1e-12)


def test_wavelet_as_object(rng: torch.Generator) -> None:
    """An object is read anew every time, since its attributes can be set."""
    x, wavelet = normal(rng, 64), pywt.ContinuousWavelet("cmor1.5-1.0")
    for center in (1.0, 2.0):
        wavelet.center_frequency = center
        expected, frequencies = pywt.cwt(x.numpy(), [2, 5], wavelet)
        ours, ours_frequencies = cwt(x, [2, 5], wavelet)
        np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(ours_frequencies.numpy(), frequencies, rtol=1e-14)


@pytest.mark.parametrize("wavelet", EVERY_NAME)
def test_frequencies_equal_pywavelets(wavelet: str) -> None:
    assert central_frequency(wavelet) == pywt.central_frequency(wavelet)
    assert scale2frequency(wavelet, 3.0, precision=10) == pywt.scale2frequency(wavelet, 3.0, precision=10)
    assert scale2frequency(wavelet, torch.tensor([2.0, 4.0])).shape == (2,)


def test_single_precision_is_nearer_to_the_truth_than_pywavelets(rng: torch.Generator) -> None:
    x = normal(rng, 500)
    exact = pywt.cwt(x.numpy(), SCALES, "morl")[0]
    theirs = pywt.cwt(x.float().numpy(), SCALES, "morl")[0]
    ours, frequencies = cwt(x.float(), SCALES, "morl")
    assert (ours.dtype, frequencies.dtype) == (torch.float32, torch.float32)
    assert np.abs(ours.numpy() - exact).max() < 1e-5
    assert np.abs(ours.numpy() - exact).max() < np.abs(theirs - exact).max()


def test_half_precision(rng: torch.Generator) -> None:
    x = normal(rng, 2, 40, dtype=torch.float32)
    for dtype in (torch.bfloat16, torch.float16):
        real, whole = cwt(x.to(dtype), SCALES, "morl")[0], cwt(x.to(dtype), SCALES, "cmor1.5-1.0")[0]
        assert (real.dtype, whole.dtype) == (dtype, torch.complex64)
        torch.testing.assert_close(real, cwt(x.to(dtype).float(), SCALES, "morl")[0].to(dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = cwt(x, SCALES, "morl", method="conv")[0]
    torch.testing.assert_close(inside, cwt(x, SCALES, "morl", method="conv")[0], rtol=0, atol=0)


@pytest.mark.parametrize("method", ["fft", "conv"])
def test_empty_batch(method: str) -> None:
    for wavelet, dtype in (("morl", torch.float32), ("cmor1.5-1.0", torch.complex64)):
        coefficients, _ = cwt(torch.empty(0, 3, 16), SCALES, wavelet, method=method)
        assert (coefficients.shape, coefficients.dtype) == ((4, 0, 3, 16), dtype)


@pytest.mark.parametrize("wavelet", ["gaus2", "cmor1.5-1.0"])
@pytest.mark.parametrize("method", ["fft", "conv"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_gradients(wavelet: str, method: str, dtype: torch.dtype, rng: torch.Generator) -> None:
    x = normal(rng, 2, 7, dtype=dtype).requires_grad_()

    def transform(x: Tensor) -> Tensor:
        return cwt(x, (1.0, 3.0), wavelet, method=method)[0]

    assert gradcheck(transform, (x,), check_forward_ad=True)
    assert gradgradcheck(transform, (x,), fast_mode=True)


@pytest.mark.parametrize("wavelet", ["morl", "cgau3"])
@pytest.mark.parametrize("method", ["fft", "conv"])
def test_vmap_and_jvp_follow_the_batch(wavelet: str, method: str, rng: torch.Generator) -> None:
    x, tangent = normal(rng, 3, 2, 20), normal(rng, 3, 2, 20)

    def transform(x: Tensor) -> Tensor:
        return cwt(x, SCALES, wavelet, method=method)[0]

    torch.testing.assert_close(torch.func.vmap(transform, out_dims=1)(x), transform(x), rtol=0, atol=1e-12)
    _, along = torch.func.jvp(transform, (x,), (tangent,))
    torch.testing.assert_close(along, transform(tangent), rtol=0, atol=1e-12)  # the transform is linear


def test_bad_input_is_refused() -> None:
    x = torch.zeros(16)
    with pytest.raises(TypeError, match=r"x must be floating or complex.*\.float\(\)"):
        cwt(x.int(), [1], "morl")
    with pytest.raises(ValueError, match=r"wavelet 'mrol' is not a continuous wavelet; closest are .*morl"):
        cwt(x, [1], "mrol")
    with pytest.raises(ValueError, match=r"wavelet 'db2' is not a continuous wavelet"):
        central_frequency("db2")
    with pytest.raises(ValueError, match=r"scales must be one or more positive numbers, got \(1.0, -2.0\)"):
        cwt(x, [1, -2], "morl")
    with pytest.raises(ValueError, match=r"scales must be one or more positive numbers, got \(\)"):
        cwt(x, [], "morl")
    with pytest.raises(ValueError, match=r"scales must be larger than 0.0625 for wavelet morl, got 0.05"):
        cwt(x, [1, 0.05], "morl")
    with pytest.raises(ValueError, match=r"scales must not require a gradient"):
        cwt(x, torch.ones(2, requires_grad=True), "morl")
    with pytest.raises(ValueError, match=r"method must be fft or conv, got 'auto'"):
        cwt(x, [1], "morl", method="auto")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"axis must lie within the 1 axes of the tensor"):
        cwt(x, [1], "morl", axis=1)
    with pytest.raises(ValueError, match=r"x must have at least one sample along axis -1, got shape \(0,\)"):
        cwt(x[:0], [1], "morl")
