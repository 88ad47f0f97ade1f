"""Files of data sets: where they are, and which are for training, validation and test."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

from subband.files import shown

Item = TypeVar("Item")

_MAX_LISTED = 20  # problems named in a message
SPLITS = ("train", "val", "test")


def existing(path: Path, what: str) -> Path:
    """The path itself if there is something.

    Args:
        path: Where the data set's published layout has it.
        what: What it is, for the message.

    Raises:
        FileNotFoundError: If there is nothing; the message says what is missing and where it was looked for.
    """
    if not path.exists():
        raise FileNotFoundError(f"{what} not found: looked for {path}")
    return path


@contextmanager
def reading_as(path: Path, complaint: str) -> Iterator[None]:
    """Marks what goes wrong inside as damage of a file: what parsers raise then says neither which file nor much.

    Args:
        path: The file; all that happens inside is that it is read.
        complaint: What is said of it if it is damaged.

    Raises:
        ValueError: In place of whatever the parser raises, but for a file that is not there or may not be read.

    Example:
        >>> with reading_as(Path("labels"), "is no list of labels"):
        ...     {}["names"]
        Traceback (most recent call last):
        ValueError: labels is no list of labels: KeyError 'names'
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        kind = f"{type(error).__name__} " if isinstance(error, LookupError) else ""  # a bare key says nothing
        reason = f"{kind}{' '.join(str(error).split())}" or type(error).__name__
        raise ValueError(f"{shown(path)} {complaint}: {reason.rstrip('.')}") from error


def map_array(path: Path) -> np.ndarray:
    """The array of an `.npy` file, mapped: what is asked for is read then.

    Args:
        path: The file.

    Raises:
        ValueError: If it is damaged or no array.
    """
    with reading_as(path, "cannot be read as an array (.npy)"):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it is an archive of several")
    return array


def listed_problems(problems: Sequence[str]) -> str:
    """What is wrong with files, the first twenty of them.

    Example:
        >>> listed_problems(["a.png is empty.", "b.png is cut off"])
        'a.png is empty; b.png is cut off'
    """
    listed = [problem.rstrip(".") for problem in problems[:_MAX_LISTED]]
    return "; ".join([*listed, *(["..."] if len(problems) > _MAX_LISTED else [])])


def hold_out_last(num_items: int, fraction: float, gap: int = 0) -> tuple[slice, slice]:
    """Split training material in two: the last part is for validation.

    Args:
        num_items: Length of a series in which neighbors are alike (time, recording), so that the two parts are not.
        fraction: Share to hold out, between 0 and 1.
        gap: Items before the held-out part that belong to neither, because they overlap with it.

    Returns:
        Slices of the training and of the validation items.

    Raises:
        ValueError: If one of the two would be empty.
    """
    num_held_out = round(num_items * fraction)
    num_train = num_items - num_held_out - gap
    if num_held_out < 1 or num_train < 1:
        raise ValueError(
            f"val_fraction {fraction} holds out {num_held_out} of {num_items} items and leaves "
            f"{max(num_train, 0)} for training"
        )
    return slice(num_train), slice(num_items - num_held_out, num_items)


def has_split_folders(folder: Path) -> bool:
    """Whether a folder holds `train/`, `val/` and `test/`.

    Raises:
        ValueError: If it holds some of them only.
    """
    named = [name for name in SPLITS if (folder / name).is_dir()]
    if named and (absent := set(SPLITS) - set(named)):
        raise ValueError(
            f"{folder} has the folder {named[0]}/ but not {', '.join(sorted(absent))}/; give all three or none"
        )
    return bool(named)


def hold_out(
    items: Sequence[Item], names: Sequence[str], fraction: float, argument: str, what: str, folder: Path
) -> tuple[list[Item], list[Item]]:
    """Splits items in two, by an order that depends on nothing but their names; each part stays in its own order.

    Args:
        items: At least 2.
        names: Name of each.
        fraction: Share to hold out, between 0 and 1; at least one item is held out, and one stays.
        argument: What the fraction is called, for messages.
        what: What an item is, likewise.
        folder: Where they are from, likewise.

    Returns:
        Items that stay and items held out.

    Raises:
        ValueError: If there are too few, or the fraction is out of its range.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"{argument} must lie between 0 and 1, got {fraction}.")
    if len(items) < 2:
        raise ValueError(f"{shown(folder)} has {len(items)} {what} to split, {argument} needs at least 2.")
    count = min(len(items) - 1, max(1, round(fraction * len(items))))
    chosen = set(_order(names)[:count])
    parts: tuple[list[Item], list[Item]] = ([], [])
    for index, item in enumerate(items):
        parts[index in chosen].append(item)
    return parts


def _order(names: Sequence[str]) -> list[int]:
    """Places of names, shuffled by the names alone."""
    return sorted(range(len(names)), key=lambda index: hashlib.sha256(os.fsencode(names[index])).digest())


def deal_out(
    items: Sequence[Item], names: Sequence[str], fractions: tuple[float, float, float], what: str, folder: Path
) -> dict[str, list[Item]]:
    """Deals out items to training, validation and test in an order that depends on nothing but their names.

    Args:
        items: What is dealt out.
        names: Name of each, all different.
        fractions: Shares of the three, each of which gets at least one.
        what: What the items are, for the message.
        folder: Where they are from, likewise.

    Returns:
        Items of `train`, `val` and `test`.

    Raises:
        ValueError: If there are fewer than three items, or the fractions are not positive with sum 1.
    """
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"fractions must be three positive numbers with sum 1, got {fractions}")
    if len(items) < 3:
        raise ValueError(f"{folder} has {len(items)} usable {what}, three splits need at least 3")
    dealt = [items[index] for index in _order(names)]
    num_val, num_test = (max(1, round(len(dealt) * share)) for share in fractions[1:])
    num_train = max(1, len(dealt) - num_val - num_test)
    num_val = min(num_val, len(dealt) - num_train - 1)
    return {
        "train": dealt[:num_train],
        "val": dealt[num_train : num_train + num_val],
        "test": dealt[num_train + num_val :],
    }
