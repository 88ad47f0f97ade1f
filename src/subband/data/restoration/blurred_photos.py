"""Pairs of clips made from still photographs: a virtual camera moves over them while its shutter is open.

Our own data set, after section "camera shake" of the usual recipes for synthetic blur: the light of 3 to 65 sub-frames
of an exposure is averaged, the sharp frame is the one at its center, and the exposures of a clip follow each other on
one path. By default the sources are the photographs inside scikit-image's package and scenes drawn by the program.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from subband.data.dataset_files import SPLITS, deal_out, has_split_folders, listed_problems
from subband.data.restoration.draws import Draws
from subband.data.restoration.moving_photo import MovingPhoto
from subband.data.restoration.pairs import ClipPairs, PairData, PairSource, PairSpec
from subband.data.restoration.photo_library import DrawnScenes, PhotoFiles, PhotoLibrary, StoredPhotos
from subband.data.restoration.settings import BlurSettings
from subband.data.spec import DamagedFileError, check_index, image_size
from subband.data.video.photo_tiles import read_photos
from subband.files import shown
from subband.media.picture_files import find_pictures, warn_animated, warn_left_out

# Left out: what is blurred itself (the clock in motion), masks, and the right view of the motorcycle.
TRAIN_PHOTOS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "coffee.png",
    "grass.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
)
VAL_PHOTOS = ("gravel.png", "text.png")
TEST_PHOTOS = ("chelsea.png", "coins.png")

_VAL_SEED, _TEST_SEED = 1, 2  # fixed, so that runs with different seeds are scored on the same clips
_SCENE_SEEDS = {"train": 101, "val": 102, "test": 103}
_NUM_SCENES = {"train": 60, "val": 10, "test": 10}


class BlurredPhotos(ClipPairs):
    """Pairs of clips of photographs in motion, made afresh for every key.

    Args:
        photos: Photographs.
        scenes: Drawn scenes.
        spec: Shape of the pairs; its frames and sides must be given, its scale be 1.
        settings: Ranges of all that is drawn.
        drawn_share: Share of the clips, and of the objects in them, that are of drawn scenes.
        length: Samples of one epoch.
        seed: Chooses the clips.

    Raises:
        ValueError: If `length` is not positive or `drawn_share` not in [0, 1].
    """

    def __init__(
        self,
        photos: PhotoLibrary,
        scenes: PhotoLibrary,
        spec: PairSpec,
        settings: BlurSettings,
        *,
        drawn_share: float,
        length: int,
        seed: int,
    ) -> None:
        if length < 1 or not 0 <= drawn_share <= 1:
            raise ValueError(f"length must be positive and drawn_share in [0, 1], got {length} and {drawn_share}")
        assert spec.frames
        assert spec.height
        assert spec.width
        assert spec.scale == 1
        self.spec, self.settings, self.seed = spec, settings, seed
        self._photos, self._scenes, self._drawn_share, self._length = photos, scenes, drawn_share, length
        self._size, self._num_frames = (spec.height, spec.width), spec.frames
        # What a camera of usual speed sees; a faster one meets a photograph that is enlarged.
        self._room = int(1.2 * max(self._size) + 0.4 * settings.speed * spec.frames)

    def __len__(self) -> int:
        """Samples of one epoch."""
        return self._length

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Degraded `(T, 3, H, W)` and sharp `(T', 3, H, W)` of one key, in [0, 1].

        Raises:
            DamagedFileError: If a photograph cannot be read.
        """
        return self._pair(key, "cpu")

    def source(self, key: int) -> PairSource:
        """The photograph behind the clip of a key."""
        draws = Draws(self.seed, check_index(key))
        library = self._library(draws)
        return PairSource(library.names[draws.below(len(library))], 0)

    def _pair(self, key: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
        clip = self._clip(key, device)
        degraded, sharp = zip(*map(clip.frame, range(self._num_frames)), strict=True)
        return torch.stack(degraded), self.spec.with_targets(torch.stack(sharp))

    def _clip(self, key: int, device: torch.device | str) -> MovingPhoto:
        draws = Draws(self.seed, check_index(key))
        photo = self._library(draws).choose(draws, self._room)
        cutouts = [
            self._library(draws).choose(draws, min(self._size))
            for _ in range(draws.below(self.settings.max_objects + 1))
        ]
        return MovingPhoto(
            photo, cutouts, draws, self.settings, num_frames=self._num_frames, size=self._size, device=device
        )

    def _library(self, draws: Draws) -> PhotoLibrary:
        is_drawn = draws.happens(self._drawn_share)
        return self._scenes if is_drawn or not len(self._photos) else self._photos


class StoredBlurredPhotos(BlurredPhotos):
    """Pairs of clips of photographs that are held in memory, made in batches on the device that wants them."""

    def batch(self, keys: Sequence[int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Degraded `(B, T, 3, H, W)` and sharp `(B, T', 3, H, W)` of several keys, in [0, 1]."""
        degraded, sharp = zip(*(self._pair(key, device) for key in keys), strict=True)
        return torch.stack(degraded), torch.stack(sharp)


def blurred_photos(
    *,
    path: str | None = None,
    frames: int = 8,
    img_size: int | tuple[int, int] = 64,
    past_frames: int = 0,
    future_frames: int = 0,
    blur: dict | None = None,
    drawn_share: float = 0.25,
    max_side: int | None = 1024,
    in_memory: bool = False,
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    num_train: int = 10_000,
    num_val: int = 100,
    num_test: int = 200,
    seed: int = 0,
) -> PairData:
    """Blurred and sharp clips made from still photographs and drawn scenes, afresh for every key.

    What is drawn for a clip, with which ranges, is explained at `BlurSettings`. Photographs, not clips, are split.

    Args:
        path: Folder of photographs, searched with the folders inside it; if it holds `train/`, `val/` and `test/`,
            these are the splits, otherwise photographs are dealt out by their names. None: those inside scikit-image.
        frames: Frames of a clip, `T`.
        img_size: Side of the frames, or (H, W).
        past_frames: Degraded frames at the beginning that have no sharp one.
        future_frames: The same at the end.
        blur: Settings of `BlurSettings` that are not to be the usual ones, by name.
        drawn_share: Share of the clips that show drawn scenes.
        max_side: Reduces photographs of `path` to this longer side.
        in_memory: Read all photographs of `path` now and keep them, which is fast for small collections.
        fractions: Shares of the splits where there are no folders for them.
        num_train: Training clips per epoch, new ones every epoch.
        num_val: Validation clips, always the same.
        num_test: Test clips, always the same.
        seed: Chooses the training clips.

    Returns:
        Pairs in [0, 1].

    Raises:
        FileNotFoundError: If there is no such folder.
        ImportError: If `path` is not given and scikit-image is not installed.
        TypeError: If `blur` names a setting that there is not.
        ValueError: If an argument is out of range, or the folder holds too few photographs.
    """
    settings = BlurSettings.from_dict(blur)
    height, width = image_size(img_size)
    spec = PairSpec(frames=frames, height=height, width=width, past_frames=past_frames, future_frames=future_frames)
    libraries = _bundled() if path is None else folder_photos(Path(path), fractions, max_side, in_memory=in_memory)
    lengths, seeds = (num_train, num_val, num_test), (seed, _VAL_SEED, _TEST_SEED)
    kind = StoredBlurredPhotos if path is None or in_memory else BlurredPhotos
    train, val, test = (
        kind(
            libraries[name],
            DrawnScenes(_SCENE_SEEDS[name], _NUM_SCENES[name]),
            spec,
            settings,
            drawn_share=drawn_share,
            length=length,
            seed=split_seed,
        )
        for name, length, split_seed in zip(SPLITS, lengths, seeds, strict=True)
    )
    return PairData(train, val, test, spec)


def _bundled() -> dict[str, PhotoLibrary]:
    splits = zip(SPLITS, (TRAIN_PHOTOS, VAL_PHOTOS, TEST_PHOTOS), strict=True)
    return {name: StoredPhotos(bundled_photos(names), names) for name, names in splits}


def bundled_photos(names: Sequence[str]) -> list[Tensor]:
    """Photographs inside scikit-image, `(3, h, w)` uint8 each.

    Args:
        names: File names.

    Raises:
        ImportError: If scikit-image is not installed.
        FileNotFoundError: If a file is not there.
    """
    return [torch.from_numpy(np.asarray(photo).copy()).movedim(-1, 0) for photo in read_photos(names, gray=False)]


def folder_photos(
    folder: Path, fractions: tuple[float, float, float], max_side: int | None, *, in_memory: bool
) -> dict[str, PhotoLibrary]:
    """Photographs of a folder, dealt out to the three splits.

    Args:
        folder: Searched with the folders inside it; `train/`, `val/` and `test/` in it are the splits.
        fractions: Shares of the splits where there are no folders for them.
        max_side: Reduces photographs to this longer side; at least 16.
        in_memory: Read all of them now; those that cannot be read are left out with a warning.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it holds too few photographs, or `max_side` is too small.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"photo folder not found: {folder}")
    if max_side is not None and max_side < 16:
        raise ValueError(f"max_side must be at least 16, got {max_side}")
    if has_split_folders(folder):
        paths = {name: photos_below(folder / name) for name in SPLITS}
    else:
        found = photos_below(folder)
        names = [path.relative_to(folder).as_posix() for path in found]
        paths = deal_out(found, names, fractions, "photographs", folder)
    files = {name: PhotoFiles(members, max_side) for name, members in paths.items()}
    return {name: _read_all(part) for name, part in files.items()} if in_memory else dict(files)


def photos_below(folder: Path) -> list[Path]:
    """Photographs of a folder and of those inside it; one warning names what else is there.

    Raises:
        ValueError: If there are none.
    """
    found = find_pictures(folder, with_subfolders=True)
    if not found.files:
        beside = f"; it holds {found.summary()}" if found.summary() else ""
        raise ValueError(f"{shown(folder)} holds no photographs{beside}")
    warn_left_out(folder, found)
    warn_animated(found.files)
    return found.files


def _read_all(files: PhotoFiles) -> StoredPhotos:
    """Photographs in memory; those that cannot be read are left out with a warning that names them."""
    photos, names, problems = [], [], []
    for index in range(len(files)):
        try:
            photos.append(files.photo(index))
        except DamagedFileError as error:
            problems.append(str(error))
        else:
            names.append(files.names[index])
    if not photos:
        raise ValueError(f"no photograph can be read: {listed_problems(problems)}")
    if problems:
        warnings.warn(
            f"left out {len(problems)} of {len(files)} photographs: {listed_problems(problems)}", stacklevel=2
        )
    return StoredPhotos(photos, names)
