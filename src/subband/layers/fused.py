"""Linear layers by the faster of two CPU libraries, and with the GELU behind them in one pass; convolutions likewise.

On one thread of an AMD Zen 4 oneDNN multiplies 10 to 30 % faster than the library PyTorch takes for linear layers.
A GELU on its own reads and writes the widest maps of a network once more, and its tanh form is slow in PyTorch; oneDNN
applies it while a result is still in the cache. Gradients need the value before the activation, so in training and on
other devices the two steps run one after the other. `torch.compile` fuses convolutions by itself; linear layers it
hands to the slower library, so in evaluation it is given one operator that it does not look into.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.layers.exporting import is_exporting

__all__ = ["Gelu", "conv2d_gelu", "linear", "linear_gelu"]

# Not every build has the operator.
_HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")

Gelu = Literal["none", "tanh"]
"""Exact, or the usual approximation."""


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Linear layer.

    Args:
        x: `(..., C)`, any range.
        weight: `(D, C)`.
        bias: `(D,)` or None.

    Returns:
        `(..., D)`.

    Example:
        >>> x, weight = torch.rand(2, 5, 3), torch.rand(4, 3)
        >>> torch.allclose(linear(x, weight), F.linear(x, weight), atol=1e-6)
        True
    """
    if _is_compiled_for_onednn(x, weight):
        return _opaque_product(x, weight, bias, "none", "")
    if not _suits_onednn(x, weight):
        return F.linear(x, weight, bias)
    return _Linear.apply(x, weight, bias) if torch.is_grad_enabled() else _product(x, weight, bias)


def linear_gelu(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, gelu: Gelu = "none") -> Tensor:
    """GELU of a linear layer.

    Args:
        x: `(..., C)`, any range.
        weight: `(D, C)`.
        bias: `(D,)` or None.
        gelu: Which form of the GELU.

    Returns:
        `(..., D)`.

    Example:
        >>> x, weight = torch.rand(2, 5, 3), torch.rand(4, 3)
        >>> torch.allclose(linear_gelu(x, weight), F.gelu(F.linear(x, weight)), atol=1e-6)
        True
    """
    if _is_compiled_for_onednn(x, weight):
        return _opaque_product(x, weight, bias, "gelu", gelu)
    if not _runs_on_onednn(x, weight):
        return F.gelu(linear(x, weight, bias), approximate=gelu)
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "gelu", [], gelu)


def conv2d_gelu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    gelu: Gelu = "none",
) -> Tensor:
    """GELU of a convolution.

    Args:
        x: `(B, C, H, W)`, any range.
        weight: `(D, C / groups, K1, K2)`.
        bias: `(D,)` or None.
        stride: Of the convolution.
        padding: Zeros on all sides.
        groups: Of the convolution.
        gelu: Which form of the GELU.

    Returns:
        `(B, D, H', W')`.

    Example:
        >>> x, weight = torch.rand(1, 3, 8, 8), torch.rand(4, 3, 3, 3)
        >>> torch.allclose(conv2d_gelu(x, weight), F.gelu(F.conv2d(x, weight)), atol=1e-6)
        True
    """
    if not _runs_on_onednn(x, weight):
        return F.gelu(F.conv2d(x, weight, bias, stride, padding, groups=groups), approximate=gelu)
    sides = [[padding] * 2, [stride] * 2, [1] * 2]
    return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *sides, groups, "gelu", [], gelu)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return _product(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        grad_x = linear(grad, weight.t()) if ctx.needs_input_grad[0] else None
        rows = grad.reshape(-1, weight.shape[0])
        grad_weight = rows.t() @ x.reshape(-1, weight.shape[1]) if ctx.needs_input_grad[1] else None
        return grad_x, grad_weight, rows.sum(0) if ctx.needs_input_grad[2] else None


@torch.library.custom_op(
    "subband::linear_pointwise",
    mutates_args=(),
    schema="(Tensor x, Tensor weight, Tensor? bias, str activation, str algorithm) -> Tensor",
)
def _opaque_product(x: Tensor, weight: Tensor, bias: Tensor | None, activation: str, algorithm: str) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], algorithm)


@_opaque_product.register_fake
def _shape_of_product(x: Tensor, weight: Tensor, bias: Tensor | None, activation: str, algorithm: str) -> Tensor:
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


@_opaque_product.register_vmap
def _products(
    info: Any, in_dims: tuple[Any, ...], x: Tensor, weight: Tensor, bias: Tensor | None, activation: str, algorithm: str
) -> tuple[Tensor, int]:
    if in_dims[1] is None and in_dims[2] is None:
        return _opaque_product(x.movedim(in_dims[0], 0), weight, bias, activation, algorithm), 0
    x, weight = (
        value.expand(info.batch_size, *value.shape) if axis is None else value.movedim(axis, 0)
        for value, axis in zip((x, weight), in_dims[:2], strict=True)
    )
    product = x.reshape(len(x), -1, x.shape[-1]) @ weight.mT
    if bias is not None:
        product = product + (bias if in_dims[2] is None else bias.movedim(in_dims[2], 0)[:, None])
    product = product.reshape(*x.shape[:-1], weight.shape[1])
    return (F.gelu(product, approximate=algorithm) if activation == "gelu" else product), 0


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def _runs_on_onednn(x: Tensor, weight: Tensor) -> bool:
    return not torch.is_grad_enabled() and _suits_onednn(x, weight)


def _is_compiled_for_onednn(x: Tensor, weight: Tensor) -> bool:
    """Whether `torch.compile` is at work on an evaluation that `_suits_onednn` would accept."""
    if not torch.compiler.is_compiling() or is_exporting() or torch.is_grad_enabled():
        return False
    is_single = x.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return _HAS_ONEDNN and x.device.type == "cpu" and is_single


def _suits_onednn(x: Tensor, weight: Tensor) -> bool:
    if x.device.type != "cpu" or torch.compiler.is_compiling() or _is_observed(x):
        return False
    is_single = x.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if not is_single or x.numel() == 0 or not torch.backends.mkldnn.enabled:
        return False
    return _HAS_ONEDNN


def _is_observed(x: Tensor) -> bool:
    """Whether something that does not know oneDNN's operators counts, traces or transforms what is called."""
    if type(x) not in (Tensor, torch.nn.Parameter) or torch._C._len_torch_dispatch_stack() > 0:
        return True
    return torch._C._functorch.peek_interpreter_stack() is not None
