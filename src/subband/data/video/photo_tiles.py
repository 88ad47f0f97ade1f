"""Photographs that come with scikit-image, cut into tiles that a virtual camera can move over."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from subband.extras import require
from subband.media.pixels import open_image

_LEVELS = (1.0, 1.5, 2.5)  # shorter side of a photograph in tiles: from the whole one to close-ups


class PhotoTiles(NamedTuple):
    """Square tiles cut from photographs at several magnifications.

    Attributes:
        tiles: `(M, C, S, S)` uint8.
        first: Index of the first tile of each photograph, and `M` at the end.
    """

    tiles: Tensor
    first: np.ndarray

    def choose(self, draws: np.ndarray) -> Tensor:
        """Indices of tiles from two numbers in [0, 1) each, `(B, 2)`: every photograph is as likely as any other."""
        photo = (draws[:, 0] * (len(self.first) - 1)).astype(np.int64)
        count = self.first[photo + 1] - self.first[photo]
        return torch.from_numpy(self.first[photo] + (draws[:, 1] * count).astype(np.int64))


def read_photos(names: Sequence[str], *, gray: bool) -> list[Image.Image]:
    """Photographs from the installed scikit-image package.

    Args:
        names: File names.
        gray: Luma instead of color.

    Raises:
        ImportError: If scikit-image is not installed.
        FileNotFoundError: If a file is not there.
    """
    require("skimage", "the photographs need")
    package = importlib.util.find_spec("skimage")  # found, not imported, which takes a second
    assert package is not None
    assert package.origin is not None
    folder = Path(package.origin).parent / "data"
    for name in names:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"the installed scikit-image has no photograph {folder / name}")
    photos = []
    for name in names:
        with open_image(folder / name) as image:
            photos.append(image.convert("L" if gray else "RGB"))
    return photos


def cut_tiles(photos: Sequence[Image.Image], size: int) -> PhotoTiles:
    """Overlapping square tiles of photographs at several magnifications, none enlarged more than it must be.

    Args:
        photos: Photographs of one mode, gray or RGB.
        size: Side of the tiles, `S`.
    """
    tiles = [[tile for level in _levels(photo, size) for tile in _cut(level, size)] for photo in photos]
    first = np.cumsum([0, *(len(of_photo) for of_photo in tiles)])
    return PhotoTiles(torch.stack([tile for of_photo in tiles for tile in of_photo]), first)


def _levels(photo: Image.Image, size: int) -> list[Image.Image]:
    shorter = min(photo.size)
    sides = [size] + [int(level * size) for level in _LEVELS[1:] if level * size <= shorter]
    scales = [side / shorter for side in sides]
    return [
        photo.resize([max(size, round(length * scale)) for length in photo.size], Image.Resampling.LANCZOS)
        for scale in scales
    ]


def _cut(photo: Image.Image, size: int) -> list[Tensor]:
    array = np.asarray(photo)
    pixels = torch.from_numpy(array.copy()).reshape(*array.shape[:2], -1).permute(2, 0, 1)  # (C, H, W)
    rows, columns = (_starts(length, size) for length in pixels.shape[1:])
    return [pixels[:, row : row + size, column : column + size] for row in rows for column in columns]


def _starts(length: int, size: int) -> list[int]:
    """Evenly spread starts of windows that cover `length` and overlap by at least a third."""
    count = 1 + -(-(length - size) * 3 // (2 * size))
    return np.linspace(0, length - size, count).astype(int).tolist()
