"""Coordinate attention against its equation."""

import pytest
import torch
from torch.nn import functional as F

from subband.models.wast.coordinate_attention import CoordinateAttention


def reference(layer: CoordinateAttention, x: torch.Tensor) -> torch.Tensor:
    height, width = x.shape[2:]
    rows, columns = x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)
    hidden = layer.norm(layer.reduce(torch.cat([rows, columns], 2)))
    hidden = hidden * F.relu6(hidden + 3) / 6
    rows, columns = hidden.split([height, width], 2)
    return x * layer.expand_columns(columns).transpose(2, 3).sigmoid() * layer.expand_rows(rows).sigmoid()


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("training", [True, False])
def test_output_and_gradients(rng, batch, memory_format, training):
    layer = CoordinateAttention(12).double().train(training)
    layer.norm.running_var.fill_(0.1)
    x = torch.randn(batch, 12, 5, 7, generator=rng, dtype=torch.float64).contiguous(memory_format=memory_format)
    x.requires_grad_()
    inputs = [x, *layer.parameters()]
    output, expected = layer(x), reference(layer, x)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)
    grad = torch.randn(output.shape, generator=rng, dtype=torch.float64)
    wanted = torch.autograd.grad(expected, inputs, grad)
    torch.testing.assert_close(torch.autograd.grad(output, inputs, grad), wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("dim", "hidden"), [(12, 8), (200, 50)])
def test_width_of_the_gates(dim, hidden):
    assert CoordinateAttention(dim).reduce.out_channels == hidden
