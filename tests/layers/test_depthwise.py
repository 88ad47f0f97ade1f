"""Depthwise convolution against the library's, in both memory formats."""

import pytest
import torch
from torch.nn import functional as F

from subband.layers.depthwise import DepthwiseConv2d, depthwise_conv2d, halving_depthwise_conv2d

SHAPES = [  # B, C, H, W, K1, K2
    (1, 3, 9, 8, 3, 3),
    (2, 20, 12, 16, 11, 5),
    (3, 17, 16, 7, 5, 11),
    (1, 4, 5, 6, 13, 5),
    (2, 5, 6, 6, 1, 1),
]
FORMATS = [torch.contiguous_format, torch.channels_last]


def reference(x, weight, bias):
    padding = (weight.shape[2] // 2, weight.shape[3] // 2)
    return F.conv2d(x, weight, bias, padding=padding, groups=weight.shape[0])


def arguments(rng, shape, memory_format, dtype=torch.float32):
    batch, channels, height, width, k1, k2 = shape
    x = torch.randn(batch, channels, height, width, generator=rng, dtype=dtype).contiguous(memory_format=memory_format)
    weight = torch.randn(channels, 1, k1, k2, generator=rng, dtype=dtype)
    return x, weight, torch.randn(channels, generator=rng, dtype=dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("with_bias", [True, False])
def test_output_and_gradients(rng, shape, memory_format, with_bias):
    values = arguments(rng, shape, memory_format)[: 3 if with_bias else 2]
    ours = [value.clone().requires_grad_() for value in values]
    exact = [value.double().requires_grad_() for value in values]
    output = depthwise_conv2d(*ours)
    expected = reference(*exact, *([] if with_bias else [None]))
    torch.testing.assert_close(output.double(), expected, rtol=0, atol=1e-4)
    grad = torch.randn(output.shape, generator=rng).contiguous(memory_format=memory_format)
    output.backward(grad)
    expected.backward(grad.double())
    for found, wanted in zip(ours, exact, strict=True):
        torch.testing.assert_close(found.grad.double(), wanted.grad, rtol=0, atol=1e-4)


def test_frozen_parts_get_no_gradient(rng):
    x, weight, bias = arguments(rng, SHAPES[1], torch.channels_last)
    depthwise_conv2d(x, weight.requires_grad_(), bias).sum().backward()
    assert x.grad is None
    assert bias.grad is None
    assert weight.grad.isfinite().all()


def test_second_derivatives(rng):
    values = [value.requires_grad_() for value in arguments(rng, (2, 2, 4, 5, 3, 5), torch.contiguous_format)]

    def penalty(function):
        grads = torch.autograd.grad(function(*values).square().sum(), values[:2], create_graph=True)
        return torch.autograd.grad(sum(grad.square().sum() for grad in grads), values[:2])

    for found, expected in zip(penalty(depthwise_conv2d), penalty(reference), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-2 * float(expected.abs().max()) * 1e-2)


def test_bfloat16_autocast(rng):
    values = [value.requires_grad_() for value in arguments(rng, SHAPES[1], torch.channels_last)]
    with torch.autocast("cpu", torch.bfloat16):
        output = depthwise_conv2d(*values)
    assert output.dtype == torch.bfloat16
    output.float().sum().backward()
    assert all(value.grad.dtype == torch.float32 and value.grad.isfinite().all() for value in values)


def test_module_is_a_convolution(rng):
    module = DepthwiseConv2d(4, (3, 5))
    x = torch.randn(2, 4, 6, 7, generator=rng)
    torch.testing.assert_close(module(x), reference(x, module.weight, module.bias))
    assert DepthwiseConv2d(4, 3, bias=False).bias is None


@pytest.mark.parametrize("kernel_size", [2, (3, 4), 0])
def test_even_kernels_are_refused(kernel_size):
    with pytest.raises(ValueError, match="kernel_size must be odd"):
        DepthwiseConv2d(4, kernel_size)


@pytest.mark.parametrize("size", [(8, 8), (7, 8), (8, 5), (7, 9), (2, 1)])
def test_halving_equals_a_padded_convolution(rng, size):
    x = torch.randn(2, 3, *size, generator=rng).to(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(3, 1, 3, 3, generator=rng).requires_grad_()
    pads = [(side % 2, 1) for side in reversed(size)]
    results = []
    for convolve in (
        lambda: halving_depthwise_conv2d(x, weight),
        lambda: F.conv2d(F.pad(x, [*pads[0], *pads[1]]), weight, stride=2, groups=3),
    ):
        y = convolve()
        results.append((y, *torch.autograd.grad(y.pow(3).sum(), (x, weight))))
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("size", [(8, 8), (8, 7)])
def test_halving_in_onnx(rng, check_onnx, size):
    """With weights too large to compute the kernel while exporting; onnxruntime trips over `F.pad` of them."""

    class Halving(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(1024, 1, 3, 3, generator=rng))

        def forward(self, x):
            return halving_depthwise_conv2d(x, self.weight * 2)

    check_onnx(Halving(), torch.randn(2, 1024, *size, generator=rng))
