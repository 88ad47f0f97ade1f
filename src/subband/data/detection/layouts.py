"""Which layout a folder of images with objects has, and what lies where in it."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from subband.data.detection.annotations import AnnotatedFiles, AnnotatedImage, check_names
from subband.data.detection.coco import COCO_KEYS, read_categories, read_coco, read_json
from subband.data.detection.voc import VocFile, read_voc, voc_images
from subband.data.detection.yolo import read_class_names, read_yolo
from subband.files import shown
from subband.media.frames import natural_key
from subband.media.picture_files import READ_SUFFIXES

__all__ = ["find_layout", "read_layout"]

ALL = "all"  # images that no folder or file gives to a split
_SPLIT = re.compile(r"(?<![a-z])(?:(train|training)|(val|valid|validation|dev)|(test|testing))(?![a-z])")
_NO_LABELS = {"classes.txt", "labels.txt", "train.txt", "val.txt", "test.txt", "readme.txt", "license.txt"}


def find_layout(root: Path) -> str:
    """`coco`, `voc` or `yolo`.

    Raises:
        ValueError: If there are annotations of none of them.
    """
    if root.is_file() or _coco_files(root):
        return "coco"
    if any(read_voc(path) is not None for path in _first(_files(root, {".xml"}))):
        return "voc"
    pictures = {_stem(path) for path in _files(root, READ_SUFFIXES)}
    if any(_stem(path) in pictures for path in _label_files(root)):
        return "yolo"
    raise ValueError(
        f"{shown(root)} holds no annotations: looked for a COCO file (.json with images, annotations and categories), "
        "Pascal VOC files (.xml, one an image) and YOLO labels (.txt, one an image)."
    )


def read_layout(root: Path, layout: str) -> AnnotatedFiles:
    """Images, objects and classes of a folder.

    Args:
        root: The folder, or a COCO file.
        layout: `coco`, `voc` or `yolo`.

    Raises:
        FileNotFoundError: If images are missing.
        ValueError: If annotations are missing or damaged.
    """
    return {"coco": _read_coco, "voc": _read_voc, "yolo": _read_yolo}[layout](root)


def split_name(words: Iterable[str]) -> str:
    """The split that names of folders or files stand for, the last one that says so counts.

    Example:
        >>> split_name(["images", "val2017"]), split_name(["valid", "labels"]), split_name(["retrained"])
        ('val', 'val', 'all')
    """
    for word in reversed([*words]):
        if found := _SPLIT.search(word.lower().replace("_", " ")):
            return ("train", "val", "test")[[bool(group) for group in found.groups()].index(True)]
    return ALL


# COCO


def _read_coco(root: Path) -> AnnotatedFiles:
    paths = [root] if root.is_file() else _coco_files(root)
    if not paths:
        raise ValueError(f"{shown(root)} holds no COCO file: a .json with images, annotations and categories.")
    top = root.parent if root.is_file() else root
    contents = [read_json(path) for path in paths]
    categories = read_categories(contents, paths)
    splits: dict[str, list[AnnotatedImage]] = {}
    for one, path in zip(contents, paths, strict=True):
        words = [] if root.is_file() else [*path.relative_to(top).parent.parts, path.stem]
        splits.setdefault(split_name(words), []).extend(read_coco(one, path, _image_folders(path, top), categories))
    return AnnotatedFiles(splits, tuple(categories.values()), tuple(categories))


def _coco_files(root: Path) -> list[Path]:
    """Those with instances; where names say which they are, only these."""
    found = [path for path in _files(root, {".json"}) if _holds_instances(path)]
    named = [path for path in found if path.name.startswith("instances")]
    return named or found


def _holds_instances(path: Path) -> bool:
    contents = path.read_bytes()  # not parsed: files of large data sets take long
    return all(f'"{key}"'.encode() in contents for key in COCO_KEYS)


def _image_folders(path: Path, top: Path) -> list[Path]:
    """Where the images of a COCO file may lie."""
    token = re.sub(r"^instances_?|\.coco$", "", path.stem.removesuffix(".coco"))
    folders: list[Path] = []
    for base in (path.parent, path.parent.parent, top):
        folders += [base, base / "images", base / token, base / "images" / token]
    return list(dict.fromkeys(folder for folder in folders if folder.is_dir()))


# Pascal VOC


def _read_voc(root: Path) -> AnnotatedFiles:
    files = [file for path in _files(root, {".xml"}) if (file := read_voc(path)) is not None]
    if not files:
        raise ValueError(f"{shown(root)} holds no Pascal VOC file: .xml, one for each image.")
    names = sorted({name for file in files for name, _ in file.objects}, key=natural_key_of_text)
    classes = check_names(names, root) if names else ()
    pictures = _files(root, READ_SUFFIXES)
    sets = {path.stem: set(path.read_text().split()) for path in root.glob("**/ImageSets/Main/t*.txt")}
    sets |= {path.stem: set(path.read_text().split()) for path in root.glob("**/ImageSets/Main/val.txt")}
    lists = {name: stems for name, stems in sets.items() if name in ("train", "val", "test")}
    parts: dict[str, list[VocFile]] = {}
    for file in files:
        listed = next((name for name, stems in lists.items() if file.path.stem in stems), None)
        parts.setdefault(listed or split_name(file.path.relative_to(root).parent.parts), []).append(file)
    splits = {}
    for name, part in parts.items():
        mine = [path for path in pictures if lists or split_name(path.relative_to(root).parent.parts) == name]
        splits[name] = voc_images(part, {key: path for path in mine for key in (path.stem, path.name)}, classes)
    _warn_of_unlabelled(root, len(pictures), sum(map(len, splits.values())), "are left out")
    return AnnotatedFiles(splits, classes, tuple(range(1, len(classes) + 1)))


def natural_key_of_text(text: str) -> Any:
    """Order of names: numbers in them by value."""
    return natural_key(Path(text))


# YOLO


def _read_yolo(root: Path) -> AnnotatedFiles:
    labels = {_stem(path): path for path in _label_files(root)}
    names = read_class_names(root)
    if names is None:
        raise ValueError(
            f"{shown(root)} has YOLO labels but no names of classes; add data.yaml with `names: [...]`, or classes.txt "
            "with a name a line."
        )
    splits: dict[str, list[AnnotatedImage]] = {}
    pictures = _files(root, READ_SUFFIXES)
    count = 0
    for picture in pictures:
        path = labels.get(_stem(picture))
        count += path is not None
        objects = () if path is None else read_yolo(path, len(names))
        image = AnnotatedImage(picture, objects, is_relative=True, source=path)
        splits.setdefault(split_name(picture.relative_to(root).parent.parts), []).append(image)
    if not count:
        raise ValueError(f"{shown(root)} holds no YOLO labels: .txt, one for each image, beside it or in labels/.")
    _warn_of_unlabelled(root, len(pictures), count, "count as images without objects")
    return AnnotatedFiles(splits, names, tuple(range(len(names))))


def _label_files(root: Path) -> list[Path]:
    return [path for path in _files(root, {".txt"}) if path.name.lower() not in _NO_LABELS]


def _stem(path: Path) -> tuple[str, ...]:
    """What an image and its label file have in common: the path without `images` or `labels`, and without suffix."""
    folders = [part for part in path.parent.parts if part.lower() not in ("images", "labels", "obj_train_data")]
    return (*folders, path.stem)


# Files


def _warn_of_unlabelled(root: Path, total: int, labelled: int, what: str) -> None:
    if labelled < total:
        warnings.warn(
            f"{shown(root)}: {total - labelled} of {total} images have no annotation file and {what}.", stacklevel=4
        )


def _first(paths: Sequence[Path]) -> Iterator[Path]:
    """A few of many files, by which a layout is recognized."""
    yield from paths[:20]


def _files(root: Path, suffixes: Iterable[str]) -> list[Path]:
    """Files below a folder by suffix, in natural order; hidden ones do not count."""
    wanted, found = set(suffixes), []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        found += [Path(folder, name) for name in names if Path(name).suffix.lower() in wanted and name[0] != "."]
    return sorted(found, key=lambda path: [natural_key(Path(part)) for part in path.parts])
