"""Files of published data sets: where they are, and which part is held out for validation."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")


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


def hold_out_last(items: Sequence[Item], fraction: float, gap: int = 0) -> tuple[Sequence[Item], Sequence[Item]]:
    """Split training material in two: the last part is for validation.

    Args:
        items: In an order in which neighbours are alike (time, recording), so that the halves are not.
        fraction: Share to hold out, between 0 and 1.
        gap: Items before the held-out part that belong to neither, because they overlap with it.

    Returns:
        Training and validation items.

    Raises:
        ValueError: If one of the two would be empty.
    """
    num_held_out = round(len(items) * fraction)
    num_train = len(items) - num_held_out - gap
    if num_held_out < 1 or num_train < 1:
        raise ValueError(f"val_fraction {fraction} leaves {num_train} of {len(items)} items for training")
    return items[:num_train], items[len(items) - num_held_out :]
