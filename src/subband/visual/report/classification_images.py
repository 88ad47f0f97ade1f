"""Test images in the report, with the classes that each model finds most likely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from subband.visual.html import details, render
from subband.visual.report.runs import Samples
from subband.visual.report.task_report import Styles
from subband.visual.strips import strip_png, to_tiles

_GUESSES = 3


class _Guess(NamedTuple):
    """A class that a model finds likely."""

    name: str
    share: float
    is_right: bool


class _Card(NamedTuple):
    """An image, its class, and the guesses by the name of the model."""

    image: bytes
    name: str
    guesses: dict[str, list[_Guess]]


def image_cards(samples: Samples, classes: Sequence[str], styles: Styles) -> Markup:
    """A card per image; those that a model gets wrong come first.

    Args:
        samples: Images with probabilities.
        classes: Names of the classes.
        styles: Style of every label; a single model's name is not repeated on every card.

    Returns:
        The cards, nothing without images or predictions.

    Raises:
        ValueError: If the samples do not belong to the classes.
    """
    if not len(samples.targets) or not samples.predictions:
        return Markup()
    widths = {array.shape[1] for array in samples.predictions.values()}
    if widths != {len(classes)} or not 0 <= samples.targets.min() <= samples.targets.max() < len(classes):
        raise ValueError(f"the samples of a run do not belong to its {len(classes)} classes.")
    tiles = to_tiles(samples.inputs)
    order = sorted(range(len(tiles)), key=lambda index: (all(_hits(samples, index)), index))
    cards = [_card(tiles[index], samples, index, classes) for index in order]
    return render("images.html.jinja", cards=cards, styles=styles)


def mistake_cards(label: str, samples: Samples, classes: Sequence[str], styles: Styles, is_open: bool) -> Markup:
    """The mistakes a model is most sure of, in a part that folds away.

    Args:
        label: Name of the model.
        samples: Images it gets wrong.
        classes: Names of the classes.
        styles: Style of every label.
        is_open: Unfolded at first.

    Raises:
        ValueError: If the samples do not belong to the classes.
    """
    return details(f"The mistakes {label} is most sure of", image_cards(samples, classes, styles), is_open)


def _hits(samples: Samples, index: int) -> list[bool]:
    return [bool(array[index].argmax() == samples.targets[index]) for array in samples.predictions.values()]


def _card(tile: np.ndarray, samples: Samples, index: int, classes: Sequence[str]) -> _Card:
    target = int(samples.targets[index])
    guesses = {label: _guesses(array[index], target, classes) for label, array in samples.predictions.items()}
    return _Card(strip_png(tile[None]), classes[target], guesses)


def _guesses(probabilities: np.ndarray, target: int, classes: Sequence[str]) -> list[_Guess]:
    """The most likely classes, the likeliest first."""
    likeliest = np.argsort(-probabilities, kind="stable")[:_GUESSES]
    return [_Guess(classes[label], float(probabilities[label]), label == target) for label in map(int, likeliest)]
