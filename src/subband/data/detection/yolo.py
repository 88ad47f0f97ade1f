"""Annotations as YOLO writes them: one text file for each image, a line for each object, shares of the sides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from subband.data.detection.annotations import Annotation, check_names
from subband.files import shown

__all__ = ["read_class_names", "read_yolo"]

_BOX_NUMBERS, _MIN_POLYGON = 4, 6


def read_class_names(root: Path) -> tuple[str, ...] | None:
    """Names from `data.yaml` (or another `.yaml` with `names`), `classes.txt`, `obj.names` or `labels.txt`.

    Args:
        root: Folder of the data set.

    Returns:
        Names in the order of labels; None if there is no such file.

    Raises:
        ValueError: If a file is damaged, or its numbers have gaps.
    """
    for path in sorted(root.glob("*.y*ml")):
        try:
            contents = yaml.safe_load(path.read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{shown(path)} is not valid YAML: {' '.join(str(error).split())}.") from None
        names: Any = contents.get("names") if isinstance(contents, dict) else None
        if isinstance(names, Mapping):
            if sorted(names, key=str) != sorted(range(len(names)), key=str):
                raise ValueError(f"{shown(path)}: names must be numbered from 0 without gaps, got {sorted(names)}.")
            names = [names[number] for number in range(len(names))]
        if isinstance(names, list):
            return check_names(names, path)
    files = (root / folder / name for folder in (".", "labels") for name in ("classes.txt", "obj.names", "labels.txt"))
    for path in files:
        if path.is_file():
            return check_names([line for line in path.read_text().splitlines() if line.strip()], path)
    return None


def read_yolo(path: Path, num_classes: int) -> tuple[Annotation, ...]:
    """Objects of a label file; each line is a class and either center, width and height or a polygon.

    Args:
        path: The file; an empty one has no objects.
        num_classes: K.

    Raises:
        ValueError: If a line is something else; the message gives it.
    """
    objects = []
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{shown(path)} is no text file.") from None
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        where = f"{shown(path)}, line {number}"
        try:
            label, values = int(words[0]), [float(word) for word in words[1:]]
        except ValueError:
            raise ValueError(f"{where}: a class number and coordinates are needed, got {line[:60]!r}.") from None
        if not 0 <= label < num_classes:
            raise ValueError(f"{where}: class {label} is not one of {num_classes} (0 to {num_classes - 1}).")
        if not all(map(math.isfinite, values)) or max(map(abs, values), default=0) > 2:
            raise ValueError(f"{where}: coordinates must be shares of the sides, from 0 to 1, got {line[:60]!r}.")
        objects.append(_annotation(label, values, where))
    return tuple(objects)


def _annotation(label: int, values: list[float], where: str) -> Annotation:
    if len(values) == _BOX_NUMBERS:
        x, y, width, height = values
        return Annotation((x - width / 2, y - height / 2, x + width / 2, y + height / 2), label)
    if len(values) >= _MIN_POLYGON and len(values) % 2 == 0:
        across, down = values[::2], values[1::2]
        return Annotation((min(across), min(down), max(across), max(down)), label, [values])
    raise ValueError(f"{where}: needs 4 numbers (a box) or pairs of at least 3 corners, got {len(values)} numbers.")
