"""Square parts of photographs: of those inside scikit-image, with nothing to download, or of a folder.

Photographs, not patches, are split: those of validation and test show up in no training, here or in `moving_photos`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from subband.data.dataset_files import SPLITS
from subband.data.images.unlabelled import UnlabelledData, UnlabelledSpec, luma
from subband.data.restoration.blurred_photos import bundled_photos, folder_photos
from subband.data.restoration.draws import Draws
from subband.data.restoration.photo_library import PhotoLibrary, StoredPhotos
from subband.data.spec import DamagedFileError, check_index, check_range
from subband.data.video.moving_photos import TEST_PHOTOS, TRAIN_PHOTOS, VAL_PHOTOS

_VAL_SEED, _TEST_SEED = 1, 2  # fixed, so that runs with different seeds are scored on the same patches
_LARGEST = 300  # the shortest side of a bundled photograph
_ROOM = 2  # a patch shows at most this part of the shorter side, if the photograph is large enough


def photo_patches(
    *,
    path: str | None = None,
    img_size: int = 32,
    gray: bool = False,
    flip: bool = True,
    turn: bool = False,
    max_side: int | None = 1024,
    in_memory: bool = False,
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    num_train: int = 10_000,
    num_val: int = 500,
    num_test: int = 1_000,
    seed: int = 0,
) -> UnlabelledData:
    """Square patches of photographs at several magnifications, 8 bits a color.

    Args:
        path: Folder of photographs, searched with the folders inside it; if it holds `train/`, `val/` and `test/`,
            these are the splits, otherwise photographs are dealt out by their names. None: those inside scikit-image,
            eleven for training, two for validation, two for the test.
        img_size: Side of a patch.
        gray: 1 channel instead of 3.
        flip: Mirror half of the training patches.
        turn: Turn training patches by a random multiple of 90 degrees, for pictures without an up and a down.
        max_side: Reduces photographs of `path` to this longer side.
        in_memory: Read all photographs of `path` now and keep them, which is fast for small collections.
        fractions: Shares of the splits where there are no folders for them.
        num_train: Training patches per epoch, new ones every epoch.
        num_val: Validation patches, always the same.
        num_test: Test patches, always the same.
        seed: Chooses the training patches.

    Returns:
        Images in [0, 1].

    Raises:
        ImportError: If `path` is not given and scikit-image is not installed.
        FileNotFoundError: If the folder does not exist, or the installed scikit-image lacks one of the photographs.
        ValueError: If a number is out of range, or the folder holds too few photographs.

    Example:
        >>> data = photo_patches(num_train=4)
        >>> data.train[0].shape, len(data.train)
        (torch.Size([3, 32, 32]), 4)
    """
    if img_size < 1 or (path is None and img_size > _LARGEST):
        raise ValueError(
            f"img_size must lie within 1 and {_LARGEST}, the shortest side of a photograph; got {img_size}"
        )
    spec = UnlabelledSpec(channels=1 if gray else 3, height=img_size, width=img_size)
    if path is None:
        splits = zip(SPLITS, (TRAIN_PHOTOS, VAL_PHOTOS, TEST_PHOTOS), strict=True)
        photos: dict[str, PhotoLibrary] = {name: StoredPhotos(bundled_photos(names), names) for name, names in splits}
    else:
        photos = folder_photos(Path(path), fractions, max_side, in_memory=in_memory)
    return UnlabelledData(
        PhotoPatches(photos["train"], spec, length=num_train, flip=flip, turn=turn, seed=seed),
        PhotoPatches(photos["val"], spec, length=num_val, seed=_VAL_SEED),
        PhotoPatches(photos["test"], spec, length=num_test, seed=_TEST_SEED),
        spec,
    )


class PhotoPatches:
    """Patches of photographs, cut afresh for every key.

    Everything random in a patch is a pure function of the seed and the key.

    Args:
        photos: Photographs.
        spec: Shape of the patches; with one channel they are gray.
        length: Patches of one epoch.
        flip: Mirror half of them.
        turn: Turn them by a random multiple of 90 degrees.
        seed: Chooses the patches.

    Raises:
        ValueError: If `length` is not positive.
    """

    def __init__(
        self,
        photos: PhotoLibrary,
        spec: UnlabelledSpec,
        *,
        length: int,
        seed: int,
        flip: bool = False,
        turn: bool = False,
    ) -> None:
        if length < 1:
            raise ValueError(f"a split must have at least 1 patch, got {length}")
        self.photos, self.spec, self.seed = photos, spec, seed
        self._length, self._flip, self._turn = length, flip, turn

    def __len__(self) -> int:
        """Patches of one epoch."""
        return self._length

    def __getitem__(self, key: int) -> Tensor:
        """Patch `(C, H, W)` of one key, float32 in [0, 1].

        Raises:
            DamagedFileError: If the photograph cannot be read or is smaller than a patch.
        """
        draws, size = Draws(self.seed, check_index(key)), (self.spec.height, self.spec.width)
        photo = self.photos.choose(draws, _ROOM * max(size))
        height, width = photo.shape[1:]
        if height < size[0] or width < size[1]:
            name = self.photos.names[Draws(self.seed, key).below(len(self.photos))]
            raise DamagedFileError(f"{name} has {width} x {height} pixels, a patch {size[1]} x {size[0]}")
        top, left = draws.below(height - size[0] + 1), draws.below(width - size[1] + 1)
        is_mirrored = draws.happens(0.5) and self._flip
        patch = photo[:, top : top + size[0], left : left + size[1]].float()
        patch = (luma(patch).round() if self.spec.channels == 1 else patch) / 255
        if self._turn:
            patch = torch.rot90(patch, draws.below(4), (1, 2))
        return patch.flip(-1) if is_mirrored else patch

    def check_batch(self, batch: Tensor) -> None:
        """Warn when the patches of a batch leave [0, 1]."""
        check_range(batch, self.spec, "patches")
