"""Depthwise convolution of unchanged size, with an exact and fast weight gradient on CPU.

The weight gradient of a depthwise convolution correlates the input with the output gradient, channel by channel, which
is again a depthwise convolution: of the input, with the gradient as an image-sized kernel. The CPU library runs that
form 5 to 30 times faster than its own weight gradient once kernels are large.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["DepthwiseConv2d", "depthwise_conv2d", "halving_depthwise_conv2d", "halving_kernel"]


def depthwise_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Depthwise convolution with stride 1 and zero padding that keeps the size.

    Args:
        x: `(B, C, H, W)`, any range.
        weight: One kernel per channel, `(C, 1, K1, K2)` with K1 and K2 odd.
        bias: `(C,)` or None.

    Returns:
        `(B, C, H, W)`.

    Example:
        >>> depthwise_conv2d(torch.ones(1, 2, 3, 3), torch.ones(2, 1, 3, 3))[0, 0].tolist()
        [[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]]
    """
    if torch.is_grad_enabled() and weight.requires_grad and _library_is_slow(x):
        return _DepthwiseConv2d.apply(x, weight, bias)
    return _convolve(x, weight, bias)


def halving_kernel(weight: Tensor, height: int, width: int) -> Tensor:
    """Kernel for stride 2 and one zero on all sides that does what a 3 x 3 one does with TensorFlow's padding "SAME".

    That rule pads even sides at the end alone. A zero before the taps has the same effect, without a padded copy of the
    map.

    Args:
        weight: `(C, 1, 3, 3)`.
        height: Rows of the map.
        width: Columns of the map.

    Returns:
        `(C, 1, 3 or 4, 3 or 4)`.

    Example:
        >>> halving_kernel(torch.ones(1, 1, 3, 3), 4, 5)[0, 0, 0].tolist()
        [0.0, 0.0, 0.0]
    """
    # Not by F.pad: onnxruntime takes that of a weight for that of the map, and refuses its own graph.
    if height % 2 == 0:
        weight = torch.cat([torch.zeros_like(weight[..., :1, :]), weight], -2)
    return weight if width % 2 else torch.cat([torch.zeros_like(weight[..., :1]), weight], -1)


def halving_depthwise_conv2d(x: Tensor, weight: Tensor) -> Tensor:
    """Depthwise 3 x 3 convolution with stride 2, padded by TensorFlow's rule "SAME".

    Args:
        x: `(B, C, H, W)`, any range.
        weight: One kernel per channel, `(C, 1, 3, 3)`.

    Returns:
        `(B, C, ceil(H / 2), ceil(W / 2))`.

    Example:
        >>> halving_depthwise_conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3))[0, 0].tolist()
        [[9.0, 6.0], [6.0, 4.0]]
    """
    if torch.is_grad_enabled() and weight.requires_grad and _library_is_slow(x) and not torch.compiler.is_compiling():
        return _HalvingDepthwiseConv2d.apply(x, weight)
    return _halve(x, weight)


class DepthwiseConv2d(nn.Conv2d):
    """Module form of `depthwise_conv2d`.

    Args:
        dim: Channels C.
        kernel_size: Odd kernel size `(K1, K2)`, or one number for both.
        bias: Whether there is a bias per channel.

    Shape:
        Input and output `(B, C, H, W)`.

    Raises:
        ValueError: If a kernel side is even.
    """

    def __init__(self, dim: int, kernel_size: int | tuple[int, int], *, bias: bool = True) -> None:
        sides = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        if any(side < 1 or side % 2 == 0 for side in sides):
            raise ValueError(f"kernel_size must be odd to keep the size, got {kernel_size}.")
        super().__init__(dim, dim, sides, padding=(sides[0] // 2, sides[1] // 2), groups=dim, bias=bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return depthwise_conv2d(input, weight, bias)


def _library_is_slow(x: Tensor) -> bool:
    # Half precision, float64 and other devices take code paths that this reformulation does not help.
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    padding = (weight.shape[2] // 2, weight.shape[3] // 2)
    return F.conv2d(x, weight, bias, padding=padding, groups=weight.shape[0])


class _DepthwiseConv2d(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return _convolve(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        grad_x = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = _convolve(grad, weight.flip(2, 3))
        if ctx.needs_input_grad[2]:
            grad_bias = grad.sum((0, 2, 3))
        return grad_x, _weight_gradient(x, grad, weight.shape[2:]), grad_bias


def _weight_gradient(x: Tensor, grad: Tensor, kernel_size: torch.Size) -> Tensor:
    """`(C, 1, K1, K2)` from `(B, C, H, W)` twice; sample by sample, so that the copies stay small."""
    k1, k2 = kernel_size
    if k2 > k1:  # the library is an order of magnitude slower on wide results than on tall ones
        return _weight_gradient(x.mT, grad.mT, torch.Size((k2, k1))).mT
    if x.shape[0] == 0:  # an empty batch is split into one part
        return x.new_zeros(x.shape[1], 1, k1, k2)
    parts = [
        F.conv2d(_rows_last(sample), _rows_last(kernel).movedim(0, 1), padding=(k1 // 2, k2 // 2), groups=x.shape[1])
        for sample, kernel in zip(x.split(1), grad.split(1), strict=True)
    ]
    return torch.stack(parts).sum(0).movedim(0, 1)  # (1, C, K1, K2) -> (C, 1, K1, K2)


def _rows_last(sample: Tensor) -> Tensor:
    """Contiguous form of one map, `(1, C, H, W)`; a transposed matrix is copied much faster than a permuted map."""
    if sample.is_contiguous():
        return sample
    return sample.movedim(1, -1).flatten(0, 2).t().contiguous().view(sample.shape)


def _halve(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, halving_kernel(weight, *x.shape[-2:]), None, 2, 1, groups=weight.shape[0])


class _HalvingDepthwiseConv2d(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        return _halve(x, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor]:
        x, weight = ctx.saved_tensors
        grad_x = None
        if ctx.needs_input_grad[0]:
            kernel = halving_kernel(weight, *x.shape[-2:])
            grad_x = F.conv_transpose2d(grad, kernel, None, 2, 1, groups=weight.shape[0])
        rows, columns = _taps(x.shape[-2]), _taps(x.shape[-1])
        x, grad = x.movedim(1, -1), grad.movedim(1, -1)  # (B, H, W, C)
        taps = [
            (grad[:, outputs_y, outputs_x] * x[:, inputs_y, inputs_x]).sum((0, 1, 2))
            for outputs_y, inputs_y in rows
            for outputs_x, inputs_x in columns
        ]
        return grad_x, torch.stack(taps, -1).unflatten(-1, (3, 3)).unsqueeze(1)


def _taps(side: int) -> list[tuple[slice, slice]]:
    """For every tap, which outputs have it within the map, and the inputs it meets there."""
    before, outputs = side % 2, (side + 1) // 2
    pairs = []
    for tap in range(3):
        first = 1 if tap < before else 0
        last = min(outputs - 1, (side - 1 - tap + before) // 2)
        start = 2 * first + tap - before
        pairs.append((slice(first, last + 1), slice(start, 2 * last + tap - before + 1, 2)))
    return pairs
