"""Annotations as COCO writes them: one JSON file with images, categories and instances."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from subband.data.detection.annotations import AnnotatedImage, Annotation, check_names
from subband.files import shown

__all__ = ["COCO_KEYS", "read_categories", "read_coco", "read_json"]

COCO_KEYS = ("images", "annotations", "categories")
_MAX_NAMED = 3
_MIN_POLYGON = 6  # numbers: three corners


def read_json(path: Path) -> dict[str, Any]:
    """Contents of a file with instances.

    Raises:
        ValueError: If it is no JSON, or holds no images and categories.
    """
    try:
        contents = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{shown(path)} is no JSON file: {error}.") from None
    if not (isinstance(contents, dict) and all(isinstance(contents.get(key), list) for key in COCO_KEYS)):
        raise ValueError(f"{shown(path)} is no COCO file: it must hold the lists images, annotations and categories.")
    return contents


def read_categories(contents: Sequence[Mapping[str, Any]], paths: Sequence[Path]) -> dict[int, str]:
    """Names of the classes of several files by number, in ascending order.

    A category that is the group of others and has no instances, as Roboflow writes it, is left out.

    Args:
        contents: Of the files.
        paths: The files.

    Raises:
        ValueError: If a number is none, a category has no name, two files disagree, or there are none.
    """
    found: dict[int, str] = {}
    groups: set[str] = set()
    for one, path in zip(contents, paths, strict=True):
        for item in one["categories"]:
            if not isinstance(item, dict) or "id" not in item or not item.get("name"):
                raise ValueError(f"{shown(path)}: every category needs an id and a name, got {item!r}.")
            number = _number(item["id"], "category id", path)
            if found.setdefault(number, str(item["name"])) != str(item["name"]):
                raise ValueError(
                    f"{shown(path)}: category {number} is {item['name']!r} here and {found[number]!r} elsewhere."
                )
            groups.add(str(item.get("supercategory")))
    used = {
        _number(item.get("category_id"), "category_id", path)
        for one, path in zip(contents, paths, strict=True)
        for item in one["annotations"]
        if isinstance(item, dict)
    }
    kept = {number: name for number, name in sorted(found.items()) if number in used or name not in groups}
    check_names(list(kept.values()), paths[0])
    return kept


def read_coco(
    contents: Mapping[str, Any], path: Path, folders: Sequence[Path], categories: Mapping[int, str]
) -> list[AnnotatedImage]:
    """Images of one file with their objects.

    Args:
        contents: Of the file.
        path: The file.
        folders: Where its images may be, the first that has one counts.
        categories: Names of classes by number.

    Raises:
        FileNotFoundError: If images are missing; some are named.
        ValueError: If entries are damaged; the first is named.
    """
    labels = {number: label for label, number in enumerate(categories)}
    objects: dict[Any, list[Annotation]] = {}
    for item in contents["annotations"]:
        if not isinstance(item, dict) or "image_id" not in item:
            raise ValueError(f"{shown(path)}: every annotation needs an image_id, got {str(item)[:80]}.")
        objects.setdefault(item["image_id"], []).append(_annotation(item, labels, path))
    images, missing = [], []
    for item in contents["images"]:
        if not isinstance(item, dict) or "id" not in item or not item.get("file_name"):
            raise ValueError(f"{shown(path)}: every image needs an id and a file_name, got {str(item)[:80]}.")
        name = str(item["file_name"])
        names = (name, Path(name.replace("\\", "/")).name)
        file = next((folder / one for folder in folders for one in names if (folder / one).is_file()), None)
        if file is None:
            missing.append(name)
            continue
        height, width = item.get("height"), item.get("width")
        known = (height, width) if isinstance(height, int) and isinstance(width, int) and height and width else None
        images.append(AnnotatedImage(file, tuple(objects.pop(item["id"], ())), known, source=path))
    if missing:
        named = ", ".join(missing[:_MAX_NAMED]) + (", ..." if len(missing) > _MAX_NAMED else "")
        raise FileNotFoundError(
            f"{shown(path)} names {len(contents['images'])} images, of which {len(missing)} are not in "
            f"{' or '.join(dict.fromkeys(shown(folder) for folder in folders))}: {named}."
        )
    if objects:
        raise ValueError(f"{shown(path)} has annotations of image {next(iter(objects))!r}, which it does not list.")
    return images


def _annotation(item: Mapping[str, Any], labels: Mapping[int, int], path: Path) -> Annotation:
    number = _number(item.get("category_id"), "category_id", path)
    name = f"annotation {item.get('id', '?')}"
    if number not in labels:
        raise ValueError(f"{shown(path)}: {name} has category_id {number}, which is none of its categories.")
    box = item.get("bbox")
    if not (isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) for v in box)):
        raise ValueError(f"{shown(path)}: {name} needs a bbox [left, top, width, height], got {box!r}.")
    left, top, width, height = map(float, box)
    area = item.get("area")
    return Annotation(
        box=(left, top, left + width, top + height),
        label=labels[number],
        outline=_outline(item.get("segmentation"), name, path),
        area=float(area) if isinstance(area, int | float) and area > 0 else None,
        is_crowd=bool(item.get("iscrowd", 0)),
    )


def _outline(value: Any, name: str, path: Path) -> list[list[float]] | dict[str, Any] | None:
    """Polygons with three corners or more, or run lengths; None where nothing is left."""
    if isinstance(value, dict) and "counts" in value and len(value.get("size", ())) == 2:
        return value
    if value in (None, [], {}):
        return None
    if isinstance(value, list):
        if all(isinstance(v, int | float) for v in value):
            value = [value]  # a single polygon, not in a list
        if all(isinstance(one, list) and all(isinstance(v, int | float) for v in one) for one in value):
            polygons = [one[: len(one) // 2 * 2] for one in value if len(one) >= _MIN_POLYGON]
            return polygons or None
    raise ValueError(f"{shown(path)}: {name} needs polygons or run lengths as segmentation, got {str(value)[:60]}.")


def _number(value: Any, what: str, path: Path) -> int:
    """A whole number, also one written as a text."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{shown(path)}: {what} must be a whole number, got {value!r}.")
