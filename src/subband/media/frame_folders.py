"""Folders of frames: which pictures are the frames, which are missing by their numbers, which belong to each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from subband.files import shown
from subband.media.frame_index import RECORDS
from subband.media.picture_files import pictures_in

_MAX_FOLDERS = 64  # whose lists of frames are kept
_MAX_NAMED = 5
_DIGITS = re.compile(r"([0-9]+)")
_BETWEEN_WORDS = re.compile(r"[\W_]+")


def list_frames(folder: Path) -> list[Path]:
    """Pictures of a folder in natural order of their names (`frame2` before `frame10`).

    Warns of what else is in the folder, and of missing frames, once as long as nothing is added or removed.

    Args:
        folder: The folder.

    Raises:
        ValueError: If it holds no pictures.
    """
    files = _list(folder, folder.stat().st_mtime_ns)
    if missing := missing_frames(files):
        named = ", ".join([*(shown(name) for name in missing[:_MAX_NAMED]), *["..."] * (len(missing) > _MAX_NAMED)])
        noun, verb = ("frame", "is") if len(missing) == 1 else ("frames", "are")
        RECORDS.record(folder).tell(
            "missing", f"{len(missing)} {noun} of {shown(folder)} {verb} missing by the numbers of the others: {named}."
        )
    return files


def frame_numbers(files: Sequence[Path]) -> list[int] | None:
    """The number of every frame, None if the names of files differ in more than one number.

    Args:
        files: Frames of one clip.

    Example:
        >>> frame_numbers([Path("a1_08.png"), Path("a1_09.png"), Path("a1_10.png")])
        [8, 9, 10]
        >>> frame_numbers([Path("a1_08.png"), Path("b1_09.png")])
    """
    found = [_DIGITS.split(file.stem.lower()) for file in files]
    if len({len(parts) for parts in found}) != 1:
        return None
    places = [place for place, texts in enumerate(zip(*found, strict=True)) if len(set(texts)) > 1]
    if len(places) != 1 or places[0] % 2 == 0:  # texts, between the numbers
        return None
    return [int(parts[places[0]]) for parts in found]


def missing_frames(files: Sequence[Path]) -> list[str]:
    """Names of the files that are missing between the others, where numbers grow by the same step elsewhere.

    Args:
        files: Frames of one clip in their order.

    Example:
        >>> missing_frames([Path(f"{number:03d}.png") for number in (0, 2, 4, 8)])
        ['006.png']
        >>> missing_frames([Path(f"{number}.png") for number in (3, 17, 18, 40)])  # no count
        []
    """
    numbers = frame_numbers(files)
    if numbers is None:
        return []
    steps = Counter(after - before for before, after in pairwise(numbers))
    step, count = max(steps.items(), key=lambda item: (item[1], -item[0]))
    if step < 1 or 2 * count < steps.total() or any(other % step or other < step for other in steps):
        return []
    missing = []
    for file, before, after in zip(files, numbers, numbers[1:], strict=False):
        missing += [_renumbered(file, before, number) for number in range(before + step, after, step)]
    return missing


class Mismatch(NamedTuple):
    """Where the names of frames do not match.

    Attributes:
        place: Of the first two that do not.
        is_contradiction: Whether names of one clip are found in the other, but not at the same places; otherwise one
            counts from another number, or no name of one is found in the other.
    """

    place: int
    is_contradiction: bool


def find_mismatch(ours: Sequence[Path], theirs: Sequence[Path]) -> Mismatch | None:
    """Whether the frames of two clips that belong together by their order do so by their names; None if they do.

    Names match whose numbers are the same (`blur_7.png` and `gt_07.png`), or without numbers the words in which the
    frames of a clip differ.

    Args:
        ours: Frames of a clip in their order.
        theirs: As many frames of another.

    Example:
        >>> find_mismatch([Path("1.png"), Path("2.png"), Path("4.png")], [Path(f"gt_{n}.png") for n in (1, 3, 4)])
        Mismatch(place=1, is_contradiction=True)
        >>> find_mismatch([Path("lake_blur.png"), Path("sea_blur.png")], [Path("lake.png"), Path("sea.png")])
    """
    if len(ours) < 2:
        return None
    keys = list(zip(_keys(ours), _keys(theirs), strict=True))
    place = next((place for place, (one, other) in enumerate(keys) if one != other), None)
    if place is None:
        return None
    are_numbers = all(isinstance(key, int) for pair in keys for key in pair)
    is_shifted = are_numbers and len({other - one for one, other in keys}) == 1
    return Mismatch(place, not is_shifted and bool({one for one, _ in keys} & {other for _, other in keys}))


def _keys(files: Sequence[Path]) -> Sequence[Any]:
    """What tells the frames of a clip apart: their numbers, or the words in which their names differ."""
    numbers = frame_numbers(files)
    if numbers is not None:
        return numbers
    words = [_BETWEEN_WORDS.split(file.stem.lower()) for file in files]
    start = _num_common(words)
    end = _num_common([parts[start:][::-1] for parts in words])
    return [tuple(parts[start : len(parts) - end]) for parts in words]


def _num_common(names: Sequence[Sequence[str]]) -> int:
    """How many words all names begin with."""
    unlike = (place for place, words in enumerate(zip(*names, strict=False)) if len(set(words)) > 1)
    return next(unlike, min(map(len, names)))


def _renumbered(file: Path, number: int, other: int) -> str:
    """The name of a frame with another number, as many digits wide."""
    parts = _DIGITS.split(file.stem)
    place = max(place for place in range(1, len(parts), 2) if int(parts[place]) == number)
    parts[place] = f"{other:0{len(parts[place])}d}"
    return "".join(parts) + file.suffix


@lru_cache(maxsize=_MAX_FOLDERS)
def _list(folder: Path, changed: int) -> list[Path]:
    """Pictures of a folder, listed once as long as nothing is added or removed (`changed`)."""
    return pictures_in(folder, "images")
