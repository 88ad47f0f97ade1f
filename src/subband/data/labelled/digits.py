"""Handwritten digits that come with scikit-learn, 8 x 8 pixels: nothing to download."""

from __future__ import annotations

import torch

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

_TEST_FRACTION, _VAL_FRACTION = 0.2, 0.1
_WHITE = 16  # largest value of the pixels in scikit-learn's file


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
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError("the digits come with scikit-learn: pip install 'subband[digits]'") from None
    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images).float()[:, None]  # (N, 1, 8, 8)
    labels = bunch.target.tolist()
    mean, std = pixels.mean().item() / _WHITE, pixels.std().item() / _WHITE
    prepare = Preprocessing(size=(img_size, img_size), crop_ratio=1.0, mean=(mean,) * 3, std=(std,) * 3)
    spec = ImageSpec(classes=tuple(map(str, range(10))), preprocessing=prepare)
    rest, test = hold_out_per_class(labels, _TEST_FRACTION)
    kept, held_out = hold_out_per_class([labels[index] for index in rest], _VAL_FRACTION)
    train, val = [rest[index] for index in kept], [rest[index] for index in held_out]

    def split(indices: list[int], how: Augment = "none") -> LabelledImages:
        read = StoredPixels(pixels[indices], _WHITE)
        own = [labels[index] for index in indices]
        return LabelledImages(read, own, spec, augmentation=Augmentation(crop=how), seed=seed)

    return ImageData(split(train, augment), split(val), split(test), spec)
