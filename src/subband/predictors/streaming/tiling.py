"""Frames cut into overlapping tiles whose results are blended without seams."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Tile(NamedTuple):
    """A part of a frame.

    Attributes:
        top: First row.
        left: First column.
        height: Rows.
        width: Columns.
    """

    top: int
    left: int
    height: int
    width: int


def plan_tiles(height: int, width: int, side: int, overlap: int, multiple: int) -> list[Tile]:
    """Tiles that cover a frame, row by row; their corners lie at multiples of `multiple`.

    Args:
        height: Rows of the frame, a multiple of `multiple`.
        width: Columns, likewise.
        side: Most rows and columns of a tile.
        overlap: Least rows and columns that neighbors share.
        multiple: What sides and corners are multiples of; `side` and `overlap` are rounded to it.

    Raises:
        ValueError: If `side` is not above twice the overlap.

    Example:
        >>> plan_tiles(64, 160, side=96, overlap=32, multiple=16)
        [Tile(top=0, left=0, height=64, width=96), Tile(top=0, left=64, height=64, width=96)]
    """
    given, side, overlap = side, side // multiple * multiple, -(-overlap // multiple) * multiple
    if side < smallest_tile(overlap, multiple) and max(height, width) > side:
        least = smallest_tile(overlap, multiple)
        raise ValueError(f"tile must be at least {least} pixels for an overlap of {overlap}, got {given}.")
    rows, columns = (_starts(length, side, overlap) for length in (height, width))
    return [Tile(top, left, min(side, height), min(side, width)) for top in rows for left in columns]


def smallest_tile(overlap: int, multiple: int) -> int:
    """Least side of a tile: above twice the overlap, so that two blends never meet.

    Args:
        overlap: Rows and columns that neighbors share.
        multiple: What sides are multiples of.
    """
    return 2 * (-(-overlap // multiple) * multiple) + multiple


def _starts(length: int, side: int, overlap: int) -> list[int]:
    """First pixels of the tiles along one side; the last tile ends with the frame."""
    last = max(length - side, 0)
    return [*range(0, last, side - overlap), last]


def blend_tiles(frames: Tensor, tiles: list[Tile], scale: int, restore: Callable[[Tensor, Tile], Tensor]) -> Tensor:
    """Sends tiles through a function and blends the results.

    Where two tiles share pixels, the outer quarter of either is not used, since its results lack what lies beyond; over
    the half between, the weight goes linearly from one to the other. A filter that looks no farther than that quarter
    gives exactly what it gives on the whole frame.

    Args:
        frames: `(T, C, H, W)`.
        tiles: From `plan_tiles`.
        scale: Size of the results over that of the frames.
        restore: Gives `(T', C', scale * h, scale * w)` of a tile `(T, C, h, w)`.

    Returns:
        `(T', C', scale * H, scale * W)` on the CPU.
    """
    height, width = frames.shape[-2:]
    total: Tensor | None = None
    weights = torch.zeros(height * scale, width * scale)
    columns, rows = sorted({tile.left for tile in tiles}), sorted({tile.top for tile in tiles})
    for tile in tiles:
        part = frames[..., tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
        result = restore(part, tile).float().cpu()
        down = _ramp(rows, tile.top, tile.height, scale)
        across = _ramp(columns, tile.left, tile.width, scale)
        if total is None:
            total = torch.zeros(*result.shape[:-2], height * scale, width * scale)
        place = (
            slice(tile.top * scale, (tile.top + tile.height) * scale),
            slice(tile.left * scale, (tile.left + tile.width) * scale),
        )
        weight = down[:, None] * across
        total[..., place[0], place[1]] += result * weight
        weights[place] += weight
    assert total is not None
    return total.div_(weights)


def _ramp(starts: list[int], start: int, length: int, scale: int) -> Tensor:
    """Weights along one side of a tile: 1, and linear where neighbors share pixels."""
    weights = torch.ones(length * scale)
    index = starts.index(start)
    if index > 0:
        shared = (starts[index - 1] + length - start) * scale
        weights[:shared] *= _rise(shared)
    if index + 1 < len(starts):
        shared = (start + length - starts[index + 1]) * scale
        weights[-shared:] *= _rise(shared).flip(0)
    return weights


def _rise(shared: int) -> Tensor:
    """From 0 to 1 over the middle half of the shared pixels; with its mirror image it sums to 1."""
    places = (torch.arange(shared) + 0.5) / shared
    return ((places - 0.25) * 2).clamp(0, 1)
