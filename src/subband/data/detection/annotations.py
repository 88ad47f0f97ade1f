"""What annotation files of all layouts are turned into: images, their objects, and the names of classes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from subband.files import shown

__all__ = [
    "AnnotatedFiles",
    "AnnotatedImage",
    "Annotation",
    "check_names",
    "only_classes",
    "usable_objects",
    "warn_of_objects",
]

MIN_SIDE = 1.0  # pixels of a box that can be learnt from, as published


class Annotation(NamedTuple):
    """One object as its file says.

    Attributes:
        box: Corners x1, y1, x2, y2 in pixels; shares of the width and height where the image is `is_relative`.
        label: Class, 0 for the first.
        outline: Polygons, each a list x1, y1, x2, y2, ..., or run lengths as COCO writes them; None if there is none.
        area: Pixels of the object that its size is judged by; None for those of the box.
        is_crowd: Several objects that are not told apart: not learnt from, and not held against a detector.
    """

    box: tuple[float, float, float, float]
    label: int
    outline: list[list[float]] | dict[str, Any] | None = None
    area: float | None = None
    is_crowd: bool = False


class AnnotatedImage(NamedTuple):
    """One image and its objects.

    Attributes:
        path: The file.
        objects: What it shows; nothing is allowed.
        size: `(H, W)` that the annotations were made on; None if that is not said.
        is_relative: Whether coordinates are shares of the sides.
        source: The annotation file, for messages.
    """

    path: Path
    objects: tuple[Annotation, ...]
    size: tuple[int, int] | None = None
    is_relative: bool = False
    source: Path | None = None


class AnnotatedFiles(NamedTuple):
    """A data set as it lies on disk.

    Attributes:
        splits: Images of `train`, `val` and `test`, as far as the layout names them; `all` if it names none.
        classes: Names in the order of labels.
        category_ids: Number of each class in the files.
    """

    splits: Mapping[str, Sequence[AnnotatedImage]]
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]


def check_names(classes: Sequence[str], source: Path) -> tuple[str, ...]:
    """Names of classes, all of them different and not empty.

    Raises:
        ValueError: If not, or there are none.
    """
    names = tuple(str(name).strip() for name in classes)
    if not names:
        raise ValueError(f"{shown(source)} names no classes.")
    for name in names:
        if not name or names.count(name) > 1:
            raise ValueError(
                f"{shown(source)}: every class needs a name of its own, got {name!r} {names.count(name)}x."
            )
    return names


def only_classes(files: AnnotatedFiles, wanted: Sequence[str], source: Path) -> AnnotatedFiles:
    """The same images with the objects of some classes, in another order of labels; a warning counts the others.

    Args:
        files: With all classes.
        wanted: Names; some may be missing in the files.
        source: For messages.

    Raises:
        ValueError: If none of them is in the files, or one is named twice.
    """
    names = check_names(wanted, source)
    if not set(names) & set(files.classes):
        raise ValueError(
            f"{shown(source)} has none of the classes {', '.join(names)}; it has {', '.join(files.classes) or 'none'}."
        )
    known = dict(zip(files.classes, files.category_ids, strict=True))
    fresh = iter(range(max(files.category_ids) + 1, max(files.category_ids) + 1 + len(names)))
    numbers = tuple(known[name] if name in known else next(fresh) for name in names)
    labels = {label: names.index(name) for label, name in enumerate(files.classes) if name in names}
    splits = {
        split: [
            image._replace(
                objects=tuple(one._replace(label=labels[one.label]) for one in image.objects if one.label in labels)
            )
            for image in images
        ]
        for split, images in files.splits.items()
    }
    before, after = (
        sum(len(image.objects) for images in group.values() for image in images) for group in (files.splits, splits)
    )
    if after < before:
        warnings.warn(f"{shown(source)}: {before - after} of {before} objects are of other classes.", stacklevel=2)
    return AnnotatedFiles(splits, names, numbers)


def usable_objects(image: AnnotatedImage, height: int, width: int) -> list[Annotation]:
    """Objects with boxes in pixels inside an image; those outside it, or thinner than a pixel, are left out.

    Args:
        image: As its file says.
        height: Of the picture.
        width: Of the picture.
    """
    kept = []
    for item in image.objects:
        left, top, right, bottom = item.box
        if image.is_relative:
            left, top, right, bottom = left * width, top * height, right * width, bottom * height
        box = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
        if not all(map(math.isfinite, item.box)) or box[2] - box[0] < MIN_SIDE or box[3] - box[1] < MIN_SIDE:
            continue
        outline = item.outline
        if image.is_relative and isinstance(outline, list):
            outline = [[value * (height if place % 2 else width) for place, value in enumerate(one)] for one in outline]
        kept.append(item._replace(box=box, outline=outline))
    return kept


def warn_of_objects(images: Sequence[AnnotatedImage], source: Path) -> None:
    """One warning about objects that cannot be learnt from as they are, with their number."""
    objects = [item for image in images for item in image.objects]
    thin = 0
    for image in images:
        if image.size is not None:
            thin += len(image.objects) - len(usable_objects(image, *image.size))
    outlined = sum(item.outline is not None for item in objects)
    problems = []
    if thin:
        problems.append(f"{thin} boxes outside their image or thinner than a pixel are left out")
    if 0 < outlined < len(objects):
        problems.append(f"{len(objects) - outlined} objects have no outline, their box stands in for it")
    if problems:
        warnings.warn(f"{shown(source)}: of {len(objects)} objects, {'; '.join(problems)}.", stacklevel=2)
