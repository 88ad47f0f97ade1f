"""Square parts of the photographs and textures inside scikit-image's package: color images with nothing to download.

Photographs, not patches, are split: those of validation and test show up in no training, here or in `moving_photos`.
"""

from __future__ import annotations

from torch import Tensor

from subband.data.images.unlabelled import UnlabelledData, UnlabelledSpec
from subband.data.restoration.blurred_photos import bundled_photos
from subband.data.restoration.draws import Draws
from subband.data.restoration.photo_library import PhotoLibrary, StoredPhotos
from subband.data.spec import check_index, check_range
from subband.data.video.moving_photos import TEST_PHOTOS, TRAIN_PHOTOS, VAL_PHOTOS

_VAL_SEED, _TEST_SEED = 1, 2  # fixed, so that runs with different seeds are scored on the same patches
_LARGEST = 300  # the shortest side of a bundled photograph
_ROOM = 2  # a patch shows at most this part of the shorter side, if the photograph is large enough


def photo_patches(
    *,
    img_size: int = 32,
    flip: bool = True,
    num_train: int = 10_000,
    num_val: int = 500,
    num_test: int = 1_000,
    seed: int = 0,
) -> UnlabelledData:
    """Square patches of photographs and textures at several magnifications, 8 bits a color.

    Args:
        img_size: Side of a patch.
        flip: Mirror half of the training patches.
        num_train: Training patches per epoch, new ones every epoch.
        num_val: Validation patches, always the same.
        num_test: Test patches, always the same.
        seed: Chooses the training patches.

    Returns:
        Images in [0, 1]: of eleven photographs for training, two for validation, two for the test.

    Raises:
        ImportError: If scikit-image is not installed.
        FileNotFoundError: If the installed scikit-image lacks one of the photographs.
        ValueError: If a number is out of range.

    Example:
        >>> data = photo_patches(num_train=4)
        >>> data.train[0].shape, len(data.train)
        (torch.Size([3, 32, 32]), 4)
    """
    if not 1 <= img_size <= _LARGEST:
        raise ValueError(
            f"img_size must lie within 1 and {_LARGEST}, the shortest side of a photograph; got {img_size}"
        )
    spec = UnlabelledSpec(channels=3, height=img_size, width=img_size)
    train, val, test = (StoredPhotos(bundled_photos(names), names) for names in (TRAIN_PHOTOS, VAL_PHOTOS, TEST_PHOTOS))
    return UnlabelledData(
        PhotoPatches(train, spec, length=num_train, flip=flip, seed=seed),
        PhotoPatches(val, spec, length=num_val, flip=False, seed=_VAL_SEED),
        PhotoPatches(test, spec, length=num_test, flip=False, seed=_TEST_SEED),
        spec,
    )


class PhotoPatches:
    """Patches of photographs, cut afresh for every key.

    Everything random in a patch is a pure function of the seed and the key.

    Args:
        photos: Photographs, none of them smaller than a patch.
        spec: Shape of the patches.
        length: Patches of one epoch.
        flip: Mirror half of them.
        seed: Chooses the patches.

    Raises:
        ValueError: If `length` is not positive.
    """

    def __init__(self, photos: PhotoLibrary, spec: UnlabelledSpec, *, length: int, flip: bool, seed: int) -> None:
        if length < 1:
            raise ValueError(f"a split must have at least 1 patch, got {length}")
        self.photos, self.spec, self.seed = photos, spec, seed
        self._length, self._flip = length, flip

    def __len__(self) -> int:
        """Patches of one epoch."""
        return self._length

    def __getitem__(self, key: int) -> Tensor:
        """Patch `(3, H, W)` of one key, float32 in [0, 1]."""
        draws = Draws(self.seed, check_index(key))
        photo = self.photos.choose(draws, _ROOM * max(self.spec.height, self.spec.width))
        top = draws.below(photo.shape[1] - self.spec.height + 1)
        left = draws.below(photo.shape[2] - self.spec.width + 1)
        is_mirrored = draws.happens(0.5) and self._flip
        patch = photo[:, top : top + self.spec.height, left : left + self.spec.width].float() / 255
        return patch.flip(-1) if is_mirrored else patch

    def check_batch(self, batch: Tensor) -> None:
        """Warn when the patches of a batch leave [0, 1]."""
        check_range(batch, self.spec, "patches")
