"""Fourier transforms and filters against NumPy, and under every transformation of PyTorch."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.func import jvp, vmap

from subband.transforms import fourier_filter, irfft2, irfft2_parts, irfftn, rfft2, rfft2_parts, rfftn

SIZES = [(1, 1), (1, 2), (2, 1), (4, 4), (5, 7), (6, 5), (7, 8), (64, 33)]
METHODS = ["fft", "matrix"]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_axes_equal_numpy(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)))
    axes = data.draw(st.lists(st.integers(-len(shape), -1), min_size=1, unique=True))
    x = noise(*shape)
    spectrum = rfftn(x, axes)
    np.testing.assert_allclose(spectrum.numpy(), np.fft.rfftn(x.numpy(), axes=axes, norm="ortho"), atol=1e-12)
    torch.testing.assert_close(irfftn(spectrum, [shape[axis] for axis in axes], axes), x)


@pytest.mark.parametrize("size", SIZES)
def test_images_equal_numpy(size: tuple[int, int]) -> None:
    x = noise(2, 3, *size)
    expected = np.fft.rfft2(x.numpy(), norm="ortho")
    np.testing.assert_allclose(rfft2(x).numpy(), expected, atol=1e-12)
    torch.testing.assert_close(irfft2(rfft2(x), size), x)
    parts = rfft2_parts(x)
    np.testing.assert_allclose(parts.numpy(), np.stack([expected.real, expected.imag], -1), atol=1e-12)
    torch.testing.assert_close(irfft2_parts(parts, size), x)


@pytest.mark.parametrize("size", SIZES)
def test_only_the_symmetric_part_of_a_spectrum_counts(size: tuple[int, int]) -> None:
    """NumPy's two steps, complex along the height and then real along the width, are the definition."""
    height, width = size
    z = torch.complex(noise(2, height, width // 2 + 1), noise(2, height, width // 2 + 1, seed=1))
    expected = np.fft.irfft(np.fft.ifft(z.numpy(), axis=-2, norm="ortho"), width, axis=-1, norm="ortho")
    np.testing.assert_allclose(irfft2(z, size).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(irfft2_parts(torch.view_as_real(z), size).numpy(), expected, atol=1e-12)


def test_dtypes_and_autocast() -> None:
    x = noise(2, 5, 7)
    assert rfft2(x).dtype == torch.complex128
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        spectrum = rfft2(x.to(dtype))
        assert spectrum.dtype == torch.complex64
        assert torch.equal(spectrum, rfft2(x.to(dtype).float()))
        assert irfft2(spectrum, (5, 7)).dtype == torch.float32
        assert rfft2_parts(x.to(dtype)).dtype == dtype
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(irfft2(rfft2(x.float()), (5, 7)), x.float())
        torch.testing.assert_close(irfft2_parts(rfft2_parts(x.float()), (5, 7)), x.float())


def circular_convolution(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Sum over shifts with the kernel that the filter stands for, channel by channel."""
    size = x.shape[-2:]
    kernel = np.fft.irfft(np.fft.ifft(weight, axis=-2), size[1], axis=-1)
    result = np.zeros_like(x)
    for row in range(size[0]):
        for column in range(size[1]):
            result += kernel[..., row, column, None, None] * np.roll(x, (row, column), (-2, -1))
    return result


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 3)])
def test_filter_is_a_circular_convolution(method: str, size: tuple[int, int]) -> None:
    x, weight = noise(2, 3, *size), noise(3, size[0], size[1] // 2 + 1, 2, seed=1)
    expected = circular_convolution(x.numpy(), torch.view_as_complex(weight).numpy())
    np.testing.assert_allclose(fourier_filter(x, weight, method=method).numpy(), expected, atol=1e-12)
    behind = fourier_filter(x.permute(0, 2, 3, 1), weight.permute(1, 2, 0, 3), axes=(-3, -2), method=method)
    np.testing.assert_allclose(behind.permute(0, 3, 1, 2).numpy(), expected, atol=1e-12)
    transposed = fourier_filter(x.mT, weight.transpose(1, 2), axes=(-1, -2), method=method)
    np.testing.assert_allclose(transposed.mT.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_one_filter_for_all_channels(method: str) -> None:
    x, weight = noise(2, 3, 6, 5), noise(6, 3, 2, seed=1)
    expected = fourier_filter(x, weight.expand(2, 3, 6, 3, 2), method=method)
    torch.testing.assert_close(fourier_filter(x, weight, method=method), expected)
    torch.testing.assert_close(fourier_filter(x, weight.expand(3, 6, 3, 2), method=method), expected)


@pytest.mark.parametrize("method", METHODS)
def test_filter_keeps_dtypes(method: str) -> None:
    x, weight = noise(2, 3, 6, 5), noise(3, 6, 3, 2, seed=1)
    expected = fourier_filter(x, weight, method=method)
    for dtype in (torch.float32, torch.bfloat16):
        result = fourier_filter(x.to(dtype), weight.float(), method=method)
        assert result.dtype == dtype
        assert torch.equal(result, fourier_filter(x.to(dtype).float(), weight.float(), method=method).to(dtype))
    assert fourier_filter(x, weight.bfloat16(), method=method).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        result = fourier_filter(x.float(), weight.float(), method=method)
        torch.testing.assert_close(result, expected.float(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(4, 4), (3, 5)])
def test_filter_gradients(method: str, size: tuple[int, int]) -> None:
    x = noise(2, 2, *size).requires_grad_()
    weight = noise(2, size[0], size[1] // 2 + 1, 2, seed=1).requires_grad_()

    def function(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return fourier_filter(x, weight, method=method)

    assert gradcheck(function, (x, weight), check_forward_ad=True)
    assert gradgradcheck(function, (x, weight))


def test_entries_without_effect_have_no_gradient() -> None:
    weight = noise(4, 3, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(fourier_filter(noise(4, 4), weight).square().sum(), weight)
    assert gradient[[0, 0, 2, 2], [0, 2, 0, 2], 1].abs().max() < 1e-14
    assert gradient[..., 0].abs().min() > 1e-6


@pytest.mark.parametrize("forward", [rfft2, rfft2_parts])
def test_transform_gradients(forward: Callable) -> None:
    x = noise(2, 4, 5).requires_grad_()
    assert gradcheck(forward, (x,), check_forward_ad=True)
    assert gradgradcheck(forward, (x,))
    spectrum = forward(x).detach().requires_grad_()
    inverse = irfft2 if forward is rfft2 else irfft2_parts
    assert gradcheck(lambda z: inverse(z, (4, 5)), (spectrum,), check_forward_ad=True)
    assert gradgradcheck(lambda z: inverse(z, (4, 5)), (spectrum,))


@pytest.mark.parametrize("method", METHODS)
def test_batching_and_tangents(method: str) -> None:
    x, tangent, weight = noise(3, 2, 4, 5), noise(3, 2, 4, 5, seed=1), noise(3, 2, 4, 3, 2, seed=2)

    def function(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return fourier_filter(x, weight, method=method)

    torch.testing.assert_close(vmap(function)(x, weight), function(x, weight))
    torch.testing.assert_close(vmap(function, in_dims=(None, 0))(x[0], weight), function(x[:1].expand_as(x), weight))
    _, derivative = jvp(lambda t: function(t, weight[0]), (x,), (tangent,))
    torch.testing.assert_close(derivative, function(tangent, weight[0]))


def test_layouts_and_empty_batches() -> None:
    x, weight = noise(2, 3, 6, 8), noise(3, 6, 5, 2, seed=1)
    images = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(fourier_filter(images, weight), fourier_filter(x, weight))
    strided = noise(2, 3, 6, 16)[..., ::2]
    torch.testing.assert_close(rfft2(strided), rfft2(strided.contiguous()))
    empty = torch.zeros(0, 3, 6, 8, requires_grad=True)
    assert rfft2(empty).shape == (0, 3, 6, 5)
    assert irfft2(rfft2(empty), (6, 8)).shape == empty.shape
    for method in METHODS:
        result = fourier_filter(empty, weight.float(), method=method)
        assert result.shape == empty.shape
        result.sum().backward()
    assert empty.grad is not None


def test_errors() -> None:
    x = torch.zeros(2, 4, 6)
    z = rfft2(x)
    with pytest.raises(TypeError, match=r"x must be real, got torch\.complex64"):
        rfft2(z)
    with pytest.raises(TypeError, match=r"x must be floating or complex.*\.float\(\)"):
        rfftn(x.long())
    with pytest.raises(TypeError, match=r"spectrum must be complex, got torch\.float32"):
        irfft2(x, (4, 6))
    with pytest.raises(ValueError, match=r"at least one sample along axes \(-2, -1\)"):
        rfft2(torch.zeros(2, 0, 4))
    for size in ((4, 8), (5, 6), (4, 0)):
        with pytest.raises(ValueError, match=r"does not belong to a half spectrum of \(4, 4\)"):
            irfft2(z, size)
    with pytest.raises(ValueError, match=r"size must have one length per axis \(3\), got \(4, 6\)"):
        irfftn(z, (4, 6))
    with pytest.raises(ValueError, match="sides between 1 and 128, got 4x129"):
        rfft2_parts(torch.zeros(4, 129))
    with pytest.raises(ValueError, match="does not belong to parts of a half spectrum"):
        irfft2_parts(rfft2_parts(x), (4, 8))
    with pytest.raises(ValueError, match="method must be 'fft' or 'matrix', got 'dft'"):
        fourier_filter(x, torch.ones(4, 4, 2), method="dft")
    for shape in ((4, 6, 2), (4, 4), (3, 2, 4, 4, 2), (3, 4, 4, 2)):
        with pytest.raises(ValueError, match=r"weight must be broadcastable to \(2, 4, 4, 2\)"):
            fourier_filter(x, torch.ones(shape))
