"""Files of published data sets: where they are, and which part is held out for validation."""

from pathlib import Path


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
