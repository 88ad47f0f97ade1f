"""Handwritten digits that come with scikit-learn, 8 x 8 pixels: nothing to download."""

from __future__ import annotations

import torch
from torch import Tensor

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
from subband.extras import names_extra

_TEST_FRACTION, _VAL_FRACTION = 0.2, 0.1
WHITE = 16  # largest value of the pixels in scikit-learn's file


def digits(*, img_size: int = 8, augment: Augment = "shift", seed: int = 0) -> ImageData:
    """1,797 digits of 43 writers (UCI repository, "Optical Recognition of Handwritten Digits", test part), split by us.

    Args:
        img_size: Side the digits are enlarged to.
        augment: Augmentation of the training images.
        seed: Chooses the augmentation.

    Returns:
        1,295 training, 143 validation and 359 test images in ten classes, always the same.

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If `img_size` is not positive.
    """
    pixels, labels, parts = read_digits()
    mean, std = pixels.mean().item() / WHITE, pixels.std().item() / WHITE
    prepare = Preprocessing(size=(img_size, img_size), crop_ratio=1.0, mean=(mean,) * 3, std=(std,) * 3)
    spec = ImageSpec(classes=tuple(map(str, range(10))), preprocessing=prepare)

    def split(name: str, how: Augment = "none") -> LabelledImages:
        read = StoredPixels(pixels[parts[name]], WHITE)
        own = [labels[index] for index in parts[name]]
        return LabelledImages(read, own, spec, augmentation=Augmentation(crop=how), seed=seed)

    return ImageData(split("train", augment), split("val"), split("test"), spec)


def read_digits() -> tuple[Tensor, list[int], dict[str, list[int]]]:
    """All digits, and which of them are for what.

    Returns:
        Pixels `(1797, 1, 8, 8)` in 0 .. 16, labels, and the indices of `train`, `val` and `test`.

    Raises:
        ImportError: If scikit-learn is not installed.
    """
    with names_extra("the handwritten digits need"):
        from sklearn.datasets import load_digits
    bunch = load_digits()
    labels = bunch.target.tolist()
    rest, test = hold_out_per_class(labels, _TEST_FRACTION)
    kept, held_out = hold_out_per_class([labels[index] for index in rest], _VAL_FRACTION)
    parts = {"train": [rest[index] for index in kept], "val": [rest[index] for index in held_out], "test": test}
    return torch.from_numpy(bunch.images).float()[:, None], labels, parts
