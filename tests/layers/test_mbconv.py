"""MBConv against the formula, and its eval-time folding."""

import torch
from torch.nn import functional as F

from subband.layers.mbconv import MBConv, SqueezeExcite


def test_squeeze_excite_is_one_weight_per_channel(rng):
    layer = SqueezeExcite(6, 2)
    x = torch.rand(2, 6, 4, 5, generator=rng)
    weights = layer(x) / x
    torch.testing.assert_close(weights.amin((2, 3)), weights.amax((2, 3)))
    assert ((weights > 0) & (weights < 1)).all()


def test_eval_equals_the_unfolded_graph(rng):
    block = MBConv(8).double()
    x = torch.randn(3, 8, 6, 6, generator=rng).double()
    block.train()
    block(x)  # running statistics away from their initial values
    block.eval()
    hidden = F.gelu(block.norm_expand(block.expand(block.norm_in(x))))
    hidden = F.gelu(block.norm_depthwise(block.depthwise(hidden)))
    expected = x + block.project(block.squeeze_excite(hidden))
    torch.testing.assert_close(block(x), expected, rtol=1e-10, atol=1e-10)


def test_dropped_branch_leaves_the_input(rng):
    block = MBConv(8).train()
    block.drop_path.rate = 0.5
    x = torch.randn(64, 8, 2, 2, generator=rng)
    unchanged = (block(x) == x).flatten(1).all(1)
    assert 8 < unchanged.sum() < 56
