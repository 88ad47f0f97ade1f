"""The Haar butterflies: eager and traced kernels agree with each other and with the general filters."""

import itertools

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from subband.transforms.filters import HAAR
from subband.transforms.haar import (
    _analysis_eager,
    _analysis_traced,
    _synthesis_traced,
    haar_analysis,
    haar_synthesis,
    halves,
    interleave,
)
from subband.transforms.separable import analyze

AXES = [(-1,), (-2,), (-2, -1), (-1, -2), (-3, -2, -1), (-1, -3, -2), (-2, -3)]


@pytest.fixture
def x(rng: torch.Generator) -> torch.Tensor:
    return torch.randn(2, 3, 4, 6, 8, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("stack", [None, -1, -4])
def test_kernels_agree_with_the_general_filter(x: torch.Tensor, axes: tuple[int, ...], stack: int | None) -> None:
    expected = [x]
    for axis in axes:
        expected = [half for band in expected for half in analyze(band, HAAR, "zero", axis)]
    for kernel in (_analysis_eager, _analysis_traced):
        bands = kernel(x, axes, stack)
        bands = bands if stack is None else bands.unbind(stack)
        torch.testing.assert_close(list(bands), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("stack", [None, -3])
def test_synthesis_inverts_and_is_the_adjoint(x: torch.Tensor, axes: tuple[int, ...], stack: int | None) -> None:
    bands = haar_analysis(x, axes, stack)
    torch.testing.assert_close(haar_synthesis(bands, axes, stack), x, rtol=0, atol=1e-14)
    parts = bands if stack is None else bands.unbind(stack)
    torch.testing.assert_close(_synthesis_traced(parts, axes), x, rtol=0, atol=1e-14)
    energy = sum(part.square().sum() for part in parts)
    torch.testing.assert_close(energy, x.square().sum(), rtol=1e-13, atol=0)


def test_constants_have_no_details() -> None:
    bands = haar_analysis(torch.full((4, 4, 4), 0.3), (-3, -2, -1), -4)
    assert torch.count_nonzero(bands[1:]) == 0


@pytest.mark.parametrize("stack", [None, -2])
def test_gradients_of_every_order_and_kind(rng: torch.Generator, stack: int | None) -> None:
    x = torch.randn(2, 4, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    axes = (-2, -1)
    assert gradcheck(lambda x: haar_analysis(x, axes, stack), (x,), check_forward_ad=True)
    assert gradgradcheck(lambda x: haar_analysis(x, axes, stack), (x,))
    bands = haar_analysis(x.detach(), axes, stack)
    parts = tuple(band.requires_grad_() for band in (bands if stack is None else (bands,)))

    def synthesis(*parts: torch.Tensor) -> torch.Tensor:
        return haar_synthesis(parts if stack is None else parts[0], axes, stack)

    assert gradcheck(synthesis, parts, check_forward_ad=True)
    assert gradgradcheck(synthesis, parts)


def test_bands_without_gradient_count_as_zero(rng: torch.Generator) -> None:
    x = torch.randn(4, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    low = haar_analysis(x, (-2, -1))[0]
    (grad,) = torch.autograd.grad(low.sum(), x)
    torch.testing.assert_close(grad, torch.full_like(grad, 0.5))


@pytest.mark.parametrize("stack", [None, -2])
def test_vmap_over_any_axis(rng: torch.Generator, stack: int | None) -> None:
    x = torch.randn(3, 4, 5, 6, generator=rng)
    for in_dim in (0, 2):
        bands = torch.vmap(lambda x: haar_analysis(x, (-1,), stack), in_dims=in_dim)(x)
        expected = [haar_analysis(part, (-1,), stack) for part in x.unbind(in_dim)]
        if stack is None:
            expected = [torch.stack(parts) for parts in zip(*expected, strict=True)]
            torch.testing.assert_close(list(bands), expected)
        else:
            torch.testing.assert_close(bands, torch.stack(expected))


def test_vmap_over_one_of_two_bands(rng: torch.Generator) -> None:
    low, high = torch.randn(3, 4, generator=rng), torch.randn(4, generator=rng)
    result = torch.vmap(lambda a, d: haar_synthesis((a, d), (-1,)), in_dims=(0, None))(low, high)
    torch.testing.assert_close(result, haar_synthesis((low, high.expand(3, -1)), (-1,)))


def test_hessian(rng: torch.Generator) -> None:
    x = torch.randn(4, generator=rng, dtype=torch.float64)
    hessian = torch.func.hessian(lambda x: haar_analysis(x, (-1,))[1].square().sum())(x)
    block = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(hessian, torch.block_diag(block, block))


def test_halves_and_interleave(x: torch.Tensor) -> None:
    for axis in (-1, -2, -3):
        even, odd = halves(x, axis)
        assert torch.equal(even, x.index_select(axis, torch.arange(0, x.shape[axis], 2)))
        assert torch.equal(interleave(even, odd, axis), x)


def test_band_order_follows_the_given_axes(x: torch.Tensor) -> None:
    """Letter i of a key belongs to axes[i], whatever the order of the axes."""
    reference = dict(zip(itertools.product("ad", repeat=3), haar_analysis(x, (-3, -2, -1)), strict=True))
    for order in itertools.permutations(range(3)):
        axes = tuple((-3, -2, -1)[i] for i in order)
        for letters, band in zip(itertools.product("ad", repeat=3), haar_analysis(x, axes), strict=True):
            key = tuple(letters[order.index(i)] for i in range(3))
            torch.testing.assert_close(band, reference[key], rtol=0, atol=1e-14)
