"""Linear maps of tensors as autograd functions whose backward is the adjoint map.

A transform that is written for speed (into preallocated memory, or with a layout that autograd would undo badly) is
described once by a `LinearMap` and its adjoint. From that pair follow the backward pass, the backward of the backward,
forward-mode derivatives and batching.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["LinearMap", "apply"]

Tensors = Tensor | tuple[Tensor, ...]


class LinearMap(ABC):
    """A real-linear map from one or more tensors to one tensor or a tuple of tensors.

    Subclasses are frozen dataclasses of plain values. Axes are counted from the end, so that any number of leading axes
    may be added: that is how batching works.
    """

    @abstractmethod
    def eager(self, *tensors: Tensor) -> Tensors:
        """Compute the map; may write into memory it has allocated itself."""

    @abstractmethod
    def traced(self, *tensors: Tensor) -> Tensors:
        """Compute the map by plain expressions that a compiler or an exporter can follow."""

    @abstractmethod
    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        """The transposed map.

        Args:
            shapes: Shapes of the arguments of this map, leading axes included.
        """


def apply(linear_map: LinearMap, *tensors: Tensor) -> Any:
    """Compute a linear map such that it can be differentiated, batched and compiled.

    Args:
        linear_map: The map.
        tensors: Its arguments.

    Returns:
        What `linear_map` returns.
    """
    if not torch.compiler.is_compiling():
        return _Eager.apply(linear_map, *tensors)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return _Traced.apply(linear_map, *tensors)
    # Without gradients the compiler inlines `forward` and takes the first of several tensors for its context.
    return linear_map.traced(*tensors)


class _Traced(torch.autograd.Function):
    """The compiler refuses functions with a `jvp`, hence this class without one."""

    generate_vmap_rule = True

    @staticmethod
    def forward(linear_map: LinearMap, *tensors: Tensor) -> Tensors:
        return linear_map.traced(*tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        ctx.linear_map, *tensors = inputs
        ctx.shapes = tuple(tensor.shape for tensor in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        result = ctx.linear_map.adjoint(*ctx.shapes).traced(*grads)
        return (None, *((result,) if isinstance(result, Tensor) else result))


class _Eager(_Traced):
    generate_vmap_rule = False

    @staticmethod
    def forward(linear_map: LinearMap, *tensors: Tensor) -> Tensors:
        return linear_map.eager(*tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        result = apply(ctx.linear_map.adjoint(*ctx.shapes), *grads)
        return (None, *((result,) if isinstance(result, Tensor) else result))

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: Tensor) -> Tensors:
        return apply(ctx.linear_map, *tangents)

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], linear_map: LinearMap, *tensors: Tensor) -> Any:
        moved = [
            tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(tensors, in_dims[1:], strict=True)
        ]
        result = apply(linear_map, *moved)
        return result, 0 if isinstance(result, Tensor) else (0,) * len(result)
