"""Order of the axes in memory, and cutting a tensor into pieces that fit into the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["MemoryLayout", "chunks"]

_CHUNK_BYTES = 1 << 21  # what a chunk of the input may take of the second-level cache, with room for its bands


class MemoryLayout(NamedTuple):
    """How a tensor lies in memory, seen from the axes that are transformed.

    Tensors in memory order are called physical. A flat tensor `(P, ...)` is a physical one with the axes before the
    first transformed one joined.

    Attributes:
        order: Axes from the outermost to the innermost in memory.
        num_leading: How many of them come before the first transformed one.
        places: Where the transformed axes lie in a flat tensor.
    """

    order: tuple[int, ...]
    num_leading: int
    places: tuple[int, ...]

    @classmethod
    def of(cls, x: Tensor, axes: Sequence[int]) -> MemoryLayout:
        """The layout of a dense tensor; that of its contiguous copy for any other.

        Args:
            x: Any shape.
            axes: Negative numbers of the transformed axes.
        """
        order = tuple(range(x.ndim))
        if not x.is_contiguous():
            by_stride = tuple(sorted(order, key=x.stride, reverse=True))
            order = by_stride if x.permute(by_stride).is_contiguous() else order
        positions = [order.index(x.ndim + axis) for axis in axes]
        num_leading = min(positions)
        return cls(order, num_leading, tuple(position - num_leading + 1 for position in positions))

    def flat(self, x: Tensor) -> Tensor:
        """Contiguous flat form of a tensor; a view if the tensor has this layout."""
        return self.flat_view(x.permute(self.order).contiguous())

    def flat_view(self, physical: Tensor) -> Tensor:
        """Flat view of a tensor whose axes are in memory order."""
        leading = prod(physical.shape[: self.num_leading])
        return physical.view(leading, *physical.shape[self.num_leading :])

    def logical(self, physical: Tensor) -> Tensor:
        """View of a physical tensor with its axes back in their usual order."""
        return physical.permute(tuple(self.order.index(i) for i in range(len(self.order))))

    def empty(self, like: Tensor, lengths: Sequence[int]) -> Tensor:
        """A physical tensor with other lengths along the transformed axes."""
        shape = [like.shape[i] for i in self.order]
        for place, length in zip(self.places, lengths, strict=True):
            shape[place - 1 + self.num_leading] = length
        return like.new_empty(shape)

    def can_stack(self, position: int) -> bool:
        """Whether the bands in a contiguous tensor with a band axis at `position` have flat views."""
        return self.order == tuple(range(len(self.order))) and not 0 < position < self.num_leading


def chunks(flat: Tensor) -> Iterator[slice]:
    """Ranges of the first axis that fit into the cache of every thread."""
    if flat.numel() == 0:
        return
    room = _CHUNK_BYTES * torch.get_num_threads()
    size = max(1, room // (flat[0].numel() * flat.element_size()))
    yield from (slice(first, first + size) for first in range(0, flat.shape[0], size))
