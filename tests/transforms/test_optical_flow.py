"""The flow between frames of known movement, and frames moved along it."""

import pytest
import torch
from torch.nn import functional as F

from subband.transforms.optical_flow import move, optical_flow


def texture(height, width):
    """A smooth random picture with details of several sizes."""
    generator = torch.Generator().manual_seed(0)
    parts = [torch.rand(1, 3, height // step, width // step, generator=generator) for step in (4, 8, 16)]
    return sum(F.interpolate(part, (height, width), mode="bicubic", align_corners=False) for part in parts) / 3


def moved(picture, columns, rows, size=(64, 80), start=(24, 24)):
    """A view of the picture whose contents have moved by so many pixels."""
    height, width = picture.shape[-2:]
    y = torch.arange(size[0])[:, None] + start[0] - rows
    x = torch.arange(size[1])[None] + start[1] - columns
    grid = torch.stack(torch.broadcast_tensors((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), -1)[None]
    return F.grid_sample(picture, grid, mode="bicubic", align_corners=False)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.6, -0.3), (-3.0, 2.0), (6.5, 4.0)])
def test_a_shift_is_found(shift):
    picture = texture(128, 160)
    flow = optical_flow(moved(picture, 0, 0), moved(picture, *shift))
    inside = flow[..., 12:-12, 12:-12]
    wanted = torch.tensor(shift).view(1, 2, 1, 1).expand_as(inside)
    errors = (inside - wanted).abs()
    assert errors.max() < 0.5
    assert errors.flatten().quantile(0.99) < 0.15
    assert errors.mean() < 0.06


def test_what_has_no_texture_does_not_move():
    plain = torch.full((1, 3, 32, 32), 0.5)
    assert optical_flow(plain, plain + 0.1).abs().max() < 1e-3


@pytest.mark.parametrize("finest_steps", [None, 1, 0])
def test_each_frame_of_a_batch_has_its_own_flow(finest_steps):
    picture = texture(96, 120)[0, :, 12:-12, 12:-12]
    pairs = torch.stack([picture] * 3), torch.stack([picture.roll(3, -1), picture.roll(-2, -2), picture])
    flow = optical_flow(*pairs, finest_steps=finest_steps)[:, :, 12:-12, 12:-12]
    expected = torch.tensor([[3.0, 0.0], [0.0, -2.0], [0.0, 0.0]])
    torch.testing.assert_close(flow.mean((2, 3)), expected, atol=0.15, rtol=0)


def test_a_frame_moved_back_along_the_flow_is_the_one_before():
    picture = texture(128, 160)
    first, second = moved(picture, 0, 0), moved(picture, 3.4, -2.2)
    error = (move(second, optical_flow(first, second)) - first)[..., 12:-12, 12:-12].square().mean()
    assert error < 2e-3 * (second - first).square().mean()


def test_small_frames_and_errors():
    assert optical_flow(torch.rand(1, 1, 5, 3), torch.rand(1, 1, 5, 3)).isfinite().all()
    assert optical_flow(torch.zeros(1, 3, 40, 40), torch.zeros(1, 3, 40, 40)).abs().max() == 0
    with pytest.raises(ValueError, match=r"first and second must be \(N, C, H, W\) alike"):
        optical_flow(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9))
