"""The user's own images: one folder per class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from subband.data.dataset_files import existing
from subband.data.labelled.augmentation import TrainInterpolation
from subband.data.labelled.images import (
    Augment,
    Augmentation,
    ImageData,
    ImageSpec,
    LabelledImages,
    Preprocessing,
    hold_out_per_class,
)
from subband.data.labelled.preprocessing import IMAGENET_MEAN, IMAGENET_STD, CropMode, Interpolation
from subband.media.frames import natural_key
from subband.media.images import list_images, on_white, read_image


class _Files(NamedTuple):
    paths: list[Path]
    labels: list[int]
    classes: tuple[str, ...]

    def select(self, indices: Sequence[int]) -> _Files:
        return _Files([self.paths[i] for i in indices], [self.labels[i] for i in indices], self.classes)


def image_folder(
    *,
    path: str,
    img_size: int | tuple[int, int] = 224,
    crop_ratio: float = 0.875,
    crop_mode: CropMode = "center",
    interpolation: Interpolation = "bicubic",
    antialias: bool = True,
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
    augment: Augment = "resized_crop",
    flip: bool = True,
    rand_augment: str = "",
    color_jitter: float = 0.0,
    erasing: float = 0.0,
    train_interpolation: TrainInterpolation = "bicubic",
    val_fraction: float = 0.1,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> ImageData:
    """Images in a folder per class, or in the layout of ImageNet: `train/CLASS/*` and `val/CLASS/*`.

    With the layout of ImageNet the images in `val` are the test set; `val` alone does for evaluation. What is held out
    is always the same.

    Args:
        path: Folder of class folders, or folder with `train` and `val`, or with `val`.
        img_size: Side or sides (height, width) of the inputs.
        crop_ratio: Share of a resized image, along one side, that is kept for validation and test.
        crop_mode: `center` keeps the shape of an image before the crop, `squash` does not.
        interpolation: How images are resized for validation and test.
        antialias: Smooth before shrinking, in training too.
        mean: Subtracted from red, green and blue.
        std: Divides red, green and blue.
        augment: What part of a training image is seen: all of it, unchanged; the usual crop, shifted; or any part,
            resized.
        flip: Mirror half of the training images.
        rand_augment: RandAugment of the training images in timm's notation, e.g. `rand-m9-mstd0.5-inc1`.
        color_jitter: Changes of brightness, contrast and saturation of the training images, instead of RandAugment.
        erasing: Share of the training images that lose a rectangle.
        train_interpolation: How training images are resized, where any part may be seen.
        val_fraction: Share of the training images of each class held out for validation.
        test_fraction: Share of all images of each class held out for the test; 1 is for evaluation and leaves nothing
            to train on. With a `val` folder it has no effect but this one.
        seed: Chooses the augmentation.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ValueError: If it holds no class folders, one of them holds no images, `val` has other classes than `train`, a
            class has too few images for the split, or an argument is out of its range.
        ImportError: If `rand_augment` or `erasing` is asked for and timm is not installed.

    Example:
        >>> import torch
        >>> from subband.media.images import write_image
        >>> folder = getfixture("tmp_path")
        >>> for number in range(8):
        ...     name = folder / ("cat", "dog")[number % 2]
        ...     name.mkdir(exist_ok=True)
        ...     write_image(name / f"{number}.png", torch.rand(3, 20, 30))
        >>> data = image_folder(path=str(folder), img_size=16)
        >>> data.spec.classes, len(data.train), len(data.val), len(data.test)
        (('cat', 'dog'), 4, 2, 2)
    """
    train, val, test = _splits(existing(Path(path), "folder of images"), val_fraction, test_fraction)
    size = [img_size] * 2 if isinstance(img_size, int) else list(img_size)
    fields = {"size": size, "crop_ratio": crop_ratio, "crop_mode": crop_mode, "antialias": antialias}
    fields |= {"interpolation": interpolation, "mean": list(mean), "std": list(std)}
    spec = ImageSpec(classes=train.classes, preprocessing=Preprocessing.from_dict(fields))
    augmentation = Augmentation(
        crop=augment,
        flip=flip,
        rand_augment=rand_augment,
        color_jitter=color_jitter,
        erasing=erasing,
        interpolation=train_interpolation,
    )
    changed, plain = _labelled(train, spec, augmentation, seed), Augmentation()
    return ImageData(changed, _labelled(val, spec, plain, seed), _labelled(test, spec, plain, seed), spec)


class _Reader:
    """Images by index; an object, not a closure, so that worker processes can be started afresh with it."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __call__(self, index: int) -> Tensor:
        return on_white(read_image(self.paths[index])).expand(3, -1, -1)


class _NoImages(LabelledImages):
    """In place of the training images of a folder that has test images only; asking for its length says so."""

    def __init__(self, spec: ImageSpec) -> None:
        self.spec, self.labels = spec, ()

    def __len__(self) -> int:
        raise ValueError(
            "every image of the folder is a test image (it has val without train, or test_fraction is 1), so there is "
            "nothing to train on."
        )


def _labelled(files: _Files, spec: ImageSpec, augmentation: Augmentation, seed: int) -> LabelledImages:
    if not files.paths:
        return _NoImages(spec)
    return LabelledImages(_Reader(files.paths), files.labels, spec, augmentation=augmentation, seed=seed)


def _splits(root: Path, val_fraction: float, test_fraction: float) -> tuple[_Files, _Files, _Files]:
    """Images for training, validation and test, in either layout; the first two are empty if all are for the test."""
    has_train, has_val = (root / "train").is_dir(), _holds_folders(root / "val")
    if test_fraction == 1 or (has_val and not has_train):
        test = _list_classes(root / "val" if has_val else root)
        return test.select([]), test.select([]), test
    if has_train and (root / "val").is_dir():
        rest, test = _list_classes(root / "train"), _list_classes(root / "val")
        unlike = sorted(set(rest.classes) ^ set(test.classes))
        if unlike:
            raise ValueError(
                f"{root}: train and val must have the same classes, but only one of them has {unlike[0]!r}."
            )
    else:
        files = _list_classes(root)
        rest, test = (files.select(part) for part in _split(files, test_fraction, root))
    train, val = (rest.select(part) for part in _split(rest, val_fraction, root))
    return train, val, test


def _holds_folders(path: Path) -> bool:
    return path.is_dir() and any(item.is_dir() for item in path.iterdir())


def _list_classes(folder: Path) -> _Files:
    folders = sorted((item for item in folder.iterdir() if item.is_dir() and item.name[0] != "."), key=natural_key)
    if len(folders) < 2:
        raise ValueError(f"{folder} holds {len(folders)} class folder(s); it needs at least two, one per class.")
    listed = [list_images(item) for item in folders]
    paths = [path for members in listed for path in members]
    labels = [label for label, members in enumerate(listed) for _ in members]
    return _Files(paths, labels, tuple(item.name for item in folders))


def _split(files: _Files, fraction: float, root: Path) -> tuple[list[int], list[int]]:
    try:
        return hold_out_per_class(files.labels, fraction)
    except ValueError as error:
        raise ValueError(f"{root}: {error}") from None
