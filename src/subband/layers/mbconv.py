"""Inverted residual with squeeze-excitation and BatchNorm before it (MBConv), as WSF-ViT uses it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from subband.layers.depthwise import halving_depthwise_conv2d, halving_kernel
from subband.layers.drop import DropPath
from subband.layers.fused import Gelu, conv2d_gelu, linear, linear_gelu
from subband.layers.norm import fold_batch_norm, fold_batch_norm_before, uses_running_statistics
from subband.layers.reductions import mean_over

__all__ = ["MBConv", "SqueezeExcite"]


class SqueezeExcite(nn.Module):
    """Weights channels by a function of their means.

    Source: Hu et al., Squeeze-and-Excitation Networks, CVPR 2018.

    Args:
        dim: D.
        squeezed_dim: Width in between.

    Shape:
        Input and output `(B, D, H, W)`.
    """

    def __init__(self, dim: int, squeezed_dim: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(dim, squeezed_dim, 1)
        self.excite = nn.Conv2d(squeezed_dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Weight `x`, `(B, D, H, W)`."""
        means = mean_over(x, (2, 3)).flatten(1)
        hidden = F.silu(F.linear(means, self.squeeze.weight.flatten(1), self.squeeze.bias))
        gate = F.linear(hidden, self.excite.weight.flatten(1), self.excite.bias).sigmoid()
        return x * gate[..., None, None]


class MBConv(nn.Module):
    """`shortcut(x) + project(squeeze_excite(depthwise(expand(norm(x)))))`.

    With stride 2 the sides are halved, the shortcut is a mean over 2 x 2 pixels, and zeros are appended at the right
    and bottom border alone where sides are even (TensorFlow's rule "SAME").

    Source: Sandler et al., MobileNetV2, CVPR 2018; the leading norm is that of Tu et al., MaxViT, ECCV 2022.

    Args:
        dim: Output channels D.
        in_chans: Input channels C; D if not given.
        stride: 1 or 2.
        expansion: Width in between over D.
        squeeze_ratio: Squeezed width of the squeeze-excitation over D.
        eps: Of the BatchNorms.
        gelu: `none` for the exact GELU, `tanh` for its approximation.

    Shape:
        `(B, C, H, W)` to `(B, D, ceil(H / stride), ceil(W / stride))`.

    Raises:
        ValueError: If `stride` is neither 1 nor 2, or channels change at stride 1.
    """

    def __init__(
        self,
        dim: int,
        *,
        in_chans: int | None = None,
        stride: int = 1,
        expansion: int = 4,
        squeeze_ratio: float = 0.25,
        eps: float = 1e-5,
        gelu: Gelu = "none",
    ) -> None:
        super().__init__()
        in_chans = dim if in_chans is None else in_chans
        if stride not in (1, 2) or (stride == 1 and in_chans != dim):
            raise ValueError(f"stride must be 2, or 1 with as many channels out as in, got {stride}.")
        hidden_dim = expansion * dim
        self.stride, self.gelu = stride, gelu
        self.shortcut = nn.Conv2d(in_chans, dim, 1) if in_chans != dim else None
        self.norm_in = nn.BatchNorm2d(in_chans, eps=eps)
        self.expand = nn.Conv2d(in_chans, hidden_dim, 1, bias=False)
        self.norm_expand = nn.BatchNorm2d(hidden_dim, eps=eps)
        self.depthwise = nn.Conv2d(hidden_dim, hidden_dim, 3, stride, 1, groups=hidden_dim, bias=False)
        self.norm_depthwise = nn.BatchNorm2d(hidden_dim, eps=eps)
        self.squeeze_excite = SqueezeExcite(hidden_dim, int(squeeze_ratio * dim))
        self.project = nn.Conv2d(hidden_dim, dim, 1)
        self.drop_path = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to `x`, `(B, C, H, W)`."""
        hidden = self.squeeze_excite(self._filtered(self._expanded(x)))
        return self._shortcut(x) + self.drop_path(_pointwise(hidden, self.project))

    def _expanded(self, x: Tensor) -> Tensor:
        if not (uses_running_statistics(self.norm_in) and uses_running_statistics(self.norm_expand)):
            return F.gelu(self.norm_expand(_pointwise(self.norm_in(x), self.expand)), approximate=self.gelu)
        weight, bias = fold_batch_norm(self.expand.weight.flatten(1), None, self.norm_expand)
        weight, bias = fold_batch_norm_before(weight, bias, self.norm_in)
        return linear_gelu(x.movedim(1, -1), weight, bias, gelu=self.gelu).movedim(-1, 1)

    def _filtered(self, x: Tensor) -> Tensor:
        conv, norm = self.depthwise, self.norm_depthwise
        if not uses_running_statistics(norm):
            hidden = conv(x) if self.stride == 1 else halving_depthwise_conv2d(x, conv.weight)
            return F.gelu(norm(hidden), approximate=self.gelu)
        weight, bias = fold_batch_norm(conv.weight, None, norm)
        if self.stride == 2:
            weight = halving_kernel(weight, *x.shape[-2:])
        return conv2d_gelu(x, weight, bias, stride=self.stride, padding=1, groups=x.shape[1], gelu=self.gelu)

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            return x
        pooled = F.avg_pool2d(pad_same(x, 2, 2), 2)
        return pooled if self.shortcut is None else _pointwise(pooled, self.shortcut)


def _pointwise(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """A 1x1 convolution as a linear layer: maps have their channels last in memory here."""
    return linear(x.movedim(1, -1), conv.weight.flatten(1), conv.bias).movedim(-1, 1)


def pad_same(x: Tensor, kernel_size: int, stride: int) -> Tensor:
    """Zeros for a convolution of stride 2 whose outputs number `ceil(n / 2)`, the odd one last; `x` itself at stride 1.

    Args:
        x: `(B, C, H, W)`.
        kernel_size: 2 or 3.
        stride: 1 or 2; at stride 1 the convolution pads by itself.

    Returns:
        `x` with zeros around it.

    Example:
        >>> import torch
        >>> pad_same(torch.ones(1, 1, 4, 5), 3, 2)[0, 0, 0].tolist()
        [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]
    """
    if stride == 1:
        return x
    height, width = (kernel_size - 2 + side % 2 for side in x.shape[-2:])  # zeros needed along each axis
    if not height and not width:
        return x
    return F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
