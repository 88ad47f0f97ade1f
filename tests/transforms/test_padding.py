"""Boundary extension and padding to a multiple."""

import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from subband.transforms import MODES, crop, extend, pad, pad_to_multiple

PYWT_MODES = [mode for mode in MODES if mode != "periodization"]


@pytest.mark.parametrize("mode", PYWT_MODES)
@pytest.mark.parametrize("length", [2, 3, 4, 7])
def test_extension_equals_pywavelets_at_any_distance(mode: str, length: int, rng: torch.Generator) -> None:
    x = torch.randn(2, length, 3, generator=rng, dtype=torch.float64)
    for left, right in [(1, 2), (3, 4), (11, 17)]:
        expected = np.stack(
            [pywt.pad(column, (left, right), mode) for column in x.numpy().transpose(0, 2, 1).reshape(6, -1)]
        )
        ours = extend(x, left, right, mode, axis=1).transpose(1, 2).reshape(6, -1)
        np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_one_sample_can_be_extended() -> None:
    """By the closed forms; pywt.pad itself does not take one sample in every mode."""
    x = torch.tensor([3.0])
    expected = {"zero": [0, 0, 3, 0], "antisymmetric": [3, -3, 3, -3]}
    for mode in ("zero", "constant", "symmetric", "antisymmetric", "periodic", "smooth"):
        assert extend(x, 2, 1, mode, -1).tolist() == expected.get(mode, [3, 3, 3, 3])


def test_one_side_only() -> None:
    x = torch.tensor([1.0, 2.0, 4.0])
    assert extend(x, 2, 0, "smooth", -1).tolist() == [-1, 0, 1, 2, 4]
    assert extend(x, 0, 2, "smooth", -1).tolist() == [1, 2, 4, 6, 8]


def test_periodization_repeats_the_last_sample_of_odd_signals() -> None:
    x = torch.tensor([1.0, 2.0, 3.0])
    assert extend(x, 2, 1, "periodization", -1).tolist() == [3, 3, 1, 2, 3, 3, 1]
    assert extend(x[:2], 1, 3, "periodization", -1).tolist() == [2, 1, 2, 1, 2, 1]


@pytest.mark.parametrize("mode", MODES)
def test_extension_is_differentiable(mode: str, rng: torch.Generator) -> None:
    x = torch.randn(2, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: extend(x, 5, 6, mode, -1), (x,), check_forward_ad=True)


def test_extension_errors() -> None:
    with pytest.raises(ValueError, match="mode must be one of zero, constant"):
        extend(torch.zeros(4), 1, 1, "mirror", -1)
    with pytest.raises(ValueError, match="at least two samples"):
        extend(torch.zeros(1, 4), 1, 1, "reflect", 0)


def test_nothing_to_extend_returns_the_input() -> None:
    x = torch.zeros(3, 4)
    assert extend(x, 0, 0, "symmetric", -1) is x


@pytest.mark.parametrize("mode", ["replicate", "reflect", "zero"])
def test_pad_to_multiple_and_crop(mode: str, rng: torch.Generator) -> None:
    x = torch.rand(2, 3, 13, 18, generator=rng)
    padded, size = pad_to_multiple(x, (8, 5), mode)
    assert padded.shape == (2, 3, 16, 20)
    numpy_mode = {"replicate": "edge", "reflect": "reflect", "zero": "constant"}[mode]
    np.testing.assert_array_equal(padded.numpy(), np.pad(x.numpy(), [(0, 0), (0, 0), (0, 3), (0, 2)], numpy_mode))
    assert torch.equal(crop(padded, size), x)


def test_pad_to_multiple_leaves_fitting_images_alone() -> None:
    x = torch.zeros(1, 1, 16, 8)
    padded, size = pad_to_multiple(x, 8)
    assert padded is x
    assert size == (16, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((8, "edge"), "mode must be one of replicate, reflect, zero"),
        ((0,), "multiple must be"),
        (((2, 2, 2),), "multiple must be"),
    ],
)
def test_pad_to_multiple_errors(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pad_to_multiple(torch.zeros(1, 1, 5, 5), *arguments)


def test_pad_and_crop_refuse_impossible_sizes() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        pad_to_multiple(torch.zeros(1, 1, 0, 5), 2)
    with pytest.raises(ValueError, match="larger than the image"):
        crop(torch.zeros(1, 1, 4, 4), (5, 4))


@settings(max_examples=80, deadline=None)
@given(shape=st.lists(st.integers(2, 5), min_size=1, max_size=3), mode=st.sampled_from(MODES), data=st.data())
def test_pad_equals_pywavelets(shape: list[int], mode: str, data: st.DataObject) -> None:
    width = st.integers(0, 9)
    pair = st.tuples(width, width)
    widths = data.draw(st.one_of(width, pair, st.tuples(pair), st.tuples(*[pair] * len(shape))))
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    # One sample more and cut off again: for a width of zero pywt.pad fails in `smooth` and `antisymmetric` up to 1.9.
    wider = [(left + 1, right + 1) for left, right in np.broadcast_to(widths, (len(shape), 2)).tolist()]
    expected = pywt.pad(x.numpy(), wider, mode)[(slice(1, -1),) * len(shape)]
    np.testing.assert_allclose(pad(x, widths, mode).numpy(), expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("mode", MODES)
def test_pad_of_some_axes(mode: str, rng: torch.Generator) -> None:
    x = torch.randn(2, 3, 4, 5, generator=rng, dtype=torch.float64)
    ours = pad(x, ((3, 1), (2, 6)), mode, axes=(-1, 1))
    # Rolled so that the padded axes are alone at the end, where PyWavelets pads one image after the other.
    images = x.permute(0, 2, 3, 1).reshape(8, 5, 3).numpy()
    expected = np.stack([pywt.pad(image, ((3, 1), (2, 6)), mode) for image in images])
    np.testing.assert_allclose(ours.permute(0, 2, 3, 1).flatten(0, 1).numpy(), expected, rtol=0, atol=1e-12)
    assert torch.equal(pad(x, 2, mode, axes=2), extend(x, 2, 2, mode, -2))


@pytest.mark.parametrize("mode", MODES)
def test_pad_is_differentiable_in_any_precision(mode: str, rng: torch.Generator) -> None:
    x = torch.randn(3, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: pad(x, ((2, 3), (5, 1)), mode), (x,), check_forward_ad=True)
    half = x.detach().bfloat16()
    assert torch.equal(pad(half, 3, mode), pad(half.float(), 3, mode).bfloat16())
    images = torch.randn(2, 3, 4, generator=rng, dtype=torch.complex64)
    expected = torch.complex(pad(images.real, 2, mode, (1, 2)), pad(images.imag, 2, mode, (1, 2)))
    torch.testing.assert_close(torch.vmap(lambda x: pad(x, 2, mode))(images), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1,), "pad_widths must not be negative, got -1"),
        ((((1, 1), (1, 1)),), r"one pair per axis \(3\)"),
        (((1, 2, 3),), r"pad_widths must be a number, a pair, or one pair per axis \(3\)"),
        ((1, "mirror"), "mode must be one of zero, constant"),
        ((1, "zero", (1, -2)), "axes must be different"),
        ((1, "zero", 3), "axes must lie within"),
        ((1, "zero", 1), "at least one sample along axis -2"),
        ((1, "reflect", 0), "at least two samples along axis -3"),
    ],
)
def test_pad_errors(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pad(torch.zeros(1, 0, 5), *arguments)


def test_pad_refuses_integers() -> None:
    with pytest.raises(TypeError, match=r"convert it with \.float\(\)"):
        pad(torch.zeros(3, dtype=torch.int64), 1)
