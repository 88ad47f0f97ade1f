"""Boundary extension and padding to a multiple."""

import numpy as np
import pytest
import pywt
import torch
from torch.autograd import gradcheck

from subband.transforms import MODES, crop, extend, pad_to_multiple

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
