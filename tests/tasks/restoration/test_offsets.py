"""Training ends where deformable convolutions look for pixels far outside."""

import pytest
import torch

import subband
from subband.layers import SpectralAlignment
from subband.tasks.restoration.offsets import OffsetWatch
from subband.training.checkpoints import DivergenceError


@pytest.fixture
def model():
    return subband.create_model("ftdeblur", channels=4, frames=3, n_feat=1, n_rec=1, groups=2)


def test_offsets_are_logged_and_must_stay_near(model):
    watch, clip = OffsetWatch(model), torch.rand(1, 3, 3, 16, 16)
    model(clip)
    assert watch.logged() == {"offset": 0}  # a fresh network looks straight ahead
    assert watch.logged() == {}
    layer = next(part for part in model.modules() if isinstance(part, SpectralAlignment))
    torch.nn.init.constant_(layer.offsets.bias, 20.0)
    model(clip)
    watch.check()
    torch.nn.init.constant_(layer.offsets.bias, -90.0)
    model(clip)
    with pytest.raises(DivergenceError, match=r"offsets of the deformable convolutions are \d+ pixels on average"):
        watch.check()


def test_other_networks_have_none():
    model = subband.create_model("residual_unet", dims=(4, 8), depth=1, frames=3)
    watch = OffsetWatch(model)
    model(torch.rand(1, 3, 3, 16, 16))
    assert watch.logged() == {}
    watch.check()
