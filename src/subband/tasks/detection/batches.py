"""Batches of images that differ in size, and what a detector found in them in pixels of their files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from subband.data.detection.images import DetectionSample, Truth
from subband.metrics.detection import ImageDetections, TrueObjects
from subband.models.detection.detector import Detector
from subband.models.detection.paste import paste_masks
from subband.models.detection.results import Targets

__all__ = ["DetectionBatch", "collate", "detect", "true_objects"]


class DetectionBatch(NamedTuple):
    """Images, filled with zeros at the right and bottom to the size of the largest.

    Attributes:
        images: Normalized, `(B, 3, H, W)`.
        targets: What each shows.
        sizes: `(H, W)` of each without what it was filled up with.
        truths: What each is scored by; None of training images.
    """

    images: Tensor
    targets: list[Targets]
    sizes: list[tuple[int, int]]
    truths: list[Truth | None]


def collate(samples: Sequence[DetectionSample]) -> DetectionBatch:
    """A batch from images of several sizes."""
    sizes = [(sample.image.shape[-2], sample.image.shape[-1]) for sample in samples]
    images = samples[0].image.new_zeros(len(samples), 3, *(max(side) for side in zip(*sizes, strict=True)))
    for place, sample, (height, width) in zip(images, samples, sizes, strict=True):
        place[:, :height, :width] = sample.image
    targets = [Targets(*sample.objects) for sample in samples]
    return DetectionBatch(images, targets, sizes, [sample.truth for sample in samples])


def detect(model: Detector, batch: DetectionBatch, *, with_masks: bool) -> list[ImageDetections]:
    """Objects in pixels of the files.

    One image after another, as what an image is filled up with changes what is found in it.

    Args:
        model: In evaluation.
        batch: With truths.
        with_masks: Whether masks are wanted.
    """
    found = []
    for image, (height, width), truth in zip(batch.images, batch.sizes, batch.truths, strict=True):
        assert truth is not None
        (one,) = model(image[None, :, :height, :width])
        scale = one.boxes.new_tensor([truth.size[1] / width, truth.size[0] / height]).repeat(2)
        boxes = one.boxes.float() * scale
        masks = paste_masks(one.mask_probs.float(), boxes, truth.size) if with_masks else None
        found.append(ImageDetections(boxes, one.scores.float(), one.labels, masks))
    return found


def true_objects(batch: DetectionBatch, *, with_masks: bool) -> list[TrueObjects]:
    """What the images of a batch show, in pixels of their files."""
    found = []
    for truth in batch.truths:
        assert truth is not None
        boxes, labels, masks = truth.objects
        found.append(TrueObjects(boxes, labels, truth.areas, truth.is_crowd, masks if with_masks else None))
    return found
