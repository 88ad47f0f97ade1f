"""Photographs that scikit-image ships."""

import pytest
import torch
from skimage import data
from torch import Tensor


@pytest.fixture(scope="session")
def camera() -> Tensor:
    """The cameraman, 160 x 144 pixels of it, float64 `(1, H, W)` in [0, 1]."""
    return torch.from_numpy(data.camera()[60:220, 150:294].copy()).double()[None] / 255


@pytest.fixture(scope="session")
def astronaut() -> Tensor:
    """The astronaut's face and surroundings, 160 x 144 pixels, float64 `(3, H, W)` in [0, 1]."""
    return torch.from_numpy(data.astronaut()[20:180, 140:284].copy()).permute(2, 0, 1).double() / 255
