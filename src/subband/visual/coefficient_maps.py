"""Which coefficients of a wavelet pyramid are large, as pictures: every level and orientation, and all at once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from subband.models.generation.pyramid import BANDS, Pyramid
from subband.visual.colors import error_colors

__all__ = ["ORIENTATIONS", "coefficient_map", "combined_map", "map_figure"]

ORIENTATIONS = ("lh", "hl", "hh")
_STEP = 1 / 128  # a byte of images in [-1, 1]: where the logarithmic scale begins to bend
_GAP = 2


def coefficient_map(detail: Tensor) -> Tensor:
    """How large the details of one level are.

    Args:
        detail: Details of one image, `(3C, h, w)`, as in `Pyramid`.

    Returns:
        Root mean square over the C colors, `(3, h, w)`: edges along the rows (`lh`), along the columns (`hl`), and
        diagonal structure (`hh`).

    Raises:
        ValueError: If there are not three bands.

    Example:
        >>> coefficient_map(torch.tensor([3.0, 1.0, 0.0, 4.0, 1.0, 0.0]).view(6, 1, 1)).flatten()
        tensor([2.2361, 2.8284, 0.7071])
    """
    if detail.ndim != 3 or len(detail) % BANDS:
        raise ValueError(f"details must be (3C, h, w), got {tuple(detail.shape)}")
    return detail.unflatten(0, (BANDS, -1)).square().mean(1).sqrt()


def combined_map(pyramid: Pyramid) -> Tensor:
    """The energy of all details at every pixel.

    Args:
        pyramid: Coefficients of one image, bands `(1, 3C, h, w)`.

    Returns:
        Root of the energy per pixel and color, `(H, W)`: the squared details of every level, each spread over the
        `4^l` pixels it stands for.

    Raises:
        ValueError: If there are no details.
    """
    if not pyramid.details:
        raise ValueError("a pyramid without details has no map of them")
    size = [side * 2 for side in pyramid.details[-1].shape[-2:]]
    total = torch.zeros(1, 1, *size)
    for detail in pyramid.details:
        energy = coefficient_map(detail[0].cpu()).square().sum(0)[None, None]
        pixels = (size[0] // energy.shape[-2]) * (size[1] // energy.shape[-1])
        total += F.interpolate(energy, size, mode="nearest") / pixels
    return total[0, 0].sqrt()


def map_figure(pyramid: Pyramid, side: int = 128) -> np.ndarray:
    """All maps of one image in one picture: a row for every level, the coarsest first, a column for every orientation.

    The first row has the approximation and the combined map. Maps are enlarged without interpolation; their colors are
    logarithmic and the same for all of them, from black (nothing) to pale yellow (the largest coefficient).

    Args:
        pyramid: Coefficients of one image in [-1, 1], bands `(1, 3C, h, w)`.
        side: Longer side of a map in the picture, enlarged to the next multiple of its own.

    Returns:
        `(H', W', 3)` uint8, white between the maps.

    Raises:
        ValueError: If there are no details.
    """
    whole = combined_map(pyramid)
    maps = [coefficient_map(detail[0].cpu()) for detail in pyramid.details]
    height, width = whole.shape
    factor = -(-side // max(height, width))
    size = (height * factor, width * factor)
    largest = max([whole.max().item(), *(item.max().item() for item in maps), _STEP])

    def colored(item: Tensor) -> np.ndarray:
        scaled = torch.log1p(item / _STEP) / np.log1p(largest / _STEP)
        return error_colors(_enlarged(scaled[None], size)[0].numpy())

    approx = _enlarged(_as_picture(pyramid), size).movedim(0, -1).numpy()
    first = [approx, colored(whole), np.full_like(approx, 255)]
    rows = [first, *([colored(item[place]) for place in range(BANDS)] for item in maps)]
    padded = [[np.pad(cell, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=255) for cell in row] for row in rows]
    return np.concatenate([np.concatenate(row, 1) for row in padded])[:-_GAP, :-_GAP]


def _as_picture(pyramid: Pyramid) -> Tensor:
    """The approximation as an image `(3, h, w)` uint8."""
    mean = pyramid.approx[0].cpu() / 2.0**pyramid.levels
    return (255 * (mean + 1) / 2).round().clamp(0, 255).to(torch.uint8).expand(3, -1, -1)


def _enlarged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps[None].float(), size, mode="nearest")[0].to(maps.dtype)
