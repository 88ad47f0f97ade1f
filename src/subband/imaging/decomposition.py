"""A wavelet decomposition to look at: the energy of every subband, and all coefficients as one image."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from subband.transforms import Coeffs
from subband.transforms.arguments import integer

__all__ = ["BandBox", "BandEnergy", "band_energies", "coefficient_mosaic", "mosaic_layout"]

_NAMES = {"aa": "LL", "da": "LH", "ad": "HL", "dd": "HH"}
_OFFSETS = {"aa": (0, 0), "ad": (0, 1), "da": (1, 0), "dd": (1, 1)}  # row and column in the square of a level
_EMPTY = 0.3
_GAMMA = 0.7  # lifts weak coefficients
_BRIGHTEST = 0.995  # quantile of the magnitudes of a band that is shown as white
_FAINTEST = 1e-6  # of the largest coefficient: what is shown as white at the least


class BandEnergy(NamedTuple):
    """One subband in numbers, over all channels and images of a batch.

    Attributes:
        level: 1 is the finest.
        band: `LL, LH, HL, HH`: the first letter is the filter along the width, the second along the height (PyWavelets'
            cA, cH, cV, cD).
        height: Rows of coefficients.
        width: Columns of coefficients.
        energy: Sum of squares.
        share: `energy` over the sum of all bands, 0 if that is 0.
        rms: Root of the mean square.
        largest: Largest magnitude.
    """

    level: int
    band: str
    height: int
    width: int
    energy: float
    share: float
    rms: float
    largest: float


class BandBox(NamedTuple):
    """Where a band lies in the mosaic.

    Attributes:
        level: 1 is the finest.
        band: Name as in `BandEnergy`.
        top: First row.
        left: First column.
        height: Rows.
        width: Columns.
    """

    level: int
    band: str
    top: int
    left: int
    height: int
    width: int


def band_energies(coeffs: Coeffs) -> list[BandEnergy]:
    """Energy of every subband, coarsest first.

    With an orthogonal wavelet in mode `periodization` and even sizes the energies add up to that of the image
    (Parseval).

    Args:
        coeffs: What `wavedec2` returns.

    Raises:
        ValueError: If the coefficients are not two-dimensional.

    Example:
        >>> import torch
        >>> from subband.transforms import wavedec2
        >>> rows = band_energies(wavedec2(torch.ones(1, 8, 8), "haar", level=1))
        >>> [(row.band, round(row.energy, 4)) for row in rows]
        [('LL', 64.0), ('LH', 0.0), ('HL', 0.0), ('HH', 0.0)]
    """
    bands = _bands(coeffs)
    energies = [band.double().square().sum().item() for _, _, band in bands]
    total = sum(energies)
    return [
        BandEnergy(
            level,
            _NAMES[key],
            band.shape[-2],
            band.shape[-1],
            energy,
            energy / total if total else 0.0,
            (energy / max(band.numel(), 1)) ** 0.5,
            band.abs().max().item() if band.numel() else 0.0,
        )
        for (level, key, band), energy in zip(bands, energies, strict=True)
    ]


def mosaic_layout(coeffs: Coeffs) -> tuple[int, int, list[BandBox]]:
    """Where the bands lie in the mosaic, coarsest first.

    Args:
        coeffs: What `wavedec2` returns.

    Returns:
        height: Height of the mosaic; that of the image if no band has more than half the rows of the level above.
        width: Width of the mosaic.
        boxes: One per band.

    Raises:
        ValueError: If the coefficients are not two-dimensional.

    Example:
        >>> import torch
        >>> from subband.transforms import wavedec2
        >>> height, width, boxes = mosaic_layout(wavedec2(torch.rand(1, 8, 8), "haar", level=1))
        >>> height, width, boxes[1]
        (8, 8, BandBox(level=1, band='LH', top=4, left=0, height=4, width=4))
    """
    boxes = []
    height, width = cell = (coeffs.approx.shape[-2], coeffs.approx.shape[-1])
    for level, key, band in _bands(coeffs):
        rows, columns = band.shape[-2:]
        if key == "da":  # the first detail band of a level: a new square around everything so far
            cell = (max(height, rows), max(width, columns))
            height, width = cell[0] + rows, cell[1] + columns
        down, right = _OFFSETS[key]
        boxes.append(BandBox(level, _NAMES[key], down * cell[0], right * cell[1], rows, columns))
    return height, width, boxes


def coefficient_mosaic(coeffs: Coeffs, separator: int = 1) -> Tensor:
    """All coefficients as one image: the approximation at the top left, ever finer details to the right and below.

    The approximation is shown as the small image that it is, details by their magnitude, black for zero; every
    band is scaled by itself so that its structure can be seen. The image does not show which band is the strongest;
    `band_energies` says that. Where long filters make a band smaller than the square beside it, the rest is gray.

    Args:
        coeffs: What `wavedec2` returns of one image, `(C, h, w)` with C = 1 or 3.
        separator: Width in pixels of the white lines, drawn over the first rows and columns of the bands; 0 for none.

    Returns:
        `(C, H', W')` in `[0, 1]`, H' and W' as in `mosaic_layout`.

    Raises:
        ValueError: If the coefficients are not those of one image, or `separator` is negative.

    Example:
        >>> import torch
        >>> from subband.transforms import wavedec2
        >>> coefficient_mosaic(wavedec2(torch.rand(3, 16, 16), "haar", level=2)).shape
        torch.Size([3, 16, 16])
    """
    if coeffs.approx.ndim != 3 or coeffs.approx.shape[0] not in (1, 3):
        raise ValueError(
            f"coeffs must be of one image (C, H, W) with C = 1 or 3, got bands {tuple(coeffs.approx.shape)}"
        )
    separator = integer(separator, "separator")
    if separator < 0:
        raise ValueError(f"separator must not be negative, got {separator}")
    height, width, boxes = mosaic_layout(coeffs)
    mosaic = coeffs.approx.new_full((coeffs.approx.shape[0], height, width), _EMPTY)
    bands = [band for _, _, band in _bands(coeffs)]
    largest = torch.stack([band.abs().amax() for band in bands]).amax()
    # A band that holds nothing but rounding errors stays black.
    faintest = torch.where(largest > 0, _FAINTEST * largest, 1)
    for box, band in zip(boxes, bands, strict=True):
        tile = _as_image(band, faintest) if box.band == "LL" else _as_magnitudes(band, faintest)
        mosaic[:, box.top : box.top + box.height, box.left : box.left + box.width] = tile
    for box in boxes:
        if box.band == "HH":
            mosaic[:, box.top : box.top + separator, : box.left + box.width] = 1
            mosaic[:, : box.top + box.height, box.left : box.left + separator] = 1
    return mosaic


def _bands(coeffs: Coeffs) -> list[tuple[int, str, Tensor]]:
    """Level, key and coefficients of every band: `LL`, then `LH, HL, HH` from the coarsest level to the finest."""
    if len(coeffs.axes) != 2:
        raise ValueError(f"coeffs must come from wavedec2, but {len(coeffs.axes)} axes were transformed")
    bands = [(coeffs.level, "aa", coeffs.approx)]
    for index, details in enumerate(coeffs.details):
        bands += [(coeffs.level - index, key, details[key]) for key in ("da", "ad", "dd")]
    return bands


def _as_image(band: Tensor, faintest: Tensor) -> Tensor:
    low, high = band.amin(), band.amax()
    return (band - low) / torch.maximum(high - low, faintest)


def _as_magnitudes(band: Tensor, faintest: Tensor) -> Tensor:
    magnitudes = band.abs()
    rank = max(1, round((1 - _BRIGHTEST) * magnitudes.numel()))
    white = torch.maximum(magnitudes.flatten().topk(rank).values[-1], faintest)
    return (magnitudes / white).clamp(0, 1) ** _GAMMA
