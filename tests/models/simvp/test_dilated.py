"""Dilated depthwise convolution on sub-grids against the direct one."""

import pytest
import torch
from torch.nn import functional as F

from subband.models.simvp.dilated import DilatedDepthwiseConv2d, dilated_depthwise


@pytest.mark.parametrize(("dilation", "kernel_size"), [(1, 3), (2, 3), (3, 7), (4, 5)])
@pytest.mark.parametrize("size", [(16, 16), (9, 13), (2, 1)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_equals_the_direct_convolution(rng, dilation, kernel_size, size, memory_format):
    x = torch.randn(2, 5, *size, generator=rng).to(memory_format=memory_format)
    weight = torch.randn(5, 1, kernel_size, kernel_size, generator=rng)
    bias = torch.randn(5, generator=rng)
    padding = dilation * (kernel_size // 2)
    direct = F.conv2d(x, weight, bias, padding=padding, dilation=dilation, groups=5)
    torch.testing.assert_close(dilated_depthwise(x, weight, bias, dilation), direct, rtol=1e-5, atol=1e-5)


def test_gradients_equal_those_of_the_direct_convolution(rng):
    layer = DilatedDepthwiseConv2d(4, 7, dilation=3)
    x = torch.randn(2, 4, 10, 11, generator=rng).requires_grad_()
    wanted = [x, layer.weight, layer.bias]
    direct = F.conv2d(x, layer.weight, layer.bias, padding=9, dilation=3, groups=4)
    ours = torch.autograd.grad(layer(x).square().sum(), wanted)
    torch.testing.assert_close(ours, torch.autograd.grad(direct.square().sum(), wanted), rtol=1e-4, atol=1e-4)
