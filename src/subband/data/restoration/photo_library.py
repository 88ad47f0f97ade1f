"""Sharp photographs by number, at any of several sizes: from memory, or from the files of a folder."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from subband.data.restoration.drawn_scenes import draw_scene
from subband.data.restoration.draws import Draws
from subband.data.spec import reading_files
from subband.media.images import on_white, read_image

_STEP = 1.4  # from one size of a photograph to the next larger one


class PhotoLibrary(ABC):
    """Photographs by number.

    Args:
        names: What they are called.
        are_kept: Whether smaller sizes are kept when they were made once.
    """

    def __init__(self, names: Sequence[str], *, are_kept: bool) -> None:
        self.names = tuple(names)
        self._kept: dict[tuple[int, int], Tensor] | None = {} if are_kept else None

    def __len__(self) -> int:
        """How many there are."""
        return len(self.names)

    @abstractmethod
    def photo(self, index: int) -> Tensor:
        """Photograph of a number, `(3, h, w)` uint8.

        Raises:
            DamagedFileError: If it cannot be read.
        """

    def choose(self, draws: Draws, room: int) -> Tensor:
        """A photograph at one of the sizes that leave room, every step of size as likely as any other.

        Args:
            draws: Numbers of the clip; the first one chooses the photograph.
            room: Shorter side that is wanted at least.

        Returns:
            `(3, h, w)` uint8; smaller than `room` if the photograph is.
        """
        index = draws.below(len(self))
        photo = self.photo(index)
        largest_reduction = max(min(photo.shape[1:]) / room, 1.0)
        steps = draws.below(int(math.log(largest_reduction) / math.log(_STEP) + 1e-9) + 1)
        if self._kept is None:
            return reduced(photo, _STEP**-steps)
        if (index, steps) not in self._kept:
            self._kept[index, steps] = reduced(photo, _STEP**-steps)
        return self._kept[index, steps]


class StoredPhotos(PhotoLibrary):
    """Photographs that are held in memory.

    Args:
        photos: `(3, h, w)` uint8 each.
        names: What they are called.
    """

    def __init__(self, photos: Sequence[Tensor], names: Sequence[str]) -> None:
        super().__init__(names, are_kept=True)
        self._photos = tuple(photos)

    def photo(self, index: int) -> Tensor:
        """Photograph of a number, `(3, h, w)` uint8."""
        return self._photos[index]


class PhotoFiles(PhotoLibrary):
    """Photographs that are read when they are asked for.

    Args:
        paths: The files.
        max_side: Reduces a photograph to this longer side after reading.
    """

    def __init__(self, paths: Sequence[Path], max_side: int | None = None) -> None:
        super().__init__([path.name for path in paths], are_kept=False)
        self._paths, self._max_side = tuple(paths), max_side

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


class DrawnScenes(PhotoLibrary):
    """Drawn scenes, kept when they were drawn once.

    Args:
        seed: Chooses the set.
        count: How many there are.
    """

    def __init__(self, seed: int, count: int) -> None:
        super().__init__([f"drawn scene {number}" for number in range(count)], are_kept=True)
        self._seed = seed
        self._drawn: dict[int, Tensor] = {}

    def photo(self, index: int) -> Tensor:
        """Scene of a number, `(3, 512, 512)` uint8."""
        if index not in self._drawn:
            self._drawn[index] = draw_scene(self._seed, index)
        return self._drawn[index]


def reduced(photo: Tensor, scale: float) -> Tensor:
    """A smaller photograph.

    Args:
        photo: `(3, h, w)` uint8.
        scale: Side over side, at most 1.
    """
    if scale == 1:
        return photo
    size = [max(round(side * scale), 1) for side in photo.shape[:0:-1]]
    small = Image.fromarray(photo.movedim(0, -1).contiguous().numpy()).resize(size, Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(small).copy()).movedim(-1, 0)
