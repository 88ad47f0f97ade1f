"""Resizing: against a loop over pixels, by what it keeps, and what it refuses."""

import math

import pytest
import torch

from subband.imaging import imresize


def kernel(x):
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0


def resized_by_loops(row, count, factor):
    """One row, pixel by pixel, every source pixel of a mirrored signal weighed by the kernel."""
    narrow, length, out = min(factor, 1.0), len(row), []
    for place in range(count):
        center = (place + 0.5) / factor - 0.5
        near = range(math.floor(center - 2 / narrow) - 2, math.ceil(center + 2 / narrow) + 3)
        weights = [kernel(narrow * (center - i)) for i in near]
        mirrored = [*row, *row[::-1]]
        out.append(sum(w * mirrored[i % (2 * length)] for w, i in zip(weights, near, strict=True)) / sum(weights))
    return out


@pytest.mark.parametrize("factor", [0.25, 0.5, 1 / 3, 0.8, 2, 4])
@pytest.mark.parametrize("shape", [(8, 12), (7, 5), (3, 1)])
def test_it_is_the_loop_over_pixels(shape, factor, rng):
    image = torch.rand(*shape, generator=rng, dtype=torch.float64)
    found = imresize(image, scale=factor)
    rows = torch.tensor([resized_by_loops(row, found.shape[1], factor) for row in image.tolist()], dtype=torch.float64)
    wanted = torch.tensor([resized_by_loops(column, found.shape[0], factor) for column in rows.mT.tolist()]).mT
    assert torch.allclose(found, wanted.double(), atol=1e-6)


def test_a_known_row():
    # By hand: at a factor of 1/2 the weights are (-3, -9, 29, 111, 111, 29, -9, -3) / 256.
    row = torch.tensor([0.0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0], dtype=torch.float64)
    found = 256 * imresize(row[None], size=(1, 6))[0]
    assert torch.allclose(found, torch.tensor([0.0, -3, 29, 111, -9, 0], dtype=torch.float64), atol=1e-9)


def test_flat_images_stay_and_means_are_kept(rng):
    assert torch.allclose(imresize(torch.full((2, 9, 13), 0.3), scale=0.25), torch.tensor(0.3), atol=1e-6)
    image = torch.rand(32, 32, generator=rng)
    assert imresize(image, scale=1).equal(image) or torch.allclose(imresize(image, scale=1), image, atol=1e-6)
    assert abs(imresize(image, scale=0.25).mean() - image.mean()) < 0.01


def test_sides_that_do_not_divide_are_rounded_up():
    assert imresize(torch.zeros(3, 9, 10), scale=0.25).shape == (3, 3, 3)
    assert imresize(torch.zeros(3, 9, 10), size=(4, 20)).shape == (3, 4, 20)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "a scale or a size"),
        ({"scale": 2, "size": (1, 1)}, "a scale or a size"),
        ({"scale": 0}, "scale must be positive"),
        ({"scale": float("nan")}, "scale must be positive"),
        ({"size": (0, 3)}, "size must be positive"),
    ],
)
def test_impossible_sizes_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        imresize(torch.zeros(4, 4), **options)
