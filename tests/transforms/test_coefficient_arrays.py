"""Mosaics and vectors of coefficients against PyWavelets."""

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

from subband.transforms import (
    MODES,
    Coeffs,
    from_array,
    from_vector,
    to_array,
    to_vector,
    wavedec,
    wavedec2,
    wavedec3,
    wavedecn,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*(boundary effects|border reaches):UserWarning")


def to_numpy(structure: Any) -> Any:
    return pytree.tree_map(lambda band: band.numpy(), structure)


def assert_same_bands(ours: Any, expected: Any) -> None:
    assert pytree.tree_structure(ours) == pytree.tree_structure(expected)
    for band, reference in zip(pytree.tree_leaves(ours), pytree.tree_leaves(expected), strict=True):
        assert torch.equal(band, reference)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(5, 14), min_size=1, max_size=3),
    wavelet=st.sampled_from(["haar", "db2", "db4"]),
    mode=st.sampled_from(MODES),
    level=st.integers(0, 2),
    data=st.data(),
)
def test_equal_to_pywavelets(shape: list[int], wavelet: str, mode: str, level: int, data: st.DataObject) -> None:
    axes = tuple(data.draw(st.permutations(range(len(shape)))))
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    coeffs = wavedecn(x, wavelet, mode, level, axes)
    plain = [coeffs.approx, *(dict(item.items()) for item in coeffs.details)]
    array, vector = to_array(coeffs), to_vector(coeffs)
    np.testing.assert_array_equal(array.numpy(), pywt.coeffs_to_array(to_numpy(plain), axes=axes)[0])
    np.testing.assert_array_equal(vector.numpy(), pywt.ravel_coeffs(to_numpy(plain), axes=axes)[0])
    assert_same_bands(from_array(array, coeffs), coeffs)
    assert_same_bands(from_vector(vector, coeffs), coeffs)
    assert torch.equal(to_array(plain, axes), array)
    assert_same_bands(from_vector(to_vector(plain, axes), plain, axes), plain)


def transform(x: Tensor, kind: str) -> Coeffs:
    return {
        "wavedec": lambda: wavedec(x, "db2", level=2, axis=1),
        "wavedec2": lambda: wavedec2(x, "db2", level=2, axes=(3, 1)),
        "wavedec3": lambda: wavedec3(x, "db2", level=2),
    }[kind]()


@pytest.mark.parametrize("kind", ["wavedec", "wavedec2", "wavedec3"])
def test_other_axes_are_batch(kind: str, rng: torch.Generator) -> None:
    x = torch.randn(2, 11, 9, 12, generator=rng, dtype=torch.float64)
    coeffs = transform(x, kind)
    array, vector = to_array(coeffs), to_vector(coeffs)
    plain = coeffs.to_list()
    for structure in (coeffs, plain):
        assert_same_bands(from_array(array, structure, coeffs.axes), structure)
        assert_same_bands(from_vector(vector, structure, coeffs.axes), structure)
    assert torch.equal(from_array(array, coeffs).inverse(), coeffs.inverse())
    order = sorted(coeffs.axes)
    batch = [axis for axis in range(-4, 0) if axis not in order]
    assert vector.shape[:-1] == tuple(x.shape[axis] for axis in batch)
    # One signal of the batch alone, as PyWavelets sees it.
    first = pytree.tree_map(lambda band: band.permute(*batch, *order).flatten(0, len(batch) - 1)[0], coeffs)
    places = tuple(order.index(axis) for axis in coeffs.axes)
    single = to_numpy([first.approx, *({"d": item} if kind == "wavedec" else dict(item.items()) for item in first[1:])])
    expected = pywt.ravel_coeffs(single, axes=places)[0]
    np.testing.assert_array_equal(vector.flatten(0, -2)[0].numpy(), expected)
    mosaic = array.permute(*batch, *order).flatten(0, len(batch) - 1)[0]
    np.testing.assert_array_equal(mosaic.numpy(), pywt.coeffs_to_array(single, axes=places)[0])


def test_arrays_of_another_batch_take_the_shapes_of_the_example(rng: torch.Generator) -> None:
    like = wavedec2(torch.randn(13, 12, generator=rng), "db2", level=1)
    other = wavedec2(torch.randn(4, 3, 13, 12, generator=rng), "db2", level=1)
    for ours in (from_array(to_array(other), like), from_vector(to_vector(other), like)):
        assert_same_bands(ours, other)
        assert ours.inverse().shape == (4, 3, 13, 12)


def test_differentiable_and_batched(rng: torch.Generator) -> None:
    x = torch.randn(2, 7, 6, generator=rng, dtype=torch.float64)
    leaves, spec = pytree.tree_flatten(wavedec2(x, "db2", level=1))
    bands = tuple(band.requires_grad_() for band in leaves)
    coeffs = pytree.tree_unflatten(leaves, spec).detach()
    for there, back in ((to_array, from_array), (to_vector, from_vector)):
        assert gradcheck(lambda *bands, f=there: f(pytree.tree_unflatten(bands, spec)), bands, check_forward_ad=True)
        flat = there(coeffs)
        again = flat.clone().requires_grad_()
        assert gradcheck(lambda flat, f=back: tuple(pytree.tree_leaves(f(flat, coeffs))), (again,))
        assert torch.equal(torch.vmap(lambda coeffs, f=there: f(coeffs))(coeffs), flat)
        assert_same_bands(torch.vmap(lambda flat, f=back: f(flat, coeffs))(flat), coeffs)


def test_mosaic_of_a_power_of_two_has_the_size_of_the_image(rng: torch.Generator) -> None:
    x = torch.randn(3, 32, 32, generator=rng, dtype=torch.float64)
    mosaic = to_array(wavedec2(x, "db4", "periodization", level=2))
    assert mosaic.shape == x.shape
    torch.testing.assert_close(mosaic.square().sum(), x.square().sum())  # orthogonal


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: to_array([None, *c.details]), "coeffs must have an approximation"),
        (lambda c: to_vector([c.approx, None, c[2]]), r"bands ad, da, dd at level 2"),
        (lambda c: to_array([c.approx, c[1], {"ad": c[2].v}]), r"bands ad, da, dd at level 1, got ad"),
        (lambda c: to_array([c.approx[..., :2], *c.details]), r"band 'da' is too long along axis -1"),
        (lambda c: from_array(to_array(c)[1:], c), r"array must have \[16, 16\] samples along the axes \(-2, -1\)"),
        (lambda c: from_array(to_array(c)[0], c), r"array must have \[16, 16\]"),
        (lambda c: from_vector(to_vector(c)[:-1], c), r"vector must have 256 entries along its last axis, got 255"),
    ],
)
def test_errors(call: Callable[[Coeffs], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(wavedec2(torch.zeros(16, 16), level=2))


def test_integers_are_refused() -> None:
    coeffs = wavedec2(torch.zeros(16, 16), level=2)
    for function, shape in ((from_array, (16, 16)), (from_vector, (256,))):
        with pytest.raises(TypeError, match=r"convert it with \.float\(\)"):
            function(torch.zeros(shape, dtype=torch.int64), coeffs)
