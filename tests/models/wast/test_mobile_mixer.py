"""The mobile channel mixer against its equation."""

import pytest
import torch
from torch.nn import functional as F

from subband.models.wast.mobile_mixer import MobileMixer, rounded_channels


def reference(layer: MobileMixer, x: torch.Tensor) -> torch.Tensor:
    x = layer.expand_norm(F.conv2d(x, layer.expand.weight)).relu()
    x = layer.depthwise_norm(F.conv2d(x, layer.depthwise.weight, padding=3, groups=x.shape[1])).relu()
    gate = layer.gate.expand(layer.gate.reduce(x.mean((2, 3), keepdim=True)).relu()).sigmoid()
    return layer.project_norm(F.conv2d(x * gate, layer.project.weight))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("training", [True, False])
def test_output_and_gradients(rng, batch, memory_format, training):
    layer = MobileMixer(6, mlp_ratio=2.5).double().train(training)
    for norm in (layer.expand_norm, layer.depthwise_norm, layer.project_norm):
        norm.running_mean.fill_(0.2)
        norm.running_var.fill_(0.5)
    x = torch.randn(batch, 6, 8, 4, generator=rng, dtype=torch.float64).contiguous(memory_format=memory_format)
    x.requires_grad_()
    inputs = [x, *layer.parameters()]
    output, expected = layer(x), reference(layer, x)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)
    grad = torch.randn(output.shape, generator=rng, dtype=torch.float64)
    wanted = torch.autograd.grad(expected, inputs, grad)
    torch.testing.assert_close(torch.autograd.grad(output, inputs, grad), wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("channels", "rounded"), [(800, 800), (1600.0, 1600), (50.0, 48), (52.0, 56), (11.0, 16), (2.0, 8)]
)
def test_rounded_channels(channels, rounded):
    assert rounded_channels(channels) == rounded
