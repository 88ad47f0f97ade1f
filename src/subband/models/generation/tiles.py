"""Images of any size through functions of images of one size: overlapping tiles, faded into each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from subband.transforms import crop, pad_to_multiple

__all__ = ["over_tiles"]

AT_ONCE = 16


def over_tiles(
    images: Tensor, size: tuple[int, int], function: Callable[[Tensor], Tensor], *, overlap: int | None = None
) -> Tensor:
    """Apply a function of images of one size to tiles of images of any size.

    Args:
        images: `(B, C, H, W)`; sides that are shorter than a tile are continued by their last row or column.
        size: Height and width of a tile.
        function: From tiles `(N, C, h, w)` to the same, 16 at most at a time.
        overlap: Pixels that neighbors share at least; a quarter of the shorter side of a tile if not given. Results
            fade into each other there.

    Returns:
        `(B, C, H, W)`. A function that leaves its tiles as they are gives the images up to rounding.

    Raises:
        ValueError: If the overlap is negative or not smaller than a tile.

    Example:
        >>> images = torch.rand(1, 3, 20, 9)
        >>> torch.allclose(over_tiles(images, (8, 8), lambda tiles: 2 * tiles), 2 * images)
        True
    """
    overlap = min(size) // 4 if overlap is None else overlap
    if not 0 <= overlap < min(size):
        raise ValueError(f"overlap must lie within 0 and {min(size) - 1}, got {overlap}.")
    sides = images.shape[-2:]
    multiples = [tile if side < tile else 1 for side, tile in zip(sides, size, strict=True)]
    padded, own = pad_to_multiple(images, (multiples[0], multiples[1]))
    places = [
        (top, left)
        for top in _starts(padded.shape[-2], size[0], overlap)
        for left in _starts(padded.shape[-1], size[1], overlap)
    ]
    weight = _fading(size[0], overlap, padded)[:, None] * _fading(size[1], overlap, padded)
    total, weights = torch.zeros_like(padded), torch.zeros_like(padded[:1, :1])
    step = max(AT_ONCE // len(images), 1)
    for start in range(0, len(places), step):
        chosen = places[start : start + step]
        tiles = function(_cut(padded, size, chosen)).unflatten(0, (len(chosen), -1))
        for (top, left), tile in zip(chosen, tiles, strict=True):
            window = (..., slice(top, top + size[0]), slice(left, left + size[1]))
            total[window] += weight * tile
            weights[window] += weight
    return crop(total / weights, (own[0], own[1]))


def _cut(images: Tensor, size: tuple[int, int], places: Sequence[tuple[int, int]]) -> Tensor:
    return torch.cat([images[..., top : top + size[0], left : left + size[1]] for top, left in places])


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    """First pixels of as few tiles as overlap enough, spread evenly.

    Example:
        >>> _starts(20, 8, 2), _starts(8, 8, 2)
        ([0, 6, 12], [0])
    """
    count = -(-max(length - overlap, 1) // (tile - overlap))
    return [round(place * (length - tile) / max(count - 1, 1)) for place in range(count)]


def _fading(tile: int, overlap: int, like: Tensor) -> Tensor:
    """Weights of the pixels of a tile along an axis, falling towards both ends, `(tile,)`."""
    places = torch.arange(1, tile + 1, device=like.device, dtype=like.dtype)
    return torch.minimum(places, places.flip(0)).clamp(max=overlap + 1) / (overlap + 1)
