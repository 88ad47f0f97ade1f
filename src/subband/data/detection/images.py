"""Images with objects: samples for training and for scoring, and the three splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from subband.data.detection.annotations import AnnotatedImage, Annotation, usable_objects
from subband.data.detection.augmentation import AugmentName, Objects, ObjectView, augment, changed, check_augment
from subband.data.detection.outlines import outline_masks
from subband.data.detection.preprocessing import DetectionPreprocessing
from subband.data.spec import DamagedFileError, check_index, reading_files
from subband.files import shown
from subband.media.images import on_white, read_image

__all__ = ["DetectionData", "DetectionImages", "DetectionSample", "DetectionSpec", "NoImages", "Truth"]


@dataclass(frozen=True, kw_only=True)
class DetectionSpec:
    """What a data set of images with objects promises.

    Args:
        classes: Names in the order of labels.
        category_ids: Number of each class in the files.
        has_masks: Whether objects have outlines.
        preprocessing: How its images become inputs.
    """

    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    has_masks: bool
    preprocessing: DetectionPreprocessing


class Truth(NamedTuple):
    """What an image shows as it is scored, in pixels of the file.

    Attributes:
        size: `(H, W)` of the image.
        objects: All of them, crowds included.
        areas: Of each object, that of the file or else of its box, `(G,)`.
        is_crowd: `(G,)`, bool.
    """

    size: tuple[int, int]
    objects: Objects
    areas: Tensor
    is_crowd: Tensor


class DetectionSample(NamedTuple):
    """One image.

    Attributes:
        image: Normalized, `(3, H, W)`; images differ in size.
        objects: What it shows, in pixels of `image`, without crowds.
        truth: What it is scored by; None of training images.
    """

    image: Tensor
    objects: Objects
    truth: Truth | None


class DetectionImages:
    """A map-style data set of images with objects.

    A key may exceed the length: the sample's index is `key % len`, its epoch `key // len`. The augmentation is a pure
    function of (seed, key), so a run can be repeated and resumed, and worker processes agree.

    Args:
        images: Files and objects.
        spec: Classes and preprocessing.
        augmentation: How training images are changed; None for images that are scored.
        seed: Chooses the augmentation.

    Raises:
        ValueError: If there is no image, or no such augmentation.
    """

    def __init__(
        self,
        images: Sequence[AnnotatedImage],
        spec: DetectionSpec,
        *,
        augmentation: AugmentName | None = None,
        seed: int = 0,
    ) -> None:
        if not images:
            raise ValueError("a split holds no image; hold out less of the images, or add some.")
        if augmentation is not None:
            check_augment(augmentation)
        self.images, self.spec, self.seed = tuple(images), spec, seed
        self._augmentation: AugmentName | None = augmentation

    def __len__(self) -> int:
        """Images of one epoch."""
        return len(self.images)

    def __getitem__(self, key: int) -> DetectionSample:
        """One image with its objects.

        Raises:
            DamagedFileError: If the file cannot be read, or is of another size than its annotations.
        """
        item = self.images[check_index(key) % len(self)]
        with reading_files():
            picture = on_white(read_image(item.path)).expand(3, -1, -1)
        height, width = picture.shape[-2:]
        _check_size(item, height, width)
        found = usable_objects(item, height, width)
        view = ObjectView(picture, self._objects([one for one in found if not one.is_crowd], height, width, item))
        prepare = self.spec.preprocessing
        if self._augmentation is not None:
            view = augment(view, prepare, self._augmentation, seed=self.seed, key=key)
            return DetectionSample(prepare.normalize(view.image), view.objects, None)
        view = changed(view, prepare)
        objects = self._objects(found, height, width, item)
        sizes = objects.boxes[:, 2:] - objects.boxes[:, :2]
        areas = [
            size if one.area is None else one.area for one, size in zip(found, sizes.prod(1).tolist(), strict=True)
        ]
        is_crowd = torch.tensor([one.is_crowd for one in found], dtype=torch.bool)
        truth = Truth((height, width), objects, torch.tensor(areas, dtype=torch.float32), is_crowd)
        return DetectionSample(prepare.normalize(view.image), view.objects, truth)

    def _objects(self, found: Sequence[Annotation], height: int, width: int, image: AnnotatedImage) -> Objects:
        boxes = torch.tensor([one.box for one in found], dtype=torch.float32).reshape(-1, 4)
        labels = torch.tensor([one.label for one in found], dtype=torch.long)
        if not self.spec.has_masks:
            return Objects(boxes, labels, None)
        try:
            return Objects(boxes, labels, outline_masks(found, height, width))
        except (ValueError, TypeError) as error:  # what COCO's tools raise for damaged run lengths
            raise DamagedFileError(f"{shown(image.path)}: an outline cannot be read: {error}") from None


class NoImages(DetectionImages):
    """In place of the training images of data that is for scoring only; asking for its length says so."""

    def __init__(self, spec: DetectionSpec) -> None:
        self.spec = spec

    def __len__(self) -> int:
        raise ValueError(
            "every image is a test image (there is no training split, or test_fraction is 1), so there is nothing to "
            "train on."
        )


@dataclass(frozen=True)
class DetectionData:
    """The three splits of a data set; no image of one is in another.

    Args:
        train: Training images, augmented.
        val: Images for choosing a checkpoint.
        test: Images for the reported figures.
        spec: Classes and preprocessing of all three.
    """

    train: DetectionImages
    val: DetectionImages
    test: DetectionImages
    spec: DetectionSpec


def _check_size(item: AnnotatedImage, height: int, width: int) -> None:
    if item.size is None or item.size == (height, width):
        return
    said = (
        f"{shown(item.path)} has {width} x {height} pixels, but its annotations are for {item.size[1]} x {item.size[0]}"
    )
    turned = " (it is turned by its EXIF note; they were made without)" if item.size == (width, height) else ""
    raise DamagedFileError(f"{said}{turned}")
