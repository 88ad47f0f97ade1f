"""Residual convolutions of large images some rows at a time: the same numbers with half of the memory.

Tiles would not give the same numbers: the group norms of these networks look at the whole image. So every norm is
taken of the whole map, and what follows it up to the next convolution exists for a strip of rows only. Of the maps of
a block two are in memory, one of which takes the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from subband.models.generation.blocks import NormedBlock

__all__ = ["in_strips"]

ROWS = 64


@contextmanager
def in_strips(model: nn.Module, rows: int = ROWS) -> Iterator[None]:
    """Within it the blocks and heads of a network work on some rows at a time; for use without gradients.

    Results are those of the plain network but for the order of sums: within 1e-5 of images in [-1, 1] in float32.

    Args:
        model: An autoencoder of this package; others stay as they are.
        rows: Rows of a strip.

    Raises:
        ValueError: If there are no rows.

    Example:
        >>> block = NormedBlock(8).requires_grad_(False)
        >>> x = torch.rand(1, 8, 20, 6)
        >>> plain = block(x)
        >>> with in_strips(block, rows=3):
        ...     torch.allclose(block(x), plain, atol=1e-5)
        True
    """
    if rows < 1:
        raise ValueError(f"rows must be positive, got {rows}.")
    changed: list[nn.Module] = []
    try:
        for module in model.modules():
            way = _way(module)
            if way is not None:
                changed.append(module)
                module.forward = partial(way, module, rows)  # type: ignore[method-assign]
        yield
    finally:
        for module in changed:
            del module.forward


def _way(module: nn.Module) -> Callable[..., Tensor] | None:
    if isinstance(module, NormedBlock):
        return _block
    kinds = [type(part) for part in module.children()] if isinstance(module, nn.Sequential) else []
    return _head if kinds == [nn.GroupNorm, nn.SiLU, nn.Conv2d] else None


def _block(block: NormedBlock, rows: int, x: Tensor) -> Tensor:
    """The block's result, written over `x`, which nothing else needs: a convolution has just made it."""
    parts = list(block.body)
    return _normed_convolution(parts[3:], rows, _normed_convolution(parts[:3], rows, x), x)


def _head(head: nn.Sequential, rows: int, x: Tensor) -> Tensor:
    return _normed_convolution(list(head), rows, x)


def _normed_convolution(parts: Sequence[nn.Module], rows: int, x: Tensor, onto: Tensor | None = None) -> Tensor:
    """Norm, SiLU and 3x3 convolution of `x`; added to `onto` if that is given."""
    norm, _, conv = parts
    assert isinstance(norm, nn.GroupNorm)
    assert isinstance(conv, nn.Conv2d)
    factor, offset = _affine(norm, x)
    height = x.shape[-2]
    result = x.new_empty(len(x), conv.out_channels, *x.shape[-2:]) if onto is None else onto
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = max(top - 1, 0), min(bottom + 1, height)
        strip = F.silu(torch.addcmul(offset, x[..., first:last, :], factor))
        strip = F.pad(strip, (0, 0, first - top + 1, bottom + 1 - last))
        strip = F.conv2d(strip, conv.weight, conv.bias, padding=(0, 1))
        if onto is None:
            result[..., top:bottom, :] = strip
        else:
            result[..., top:bottom, :] += strip
    return result


def _affine(norm: nn.GroupNorm, x: Tensor) -> tuple[Tensor, Tensor]:
    """Factor and offset of every channel by which the norm of `x` is `factor * x + offset`, `(B, C, 1, 1)` both."""
    variance, mean = torch.var_mean(x.unflatten(1, (norm.num_groups, -1)).flatten(2).float(), 2, correction=0)
    repeats = x.shape[1] // norm.num_groups
    factor = norm.weight * (variance + norm.eps).rsqrt().repeat_interleave(repeats, 1)
    offset = norm.bias - mean.repeat_interleave(repeats, 1) * factor
    return factor[..., None, None], offset[..., None, None]
