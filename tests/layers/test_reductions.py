"""Means over axes of a map."""

import pytest
import torch

from subband.layers.reductions import mean_over


@pytest.mark.parametrize("axes", [(2,), (3,), (2, 3)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_mean_and_format_of_the_gradient(rng, axes, memory_format):
    x = torch.rand(2, 3, 4, 5, generator=rng).contiguous(memory_format=memory_format).requires_grad_()
    mean = mean_over(x, axes)
    torch.testing.assert_close(mean, x.mean(axes, keepdim=True))
    (mean * torch.ones_like(mean)).sum().backward()
    torch.testing.assert_close(x.grad, torch.full_like(x, mean.numel() / x.numel()))
    assert x.grad.is_contiguous(memory_format=memory_format)
