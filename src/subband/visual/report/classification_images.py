"""Test images in the report, with the classes that each model finds most likely."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from subband.visual.html import details, image, swatch
from subband.visual.report.runs import Samples
from subband.visual.report.task_report import Styles
from subband.visual.strips import MEDIA_TYPES, strip_png, to_tiles

_GUESSES = 3


def image_cards(samples: Samples, classes: Sequence[str], styles: Styles) -> str:
    """A card per image; those that a model gets wrong come first.

    Args:
        samples: Images with probabilities.
        classes: Names of the classes.
        styles: Style of every label; a single model's name is not repeated on every card.

    Returns:
        HTML, empty without images or predictions.

    Raises:
        ValueError: If the samples do not belong to the classes.
    """
    if not len(samples.targets) or not samples.predictions:
        return ""
    widths = {array.shape[1] for array in samples.predictions.values()}
    if widths != {len(classes)} or not 0 <= samples.targets.min() <= samples.targets.max() < len(classes):
        raise ValueError(f"the samples of a run do not belong to its {len(classes)} classes.")
    tiles = to_tiles(samples.inputs)
    order = sorted(range(len(tiles)), key=lambda index: (all(_hits(samples, index)), index))
    cards = [_card(tiles[index], samples, index, classes, styles) for index in order]
    return f'<div class="images">{"".join(cards)}</div>'


def mistake_cards(label: str, samples: Samples, classes: Sequence[str], styles: Styles, is_open: bool) -> str:
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


def _card(tile: np.ndarray, samples: Samples, index: int, classes: Sequence[str], styles: Styles) -> str:
    name = classes[int(samples.targets[index])]
    picture = image(strip_png(tile[None]), MEDIA_TYPES["png"], f"test image of class {name}")
    blocks = "".join(
        (f'<p class="model">{swatch(styles[label])}{escape(label)}</p>' if len(samples.predictions) > 1 else "")
        + _guesses(array[index], int(samples.targets[index]), classes)
        for label, array in samples.predictions.items()
    )
    return f'<article class="clip">{picture}<h3>{escape(name)}</h3>{blocks}</article>'


def _guesses(probabilities: np.ndarray, target: int, classes: Sequence[str]) -> str:
    """The most likely classes with their probabilities; a mark says whether the first is right, the right one is bold."""
    items = []
    for rank, label in enumerate(np.argsort(-probabilities, kind="stable")[:_GUESSES]):
        name = escape(classes[int(label)])
        share = 100 * float(probabilities[label])
        items.append(
            f'<li style="--share: {share:.1f}%"><span class="name">{f"<b>{name}</b>" if label == target else name}</span>'
            f'<span class="value">{_mark(label == target) if rank == 0 else ""}{share:.0f}\u202f%</span></li>'
        )
    return f'<ol class="guesses">{"".join(items)}</ol>'


def _mark(is_right: bool) -> str:
    kind, sign, word = ("right", "✓", "right") if is_right else ("wrong", "✗", "wrong")
    return f'<span class="mark {kind}" role="img" aria-label="{word}">{sign}</span> '
