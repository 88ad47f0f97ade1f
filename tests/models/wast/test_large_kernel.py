"""Large depthwise kernels: strips, squares and merged batch norms."""

import pytest
import torch
from torch.nn import functional as F

from subband.models.wast.large_kernel import DepthwiseNorm, LargeKernel


def prepared(layer, rng):
    """Statistics away from their initial values, eval mode."""
    for name, value in layer.named_buffers():
        if "running" in name:
            value.copy_(torch.rand(value.shape, generator=rng) + 0.5)
    return layer.eval()


def test_strips_are_added(rng):
    layer = prepared(LargeKernel(3, 9), rng)
    x = torch.randn(2, 3, 12, 11, generator=rng)
    tall = F.conv2d(x, layer.tall.conv.weight, layer.tall.conv.bias, padding=(4, 2), groups=3)
    wide = F.conv2d(x, layer.wide.conv.weight, layer.wide.conv.bias, padding=(2, 4), groups=3)
    torch.testing.assert_close(layer(x), layer.tall.norm(tall) + layer.wide.norm(wide), rtol=0, atol=1e-5)


def test_square_kernel(rng):
    layer = prepared(LargeKernel(3, 7, strip=False), rng)
    assert layer.square.conv.kernel_size == (7, 7)
    x = torch.randn(2, 3, 8, 9, generator=rng)
    conv = layer.square.conv
    expected = layer.square.norm(F.conv2d(x, conv.weight, conv.bias, padding=3, groups=3))
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_norm_and_gradients(rng, training):
    layer = prepared(DepthwiseNorm(4, (5, 3)), rng).train(training)
    x = torch.randn(2, 4, 6, 7, generator=rng)
    expected = layer.norm(F.conv2d(x, layer.conv.weight, layer.conv.bias, padding=(2, 1), groups=4))
    grad = torch.randn(expected.shape, generator=rng)
    wanted = torch.autograd.grad(expected, list(layer.parameters()), grad)
    output = layer(x)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.autograd.grad(output, list(layer.parameters()), grad), wanted, rtol=0, atol=1e-4)
