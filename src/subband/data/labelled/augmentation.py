"""Augmentation of labelled images, as the published classifiers were trained with it.

A training image is cropped and resized, mirrored, changed in color and shape (RandAugment, or color jitter where that
is off), normalized, and loses a rectangle (random erasing): the order of timm's training pipeline. All of these are
changes of one kind in one pipeline: from an image and a few random numbers to an image. The numbers follow from the
seed and the key of the sample. RandAugment and erasing are timm's own code, `pip install 'subband[timm]'`; for them
the numbers seed the generators that this code draws from.
"""

from __future__ import annotations

import functools
import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from subband.data.labelled.preprocessing import Interpolation, Preprocessing
from subband.data.random import uniform
from subband.extras import names_extra

__all__ = ["Augment", "Augmentation", "TrainInterpolation", "adjust_colors", "random_part", "seeded"]

Augment = Literal["none", "shift", "resized_crop"]
TrainInterpolation = Literal["bicubic", "bilinear", "random"]

_MIN_AREA, _MAX_RATIO = 0.08, 4 / 3  # of random crops: Szegedy et al., Going Deeper with Convolutions, CVPR 2015
_CROP_TRIES = 10
_LUMA = (0.299, 0.587, 0.114)
_NOTATION = re.compile(r"rand(-(m\d+|n\d+|p(0(\.\d+)?|1)|mstd\d+(\.\d+)?|mmax\d+|inc[01]|t(weights|3aw?)))*")

# Which of a sample's random numbers are for what. New ones go to the end: that leaves the others as they were.
_FLIP = slice(0, 1)
_CROP = slice(1, 1 + 4 * _CROP_TRIES + 1)  # the last one for the interpolation
_COLORS = slice(_CROP.stop, _CROP.stop + 6)
_RAND_AUGMENT = slice(_COLORS.stop, _COLORS.stop + 3)
_ERASING = slice(_RAND_AUGMENT.stop, _RAND_AUGMENT.stop + 3)
_NO_DRAWS = slice(0, 0)

_Change = Callable[[Tensor, Sequence[float]], Tensor]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How training images are changed; without arguments, not at all.

    Args:
        crop: Nothing; a shift by up to an eighth of the side; or a random part of the image, resized.
        flip: Mirror half of the images (never without `crop`).
        rand_augment: timm's notation, e.g. `rand-m9-mstd0.5-inc1`; empty for none.
        color_jitter: Brightness, contrast and saturation are multiplied by up to one plus or minus this, in random
            order.
        erasing: Share of the images that lose a rectangle, which is filled with noise.
        interpolation: How random parts are resized, and pixels placed by RandAugment; `random` draws it every time.

    Raises:
        ValueError: If a value is out of its range, color jitter is asked for beside RandAugment (which replaces it), or
            anything without `crop`.
        ImportError: If timm is needed and not installed.

    Example:
        >>> augment = Augmentation(crop="resized_crop", flip=True, color_jitter=0.4)
        >>> image, prepare = torch.rand(3, 50, 70), Preprocessing(size=(32, 32))
        >>> augment(image, prepare, seed=0, key=5).shape
        torch.Size([3, 32, 32])
        >>> torch.equal(augment(image, prepare, seed=0, key=5), augment(image, prepare, seed=0, key=5))
        True
    """

    crop: Augment = "none"
    flip: bool = False
    rand_augment: str = ""
    color_jitter: float = 0.0
    erasing: float = 0.0
    interpolation: TrainInterpolation = "bicubic"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("augment", self.crop, get_args(Augment)),
            ("train_interpolation", self.interpolation, get_args(TrainInterpolation)),
        ):
            if value not in known:
                raise ValueError(f"{name} must be {' or '.join(map(repr, known))}, got {value!r}.")
        for name, share in (("color_jitter", self.color_jitter), ("erasing", self.erasing)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {share}.")
        if self.rand_augment and not _NOTATION.fullmatch(self.rand_augment):
            raise ValueError(
                f"rand_augment must be in timm's notation, as rand-m9-mstd0.5-inc1, got {self.rand_augment!r}."
            )
        if self.rand_augment and self.color_jitter:
            raise ValueError("rand_augment and color_jitter exclude each other: the one changes colors, too.")
        if self.crop == "none" and (self.rand_augment or self.color_jitter or self.erasing):
            raise ValueError("rand_augment, color_jitter and erasing need augment: shift or resized_crop.")
        if self.rand_augment or self.erasing:
            _require_timm()

    def __call__(self, image: Tensor, prepare: Preprocessing, *, seed: int, key: int) -> Tensor:
        """One training image.

        Args:
            image: `(3, H, W)` in [0, 1].
            prepare: Its preprocessing, which it goes through in any case.
            seed: Chooses the draws, with `key`.
            key: Number of the sample.

        Returns:
            `(3, *prepare.size)`, normalized.
        """
        if self.crop == "none":
            return prepare(image)
        draws = uniform(seed, [key], _ERASING.stop)[0].tolist()
        for own, change in self._pipeline(prepare):
            image = change(image, draws[own])
        return image

    def _pipeline(self, prepare: Preprocessing) -> Iterator[tuple[slice, _Change]]:
        """The changes in their order, and which of a sample's random numbers each of them gets."""
        if self.crop == "shift":
            yield _CROP, lambda image, draws: _shifted(prepare.fit(image), draws)
        else:
            yield _CROP, lambda image, draws: _random_part_resized(image, draws, prepare, self.interpolation)
        if self.flip:
            yield _FLIP, lambda image, draws: image.flip(-1) if draws[0] < 0.5 else image
        if self.rand_augment:
            change = _rand_augment(self.rand_augment, prepare.size, prepare.mean, self.interpolation)
            yield _RAND_AUGMENT, _with_seeds(lambda image: _through_pillow(change, image))
        if self.color_jitter:
            yield _COLORS, lambda image, draws: adjust_colors(image, *_factors(self.color_jitter, draws))
        yield _NO_DRAWS, lambda image, _: prepare.normalize(image)
        if self.erasing:
            yield _ERASING, _with_seeds(_random_erasing(self.erasing))


@contextmanager
def seeded(draws: Sequence[float]) -> Iterator[None]:
    """Seed the global generators of Python, NumPy and torch (of the CPU) for a while; afterwards they are as they were.

    Args:
        draws: Three numbers in [0, 1), one each.

    Example:
        >>> with seeded((0.1, 0.2, 0.3)):
        ...     first = random.random()
        >>> with seeded((0.1, 0.2, 0.3)):
        ...     print(random.random() == first)
        True
    """
    seeds = [int(draw * 2**32) for draw in draws]
    generator = torch.default_generator  # torch.manual_seed would seed graphics cards, too
    states = random.getstate(), np.random.get_state(), generator.get_state()
    random.seed(seeds[0])
    np.random.seed(seeds[1])
    generator.manual_seed(seeds[2])
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        generator.set_state(states[2])


def _with_seeds(change: Callable[[Tensor], Tensor]) -> _Change:
    """Makes a change that draws from the global generators depend on the given random numbers alone."""

    def seeded_change(image: Tensor, draws: Sequence[float]) -> Tensor:
        with seeded(draws):
            return change(image)

    return seeded_change


def random_part(height: int, width: int, draws: Sequence[float]) -> tuple[int, int, int, int]:
    """A random part of an image: 8 to 100 % of its area, sides 3:4 to 4:3.

    Args:
        height: Of the image.
        width: Of the image.
        draws: Forty numbers in [0, 1), for ten tries; if all fail, it is the largest central part of such sides.

    Returns:
        Top, left, height and width of the part.
    """
    for start in range(0, 4 * _CROP_TRIES, 4):
        size, shape, down, right = draws[start : start + 4]
        area = height * width * (_MIN_AREA + (1 - _MIN_AREA) * size)
        ratio = math.exp(math.log(_MAX_RATIO) * (2 * shape - 1))
        rows, columns = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < rows <= height and 0 < columns <= width:
            return int(down * (height - rows + 1)), int(right * (width - columns + 1)), rows, columns
    rows, columns = min(height, round(width * _MAX_RATIO)), min(width, round(height * _MAX_RATIO))
    return (height - rows) // 2, (width - columns) // 2, rows, columns


def adjust_colors(image: Tensor, factors: Sequence[float], order: Sequence[int]) -> Tensor:
    """Brightness, contrast and saturation of an image times three factors.

    Args:
        image: `(3, H, W)` in [0, 1].
        factors: Of brightness, contrast and saturation; 1 changes nothing.
        order: The numbers 0, 1 and 2 in the order in which that is done.

    Returns:
        `(3, H, W)` in [0, 1].
    """
    for place in order:
        if place == 0:
            image = image * factors[0]
        else:
            luma = (image * image.new_tensor(_LUMA)[:, None, None]).sum(0, keepdim=True)
            image = torch.lerp(luma.mean() if place == 1 else luma, image, factors[place])
        image = image.clamp(0, 1)
    return image


def _factors(strength: float, draws: Sequence[float]) -> tuple[list[float], list[int]]:
    """Factors and order of `adjust_colors` from six numbers in [0, 1)."""
    factors = [1 + strength * (2 * draw - 1) for draw in draws[:3]]
    return factors, sorted(range(3), key=draws[3:].__getitem__)


def _random_part_resized(
    image: Tensor, draws: Sequence[float], prepare: Preprocessing, interpolation: TrainInterpolation
) -> Tensor:
    top, left, height, width = random_part(image.shape[-2], image.shape[-1], draws[:-1])
    part = image[:, top : top + height, left : left + width]
    if interpolation != "random":
        return prepare.resize(part, prepare.size, interpolation)
    drawn: Interpolation = "bilinear" if draws[-1] < 0.5 else "bicubic"
    return prepare.resize(part, prepare.size, drawn)


def _shifted(image: Tensor, draws: Sequence[float]) -> Tensor:
    """The image moved by up to an eighth of its sides; what enters is its mirror image."""
    height, width = image.shape[-2:]
    down, right = height // 8, width // 8
    padded = F.pad(image, (right, right, down, down), mode="reflect")
    top, left = int(draws[0] * (2 * down + 1)), int(draws[1] * (2 * right + 1))
    return padded[:, top : top + height, left : left + width]


def _require_timm() -> None:
    with names_extra("rand_augment and erasing need"):
        import timm.data  # noqa: F401


@functools.lru_cache(maxsize=8)
def _rand_augment(
    notation: str, size: tuple[int, int], mean: tuple[float, ...], interpolation: TrainInterpolation
) -> Callable[[Any], Any]:
    """timm's operation on Pillow images, with what its training pipeline derives from the input."""
    from PIL.Image import Resampling

    with names_extra("this needs"):
        from timm.data.auto_augment import rand_augment_transform

    options: dict[str, Any] = {
        "translate_const": int(min(size) * 0.45),
        "img_mean": tuple(min(255, round(255 * value)) for value in mean),
    }
    if interpolation != "random":
        options["interpolation"] = Resampling[interpolation.upper()]
    return rand_augment_transform(notation, options)


@functools.lru_cache(maxsize=8)
def _random_erasing(share: float) -> Callable[[Tensor], Tensor]:
    """timm's operation on a normalized image: this share of images gets noise in 2 % to a third of their area."""
    with names_extra("this needs"):
        from timm.data.random_erasing import RandomErasing

    return RandomErasing(share, mode="pixel", max_count=1, device="cpu")


def _through_pillow(change: Callable[[Any], Any], image: Tensor) -> Tensor:
    """A change of Pillow's images for a tensor `(3, H, W)` in [0, 1], in steps of 1/255."""
    from PIL.Image import fromarray

    pixels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
    changed = np.asarray(change(fromarray(pixels.numpy())))
    return torch.from_numpy(changed.copy()).permute(2, 0, 1).float() / 255
