"""The fully separable transform against PyWavelets."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck
from torch.utils import _pytree as pytree

from subband.transforms import MODES, SeparableCoeffs, fswavedecn, fswaverecn

pytestmark = pytest.mark.filterwarnings("ignore:.*(boundary effects|border reaches):UserWarning")

WAVELETS = ["haar", "db2", "bior2.2"]


def assert_close(ours: Tensor, expected: np.ndarray) -> None:
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=1e-12 * max(1.0, np.abs(expected).max()))


@st.composite
def problems(draw: st.DrawFn) -> tuple[Tensor, tuple[Any, ...]]:
    shape = draw(st.lists(st.integers(9, 17), min_size=1, max_size=3))
    axes = tuple(draw(st.permutations(range(len(shape)))))[: draw(st.integers(1, len(shape)))]
    wavelet = draw(st.one_of(st.sampled_from(WAVELETS), st.tuples(*[st.sampled_from(WAVELETS)] * len(axes))))
    mode = draw(st.one_of(st.sampled_from(MODES), st.tuples(*[st.sampled_from(MODES)] * len(axes))))
    level = st.one_of(st.none(), st.integers(0, 2))
    levels = draw(st.one_of(level, st.tuples(*[level] * len(axes))))
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(draw(st.integers(0, 99))))
    return x, (wavelet, mode, levels, axes)


@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_equal_to_pywavelets(problem: tuple[Tensor, tuple[Any, ...]]) -> None:
    x, options = problem
    coeffs, expected = fswavedecn(x, *options), pywt.fswavedecn(x.numpy(), *options)
    assert_close(coeffs.array, expected.coeffs)
    assert_close(coeffs.approx, expected.approx)
    assert coeffs.levels == tuple(expected.levels)
    assert coeffs.detail_keys() == expected.detail_keys()
    for key in coeffs.detail_keys():
        assert_close(coeffs[key], expected[key])
    tolerance = 1e-10 * max(1.0, coeffs.array.abs().max().item())
    torch.testing.assert_close(coeffs.inverse(), x, rtol=0, atol=tolerance)
    changed, expected.coeffs = coeffs.map(torch.square), np.square(expected.coeffs)
    if not any(n % 2 for sizes in coeffs.sizes for n in sizes):  # PyWavelets gives back one sample more
        assert_close(fswaverecn(changed), pywt.fswaverecn(expected))


def test_gradients_and_function_transforms(rng: torch.Generator) -> None:
    x = torch.randn(3, 7, 6, generator=rng, dtype=torch.float64, requires_grad=True)
    coeffs = fswavedecn(x.detach(), "db2", levels=(2, 1), axes=(1, 2))
    assert gradcheck(lambda x: fswavedecn(x, "db2", levels=(2, 1), axes=(1, 2)).array, (x,), check_forward_ad=True)
    array = coeffs.array.clone().requires_grad_()
    assert gradcheck(lambda array: coeffs.map(lambda _: array).inverse(), (array,), check_forward_ad=True)
    batched = torch.vmap(lambda x: fswavedecn(x, "db2", levels=(2, 1)))(x.detach())
    torch.testing.assert_close(batched.array, coeffs.array)
    torch.testing.assert_close(torch.vmap(SeparableCoeffs.inverse)(batched), x.detach())


def test_is_a_pytree(rng: torch.Generator) -> None:
    taps = pywt.Wavelet("db2").filter_bank
    coeffs = fswavedecn(torch.randn(9, 12, generator=rng), taps, levels=1)
    leaves, spec = pytree.tree_flatten(coeffs)
    assert len(leaves) == 1
    again = pytree.treespec_loads(pytree.treespec_dumps(spec))
    assert again == spec
    assert torch.equal(pytree.tree_unflatten(leaves, again).inverse(), coeffs.inverse())
    assert [pytree.keystr(path) for path, _ in pytree.tree_flatten_with_path(coeffs)[0]] == [".array"]
    assert repr(coeffs).startswith("SeparableCoeffs((12, 14), wavelets=")


def test_precision(rng: torch.Generator) -> None:
    x = torch.randn(9, 12, generator=rng).bfloat16()
    coeffs = fswavedecn(x, "db2", levels=1)
    assert torch.equal(coeffs.array, fswavedecn(x.float(), "db2", levels=1).array.bfloat16())
    assert coeffs.inverse().dtype == torch.bfloat16
    z = torch.randn(9, 12, generator=rng, dtype=torch.complex64)
    expected = torch.complex(fswavedecn(z.real, "db2", levels=1).array, fswavedecn(z.imag, "db2", levels=1).array)
    torch.testing.assert_close(fswavedecn(z, "db2", levels=1).array, expected)


def test_learnable_taps_are_asked_for(rng: torch.Generator) -> None:
    taps = [torch.tensor(t, dtype=torch.float64, requires_grad=True) for t in pywt.Wavelet("db2").filter_bank]
    x = torch.randn(8, 9, generator=rng, dtype=torch.float64)
    coeffs = fswavedecn(x, taps, levels=1)
    assert coeffs.wavelets is None
    torch.testing.assert_close(fswaverecn(coeffs, taps), x)
    with pytest.raises(ValueError, match="wavelet must be given"):
        coeffs.inverse()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: fswavedecn(x, levels=(1,)), ValueError, r"levels must be one number or one per axis \(2\), got 1"),
        (lambda x: fswavedecn(x, levels=-1), ValueError, "level must not be negative"),
        (lambda x: fswavedecn(x, axes=(0, -2)), ValueError, "axes must be different"),
        (lambda x: fswavedecn(x.int()), TypeError, r"convert it with \.float\(\)"),
        (lambda x: fswavedecn(x, levels=1)[0], KeyError, r"one number per axis up to \(1, 1\), got \(0,\)"),
        (lambda x: fswavedecn(x, levels=1)[0, 2], KeyError, r"got \(0, 2\)"),
        (lambda x: fswavedecn(x, levels=1).map(lambda a: a[1:]).inverse(), ValueError, "must fit coeffs.lengths"),
    ],
)
def test_errors(call: Callable[[Tensor], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(torch.zeros(8, 8))
