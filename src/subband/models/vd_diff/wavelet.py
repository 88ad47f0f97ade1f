"""The Haar wavelet of VD-Diff, multiplied into the convolutions beside it.

The published transform maps every 2 x 2 block `a b / c d` to `(a + b + c + d, a - b + c - d, a + b - c - d,
a - b - c + d) / 4`, bands one after the other along the channels; its inverse has no factor. Between it and the next
activation there are convolutions only, so what it does to an image is part of their weights here: the network never
holds features at the full resolution, which would be most of its memory.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["NUM_BANDS", "analysis_weight", "haar_signs", "inverse_haar", "synthesis_weight"]

NUM_BANDS = 4


def haar_signs(like: Tensor) -> Tensor:
    """Signs of the four bands, `(4, 2, 2)`: mean, difference along x, difference along y, diagonal.

    Example:
        >>> haar_signs(torch.zeros(()))[1]
        tensor([[ 1., -1.],
                [ 1., -1.]])
    """
    pair = torch.stack([like.new_ones(2), torch.arange(1, -2, -2, device=like.device, dtype=like.dtype)])
    return torch.einsum("yi,xj->yxij", pair, pair).flatten(0, 1)


def analysis_weight(weight: Tensor, level: int) -> Tensor:
    """A 3x3 convolution and the bands of one level of its output as one convolution.

    Args:
        weight: `(D, C, 3, 3)`.
        level: 1, or 2 for the bands of the low band.

    Returns:
        `(4, D, C, K, K)` with `K = 2 ** level + 2`, for a stride of `2 ** level` and one row and column of zeros on
        every side.

    Example:
        >>> analysis_weight(torch.rand(8, 3, 3, 3), 1).shape
        torch.Size([4, 8, 3, 4, 4])
    """
    side = 2 ** (level - 1)
    pattern = haar_signs(weight).repeat_interleave(side, 1).repeat_interleave(side, 2) / 4**level
    merged = F.conv_transpose2d(weight.flatten(0, 1).unsqueeze(1), pattern.unsqueeze(0))  # (D * C, 4, K, K)
    return merged.unflatten(0, weight.shape[:2]).movedim(2, 0)


def synthesis_weight(weight: Tensor) -> Tensor:
    """The inverse of one level and a 3x3 convolution of its output as one convolution before a pixel shuffle.

    Args:
        weight: `(D, C, 3, 3)`.

    Returns:
        `(D * 4, 4, C, 3, 3)`: for every pixel of a block, what it takes of every band; to be used with one row and
        column of zeros on every side.

    Example:
        >>> synthesis_weight(torch.rand(3, 8, 3, 3)).shape
        torch.Size([12, 4, 8, 3, 3])
    """
    # Seen from pixel (p, q) of a block, the 3 x 3 taps lie within 3 x 3 blocks, at an offset.
    places = [F.pad(weight, (1 + q, 2 - q, 1 + p, 2 - p)) for p in range(2) for q in range(2)]
    blocks = torch.stack(places, 1).unflatten(-1, (3, 2)).unflatten(-3, (3, 2))  # (D, 4, C, 3, 2, 3, 2)
    return torch.einsum("dpcyixj,bij->dpbcyx", blocks, haar_signs(weight)).flatten(0, 1)


def inverse_haar(bands: Tensor) -> Tensor:
    """Features from the four bands of one level.

    Args:
        bands: `(N, 4 * C, H, W)`, bands one after the other.

    Returns:
        `(N, C, 2 * H, 2 * W)`.

    Example:
        >>> inverse_haar(torch.tensor([3.0, 1.0, 0.0, 0.0]).view(1, 4, 1, 1))[0, 0]
        tensor([[4., 2.],
                [4., 2.]])
    """
    mean, x, y, diagonal = bands.chunk(NUM_BANDS, 1)
    top, bottom = mean + y, mean - y
    rows = []
    for row, side in ((top, x + diagonal), (bottom, x - diagonal)):
        rows.append(torch.stack([row + side, row - side], -1))  # (N, C, H, W, 2)
    return torch.stack(rows, 3).flatten(-2).flatten(2, 3)
