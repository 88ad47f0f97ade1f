"""Gray images of three rectangles: the smallest data with edges, on which priors of wavelet coefficients differ."""

from __future__ import annotations

import torch
from torch import Tensor

from subband.data.images.unlabelled import UnlabelledData, UnlabelledImages, UnlabelledSpec
from subband.data.restoration.draws import Draws, pixel_noise

_VAL_SEED, _TEST_SEED = 1, 2  # fixed, so that runs with different seeds are scored on the same images
_TRAIN_SEED = 3  # of seed 0; other images than those above
_RECTANGLES, _NOISE = 3, 0.02
_SMALLEST = 4  # side of an image that has room for a rectangle


def rectangle_images(
    *, img_size: int = 16, num_train: int = 2048, num_val: int = 128, num_test: int = 512, seed: int = 0
) -> UnlabelledData:
    """Three rectangles of random gray on a gray ground, with a little noise, 8 bits.

    Args:
        img_size: Side of an image.
        num_train: Training images.
        num_val: Validation images, always the same.
        num_test: Test images, always the same.
        seed: Chooses the training images.

    Returns:
        Images `(1, img_size, img_size)` in [0, 1].

    Raises:
        ValueError: If a number is too small.

    Example:
        >>> rectangle_images(num_train=4).train[0].shape
        torch.Size([1, 16, 16])
    """
    if img_size < _SMALLEST:
        raise ValueError(f"img_size must be at least {_SMALLEST}, got {img_size}")
    spec = UnlabelledSpec(channels=1, height=img_size, width=img_size)
    splits = ((seed + _TRAIN_SEED, num_train), (_VAL_SEED, num_val), (_TEST_SEED, num_test))
    train, val, test = (UnlabelledImages(Rectangles(own, img_size), count, spec) for own, count in splits)
    return UnlabelledData(train, val, test, spec)


class Rectangles:
    """Images by their index; an object, not a closure, so that worker processes can be started afresh with it.

    Args:
        seed: Chooses the images.
        side: H and W.
    """

    def __init__(self, seed: int, side: int) -> None:
        self.seed, self.side = seed, side

    def __call__(self, index: int) -> Tensor:
        """Image of an index, `(1, H, W)` in [0, 1], bytes over 255."""
        draws, image = Draws(self.seed, index), torch.full((1, self.side, self.side), 0.5)
        room = 3 * self.side // 4
        for _ in range(_RECTANGLES):
            top, left, height, width = (draws.below(room) for _ in range(4))
            image[:, top : top + height + 2, left : left + width + 2] = draws.number()
        noise = pixel_noise(draws.generator_seed(), 0, tuple(image.shape))
        return (255 * (image + _NOISE * noise).clamp(0, 1)).round() / 255
