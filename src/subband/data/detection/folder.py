"""The user's own images with objects: COCO, Pascal VOC and YOLO layouts as annotation tools export them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from subband.data.dataset_files import existing, hold_out
from subband.data.detection.annotations import AnnotatedFiles, AnnotatedImage, only_classes, warn_of_objects
from subband.data.detection.augmentation import AugmentName
from subband.data.detection.images import DetectionData, DetectionImages, DetectionSpec, NoImages
from subband.data.detection.layouts import find_layout, read_layout
from subband.data.detection.preprocessing import DetectionPreprocessing
from subband.data.labelled.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from subband.files import shown

__all__ = ["detection_folder"]

Layout = Literal["auto", "coco", "voc", "yolo"]
_MIN_TRAIN_SIDE = 32  # pixels; smaller images are not trained on, as published


def detection_folder(
    *,
    path: str,
    layout: Layout = "auto",
    short_side: int = 896,
    long_side: int = 1120,
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
    augment: AugmentName = "flip",
    classes: str = "",
    val_fraction: float = 0.1,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> DetectionData:
    """Images with boxes, and outlines where the files have them, as COCO, Pascal VOC or YOLO lay them out.

    - COCO: JSON files of instances, in the folder, in `annotations/` or beside the images of each split; `path` may
      also be one of them. Numbers of categories are as they come, gaps included.
    - Pascal VOC: an XML file for each image, beside it or in `Annotations/`; classes in alphabetical order.
    - YOLO: a text file for each image, beside it or in `labels/`, boxes or polygons; names of classes in `data.yaml` or
      `classes.txt`.

    Splits are those that folders or files name (`train`, `val` or `valid`, `test`). Images in `test` are the test set,
    or those in `val` where there is no `test`; what is missing is held out, always the same images, however many there
    are beside them. Images without objects, or with a side below 32 pixels, are not trained on.

    Args:
        path: Folder of the data set, or a COCO file.
        layout: Which of them; by default whatever is found.
        short_side: Most pixels of the shorter side of inputs.
        long_side: Most pixels of the longer side of inputs.
        mean: Subtracted from red, green and blue.
        std: Divides red, green and blue.
        augment: How training images are changed: not at all; half of them mirrored; also of three sizes; also parts of
            them, as the published detectors were trained.
        classes: Names of the classes that count, with commas between them, in the order of their labels; by default all
            in the files, in ascending order of their numbers. Objects of others are left out, with a warning.
        val_fraction: Share of the training images held out for validation, where no split is for it.
        test_fraction: Share of all images held out for the test; 1 is for evaluation and leaves nothing to train on.
            With a `val` or `test` split it has no effect but this one.
        seed: Chooses the augmentation.

    Raises:
        FileNotFoundError: If the folder or an image does not exist.
        ValueError: If there are no annotations, they are damaged, a split has too few images, or an argument is out of
            its range.
    """
    if layout not in get_args(Layout):
        raise ValueError(f"layout must be {' or '.join(map(repr, get_args(Layout)))}, got {layout!r}.")
    root = existing(Path(path), "data for detection")
    found = find_layout(root) if layout == "auto" else layout
    files = read_layout(root, found)
    if classes:
        files = only_classes(files, [name.strip() for name in classes.split(",")], root)
    images = [image for split in files.splits.values() for image in split]
    objects = [item for image in images for item in image.objects]
    if not objects:
        raise ValueError(f"{shown(root)}: none of {len(images)} images has an annotated object ({found} layout).")
    warn_of_objects(images, root)
    train, val, test = _splits(files, val_fraction, test_fraction, root)
    spec = DetectionSpec(
        classes=files.classes,
        category_ids=files.category_ids,
        has_masks=any(item.outline is not None for item in objects),
        preprocessing=DetectionPreprocessing(short_side=short_side, long_side=long_side, mean=mean, std=std),
    )
    usable = _trainable(train, root)
    training = DetectionImages(usable, spec, augmentation=augment, seed=seed) if train else NoImages(spec)
    validation = DetectionImages(val, spec) if train else NoImages(spec)
    return DetectionData(training, validation, DetectionImages(test, spec), spec)


def _splits(
    files: AnnotatedFiles, val_fraction: float, test_fraction: float, root: Path
) -> tuple[list[AnnotatedImage], list[AnnotatedImage], list[AnnotatedImage]]:
    """Images for training, validation and test; the first two are empty if all are for the test."""
    named = {name: list(images) for name, images in files.splits.items() if images}
    rest = [*named.pop("all", []), *named.pop("train", [])]
    if test_fraction == 1 or not rest:
        chosen = named.get("test") or named.get("val") or rest
        return [], [], chosen
    if not named:
        rest, test = _held_out(rest, test_fraction, "test_fraction", root)
        train, val = _held_out(rest, val_fraction, "val_fraction", root)
    elif len(named) == 2:
        train, val, test = rest, named["val"], named["test"]
    else:
        ((_, test),) = named.items()
        train, val = _held_out(rest, val_fraction, "val_fraction", root)
    return train, val, test


def _held_out(
    images: Sequence[AnnotatedImage], fraction: float, argument: str, root: Path
) -> tuple[list[AnnotatedImage], list[AnnotatedImage]]:
    """Images that stay and images held out."""
    return hold_out(images, [image.path.name for image in images], fraction, argument, "image", root)


def _trainable(images: Sequence[AnnotatedImage], root: Path) -> list[AnnotatedImage]:
    """Training images without those that published training leaves out."""
    kept = [
        image
        for image in images
        if any(not item.is_crowd for item in image.objects) and min(image.size or (_MIN_TRAIN_SIDE,)) >= _MIN_TRAIN_SIDE
    ]
    if images and not kept:
        raise ValueError(f"{shown(root)}: none of {len(images)} training images has an object to learn from.")
    if len(kept) < len(images):
        left_out = len(images) - len(kept)
        warnings.warn(
            f"{shown(root)}: {left_out} of {len(images)} training images are not trained on: they have no objects, or "
            f"a side below {_MIN_TRAIN_SIDE} pixels.",
            stacklevel=3,
        )
    return kept
