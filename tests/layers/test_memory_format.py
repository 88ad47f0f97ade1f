"""Memory layout."""

import copy

import pytest
import torch
from torch import nn

from subband.layers.memory_format import channels_last_on_cpu, channels_last_weights


@pytest.mark.parametrize("channels", [1, 3])
def test_values_stay_and_channels_come_last(rng, channels):
    x = torch.rand(2, channels, 4, 5, generator=rng)
    y = channels_last_on_cpu(x)
    assert torch.equal(x, y)
    assert y.stride() == (20 * channels, 1, 5 * channels, channels)
    assert y.data_ptr() != x.data_ptr()


def test_weights_keep_their_layout_and_values():
    model = nn.Sequential(nn.Conv2d(4, 6, 3), nn.Linear(2, 3), nn.Conv3d(6, 2, (3, 1, 1)), nn.ConvTranspose2d(2, 5, 2))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    channels_last_weights(model)
    for network in (model, copy.deepcopy(model), model.to("meta").to_empty(device="cpu")):
        network.load_state_dict(before)
        assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
        assert network[2].weight.is_contiguous(memory_format=torch.channels_last_3d)
        assert network[3].weight.is_contiguous(memory_format=torch.channels_last)
        assert all(value.equal(before[key]) for key, value in network.state_dict().items())
