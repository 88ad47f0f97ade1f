"""Which coefficients of a wavelet pyramid are large, as pictures: every level and orientation, and all at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from subband.models.generation.pyramid import BANDS, Pyramid
from subband.visual.colors import error_colors

__all__ = ["BIT_STEP", "SIZE_STEP", "bit_figure", "bit_map", "coefficient_map", "colored", "combined_map", "map_figure"]

SIZE_STEP = 1 / 128  # a byte of images in [-1, 1]: where the logarithmic scale of sizes begins to bend
BIT_STEP = 0.1  # where that of bits does
_GAP = 2
_LARGEST = 640  # pixels of the longer side of a map in a figure


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
    return _spread([coefficient_map(detail[0].cpu()).square().sum(0) for detail in pyramid.details]).sqrt()


def bit_map(bits: Tensor) -> Tensor:
    """What the details of one level cost.

    Args:
        bits: Of every coefficient, `(3C, h, w)`, as `subband.models.generation.inspection.detail_bits` gives them.

    Returns:
        Sum over the C colors, `(3, h, w)`, orientations as of `coefficient_map`.

    Example:
        >>> bit_map(torch.tensor([3.0, 1.0, 0.0, 4.0, 1.0, 0.0]).view(6, 1, 1)).flatten()
        tensor([4., 4., 1.])
    """
    return bits.unflatten(0, (BANDS, -1)).sum(1)


def colored(item: Tensor, largest: float, step: float = SIZE_STEP) -> np.ndarray:
    """A map in logarithmic colors, from black (nothing) to pale yellow (the largest).

    Args:
        item: Not negative, `(h, w)`.
        largest: What has the last color.
        step: Where the scale begins to bend; below it is about linear.

    Returns:
        `(h, w, 3)` uint8.
    """
    return error_colors((torch.log1p(item / step) / np.log1p(largest / step)).numpy())


def map_figure(pyramid: Pyramid, side: int = 128) -> np.ndarray:
    """All maps of one image in one picture: a row for every level, the coarsest first, a column for every orientation.

    The first row has the approximation and the combined map. Maps are enlarged without interpolation, or reduced by
    means if they are larger than 640 pixels; their colors are logarithmic and the same for all of them.

    Args:
        pyramid: Coefficients of one image in [-1, 1], bands `(1, 3C, h, w)`.
        side: Longer side of a map in the picture, enlarged to the next multiple of its own.

    Returns:
        `(H', W', 3)` uint8, white between the maps.

    Raises:
        ValueError: If there are no details.
    """
    maps = [coefficient_map(detail[0].cpu()) for detail in pyramid.details]
    return _figure(_as_picture(pyramid), combined_map(pyramid), maps, SIZE_STEP, side)


def bit_figure(pyramid: Pyramid, bits: Sequence[Tensor], side: int = 128) -> np.ndarray:
    """The same of what details cost; the combined map has the bits of a pixel, those of all levels.

    Args:
        pyramid: As for `map_figure`.
        bits: Bits of every detail, `(1, 3C, h, w)` for every level of the pyramid, the coarsest first.
        side: As for `map_figure`.

    Raises:
        ValueError: If there are no details.
    """
    if not bits:
        raise ValueError("a pyramid without details has no map of them")
    maps = [bit_map(item[0].cpu()) for item in bits]
    return _figure(_as_picture(pyramid), _spread([item.sum(0) for item in maps]), maps, BIT_STEP, side)


def _figure(picture: Tensor, whole: Tensor, maps: Sequence[Tensor], step: float, side: int) -> np.ndarray:
    height, width = whole.shape
    longer = max(height, width)
    factor = -(-side // longer) if longer <= _LARGEST else _LARGEST / longer
    size = (max(round(height * factor), 1), max(round(width * factor), 1))
    largest = max([whole.max().item(), *(item.max().item() for item in maps), step])

    def cell(item: Tensor) -> np.ndarray:
        return colored(_sized(item[None], size)[0], largest, step)

    approx = _sized(picture, size).movedim(0, -1).numpy()
    first = [approx, cell(whole), np.full_like(approx, 255)]
    rows = [first, *([cell(item[place]) for place in range(BANDS)] for item in maps)]
    padded = [[np.pad(part, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=255) for part in row] for row in rows]
    return np.concatenate([np.concatenate(row, 1) for row in padded])[:-_GAP, :-_GAP]


def _spread(levels: Sequence[Tensor]) -> Tensor:
    """The sum over levels `(h, w)`, every number spread over the pixels it stands for, `(H, W)`."""
    size = [2 * side for side in levels[-1].shape]
    total = torch.zeros(size)
    for item in levels:
        pixels = (size[0] // item.shape[0]) * (size[1] // item.shape[1])
        total += F.interpolate(item[None, None], size, mode="nearest")[0, 0] / pixels
    return total


def _as_picture(pyramid: Pyramid) -> Tensor:
    """The approximation as an image `(3, h, w)` uint8."""
    mean = pyramid.approx[0].cpu() / 2.0**pyramid.levels
    return (255 * (mean + 1) / 2).round().clamp(0, 255).to(torch.uint8).expand(3, -1, -1)


def _sized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps `(K, h, w)` at another size; along an axis they only become larger or only smaller."""
    mode = "area" if maps.shape[-1] > size[1] else "nearest"
    return F.interpolate(maps[None].float(), size, mode=mode)[0].to(maps.dtype)
