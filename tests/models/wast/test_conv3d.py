"""3-D convolution against the library's in every form it takes."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from subband.models.wast.conv3d import Conv3d, ConvNormGELU, conv3d

CASES = [  # batch, in, out, groups, T, H, W
    (1, 3, 8, 1, 4, 6, 5),  # two slabs
    (1, 2, 7, 1, 3, 5, 4),  # two slabs of an odd number of rows
    (1, 2, 7, 1, 2, 1, 4),  # a single row
    (2, 3, 8, 1, 4, 6, 5),  # as it is
    (1, 6, 6, 2, 3, 4, 4),  # groups
    (1, 4, 1, 1, 4, 5, 6),  # few outputs
    (2, 4, 3, 1, 1, 5, 6),  # few outputs, one frame
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("has_bias", [True, False])
def test_output_and_gradients(rng, case, memory_format, has_bias):
    batch, in_chans, out_chans, groups, *size = case
    x = torch.randn(batch, in_chans, *size, generator=rng).contiguous(memory_format=memory_format).requires_grad_()
    weight = torch.randn(out_chans, in_chans // groups, 3, 3, 3, generator=rng).requires_grad_()
    bias = torch.randn(out_chans, generator=rng) if has_bias else None
    expected = F.conv3d(x, weight, bias, padding=1, groups=groups)
    output = conv3d(x, weight, bias, groups)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-4)
    grad = torch.randn(output.shape, generator=rng)
    found = torch.autograd.grad(output, [x, weight], grad)
    torch.testing.assert_close(found, torch.autograd.grad(expected, [x, weight], grad), rtol=0, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("out_chans", [1, 8])
@pytest.mark.parametrize("training", [True, False])
def test_convolution_norm_and_gelu(rng, dtype, out_chans, training):
    layer = ConvNormGELU(2, out_chans).to(dtype).train(training)
    layer.norm.running_mean.add_(0.3)
    plain = nn.Sequential(nn.Conv3d(2, out_chans, 3, padding=1), nn.BatchNorm3d(out_chans), nn.GELU()).to(dtype)
    plain.train(training).load_state_dict(
        {key.replace("conv.", "0.").replace("norm.", "1."): value for key, value in layer.state_dict().items()}
    )
    x = torch.randn(1, 2, 4, 6, 6, generator=rng, dtype=dtype)
    # A gradient with the channels last on a single clip: the batch norm of torch 2.13 fails on it in the other format.
    grad = torch.randn(1, 4, 6, 6, out_chans, generator=rng, dtype=dtype).movedim(-1, 1)
    output, expected = layer(x), plain(x)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-5)
    output.backward(grad.as_strided(grad.shape, (out_chans, *grad.stride()[1:])))
    expected.backward(grad.contiguous())
    for found, wanted in zip(layer.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(found.grad, wanted.grad, rtol=0, atol=1e-4)


def test_module_is_a_convolution(rng):
    module = Conv3d(4, 6, groups=2)
    x = torch.randn(1, 4, 3, 5, 5, generator=rng)
    expected = F.conv3d(x, module.weight, module.bias, padding=1, groups=2)
    torch.testing.assert_close(module(x), expected, rtol=0, atol=1e-5)
