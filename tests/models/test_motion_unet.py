"""The U-Net along the motion: what its convolutions are given."""

import math

import pytest
import torch

from subband.models.motion_unet import MOTION_SCALE, PLACES, MotionUNet, along_motion

SIDE, MARGIN = 64, 16
MOVEMENTS = [(2.0, 0.0), (-1.5, 2.5), (0.0, -3.0)]  # pixels from frame to frame, columns and rows


def waves(across: float, down: float, time: float) -> torch.Tensor:
    """A frame `(1, 3, SIDE, SIDE)` of waves that move so, at a time."""
    places = torch.arange(SIDE, dtype=torch.float64)
    x, y = places - across * time, (places - down * time)[:, None]
    pattern = torch.sin(x / 3) * torch.cos(y / 4) + torch.sin((x + y) / 3) + torch.cos((x - 2 * y) / 6)
    return (0.5 + pattern / 8).expand(1, 3, -1, -1).float()


def seen(across: float, down: float) -> list[torch.Tensor]:
    """The inner parts of what the network sees of three such frames: 12 of three channels each."""
    window = torch.stack([waves(across, down, time) for time in (-1, 0, 1)], 1)
    return list(inner(along_motion(window)).split(3, 1))


def inner(x: torch.Tensor) -> torch.Tensor:
    return x[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


@pytest.mark.parametrize(("across", "down"), MOVEMENTS)
def test_the_motion_is_in_units_of_four_pixels(across, down):
    wanted = torch.tensor([across, down, math.hypot(across, down)]) / MOTION_SCALE
    assert torch.allclose(seen(across, down)[-1].mean((0, 2, 3)), wanted, atol=0.02)


@pytest.mark.parametrize(("across", "down"), MOVEMENTS)
def test_places_along_the_motion_are_what_was_there_and_will_be(across, down):
    frame, *samples = seen(across, down)[:-3]
    for place, sample in zip(PLACES, samples, strict=True):
        wanted = inner(waves(across, down, -place)) - frame
        assert wanted.abs().mean() > 0.01
        assert (sample - wanted).abs().mean() < 0.1 * wanted.abs().mean()


def test_places_across_the_motion_lie_beside_it():
    window = torch.stack([waves(2.0, 1.0, time) for time in (-1, 0, 1)], 1)
    plain, more = along_motion(window), along_motion(window, (-0.5, 1.0))
    assert more.shape[1] == plain.shape[1] + 6
    assert torch.equal(more[:, :27], plain[:, :27])
    assert torch.equal(more[:, 33:], plain[:, 27:])
    frame = inner(plain[:, :3])
    for place, sample in zip((-0.5, 1.0), inner(more[:, 27:33]).split(3, 1), strict=True):
        wanted = inner(waves(-1.0, 2.0, -place)) - frame  # a step of (2, 1), turned by a right angle
        assert wanted.abs().mean() > 0.01
        assert (sample - wanted).abs().mean() < 0.1 * wanted.abs().mean()


@pytest.mark.parametrize(("across", "down"), MOVEMENTS)
def test_neighbors_are_brought_to_the_place_of_the_frame(across, down):
    change = inner(waves(across, down, 1) - waves(across, down, 0)).abs().mean()
    for neighbor in seen(across, down)[-3:-1]:
        assert neighbor.abs().mean() < 0.1 * change


def test_a_photo_has_no_motion():
    window = waves(1, 1, 0)[:, None].expand(-1, 3, -1, -1, -1)
    assert torch.equal(along_motion(window)[:, 3:], torch.zeros(1, 33, SIDE, SIDE))


def test_places_are_found_in_single_precision(rng):
    torch.manual_seed(0)
    model = MotionUNet(dims=(4,), depth=1)
    window = torch.stack([waves(2, 1, time) for time in (-1, 0, 1)], 1)
    half = model.bfloat16().inputs(window.bfloat16())
    assert half.dtype == torch.bfloat16
    assert (half.float() - along_motion(window.bfloat16().float())).abs().max() < 0.01


def test_gradients_reach_the_frames(rng):
    window = torch.rand(1, 3, 3, 32, 36, generator=rng, requires_grad=True)
    along_motion(window).square().sum().backward()
    assert window.grad is not None
    assert all(part.abs().sum() > 0 for part in window.grad.unbind(1))
