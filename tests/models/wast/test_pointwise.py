"""1x1 convolutions against the library's, in both memory formats."""

import pytest
import torch
from torch.nn import functional as F

from subband.models.wast.pointwise import Conv1x1, conv1x1, conv1x1_per_sample

SHAPES = [(1, 3, 8, 8), (2, 5, 4, 6), (3, 4, 5, 7), (1, 1, 4, 4), (16, 2, 1, 1)]
FORMATS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("has_bias", [True, False])
def test_shared_weights(rng, shape, memory_format, has_bias):
    x = torch.randn(shape, generator=rng).contiguous(memory_format=memory_format).requires_grad_()
    conv = Conv1x1(shape[1], 6, bias=has_bias)
    output, expected = conv(x), F.conv2d(x, conv.weight, conv.bias)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-5)
    if shape[1] > 1:  # one channel lies in both formats
        assert output.is_contiguous(memory_format=memory_format)
    grad = torch.randn(output.shape, generator=rng)
    found = torch.autograd.grad(output, [x, conv.weight], grad)
    torch.testing.assert_close(found, torch.autograd.grad(expected, [x, conv.weight], grad), rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("has_bias", [True, False])
def test_own_weights_for_every_sample(rng, shape, memory_format, has_bias):
    x = torch.randn(shape, generator=rng).contiguous(memory_format=memory_format)
    weight = torch.randn(shape[0], 6, shape[1], generator=rng)
    bias = torch.randn(6, generator=rng) if has_bias else None
    expected = torch.stack([F.conv2d(image, w[..., None, None], bias) for image, w in zip(x, weight, strict=True)])
    torch.testing.assert_close(conv1x1_per_sample(x, weight, bias), expected, rtol=0, atol=1e-5)


def test_compiled_forms_agree(rng):
    x = torch.randn(2, 3, 4, 4, generator=rng).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(2, 5, 3, generator=rng), torch.randn(5, generator=rng)
    compiled = torch.compile(conv1x1_per_sample, backend="eager")(x, weight, bias)
    torch.testing.assert_close(compiled, conv1x1_per_sample(x, weight, bias), rtol=0, atol=1e-6)
    shared = weight[0, :, :, None, None]
    torch.testing.assert_close(
        torch.compile(conv1x1, backend="eager")(x, shared), conv1x1(x, shared), rtol=0, atol=1e-6
    )
