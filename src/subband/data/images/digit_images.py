"""Handwritten digits of scikit-learn without their labels."""

from __future__ import annotations

from subband.data.images.unlabelled import StoredImages, UnlabelledData, UnlabelledImages, UnlabelledSpec
from subband.data.labelled.digits import WHITE, read_digits
from subband.data.spec import image_size


def digit_images(*, img_size: int = 16) -> UnlabelledData:
    """The 1,797 digits of the data set `digits`, split as there, gray.

    Args:
        img_size: Side the digits of 8 x 8 pixels are enlarged to.

    Returns:
        1,295 training, 143 validation and 359 test images in [0, 1], always the same.

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If `img_size` is not positive.
    """
    size = image_size(img_size)
    spec = UnlabelledSpec(channels=1, height=size[0], width=size[1])
    pixels, _, parts = read_digits()
    train, val, test = (
        UnlabelledImages(StoredImages(pixels[parts[name]], WHITE, size), len(parts[name]), spec)
        for name in ("train", "val", "test")
    )
    return UnlabelledData(train, val, test, spec)
