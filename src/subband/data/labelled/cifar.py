"""CIFAR-10 and CIFAR-100 with labels, from the files torchvision unpacks (Krizhevsky, 2009)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from subband.data.cifar_files import read_labelled_batch, read_names
from subband.data.labelled.augmentation import TrainInterpolation
from subband.data.labelled.images import (
    Augment,
    Augmentation,
    ImageData,
    ImageSpec,
    LabelledImages,
    Preprocessing,
    StoredPixels,
    hold_out_per_class,
)

# Mean and standard deviation of the training pixels of CIFAR-10, rounded as is customary.
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class _Files(NamedTuple):
    """Folder, files and keys of one of the two data sets."""

    folder: Path
    train: Sequence[str]
    test: str
    meta: str
    key: str


def cifar10(
    *,
    path: str,
    img_size: int = 32,
    augment: Augment = "shift",
    flip: bool = True,
    rand_augment: str = "",
    color_jitter: float = 0.0,
    erasing: float = 0.0,
    train_interpolation: TrainInterpolation = "bicubic",
    mean: tuple[float, float, float] = CIFAR_MEAN,
    std: tuple[float, float, float] = CIFAR_STD,
    val_fraction: float = 0.1,
    seed: int = 0,
) -> ImageData:
    """CIFAR-10: 60,000 images of 32 x 32 pixels in ten classes.

    Args:
        path: Folder `cifar-10-batches-py`.
        img_size: Side the images are resized to.
        augment: What part of a training image is seen: all of it, unchanged; all of it, shifted; or any part,
            resized.
        flip: Mirror half of the training images.
        rand_augment: RandAugment of the training images in timm's notation, e.g. `rand-m9-mstd0.5-inc1`.
        color_jitter: Changes of brightness, contrast and saturation of the training images, instead of RandAugment.
        erasing: Share of the training images that lose a rectangle.
        train_interpolation: How training images are resized, where any part may be seen.
        mean: Subtracted from red, green and blue; by default that of CIFAR-10.
        std: Divides red, green and blue; by default that of CIFAR-10.
        val_fraction: Share of the training images held out for validation, always the same ones.
        seed: Chooses the augmentation.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is damaged, or an argument out of its range.
        ImportError: If `rand_augment` or `erasing` is asked for and timm is not installed.
    """
    augmentation = Augmentation(
        crop=augment,
        flip=flip,
        rand_augment=rand_augment,
        color_jitter=color_jitter,
        erasing=erasing,
        interpolation=train_interpolation,
    )
    prepare = _prepare(img_size, mean, std)
    batches = [f"data_batch_{number}" for number in range(1, 6)]
    files = _Files(Path(path), batches, "test_batch", "batches.meta", "label")
    return _build(files, prepare, augmentation, val_fraction, seed)


def cifar100(
    *,
    path: str,
    img_size: int = 32,
    augment: Augment = "shift",
    flip: bool = True,
    rand_augment: str = "",
    color_jitter: float = 0.0,
    erasing: float = 0.0,
    train_interpolation: TrainInterpolation = "bicubic",
    mean: tuple[float, float, float] = CIFAR_MEAN,
    std: tuple[float, float, float] = CIFAR_STD,
    val_fraction: float = 0.1,
    seed: int = 0,
) -> ImageData:
    """CIFAR-100: 60,000 images of 32 x 32 pixels in a hundred classes.

    Args:
        path: Folder `cifar-100-python`.
        img_size: Side the images are resized to.
        augment: What part of a training image is seen: all of it, unchanged; all of it, shifted; or any part,
            resized.
        flip: Mirror half of the training images.
        rand_augment: RandAugment of the training images in timm's notation, e.g. `rand-m9-mstd0.5-inc1`.
        color_jitter: Changes of brightness, contrast and saturation of the training images, instead of RandAugment.
        erasing: Share of the training images that lose a rectangle.
        train_interpolation: How training images are resized, where any part may be seen.
        mean: Subtracted from red, green and blue; by default that of CIFAR-10.
        std: Divides red, green and blue; by default that of CIFAR-10.
        val_fraction: Share of the training images held out for validation, always the same ones.
        seed: Chooses the augmentation.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is damaged, or an argument out of its range.
        ImportError: If `rand_augment` or `erasing` is asked for and timm is not installed.
    """
    augmentation = Augmentation(
        crop=augment,
        flip=flip,
        rand_augment=rand_augment,
        color_jitter=color_jitter,
        erasing=erasing,
        interpolation=train_interpolation,
    )
    prepare = _prepare(img_size, mean, std)
    files = _Files(Path(path), ["train"], "test", "meta", "fine_label")
    return _build(files, prepare, augmentation, val_fraction, seed)


def _prepare(img_size: int, mean: Sequence[float], std: Sequence[float]) -> Preprocessing:
    fields = {"size": [img_size] * 2, "crop_ratio": 1.0, "mean": list(mean), "std": list(std)}
    return Preprocessing.from_dict(fields)


def _build(
    files: _Files, prepare: Preprocessing, augmentation: Augmentation, val_fraction: float, seed: int
) -> ImageData:
    parts = [read_labelled_batch(files.folder / name, f"{files.key}s") for name in files.train]
    pixels, labels = torch.cat([part[0] for part in parts]), [label for part in parts for label in part[1]]
    spec = ImageSpec(classes=read_names(files.folder / files.meta, f"{files.key}_names"), preprocessing=prepare)
    kept, held_out = hold_out_per_class(labels, val_fraction)

    def split(source: Tensor, own: Sequence[int], how: Augmentation | None = None) -> LabelledImages:
        return LabelledImages(StoredPixels(source, 255), own, spec, augmentation=how, seed=seed)

    train = split(pixels[kept], [labels[index] for index in kept], augmentation)
    val = split(pixels[held_out], [labels[index] for index in held_out])
    return ImageData(train, val, split(*read_labelled_batch(files.folder / files.test, f"{files.key}s")), spec)
