"""Annotations as Pascal VOC writes them (LabelImg, CVAT, Roboflow): one XML file for each image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from subband.data.detection.annotations import AnnotatedImage, Annotation
from subband.files import shown

__all__ = ["VocFile", "read_voc", "voc_images"]


class VocFile(NamedTuple):
    """One XML file.

    Attributes:
        path: The file.
        name: Of the image, as it says.
        size: `(H, W)` of the image, None if it does not say.
        objects: Name of the class and corners of each.
    """

    path: Path
    name: str
    size: tuple[int, int] | None
    objects: tuple[tuple[str, tuple[float, float, float, float]], ...]


def read_voc(path: Path) -> VocFile | None:
    """Contents of an XML file; None if it is about something else.

    Raises:
        ValueError: If it is damaged, or a box is none.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{shown(path)} is no XML file: {error}.") from None
    if root.tag != "annotation":
        return None
    objects = []
    for item in root.iter("object"):
        name, box = (item.findtext("name") or "").strip(), item.find("bndbox")
        corners = [_number(box.findtext(key)) if box is not None else None for key in ("xmin", "ymin", "xmax", "ymax")]
        if not name or None in corners:
            raise ValueError(f"{shown(path)}: every object needs a name and a bndbox with xmin, ymin, xmax and ymax.")
        left, top, right, bottom = (value for value in corners if value is not None)
        objects.append((name, (left, top, right, bottom)))
    height, width = (_number(root.findtext(f"size/{key}")) for key in ("height", "width"))
    size = (int(height), int(width)) if height and width else None
    return VocFile(path, (root.findtext("filename") or "").strip(), size, tuple(objects))


def voc_images(files: Sequence[VocFile], pictures: dict[str, Path], classes: Sequence[str]) -> list[AnnotatedImage]:
    """Images of XML files with their objects.

    Args:
        files: What `read_voc` gives.
        pictures: Images by name, with and without suffix.
        classes: Names in the order of labels.

    Raises:
        FileNotFoundError: If an image is missing.
    """
    labels = {name: label for label, name in enumerate(classes)}
    images, missing = [], []
    for file in files:
        # The name of the XML file counts first: images are often renamed together with it.
        picture = pictures.get(file.path.stem) or pictures.get(file.name) or pictures.get(Path(file.name).stem)
        if picture is None:
            missing.append(file)
            continue
        objects = tuple(Annotation(box, labels[name]) for name, box in file.objects)
        images.append(AnnotatedImage(picture, objects, file.size, source=file.path))
    if missing:
        first = missing[0]
        raise FileNotFoundError(
            f"{len(missing)} of {len(files)} XML files have no image beside them or in a folder next to theirs, first "
            f"{shown(first.path)} (image {first.name or first.path.stem})."
        )
    return images


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
