"""Memory layout."""

import pytest
import torch

from subband.layers.memory_format import channels_last_on_cpu


@pytest.mark.parametrize("channels", [1, 3])
def test_values_stay_and_channels_come_last(rng, channels):
    x = torch.rand(2, channels, 4, 5, generator=rng)
    y = channels_last_on_cpu(x)
    assert torch.equal(x, y)
    assert y.stride() == (20 * channels, 1, 5 * channels, channels)
    assert y.data_ptr() != x.data_ptr()
