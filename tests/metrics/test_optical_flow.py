"""What the error of flows sees."""

import pytest
import torch
from torch.nn import functional as F

from subband.metrics import flow_error


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


def test_the_error_sees_trembling_not_sharpness():
    """A clip whose frames are shifted back and forth is worse than a dim one that moves as it should."""
    picture = texture(128, 160)
    clip = torch.stack([moved(picture, 1.5 * t, 0) for t in range(4)], 1)
    trembling = torch.stack([moved(picture, 1.5 * t + t % 2, 0) for t in range(4)], 1)
    errors = flow_error(trembling, clip)
    assert errors.shape == (1, 3)
    assert errors.mean() > 0.7
    assert flow_error(0.8 * clip + 0.1, clip).mean() < 0.1
    assert flow_error(clip, clip).eq(0).all()


def test_one_frame_has_no_flow():
    with pytest.raises(ValueError, match="two frames or more"):
        flow_error(torch.zeros(1, 1, 3, 8, 8), torch.zeros(1, 1, 3, 8, 8))
