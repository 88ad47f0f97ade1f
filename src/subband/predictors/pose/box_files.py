"""Boxes of people from a JSON file, by names of photographs or numbers of frames."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import torch

from subband.files import shown
from subband.predictors.pose.persons import PERSON, GivenPersons, Persons

__all__ = ["BoxFile", "read_boxes"]

RULE = "a box is `bbox`: left, top, width and height in pixels"


class _Image(NamedTuple):
    """An image of the file: its name and number of the frame, as far as it says, and boxes with their scores."""

    file_name: str | None
    frame: int | None
    boxes: list[list[float]]


class BoxFile:
    """What a file says about where people are.

    Args:
        path: The file.
        images: Its images.
    """

    def __init__(self, path: Path, images: Sequence[_Image]) -> None:
        self._path, self._images = path, images

    @property
    def last_frame(self) -> int:
        """Largest number of a frame that has boxes; -1 if there is none."""
        return max((image.frame for image in self._images if image.frame is not None and image.boxes), default=-1)

    def for_photographs(self, files: Sequence[Path]) -> GivenPersons:
        """Boxes of photographs, by their names; of several images of one name, that whose folders agree most.

        Warnings count photographs that the file does not name, and of several photographs, images of the file that are
        not among them.

        Args:
            files: The photographs.

        Raises:
            ValueError: If the file names none of them, or two images fit one equally well.
        """
        named = [image for image in self._images if image.file_name is not None]
        if not named:
            raise ValueError(f"{shown(self._path)} names no photographs: its images need a `file_name`.")
        found: dict[Path, _Image] = {}
        for file in files:
            image = self._of(file, named)
            if image is not None:
                found[file] = image
        if not found:
            example = shown(PurePosixPath(str(named[0].file_name)).name)
            raise ValueError(f"{shown(self._path)} has no boxes for {shown(files[0].name)}; it names {example}.")
        _warn(self._path, [file.name for file in files if file not in found], "it does not name some photographs")
        if len(files) > 1:
            used = {id(image) for image in found.values()}
            others = [str(image.file_name) for image in named if id(image) not in used]
            _warn(self._path, others, "images that are not among the photographs are not used")
        return GivenPersons({file: _persons(image.boxes) for file, image in found.items()})

    def for_clip(self, size: tuple[int, int], num_frames: int | None = None) -> GivenPersons:
        """Boxes of the frames of a clip, by their numbers from 0; a warning counts those outside of it.

        Args:
            size: Height and width of the frames.
            num_frames: How many there are; None if that is not known.

        Raises:
            ValueError: If the file has no boxes for frames of the clip.
        """
        given: dict[int, list[list[float]]] = {}
        for image in self._images:
            if image.frame is not None:
                given.setdefault(image.frame, []).extend(image.boxes)
        if not given:
            raise ValueError(
                f"{shown(self._path)} has no boxes for a video: its images need `frame`, a number from 0 on."
            )
        if num_frames is not None and min(given) >= num_frames:
            raise ValueError(
                f"{shown(self._path)} has boxes from frame {min(given)} on, but the video has {num_frames} frames, "
                "counted from 0."
            )
        height, width = size
        persons, left_out = {}, []
        for frame, boxes in given.items():
            kept = [box for box in boxes if min(box[2:4]) > 0 and box[0] < width and box[1] < height]
            left_out += [f"one in frame {frame}"] * (len(boxes) - len(kept))
            persons[frame] = _persons(kept)
        _warn(self._path, left_out, f"boxes outside of the {width} x {height} pixels of the video are left out")
        return GivenPersons(persons)

    def _of(self, file: Path, named: Sequence[_Image]) -> _Image | None:
        """The image of a photograph."""
        parts = file.resolve().parts[::-1]
        alike: dict[int, list[_Image]] = {}
        for image in named:
            own = PurePosixPath(str(image.file_name).replace("\\", "/")).parts[::-1]
            differs = (place for place, pair in enumerate(zip(own, parts, strict=False)) if pair[0] != pair[1])
            alike.setdefault(next(differs, min(len(own), len(parts))), []).append(image)
        most = max(alike)
        if most == 0:
            return None
        if len(alike[most]) > 1:
            names = " and ".join(shown(str(image.file_name)) for image in alike[most][:2])
            raise ValueError(f"{shown(self._path)}: {shown(file.name)} may be {names}; give the folder that fits one.")
        return alike[most][0]


def read_boxes(path: Path) -> BoxFile:
    """Boxes of people from a JSON file.

    Two layouts are taken: COCO's, with the lists `images` (each with an `id` and a `file_name`, for frames of a video
    the number `frame`) and `annotations` (each with `image_id` and `bbox`), which is also how `subband detect` and
    `subband pose` write; or one list of results, each with `bbox` and `file_name` or `frame`. Where there are
    categories, the one called `person` counts. A `score` is taken over, other fields do not matter. A warning counts
    boxes of other categories, crowds, and boxes without area, which are left out.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is no JSON, lacks a field, or has no category `person`.
    """
    try:
        contents: Any = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{shown(path)} is no JSON file: {error}.") from None
    if isinstance(contents, list):
        return BoxFile(path, _from_results(path, contents))
    if not (
        isinstance(contents, dict) and all(isinstance(contents.get(key), list) for key in ("images", "annotations"))
    ):
        raise ValueError(
            f"{shown(path)} holds no boxes of people: it must hold the lists `images` and `annotations` as COCO has "
            "them, or be one list of results with `bbox` and `file_name` or `frame`."
        )
    return BoxFile(path, _from_annotations(path, contents))


def _from_annotations(path: Path, contents: Mapping[str, Any]) -> list[_Image]:
    images: dict[Any, _Image] = {}
    for place, item in enumerate(contents["images"]):
        if not isinstance(item, dict) or "id" not in item:
            raise ValueError(f"{shown(path)}: images[{place}] has no `id`.")
        images[item["id"]] = _image(path, f"images[{place}]", item)
    wanted = _person_numbers(path, contents.get("categories"))
    others, empty = [], []
    for place, item in enumerate(contents["annotations"]):
        name = f"annotations[{place}]"
        if not isinstance(item, dict) or item.get("image_id") not in images:
            raise ValueError(f"{shown(path)}: the `image_id` of {name} is that of none of its images.")
        if item.get("iscrowd") or (wanted is not None and item.get("category_id", wanted[0]) not in wanted):
            others.append(name)
            continue
        box = _box(path, name, item)
        if min(box[2] - box[0], box[3] - box[1]) > 0:
            images[item["image_id"]].boxes.append(box)
        else:
            empty.append(name)
    _warn(path, others, "boxes of other categories or of crowds are left out")
    _warn(path, empty, "boxes without area are left out")
    return list(images.values())


def _from_results(path: Path, results: Sequence[Any]) -> list[_Image]:
    images: dict[Any, _Image] = {}
    empty = []
    for place, item in enumerate(results):
        name = f"entry {place}"
        if not isinstance(item, dict) or not ("file_name" in item or "frame" in item):
            raise ValueError(
                f"{shown(path)}: {name} has neither `file_name` nor `frame`; results with an `image_id` alone need the "
                "`images` they belong to."
            )
        image = _image(path, name, item)
        image = images.setdefault((image.file_name, image.frame), image)
        box = _box(path, name, item)
        if min(box[2] - box[0], box[3] - box[1]) > 0:
            image.boxes.append(box)
        else:
            empty.append(name)
    _warn(path, empty, "boxes without area are left out")
    return list(images.values())


def _image(path: Path, name: str, item: Mapping[str, Any]) -> _Image:
    file_name, frame = item.get("file_name"), item.get("frame")
    if frame is not None and (not isinstance(frame, int) or isinstance(frame, bool) or frame < 0):
        raise ValueError(f"{shown(path)}: `frame` of {name} must be a number from 0 on, got {frame!r}.")
    if file_name is not None and not isinstance(file_name, str):
        raise ValueError(f"{shown(path)}: `file_name` of {name} must be a name, got {file_name!r}.")
    return _Image(file_name, frame, [])


def _box(path: Path, name: str, item: Mapping[str, Any]) -> list[float]:
    """Corners and score of a box."""
    box, score = item.get("bbox"), item.get("score", 1.0)
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise ValueError(f"{shown(path)}: {name} has the box {box!r}; {RULE}.")
    if not _is_number(score):
        raise ValueError(f"{shown(path)}: `score` of {name} must be a number, got {score!r}.")
    left, top, width, height = box
    return [left, top, left + width, top + height, score]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _person_numbers(path: Path, categories: Any) -> list[Any] | None:
    """Numbers of the category of people; None where all boxes are people's."""
    if not isinstance(categories, list) or not categories:
        return None
    names = {item["id"]: str(item.get("name")) for item in categories if isinstance(item, dict) and "id" in item}
    found = [number for number, name in names.items() if name.casefold() == PERSON]
    if not found:
        raise ValueError(f"{shown(path)} has no category {PERSON}; it has {', '.join(names.values()) or 'none'}.")
    return found


def _persons(boxes: Sequence[Sequence[float]]) -> Persons:
    table = torch.tensor(boxes, dtype=torch.float32).reshape(len(boxes), 5)
    return Persons(table[:, :4], table[:, 4])


def _warn(path: Path, examples: Sequence[str], words: str) -> None:
    if examples:
        warnings.warn(f"{shown(path)}: {words} ({len(examples)}, {shown(examples[0])} for example).", stacklevel=3)
