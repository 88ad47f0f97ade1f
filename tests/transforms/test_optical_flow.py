"""The flow between frames of known movement, and frames moved along it."""

import pytest
import torch

from subband.transforms.optical_flow import move, optical_flow


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.6, -0.3), (-3.0, 2.0), (6.5, 4.0)])
def test_a_shift_is_found(shift, moved):
    flow = optical_flow(moved(0, 0), moved(*shift))
    inside = flow[..., 12:-12, 12:-12]
    wanted = torch.tensor(shift).view(1, 2, 1, 1).expand_as(inside)
    torch.testing.assert_close(inside, wanted, rtol=0, atol=0.15)


def test_what_has_no_texture_does_not_move():
    plain = torch.full((1, 3, 32, 32), 0.5)
    assert optical_flow(plain, plain + 0.1).abs().max() < 1e-3


@pytest.mark.parametrize("finest_steps", [None, 1, 0])
def test_each_frame_of_a_batch_has_its_own_flow(finest_steps, moved):
    picture = moved(0, 0)[0]
    pairs = torch.stack([picture] * 3), torch.stack([picture.roll(3, -1), picture.roll(-2, -2), picture])
    flow = optical_flow(*pairs, finest_steps=finest_steps)[:, :, 12:-12, 12:-12]
    expected = torch.tensor([[3.0, 0.0], [0.0, -2.0], [0.0, 0.0]])
    torch.testing.assert_close(flow.mean((2, 3)), expected, atol=0.15, rtol=0)


def test_a_frame_moved_back_along_the_flow_is_the_one_before(moved):
    first, second = moved(0, 0), moved(3.4, -2.2)
    error = (move(second, optical_flow(first, second)) - first)[..., 12:-12, 12:-12].square().mean()
    assert error < 2e-3 * (second - first).square().mean()


def test_small_frames_and_errors():
    assert optical_flow(torch.rand(1, 1, 5, 3), torch.rand(1, 1, 5, 3)).isfinite().all()
    assert optical_flow(torch.zeros(1, 3, 40, 40), torch.zeros(1, 3, 40, 40)).abs().max() == 0
    with pytest.raises(ValueError, match=r"first and second must be \(N, C, H, W\) alike"):
        optical_flow(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9))
