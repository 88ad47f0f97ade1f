"""Labelled images for classification: the input of a network, the three splits, and the data sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from subband.data.labelled.augmentation import Augment, Augmentation
from subband.data.labelled.preprocessing import Preprocessing
from subband.data.random import uniform
from subband.data.spec import check_index

__all__ = [
    "Augment",
    "Augmentation",
    "ImageData",
    "ImageSpec",
    "LabelledImages",
    "Preprocessing",
    "StoredPixels",
    "hold_out_per_class",
]

_SPLIT_SEED = 20_261_121


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """What a data set of labelled images promises.

    Args:
        classes: Names of the classes, in order of their labels.
        preprocessing: How its images become inputs.

    Raises:
        ValueError: If there are fewer than two classes.
    """

    classes: tuple[str, ...]
    preprocessing: Preprocessing

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise ValueError(f"classification needs at least two classes, got {list(self.classes)}.")


class LabelledImages:
    """A map-style data set of images and labels.

    A key may exceed the length: the sample's index is `key % len`, its epoch `key // len`. The augmentation is a pure
    function of (seed, key), so a run can be repeated and resumed, and worker processes agree.

    Args:
        read: The image of an index, `(3, H, W)` in [0, 1].
        labels: Label of every image.
        spec: Classes and preprocessing.
        augmentation: How images are changed; not at all if it is not given.
        seed: Chooses the augmentation.

    Raises:
        ValueError: If there is no image.
    """

    def __init__(
        self,
        read: Callable[[int], Tensor],
        labels: Sequence[int],
        spec: ImageSpec,
        *,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        if not len(labels):
            raise ValueError("a split holds no image; hold out less of the images, or add some.")
        self.spec, self.labels, self.seed = spec, tuple(labels), seed
        self._read, self._augmentation = read, augmentation or Augmentation()

    def __len__(self) -> int:
        """Images of one epoch."""
        return len(self.labels)

    def __getitem__(self, key: int) -> tuple[Tensor, Tensor]:
        """Normalized image `(3, H, W)` and its label, int64."""
        index = check_index(key) % len(self)
        image = self._augmentation(self._read(index), self.spec.preprocessing, seed=self.seed, key=key)
        return image, torch.tensor(self.labels[index])


class StoredPixels:
    """Images that are held in memory, for `LabelledImages(read=...)`.

    An object, not a closure, so that worker processes can be started afresh with it.

    Args:
        pixels: `(N, 1 or 3, H, W)`, any dtype.
        white: Value of white.
    """

    def __init__(self, pixels: Tensor, white: float) -> None:
        self.pixels, self.white = pixels, white

    def __call__(self, index: int) -> Tensor:
        """Image of an index, `(3, H, W)` in [0, 1]."""
        return (self.pixels[index].float() / self.white).expand(3, -1, -1)


@dataclass(frozen=True)
class ImageData:
    """The three splits of a data set; no image of one is in another.

    Args:
        train: Training images, augmented.
        val: Images for choosing a checkpoint.
        test: Images for the reported figures.
        spec: Classes and preprocessing of all three.
    """

    train: LabelledImages
    val: LabelledImages
    test: LabelledImages
    spec: ImageSpec


def hold_out_per_class(labels: Sequence[int], fraction: float) -> tuple[list[int], list[int]]:
    """Split images in two so that every class is in both; the same split every time.

    Args:
        labels: Label of every image.
        fraction: Share of each class to hold out, at least one image.

    Returns:
        Indices that stay, and indices held out, both ascending.

    Raises:
        ValueError: If the fraction is not between 0 and 1, or a class has no image left.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"the share of images held out must lie between 0 and 1, got {fraction}.")
    order = sorted(range(len(labels)), key=uniform(_SPLIT_SEED, range(len(labels)), 1)[:, 0].tolist().__getitem__)
    by_class: dict[int, list[int]] = {}
    for index in order:
        by_class.setdefault(labels[index], []).append(index)
    counts = {label: max(1, round(len(members) * fraction)) for label, members in by_class.items()}
    for label, members in by_class.items():
        if counts[label] >= len(members):
            raise ValueError(f"class {label} has {len(members)} image(s), too few to hold out {fraction:g} of them.")
    held_out = {index for label, members in by_class.items() for index in members[: counts[label]]}
    return [i for i in range(len(labels)) if i not in held_out], sorted(held_out)
