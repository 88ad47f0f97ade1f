"""1x1 convolutions in the form the CPU library runs fastest."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Conv1x1", "conv1x1", "conv1x1_per_sample"]

# PyTorch hands 1x1 convolutions on one thread to oneDNN, its fastest library, from this batch size on.
BATCH = 16


def conv1x1(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """1x1 convolution.

    A pixel does not care which image it belongs to, so on CPU the pixels of images with the channels last in memory are
    dealt out to a batch of 16 without copying them.

    Args:
        x: `(B, C, H, W)`, any range.
        weight: `(D, C, 1, 1)`.
        bias: `(D,)` or None.

    Returns:
        `(B, D, H, W)`, in the memory format of `x`.

    Example:
        >>> x, weight = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last), torch.rand(5, 3, 1, 1)
        >>> torch.allclose(conv1x1(x, weight), F.conv2d(x, weight), atol=1e-6)
        True
    """
    if not _runs_eagerly_on_cpu(x) or x.is_contiguous() or (x.shape[0] * x.shape[2] * x.shape[3]) % BATCH:
        return F.conv2d(x, weight, bias)
    batch, _, height, width = x.shape
    pixels = x.movedim(1, -1).reshape(BATCH, -1, 1, x.shape[1]).movedim(-1, 1)  # (16, C, B * H * W / 16, 1)
    return F.conv2d(pixels, weight, bias).movedim(1, -1).reshape(batch, height, width, -1).movedim(-1, 1)


def conv1x1_per_sample(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """1x1 convolution with own weights for every sample.

    Args:
        x: `(B, C, H, W)`, any range.
        weight: `(B, D, C)`.
        bias: `(D,)` or None.

    Returns:
        `(B, D, H, W)`.
    """
    if not _runs_eagerly_on_cpu(x) or x.shape[0] == 0:  # an empty batch is split into one part
        out = (weight @ x.flatten(2)).unflatten(2, x.shape[2:])
        return out if bias is None else out + bias[:, None, None]
    weights = weight[..., None, None].unbind()
    parts = [conv1x1(sample, kernel, bias) for sample, kernel in zip(x.split(1), weights, strict=True)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


class Conv1x1(nn.Conv2d):
    """Module form of `conv1x1`.

    Args:
        in_chans: Input channels C.
        out_chans: Output channels D.
        bias: Whether there is a bias per output channel.

    Shape:
        `(B, C, H, W)` to `(B, D, H, W)`.
    """

    def __init__(self, in_chans: int, out_chans: int, *, bias: bool = True) -> None:
        super().__init__(in_chans, out_chans, 1, bias=bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return conv1x1(input, weight, bias)


def _runs_eagerly_on_cpu(x: Tensor) -> bool:
    # A compiler chooses its own kernels, and an exported graph must not depend on the batch size.
    return x.device.type == "cpu" and not torch.compiler.is_compiling()
