"""Labels of people as COCO writes them: one JSON file with images, categories and people."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from subband.data.detection.coco import read_json
from subband.data.pose.people import Box, FrameFiles, Person
from subband.files import shown
from subband.joints import POSETRACK, JointSet, convert_joints, named_joints, unmeasured_joints

__all__ = ["Placed", "find_joints", "read_people"]

MIN_SIDE = 1.0  # pixels of a box inside its image
AROUND_JOINTS = 1.15  # a box that is made up, against that of the joints

# PoseTrack's files have 17 places, two of them always empty.
POSETRACK_SLOTS = (*POSETRACK.names[:3], "left_ear", "right_ear", *POSETRACK.names[3:])


class Placed(NamedTuple):
    """Where an image of a label file is.

    Attributes:
        clip: The clip that it belongs to.
        frame: Its number there.
    """

    clip: FrameFiles
    frame: int


def find_joints(contents: Mapping[str, Any], path: Path) -> JointSet:
    """The joints that a file's category of people names.

    A set of joints that is known keeps its limbs and spreads, whatever the file says of them. For joints of other names
    the limbs are the file's; the spread, which similarities of poses need, is that of a known joint of the same name,
    or else the ankle's, which a warning says.

    Args:
        contents: Of the file.
        path: The file.

    Raises:
        ValueError: If no category names joints, or two are called the same.
    """
    named = [item for item in contents["categories"] if isinstance(item, dict) and item.get("keypoints")]
    if not named:
        raise ValueError(f"{shown(path)}: no category has keypoints, so there are no joints to learn.")
    category = next((item for item in named if item.get("name") == "person"), named[0])
    names = tuple(map(str, category["keypoints"]))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{shown(path)}: the joint {twice!r} is named twice.")
    if names == POSETRACK_SLOTS:
        return POSETRACK
    unmeasured = unmeasured_joints(names)
    if unmeasured:
        warnings.warn(
            f"{shown(path)}: nobody has measured the spread of {', '.join(unmeasured)}, the ankle's stands in.",
            stacklevel=2,
        )
    limbs = [
        (int(pair[0]) - 1, int(pair[1]) - 1)
        for pair in category.get("skeleton") or ()
        if isinstance(pair, list) and len(pair) == 2 and all(1 <= int(end) <= len(names) for end in pair)
    ]
    return named_joints(names, limbs)


def read_people(
    path: Path,
    place: Callable[[Mapping[str, Any]], Placed | None],
    joints: JointSet | None = None,
    *,
    first_pixel: int = 0,
) -> tuple[list[Person], JointSet]:
    """People of a file who have at least one labelled joint.

    A file that calls no joint 2, visible, does not tell occluded ones apart, and its 1 counts as visible. People
    without labelled joints, crowds, and people whose box lies outside the image or has no area are left out, which one
    warning counts. Where a box is missing, that of the labelled joints, 15 % larger, stands in.

    Args:
        path: The file.
        place: Where an image of the file is; None if it is nowhere.
        joints: Joints that are wanted, in their order; by default those of the file.
        first_pixel: Coordinate of the middle of the first pixel.

    Returns:
        The people, and the joints they have.

    Raises:
        FileNotFoundError: If images are missing; some are named.
        ValueError: If the file is damaged, or has none of the wanted joints.
    """
    contents = read_json(path)
    given = find_joints(contents, path)
    wanted = given if joints is None else joints
    if not set(wanted.names) & set(given.names):
        raise ValueError(
            f"{shown(path)} has none of the joints {', '.join(wanted.names)}; it has {', '.join(given.names)}."
        )
    images = _placed(contents, path, place)
    items = [item for item in contents["annotations"] if not _get(item, "iscrowd", path)]
    labelled = [_joints(item, given, path) for item in items]
    is_coarse = all((values[:, 2] < 2).all() for values in labelled)
    people, unlabelled, unusable = [], 0, len(contents["annotations"]) - len(items)
    for item, values in zip(items, labelled, strict=True):
        if is_coarse:
            values[:, 2] *= 2
        values[:, :2] -= first_pixel
        values[values[:, 2] == 0] = 0
        found = convert_joints(torch.from_numpy(values), given, wanted).numpy()
        placed = images.get(_get(item, "image_id", path))
        if placed is None:
            raise ValueError(f"{shown(path)} labels image {item.get('image_id')!r}, which it does not list.")
        box = _box(item, found, placed.clip.size, path, first_pixel)
        if not (found[:, 2] > 0).any():
            unlabelled += 1
        elif box is None:
            unusable += 1
        else:
            people.append(_person(item, placed, found, box, path, first_pixel))
    if not people:
        raise ValueError(
            f"{shown(path)}: none of {len(contents['annotations'])} people has a labelled joint and a box."
        )
    if unlabelled or unusable:
        warnings.warn(
            f"{shown(path)}: of {len(contents['annotations'])} people, {unlabelled} have no labelled joint and "
            f"{unusable} are crowds or have no box inside their image; they are left out.",
            stacklevel=2,
        )
    return people, wanted


def _placed(
    contents: Mapping[str, Any], path: Path, place: Callable[[Mapping[str, Any]], Placed | None]
) -> dict[Any, Placed]:
    found, missing = {}, []
    for item in contents["images"]:
        if not isinstance(item, dict) or "id" not in item or not item.get("file_name"):
            raise ValueError(f"{shown(path)}: every image needs an id and a file_name, got {str(item)[:80]}.")
        placed = place(item)
        if placed is None:
            missing.append(str(item["file_name"]))
        else:
            found[item["id"]] = placed
    if missing:
        named = ", ".join(map(shown, missing[:3])) + (", ..." if len(missing) > 3 else "")
        raise FileNotFoundError(
            f"{shown(path)} names {len(contents['images'])} images, of which {len(missing)} are missing: {named}."
        )
    return found


def _person(item: Mapping[str, Any], placed: Placed, joints: np.ndarray, box: Box, path: Path, first: int) -> Person:
    area = item.get("area")
    number = item.get("track_id")
    head = item.get("bbox_head")
    return Person(
        clip=placed.clip,
        frame=placed.frame,
        joints=joints,
        box=box,
        area=float(area) if isinstance(area, int | float) and area > 0 else box[2] * box[3],
        head_box=None if head is None else _corners(head, "bbox_head", item, path, first),
        number=int(number) if isinstance(number, int) else -1,
    )


def _get(item: Any, key: str, path: Path) -> Any:
    if not isinstance(item, dict) or "image_id" not in item:
        raise ValueError(f"{shown(path)}: every annotation needs an image_id, got {str(item)[:80]}.")
    return item.get(key)


def _joints(item: Mapping[str, Any], given: JointSet, path: Path) -> np.ndarray:
    """x, y and visibility, `(K, 3)`; zeros of people without."""
    slots = POSETRACK_SLOTS if given is POSETRACK else given.names
    values = item.get("keypoints") or [0] * (3 * len(slots))
    plain = isinstance(values, list) and all(isinstance(value, int | float) for value in values)
    if plain and given is POSETRACK and len(values) == 3 * len(given.names):
        slots = given.names
    if not plain or len(values) != 3 * len(slots):
        raise ValueError(
            f"{shown(path)}: annotation {item.get('id', '?')} needs x, y and visibility of {len(slots)} joints, got "
            f"{len(values) if isinstance(values, list) else values!r} numbers."
        )
    found = np.array(values, np.float32).reshape(-1, 3)
    if not np.isfinite(found).all() or not np.isin(found[:, 2], (0, 1, 2)).all():
        raise ValueError(
            f"{shown(path)}: annotation {item.get('id', '?')} has joints with a visibility other than 0, 1 and 2, or "
            "places that are no numbers."
        )
    return found if len(slots) == len(given.names) else found[[slots.index(name) for name in given.names]]


def _box(
    item: Mapping[str, Any], joints: np.ndarray, size: tuple[int, int] | None, path: Path, first_pixel: int
) -> Box | None:
    """The box inside its image, None if nothing of it is."""
    given = item.get("bbox")
    if given is None:
        known = joints[joints[:, 2] > 0, :2]
        if not len(known):
            return None
        middle, sides = (known.min(0) + known.max(0)) / 2, AROUND_JOINTS * (known.max(0) - known.min(0))
        low, high = middle - sides / 2, middle + sides / 2
        box = (float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
    else:
        box = _corners(given, "bbox", item, path, first_pixel)
    left, top, width, height = box
    right, bottom = left + width, top + height
    if size is not None:
        left, top, right, bottom = (
            max(left, 0.0),
            max(top, 0.0),
            min(right, float(size[1])),
            min(bottom, float(size[0])),
        )
    return (left, top, right - left, bottom - top) if min(right - left, bottom - top) >= MIN_SIDE else None


def _corners(value: Any, name: str, item: Mapping[str, Any], path: Path, first_pixel: int) -> Box:
    if not (
        isinstance(value, Sequence)
        and len(value) == 4
        and all(isinstance(side, int | float) and math.isfinite(side) for side in value)
    ):
        raise ValueError(
            f"{shown(path)}: annotation {item.get('id', '?')} needs a {name} [left, top, width, height], got {value!r}."
        )
    return (float(value[0]) - first_pixel, float(value[1]) - first_pixel, float(value[2]), float(value[3]))
