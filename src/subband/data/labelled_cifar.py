"""CIFAR-10 and CIFAR-100 with labels, from the files torchvision unpacks (Krizhevsky, 2009)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from subband.data.cifar import read_labelled_batch, read_names
from subband.data.classification import (
    Augment,
    ImageData,
    ImageSpec,
    LabelledImages,
    Preprocessing,
    StoredPixels,
    hold_out_per_class,
)

# Mean and standard deviation of the training pixels of CIFAR-10, rounded as is customary.
_MEAN, _STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def cifar10(
    *,
    path: str,
    img_size: int = 32,
    augment: Augment = "shift",
    flip: bool = True,
    val_fraction: float = 0.1,
    seed: int = 0,
) -> ImageData:
    """CIFAR-10: 60,000 pictures of 32 x 32 pixels in ten classes.

    Args:
        path: Folder `cifar-10-batches-py`.
        img_size: Side the pictures are resized to.
        augment: Augmentation of the training images.
        flip: Mirror half of the training images.
        val_fraction: Share of the training images held out for validation, always the same ones.
        seed: Chooses the augmentation.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is damaged, or an argument out of its range.
    """
    batches = [f"data_batch_{number}" for number in range(1, 6)]
    return _build(path, batches, "test_batch", "batches.meta", "label", img_size, augment, flip, val_fraction, seed)


def cifar100(
    *,
    path: str,
    img_size: int = 32,
    augment: Augment = "shift",
    flip: bool = True,
    val_fraction: float = 0.1,
    seed: int = 0,
) -> ImageData:
    """CIFAR-100: 60,000 pictures of 32 x 32 pixels in a hundred classes.

    Args:
        path: Folder `cifar-100-python`.
        img_size: Side the pictures are resized to.
        augment: Augmentation of the training images.
        flip: Mirror half of the training images.
        val_fraction: Share of the training images held out for validation, always the same ones.
        seed: Chooses the augmentation.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is damaged, or an argument out of its range.
    """
    return _build(path, ["train"], "test", "meta", "fine_label", img_size, augment, flip, val_fraction, seed)


def _build(
    path: str,
    train_files: Sequence[str],
    test_file: str,
    meta_file: str,
    key: str,
    img_size: int,
    augment: Augment,
    flip: bool,
    val_fraction: float,
    seed: int,
) -> ImageData:
    folder = Path(path)
    parts = [read_labelled_batch(folder / name, f"{key}s") for name in train_files]
    pixels, labels = torch.cat([part[0] for part in parts]), [label for part in parts for label in part[1]]
    prepare = Preprocessing(size=(img_size, img_size), crop_ratio=1.0, mean=_MEAN, std=_STD)
    spec = ImageSpec(classes=read_names(folder / meta_file, f"{key}_names"), preprocessing=prepare)
    kept, held_out = hold_out_per_class(labels, val_fraction)

    def split(source: Tensor, own: Sequence[int], how: Augment) -> LabelledImages:
        return LabelledImages(StoredPixels(source, 255), own, spec, augment=how, flip=flip, seed=seed)

    train = split(pixels[kept], [labels[index] for index in kept], augment)
    val = split(pixels[held_out], [labels[index] for index in held_out], "none")
    return ImageData(train, val, split(*read_labelled_batch(folder / test_file, f"{key}s"), "none"), spec)
