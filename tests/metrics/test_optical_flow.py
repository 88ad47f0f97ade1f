"""What the error of flows sees."""

import pytest
import torch

from subband.metrics import flow_error


def test_the_error_sees_trembling_not_sharpness(moved):
    """A clip whose frames are shifted back and forth is worse than a dim one that moves as it should."""
    clip = torch.stack([moved(1.5 * t, 0) for t in range(4)], 1)
    trembling = torch.stack([moved(1.5 * t + t % 2, 0) for t in range(4)], 1)
    errors = flow_error(trembling, clip)
    assert errors.shape == (1, 3)
    assert errors.mean() > 0.7
    assert flow_error(0.8 * clip + 0.1, clip).mean() < 0.1
    assert flow_error(clip, clip).eq(0).all()


def test_one_frame_has_no_flow():
    with pytest.raises(ValueError, match="two frames or more"):
        flow_error(torch.zeros(1, 1, 3, 8, 8), torch.zeros(1, 1, 3, 8, 8))
