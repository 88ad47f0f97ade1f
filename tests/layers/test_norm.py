"""Folding BatchNorm into convolutions: same numbers, same gradients."""

import pytest
import torch
from torch import nn

from subband.layers.norm import conv_bn, fold_batch_norm_before


def norm_with_history(
    channels: int, rng: torch.Generator, *, kind: type[nn.Module] = nn.BatchNorm2d, affine: bool = True
) -> nn.Module:
    bn = kind(channels, affine=affine, eps=1e-3).double()
    for tensor in (*bn.parameters(), bn.running_mean, bn.running_var):
        tensor.data.copy_(torch.rand(channels, generator=rng) + 0.5)
    return bn.eval()


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_norm_behind_a_convolution(rng, affine, bias, groups):
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=groups, bias=bias).double()
    bn = norm_with_history(6, rng, affine=affine)
    x = torch.rand(2, 4, 7, 8, generator=rng).double()
    torch.testing.assert_close(conv_bn(x, conv, bn), bn(conv(x)), rtol=1e-12, atol=1e-12)


def test_norm_behind_a_3d_convolution(rng):
    conv = nn.Conv3d(3, 5, (1, 3, 3), padding=(0, 1, 1)).double()
    bn = norm_with_history(5, rng, kind=nn.BatchNorm3d)
    x = torch.rand(1, 3, 2, 3, 4, generator=rng).double()
    torch.testing.assert_close(conv_bn(x, conv, bn), bn(conv(x)), rtol=1e-12, atol=1e-12)


def test_gradients_reach_convolution_and_norm(rng):
    conv, bn = nn.Conv2d(2, 3, 3, padding=1).double(), norm_with_history(3, rng)
    x = torch.rand(1, 2, 4, 4, generator=rng).double().requires_grad_()
    wanted = [x, *conv.parameters(), *bn.parameters()]
    folded = torch.autograd.grad(conv_bn(x, conv, bn).square().sum(), wanted)
    plain = torch.autograd.grad(bn(conv(x)).square().sum(), wanted)
    torch.testing.assert_close(folded, plain, rtol=1e-10, atol=1e-10)


def test_batch_statistics_are_used_and_updated_in_training(rng):
    conv, bn = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)
    y = conv_bn(torch.rand(4, 2, 8, 8, generator=rng), conv, bn)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    assert bn.num_batches_tracked == 1


def test_statistics_of_the_batch_are_never_folded(rng):
    conv, bn = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, track_running_stats=False).eval()
    x = torch.rand(4, 2, 8, 8, generator=rng)
    torch.testing.assert_close(conv_bn(x, conv, bn), bn(conv(x)))


@pytest.mark.parametrize("bias", [True, False])
def test_norm_before_a_linear_layer(rng, bias):
    linear, bn = nn.Linear(4, 3, bias=bias).double(), norm_with_history(4, rng, kind=nn.BatchNorm1d)
    x = torch.rand(5, 4, generator=rng).double()
    found = nn.functional.linear(x, *fold_batch_norm_before(linear.weight, linear.bias, bn))
    torch.testing.assert_close(found, linear(bn(x)), rtol=1e-12, atol=1e-12)
