"""Batch normalisation merged into the neighbouring convolution while evaluating.

In eval mode a BatchNorm is a fixed affine map per channel, so it can be multiplied into the weights of the
convolution before or after it. The merged weights are computed on the fly and are differentiable: there is no second copy of the
weights to go stale, and train and eval mode share one state dict.
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


def fold_batch_norm(weight: Tensor, bias: Tensor | None, bn: _BatchNorm, *, out_axis: int = 0) -> tuple[Tensor, Tensor]:
    """Weights of the convolution equal to `bn(convolution(x))` in eval mode.

    Args:
        weight: Convolution weight of any dimension; `(C, ...)`, or `(C_in, C, ...)` if transposed and ungrouped.
        bias: Convolution bias, `(C,)`, or None.
        bn: The BatchNorm over the `C` outputs.
        out_axis: Axis of `weight` with the output channels: 0, or 1 for transposed convolutions.

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
    shape = [1] * weight.ndim
    shape[out_axis] = -1
    return weight * scale.view(shape), shift if bias is None else torch.addcmul(shift, bias, scale)


def fold_batch_norm_before(weight: Tensor, bias: Tensor | None, bn: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Weights of the 1x1 convolution (or linear layer) equal to `convolution(bn(x))` in eval mode.

    Larger kernels are excluded: their zero padding would have to become the constant that `bn` maps zero to.

    Args:
        weight: `(C_out, C)` or `(C_out, C, 1, ...)`, ungrouped.
        bias: `(C_out,)` or None.
        bn: The BatchNorm over the `C` inputs.

    Returns:
        weight: Of the shape given.
        bias: `(C_out,)`.

    Example:
        >>> conv, bn = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(3).eval()
        >>> x = torch.rand(1, 3, 5, 5)
        >>> weight, bias = fold_batch_norm_before(conv.weight, conv.bias, bn)
        >>> torch.allclose(nn.functional.conv2d(x, weight, bias), conv(bn(x)), atol=1e-6)
        True
    """
    matrix = weight.flatten(1)
    assert matrix.shape[1] == bn.num_features, (
        "only 1x1 convolutions without groups can take up a BatchNorm before them"
    )
    scale, shift = _affine_of(bn)
    folded_bias = matrix @ shift
    return (matrix * scale).view_as(weight), folded_bias if bias is None else folded_bias + bias


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
