"""Convolution with a kernel for every pixel: against loops and unfolding, enlarged kernels, gradients, memory."""

import itertools

import pytest
import torch
from torch.nn import functional as F

from subband.layers import dynamic_conv2d
from subband.models.complexity import peak_mb


def naive(x, kernels, group_channels):
    batch, channels, height, width = x.shape
    groups = channels // group_channels
    size = int((kernels.shape[1] // groups) ** 0.5)
    taps = kernels.view(batch, groups, size, size, height, width)
    padded = F.pad(x, [size // 2] * 4)
    out = torch.zeros_like(x)
    for b, c, i, j in itertools.product(*map(range, x.shape)):
        window = padded[b, c, i : i + size, j : j + size]
        out[b, c, i, j] = (taps[b, c // group_channels, :, :, i, j] * window).sum()
    return out


@pytest.mark.parametrize(("size", "group_channels"), [(3, 1), (3, 2), (5, 4), (1, 1)])
def test_loops(rng, size, group_channels):
    x = torch.randn(2, 4, 5, 6, generator=rng, dtype=torch.float64)
    kernels = torch.randn(2, 4 // group_channels * size**2, 5, 6, generator=rng, dtype=torch.float64)
    found = dynamic_conv2d(x, kernels, group_channels=group_channels)
    torch.testing.assert_close(found, naive(x, kernels, group_channels), rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_kernels_of_a_lower_resolution_are_enlarged(rng, layout):
    x = torch.randn(2, 4, 16, 24, generator=rng)
    kernels = torch.randn(2, 36, 2, 3, generator=rng)
    enlarged = F.interpolate(kernels, scale_factor=8, mode="bilinear", align_corners=False).view(2, 4, 9, 16, 24)
    wanted = (enlarged * F.unfold(x, 3, padding=1).view(2, 4, 9, 16, 24)).sum(2)
    found = dynamic_conv2d(*(t.contiguous(memory_format=layout) for t in (x, kernels)))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
    assert found.is_contiguous(memory_format=layout)


def test_a_fixed_kernel_is_an_ordinary_convolution(rng):
    x, weight = torch.randn(1, 3, 7, 8, generator=rng), torch.randn(3, 1, 3, 3, generator=rng)
    found = dynamic_conv2d(x, weight.view(1, 27, 1, 1))
    torch.testing.assert_close(found, F.conv2d(x, weight, padding=1, groups=3), rtol=0, atol=1e-5)


@pytest.mark.parametrize("group_channels", [1, 2])
def test_gradients(rng, group_channels):
    x = torch.randn(1, 2, 4, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    kernels = torch.randn(1, 18 // group_channels, 2, 2, generator=rng, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *args: dynamic_conv2d(*args, group_channels=group_channels), (x, kernels))


def test_memory_does_not_hold_all_taps():
    class Filter(torch.nn.Module):
        def forward(self, x, kernels):
            return dynamic_conv2d(x, kernels)

    x, kernels = torch.rand(1, 8, 64, 64), torch.rand(1, 72, 8, 8)
    assert peak_mb(Filter(), (x, kernels)) < 5 * x.nbytes / 2**20


@pytest.mark.parametrize(
    ("x", "kernels", "group_channels", "word"),
    [
        ((1, 4, 8, 8), (2, 36, 8, 8), 1, "one batch size"),
        ((1, 4, 8, 8), (1, 35, 8, 8), 1, r"4 \* K \* K channels with K odd, got 35"),
        ((1, 4, 8, 8), (1, 16, 8, 8), 1, "K odd, got 16"),
        ((1, 4, 8, 8), (1, 36, 9, 8), 1, "not be larger"),
        ((1, 4, 8, 8), (1, 36, 8, 8), 3, "group_channels must divide the 4 channels"),
        ((4, 8, 8), (36, 8, 8), 1, r"\(B, C, H, W\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(x, kernels, group_channels, word):
    with pytest.raises(ValueError, match=word):
        dynamic_conv2d(torch.zeros(x), torch.zeros(kernels), group_channels=group_channels)
