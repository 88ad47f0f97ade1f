"""Stochastic depth."""

import pytest
import torch

from subband.layers.drop import DropPath, drop_path


def test_whole_samples_are_dropped_and_the_rest_rescaled():
    y = drop_path(torch.ones(4000, 2, 3), 0.25, training=True)
    assert y.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert torch.equal(y.amin((1, 2)), y.amax((1, 2)))
    torch.testing.assert_close(y.mean(), torch.tensor(1.0), atol=0.05, rtol=0)


@pytest.mark.parametrize(("rate", "training"), [(0.0, True), (0.5, False)])
def test_nothing_to_drop_returns_the_input_itself(rate, training):
    x = torch.rand(2, 3)
    assert drop_path(x, rate, training) is x


def test_module_takes_a_new_rate():
    layer = DropPath(0.0).train()
    x = torch.ones(512, 1)
    assert layer(x) is x
    layer.rate = 0.5
    assert 0 < (layer(x) == 0).float().mean() < 1
    assert layer.eval()(x) is x


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_rates_outside_their_range_are_refused(rate):
    with pytest.raises(ValueError, match="drop path rate"):
        DropPath(rate)
