"""Deformable convolution against loops, against ordinary convolution, and by finite differences."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from subband.layers.deform_conv import deform_conv2d

# offset groups, convolution groups, stride, padding, dilation
SETTINGS = [(1, 1, 1, 1, 1), (2, 1, 1, 1, 1), (2, 2, 2, 1, 1), (4, 1, 1, 3, 3), (1, 4, (2, 1), (0, 2), (1, 2))]


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def make_inputs(rng: torch.Generator, setting: tuple, kernel: tuple[int, int] = (3, 2)) -> tuple[Tensor, ...]:
    offset_groups, groups, stride, padding, dilation = setting
    x = torch.randn(2, 4, 7, 6, generator=rng, dtype=torch.float64)
    weight = torch.randn(4, 4 // groups, *kernel, generator=rng, dtype=torch.float64)
    size = F.conv2d(x, weight, stride=stride, padding=padding, dilation=dilation, groups=groups).shape[-2:]
    num_taps = offset_groups * kernel[0] * kernel[1]
    offset = 2 * torch.randn(2, num_taps * 2, *size, generator=rng, dtype=torch.float64)
    mask = torch.rand(2, num_taps, *size, generator=rng, dtype=torch.float64)
    return x, offset, weight, mask, torch.randn(4, generator=rng, dtype=torch.float64)


def read(image: Tensor, row: float, column: float) -> float:
    """Bilinear value of `(H, W)` with zeros outside."""
    top, left = int(row // 1), int(column // 1)
    value = 0.0
    for i, j in itertools.product((top, top + 1), (left, left + 1)):
        if 0 <= i < image.shape[0] and 0 <= j < image.shape[1]:
            value += image[i, j].item() * (1 - abs(row - i)) * (1 - abs(column - j))
    return value


def naive(x: Tensor, offset: Tensor, weight: Tensor, mask: Tensor, bias: Tensor, setting: tuple) -> Tensor:
    offset_groups, groups, *geometry = setting
    stride, padding, dilation = map(pair, geometry)
    batch, channels = x.shape[:2]
    out_chans, in_group, height, width = weight.shape
    taps = height * width
    out = bias[None, :, None, None].repeat(batch, 1, *offset.shape[-2:])
    for b, d, i, j in itertools.product(range(batch), range(out_chans), *map(range, out.shape[-2:])):
        for c, row, column in itertools.product(range(in_group), range(height), range(width)):
            channel = d // (out_chans // groups) * in_group + c
            k = channel // (channels // offset_groups) * taps + row * width + column
            y = i * stride[0] - padding[0] + row * dilation[0] + offset[b, 2 * k, i, j].item()
            z = j * stride[1] - padding[1] + column * dilation[1] + offset[b, 2 * k + 1, i, j].item()
            out[b, d, i, j] += weight[d, c, row, column] * mask[b, k, i, j] * read(x[b, channel], y, z)
    return out


def options(setting: tuple) -> dict:
    return dict(zip(("stride", "padding", "dilation"), setting[2:], strict=True))


@pytest.mark.parametrize("setting", SETTINGS)
def test_matches_naive_loops(rng, setting):
    x, offset, weight, mask, bias = make_inputs(rng, setting, kernel=(2, 2))
    ours = deform_conv2d(x, offset, weight, bias=bias, mask=mask, **options(setting))
    torch.testing.assert_close(ours, naive(x, offset, weight, mask, bias, setting), rtol=0, atol=1e-12)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_offsets_are_an_ordinary_convolution(rng, setting, dtype):
    x, offset, weight, _, bias = (t.to(dtype) for t in make_inputs(rng, setting))
    ours = deform_conv2d(x, torch.zeros_like(offset), weight, bias=bias, **options(setting))
    groups = x.shape[1] // weight.shape[1]
    tolerance = 1e-4 if dtype == torch.float32 else 1e-12
    expected = F.conv2d(x, weight, bias, groups=groups, **options(setting))
    torch.testing.assert_close(ours, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("with_mask", [False, True])
def test_gradients(rng, with_mask):
    x, offset, weight, mask, bias = (t.requires_grad_() for t in make_inputs(rng, SETTINGS[2], kernel=(2, 2)))

    def function(x: Tensor, offset: Tensor, weight: Tensor, bias: Tensor, mask: Tensor) -> Tensor:
        return deform_conv2d(x, offset, weight, bias=bias, mask=mask if with_mask else None, **options(SETTINGS[2]))

    assert torch.autograd.gradcheck(function, (x, offset, weight, bias, mask))


def test_half_precision_samples_in_float32(rng):
    x, offset, weight, mask, bias = (t.bfloat16() for t in make_inputs(rng, SETTINGS[0]))
    ours = deform_conv2d(x, offset, weight, bias=bias, mask=mask, padding=1)
    assert ours.dtype == torch.bfloat16
    exact = deform_conv2d(*(t.double() for t in (x, offset, weight)), bias=bias.double(), mask=mask.double(), padding=1)
    torch.testing.assert_close(ours.double(), exact, rtol=0.05, atol=0.1)


def test_slices_of_video_tensors_are_accepted(rng):
    clip = torch.randn(2, 4, 3, 8, 8, generator=rng)
    weight, offset = torch.randn(4, 4, 3, 3, generator=rng), torch.randn(2, 36, 6, 6, generator=rng)
    frame = clip[:, :, 1]
    torch.testing.assert_close(deform_conv2d(frame, offset, weight), deform_conv2d(frame.contiguous(), offset, weight))


@pytest.mark.parametrize(
    ("shapes", "word"),
    [
        (((1, 4, 6, 6), (1, 18, 4, 4), (2, 3, 3, 3), None), "weight"),
        (((1, 4, 6, 6), (1, 17, 4, 4), (2, 4, 3, 3), None), "offset"),
        (((1, 4, 6, 6), (1, 54, 4, 4), (2, 4, 3, 3), None), "offset"),
        (((1, 4, 6, 6), (1, 18, 6, 6), (2, 4, 3, 3), None), "offset"),
        (((2, 4, 6, 6), (1, 18, 4, 4), (2, 4, 3, 3), None), "offset"),
        (((1, 4, 6, 6), (1, 18, 4, 4), (2, 4, 3, 3), (1, 18, 4, 4)), "mask"),
    ],
)
def test_shapes_that_do_not_fit_are_named(shapes, word):
    x, offset, weight, mask = (None if shape is None else torch.zeros(shape) for shape in shapes)
    with pytest.raises(ValueError, match=word):
        deform_conv2d(x, offset, weight, mask=mask)
