"""Batch normalization merged into the convolution before it while evaluating.

In eval mode a BatchNorm is a fixed affine map per channel, so it can be multiplied into the weights of the convolution
before it. The merged weights are computed on the fly and are differentiable: there is no second copy of the weights to
go stale, and train and eval mode share one state dict. This pays where weights are fewer than pixels times channels:
depthwise convolutions, large maps. In front of the wide 1x1 layers of a translator (512 to 4096 channels, 16 x 16
pixels) merging takes eight times as long as the norm itself, so norms there are left alone.
"""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["conv_bn", "fold_batch_norm", "fold_batch_norm_before", "uses_running_statistics"]


def uses_running_statistics(bn: _BatchNorm) -> bool:
    """Whether `bn` currently is a fixed affine map (eval mode, running statistics kept) and may be folded."""
    return not bn.training and bn.track_running_stats


def _affine_of(bn: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Scale and shift, each `(C,)`, of the map `bn` applies in eval mode."""
    assert bn.running_mean is not None
    assert bn.running_var is not None
    scale = torch.rsqrt(bn.running_var + bn.eps)
    if bn.weight is not None:
        scale = scale * bn.weight
    shift = -bn.running_mean * scale
    return scale, shift if bn.bias is None else shift + bn.bias


def fold_batch_norm(weight: Tensor, bias: Tensor | None, bn: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Weights of the convolution equal to `bn(convolution(x))` in eval mode.

    Args:
        weight: Convolution weight of any dimension, `(C, ...)`.
        bias: Convolution bias, `(C,)`, or None.
        bn: The BatchNorm over the `C` outputs.

    Returns:
        weight: Of the shape given.
        bias: `(C,)`.

    Example:
        >>> conv, bn = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4).eval()
        >>> x = torch.rand(1, 3, 5, 5)
        >>> weight, bias = fold_batch_norm(conv.weight, conv.bias, bn)
        >>> torch.allclose(nn.functional.conv2d(x, weight, bias), bn(conv(x)), atol=1e-6)
        True
    """
    scale, shift = _affine_of(bn)
    merged = weight * scale.view(-1, *[1] * (weight.ndim - 1))
    return merged, shift if bias is None else torch.addcmul(shift, bias, scale)


def fold_batch_norm_before(weight: Tensor, bias: Tensor | None, bn: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Weights of the linear layer equal to `linear(bn(x))` in eval mode, bn being over the last axis of x.

    Args:
        weight: `(D, C)`.
        bias: `(D,)`, or None.
        bn: The BatchNorm over the `C` inputs.

    Returns:
        weight: `(D, C)`.
        bias: `(D,)`.

    Example:
        >>> linear, bn = nn.Linear(3, 4), nn.BatchNorm1d(3).eval()
        >>> x = torch.rand(5, 3)
        >>> weight, bias = fold_batch_norm_before(linear.weight, linear.bias, bn)
        >>> torch.allclose(nn.functional.linear(x, weight, bias), linear(bn(x)), atol=1e-6)
        True
    """
    scale, shift = _affine_of(bn)
    offset = weight @ shift
    return weight * scale, offset if bias is None else offset + bias


def conv_bn(x: Tensor, conv: nn.Conv2d | nn.Conv3d, bn: _BatchNorm) -> Tensor:
    """`bn(conv(x))`, as one convolution when `bn` uses its running statistics.

    Args:
        x: Input of the convolution, `(B, C_in, ...)`.
        conv: Convolution with zero padding.
        bn: The BatchNorm over its outputs.

    Returns:
        `(B, C_out, ...)`.
    """
    if not uses_running_statistics(bn):
        return bn(conv(x))
    weight, bias = fold_batch_norm(conv.weight, conv.bias, bn)
    return conv._conv_forward(x, weight, bias)
