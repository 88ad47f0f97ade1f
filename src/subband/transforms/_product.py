"""Products with constant matrices whose backward pass, too, stays outside autocast."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from subband.transforms._linear import LinearMap, apply

__all__ = ["from_left", "from_right"]


def from_left(matrix: Tensor, x: Tensor) -> Tensor:
    """`matrix @ x` for a matrix without a gradient.

    Example:
        >>> from_left(torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0], [3.0]]))
        tensor([[6.]])
    """
    return _multiply(_Product(matrix, is_left=True), x)


def from_right(x: Tensor, matrix: Tensor) -> Tensor:
    """`x @ matrix` for a matrix without a gradient.

    Example:
        >>> from_right(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0], [2.0]]))
        tensor([[6.]])
    """
    return _multiply(_Product(matrix, is_left=False), x)


@dataclass(frozen=True, eq=False)
class _Product(LinearMap):
    matrix: Tensor
    is_left: bool

    def eager(self, *tensors: Tensor) -> Tensor:
        return self.matrix @ tensors[0] if self.is_left else tensors[0] @ self.matrix

    def traced(self, *tensors: Tensor) -> Tensor:
        return self.eager(*tensors)

    def adjoint(self, *shapes: torch.Size) -> LinearMap:
        return _Product(self.matrix.mT, self.is_left)


def _multiply(product: _Product, x: Tensor) -> Tensor:
    # A compiler would take the matrix, which it computes itself, for a constant of the map.
    if torch.compiler.is_compiling() or not x.requires_grad:
        return product.traced(x)
    result: Tensor = apply(product, x)
    return result
