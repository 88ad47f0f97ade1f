"""Cosine transforms against SciPy, and under every transformation of PyTorch."""

import math

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.func import jvp, vmap

from subband.transforms import dct, dct2, dctn, idct, idct2, idctn

TYPES, NORMS = [2, 3], ["ortho", None]
LENGTHS = [1, 2, 3, 5, 8, 31, 127, 128, 129, 200, 257, 1024]  # around the length where the method changes
OURS = {"dct": dct, "idct": idct}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def assert_equal(result: torch.Tensor, expected: np.ndarray, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(result.numpy(), expected, rtol=0, atol=tolerance * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("norm", NORMS)
def test_every_length_equals_scipy(name: str, type_: int, norm: str | None) -> None:
    for length in LENGTHS:
        x = noise(3, length)
        expected = getattr(scipy.fft, name)(x.numpy(), type=type_, norm=norm)
        assert_equal(OURS[name](x, type_, norm=norm), expected)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_axes_equal_scipy(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.sampled_from([1, 2, 3, 6, 7, 130, 131]), min_size=1, max_size=3)))
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
    axes = [axis - len(shape) if data.draw(st.booleans()) else axis for axis in axes]
    type_, norm = data.draw(st.sampled_from(TYPES)), data.draw(st.sampled_from(NORMS))
    x = noise(*shape)
    y = dctn(x, type_, norm=norm, axes=axes)
    assert_equal(y, scipy.fft.dctn(x.numpy(), type=type_, norm=norm, axes=axes))
    assert_equal(idctn(x, type_, norm=norm, axes=axes), scipy.fft.idctn(x.numpy(), type=type_, norm=norm, axes=axes))
    torch.testing.assert_close(idctn(y, type_, norm=norm, axes=axes), x, rtol=0, atol=1e-12)
    assert y.is_contiguous()


def test_two_axes_and_all_axes() -> None:
    x = noise(2, 9, 140)
    assert_equal(dct2(x), scipy.fft.dctn(x.numpy(), axes=(1, 2), norm="ortho"))
    assert_equal(dct2(x, 3, norm=None, axes=(2, 0)), scipy.fft.dctn(x.numpy(), 3, axes=(0, 2)))
    assert_equal(idct2(x, axes=(0, 1)), scipy.fft.idctn(x.numpy(), axes=(0, 1), norm="ortho"))
    assert_equal(dctn(x), scipy.fft.dctn(x.numpy(), norm="ortho"))
    assert_equal(dct(x, axis=1), scipy.fft.dct(x.numpy(), axis=1, norm="ortho"))


def test_plain_inverse_undoes_the_plain_transform_as_in_torch_dct() -> None:
    """torch_dct's idct with norm=None is the exact inverse of its dct, the sum without factors below."""
    x = noise(11)
    index = np.arange(11)
    sums = 2 * np.cos(math.pi * index[:, None] * (2 * index + 1) / 22) @ x.numpy()
    assert_equal(dct(x, norm=None), sums)
    torch.testing.assert_close(idct(torch.from_numpy(sums), norm=None), x)


@pytest.mark.parametrize("length", [6, 150])
def test_dtypes(length: int) -> None:
    x = noise(4, length)
    expected = dct(x)
    assert dct(x.float()).dtype == torch.float32
    torch.testing.assert_close(dct(x.float()), expected.float(), rtol=0, atol=2e-6)
    for dtype in (torch.bfloat16, torch.float16):
        result = dct(x.to(dtype))
        assert result.dtype == dtype
        assert torch.equal(result, dct(x.to(dtype).float()).to(dtype))
    z = torch.complex(x, x.flip(0))
    torch.testing.assert_close(dct(z), torch.complex(expected, expected.flip(0)))
    assert_equal(dct(z), scipy.fft.dct(z.numpy(), norm="ortho"))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(dct(x.float()), dct(x.float()))
        torch.testing.assert_close(dct(x.float()), expected.float(), rtol=0, atol=2e-6)


@pytest.mark.parametrize("shape", [(3, 10, 12), (2, 130, 133), (2, 9, 140)])
def test_memory_layouts(shape: tuple[int, ...]) -> None:
    x = noise(*shape)
    for view in (x.mT.contiguous().mT, noise(shape[0], shape[1], 2 * shape[2])[..., ::2], x[:1].expand(shape)):
        torch.testing.assert_close(dct2(view), dct2(view.contiguous()), rtol=0, atol=1e-13)
    images = noise(2, 3, *shape[-2:]).to(memory_format=torch.channels_last)
    torch.testing.assert_close(idct2(images), idct2(images.contiguous()), rtol=0, atol=1e-13)


def test_empty_batches() -> None:
    for length in (5, 200):
        x = torch.zeros(0, 3, length, requires_grad=True)
        for function in (dct, idct, dct2):
            assert function(x).shape == x.shape
        dct(x).sum().backward()
        assert x.grad is not None
        assert x.grad.shape == x.shape


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("shape", "axes"), [((2, 3, 4), (-2, -1)), ((2, 5), (0,))])
def test_gradients(type_: int, norm: str | None, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    x = noise(*shape).requires_grad_()
    for function in (dctn, idctn):
        assert gradcheck(lambda t, f=function: f(t, type_, norm=norm, axes=axes), (x,), check_forward_ad=True)
        assert gradgradcheck(lambda t, f=function: f(t, type_, norm=norm, axes=axes), (x,))


@pytest.mark.parametrize("type_", TYPES)
def test_gradients_of_long_axes(type_: int) -> None:
    x = noise(1, 129, 2).requires_grad_()
    assert gradcheck(lambda t: dct(t, type_, norm=None, axis=1), (x,), check_forward_ad=True, fast_mode=True)
    assert gradgradcheck(lambda t: dct(t, type_, axis=1), (x,), fast_mode=True)
    z = torch.complex(noise(2, 130), noise(2, 130, seed=1)).requires_grad_()
    assert gradcheck(lambda t: idct(t, type_), (z,), fast_mode=True)
    y = noise(130, 132).requires_grad_()
    (gradient,) = torch.autograd.grad(dct2(y).square().sum(), y)
    torch.testing.assert_close(gradient, 2 * y)


@pytest.mark.parametrize("length", [7, 135])
def test_batching_and_tangents(length: int) -> None:
    x, tangent = noise(3, 2, length), noise(3, 2, length, seed=1)
    torch.testing.assert_close(vmap(dct)(x), dct(x))
    torch.testing.assert_close(vmap(lambda t: dct(t, axis=0), in_dims=1)(x.mT), dct(x.mT, axis=0).movedim(1, 0))
    value, derivative = jvp(dct, (x,), (tangent,))
    torch.testing.assert_close(value, dct(x))
    torch.testing.assert_close(derivative, dct(tangent))


def test_energy_is_kept() -> None:
    x = noise(2, 3, 130, 9)
    torch.testing.assert_close(dct2(x).square().sum((-2, -1)), x.square().sum((-2, -1)))


def test_errors() -> None:
    x = torch.zeros(2, 3)
    with pytest.raises(TypeError, match=r"x must be floating or complex.*\.float\(\)"):
        dct(torch.zeros(3, dtype=torch.uint8))
    with pytest.raises(ValueError, match="type must be 2 or 3, got 1"):
        dct(x, 1)
    with pytest.raises(ValueError, match="norm must be 'ortho' or None, got 'forward'"):
        idctn(x, norm="forward")
    with pytest.raises(ValueError, match=r"axes must lie within the 2 axes of the tensor, got \(2,\)"):
        dct(x, axis=2)
    with pytest.raises(ValueError, match="axes must be different from each other"):
        dct2(x, axes=(1, -1))
    with pytest.raises(ValueError, match=r"axes must be two axes, got \(1,\)"):
        dct2(x, axes=(1,))
    with pytest.raises(ValueError, match=r"at least one sample along axes \(-1,\)"):
        dct(torch.zeros(2, 0))
