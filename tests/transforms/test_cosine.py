"""The core of the cosine transforms: both ways of computing them, and their transposes."""

import numpy as np
import pytest
import scipy.fft
import torch
from torch.autograd import gradcheck

from subband.transforms import _cosine
from subband.transforms._cosine import Scale, cosine_matrix, cosine_sums

ORTHONORMAL = Scale(1.0, 2.0**0.5, -0.5)


@pytest.mark.parametrize("length", [1, 2, 7, 8, 128])
def test_matrix_equals_scipy(length: int) -> None:
    like = torch.zeros((), dtype=torch.float64)
    expected = scipy.fft.dct(np.eye(length), norm="ortho", axis=0)
    np.testing.assert_allclose(cosine_matrix(length, ORTHONORMAL, like).numpy(), expected, atol=1e-14)
    plain = scipy.fft.dct(np.eye(length), axis=0)
    np.testing.assert_allclose(cosine_matrix(length, Scale(2.0, 2.0, 0.0), like).numpy(), plain, atol=1e-13)


def test_matrix_is_orthogonal_in_every_dtype() -> None:
    for dtype, tolerance in {torch.float32: 1e-6, torch.float64: 1e-14}.items():
        matrix = cosine_matrix(64, ORTHONORMAL, torch.zeros((), dtype=dtype))
        assert matrix.dtype == dtype
        torch.testing.assert_close(matrix @ matrix.mT, torch.eye(64, dtype=dtype), rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", [2, 3])
@pytest.mark.parametrize("shape", [(5, 6), (1, 9), (2, 7, 8), (4, 5, 6), (3, 1, 1)])
def test_fourier_way_equals_the_matrix(
    kind: int, shape: tuple[int, ...], rng: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways at the same small lengths, with chunks of one item."""
    x, scale = torch.randn(shape, generator=rng, dtype=torch.float64), Scale(1.5, 0.7, -0.5)
    for axes in [(-1,), (-2,), (-2, -1), (-1, -2), tuple(range(-len(shape), 0))]:
        expected = cosine_sums(x, kind, scale, axes)
        with monkeypatch.context() as patch:
            patch.setattr(_cosine, "LONGEST_MATRIX", 0)
            patch.setattr(_cosine, "_CHUNK", 1)
            torch.testing.assert_close(cosine_sums(x, kind, scale, axes), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("num_axes", [1, 2, 3])
def test_kinds_are_transposes_of_each_other(num_axes: int, rng: torch.Generator) -> None:
    x, y = torch.randn(2, 2, 5, 6, 7, generator=rng, dtype=torch.float64)
    scale = Scale(0.3, 1.7, 0.0)
    forward = _cosine._LongSums(2, num_axes, scale)
    assert forward.adjoint() == _cosine._LongSums(3, num_axes, scale)
    left, right = (forward.eager(x) * y).sum(), (x * forward.adjoint().eager(y)).sum()
    torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(forward.traced(x), forward.eager(x), rtol=1e-13, atol=1e-13)


def test_gradient_of_the_fourier_way(rng: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cosine, "LONGEST_MATRIX", 0)
    x = torch.randn(2, 4, 5, generator=rng, dtype=torch.float64, requires_grad=True)
    for kind in (2, 3):
        assert gradcheck(lambda t, kind=kind: cosine_sums(t, kind, ORTHONORMAL, (-3, -1)), (x,))
