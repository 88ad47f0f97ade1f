"""Sharp photographs by number, at any of several sizes: from memory, or from the files of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from subband.data.restoration.draws import Draws
from subband.data.restoration.drawn_scenes import draw_scene
from subband.data.spec import reading_files
from subband.media.images import on_white, read_image

_STEP = 1 / 1.4  # from one size of a photograph to the next smaller one
_SCENES_KEPT = 64


class PhotoLibrary(Protocol):
    """Photographs by number."""

    def __len__(self) -> int:
        """How many there are."""

    def photo(self, index: int) -> Tensor:
        """Photograph of a number, `(3, h, w)` uint8."""

    def name(self, index: int) -> str:
        """What it is called."""


class StoredPhotos:
    """Photographs that are held in memory.

    Args:
        photos: `(3, h, w)` uint8 each.
        names: What they are called.
    """

    def __init__(self, photos: Sequence[Tensor], names: Sequence[str]) -> None:
        self._photos, self._names = tuple(photos), tuple(names)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._photos)

    def photo(self, index: int) -> Tensor:
        """Photograph of a number, `(3, h, w)` uint8."""
        return self._photos[index]

    def name(self, index: int) -> str:
        """What it is called."""
        return self._names[index]


class PhotoFiles:
    """Photographs that are read when they are asked for.

    Args:
        paths: The files.
        max_side: Reduces a photograph to this longer side after reading.
    """

    def __init__(self, paths: Sequence[Path], max_side: int | None = None) -> None:
        self._paths, self._max_side = tuple(paths), max_side

    def __len__(self) -> int:
        """How many there are."""
        return len(self._paths)

    def photo(self, index: int) -> Tensor:
        """Photograph of a number, `(3, h, w)` uint8; transparent parts are on white.

        Raises:
            DamagedFileError: If it cannot be read.
        """
        with reading_files():
            pixels = on_white(read_image(self._paths[index])).mul(255).round_().to(torch.uint8).expand(3, -1, -1)
        longer = max(pixels.shape[1:])
        return (
            pixels if self._max_side is None or longer <= self._max_side else reduced(pixels, self._max_side / longer)
        )

    def name(self, index: int) -> str:
        """What it is called."""
        return self._paths[index].name


class DrawnScenes:
    """Drawn scenes; an object, not a closure, so that worker processes can be started afresh with it.

    Args:
        seed: Chooses the set.
        count: How many there are.
    """

    def __init__(self, seed: int, count: int) -> None:
        self._seed, self._count = seed, count

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def photo(self, index: int) -> Tensor:
        """Scene of a number, `(3, 512, 512)` uint8."""
        return _scene(self._seed, index)

    def name(self, index: int) -> str:
        """What it is called."""
        return f"drawn scene {index}"


@lru_cache(maxsize=_SCENES_KEPT)
def _scene(seed: int, index: int) -> Tensor:
    return draw_scene(seed, index)


def reduced(photo: Tensor, scale: float) -> Tensor:
    """A smaller photograph.

    Args:
        photo: `(3, h, w)` uint8.
        scale: Side over side, at most 1.
    """
    if scale == 1:
        return photo
    size = [max(round(side * scale), 1) for side in photo.shape[:0:-1]]
    small = Image.fromarray(photo.movedim(0, -1).numpy()).resize(size, Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(small).copy()).movedim(-1, 0)


def choose_photo(draws: Draws, library: PhotoLibrary, room: int) -> tuple[Tensor, int]:
    """A photograph at one of the sizes that leave room, every step of size as likely as any other.

    Args:
        draws: Numbers of the clip.
        library: Where it is from.
        room: Shorter side that is wanted at least.

    Returns:
        The photograph, `(3, h, w)` uint8, and its number.
    """
    index = draws.below(len(library))
    photo = library.photo(index)
    smallest = min(room / min(photo.shape[1:]), 1.0)
    num_steps = int(np.log(smallest) / np.log(_STEP) + 1e-9)
    return reduced(photo, _STEP ** draws.below(num_steps + 1)), index
