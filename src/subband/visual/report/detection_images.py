"""Test images in the report, with the boxes of objects and of what every model found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from subband.metrics.detection_counts import MatchedImage, match_boxes
from subband.visual.colors import series_styles
from subband.visual.html import findings, legend, render, stack
from subband.visual.report.runs import Samples
from subband.visual.strips import strip_png, to_tiles

_SIDE = 320
_TINT = 0.4  # of the color over what is a mistake


def object_figures(samples: Samples, classes: Sequence[str]) -> Markup:
    """Test images in their order, each with its true boxes, then with those of every model.

    What is a mistake is tinted: objects that no model finds, and boxes that stand for none.

    Args:
        samples: Images, true objects `(N, M, 5)`, found ones `(N, M, 6)`; rows that are none have the label -1.
        classes: Names of the classes.
    """
    if not len(samples.inputs) or not samples.predictions:
        return Markup()
    tiles, styles = to_tiles(samples.inputs, _SIDE), series_styles(classes)
    colors = [styles[name].light for name in classes]
    pairs = []
    for index, tile in enumerate(tiles):
        true = _rows(samples.targets[index])
        found = {label: _rows(rows[index]) for label, rows in samples.predictions.items()}
        matched = {label: matched_rows(true, rows) for label, rows in found.items()}
        reached = {int(place) for one in matched.values() for place in one.partners if place >= 0}
        drawn = [with_boxes(tile, true, colors, [place not in reached for place in range(len(true))])]
        drawn += [with_boxes(tile, found[label], colors, (one.partners < 0).tolist()) for label, one in matched.items()]
        height, width = _extent(tile, [true, *found.values()])
        pairs.append((_caption(matched, len(true)), strip_png(np.stack(drawn)[:, :height, :width])))
    order = ", then ".join(["the true boxes", *(f"those of {label}" for label in samples.predictions)])
    key = {name: style for index, (name, style) in enumerate(styles.items()) if _is_shown(samples, index)}
    words = "objects that were missed, and boxes that are wrong"
    return stack(
        findings([f"From left to right: {order}. Tinted: {words}."]),
        legend(key),
        render("pairs.html.jinja", pairs=pairs),
    )


def matched_rows(true: np.ndarray, found: np.ndarray) -> MatchedImage:
    """Which object every box of an image stands for.

    Args:
        true: Label and corners, `(M, 5)`.
        found: Label, corners and score, `(M, 6)`.

    Example:
        >>> true = np.array([[0.0, 0, 0, 10, 10], [1, 20, 0, 30, 10]])
        >>> matched_rows(true, np.array([[0.0, 1, 0, 11, 10, 0.9], [0, 20, 0, 30, 10, 0.8]])).counts()
        ImageCounts(hits=1, missed=1, wrong=1)
    """
    labels, true_labels = found[:, 0].astype(int), true[:, 0].astype(int)
    return match_boxes(found[:, 1:5], found[:, 5], labels, true[:, 1:], true_labels, np.zeros(len(true), bool))


def with_boxes(tile: np.ndarray, objects: np.ndarray, colors: Sequence[str], is_tinted: Sequence[bool]) -> np.ndarray:
    """An image with boxes in the colors of their classes, on a white line.

    Args:
        tile: `(H, W, 3)` uint8.
        objects: Label and corners in pixels, `(M, 5 or more)`.
        colors: Hexadecimal, one a class.
        is_tinted: Which boxes are filled with their color, `(M,)`.
    """
    drawn = tile.copy()
    boxes = [_Box(row, colors, tile.shape[0], tile.shape[1]) for row in objects]
    for box, tinted in zip(boxes, is_tinted, strict=True):
        if tinted:
            inside = drawn[box.top : box.bottom, box.left : box.right]
            inside[:] = ((1 - _TINT) * inside + _TINT * np.array(box.color)).round()
    for box in boxes:
        for inset, value in ((0, [255, 255, 255]), (1, box.color), (2, box.color)):
            left, top = max(box.left + inset, 0), max(box.top + inset, 0)
            right, bottom = box.right - inset - 1, box.bottom - inset - 1
            if left > right or top > bottom:
                break
            drawn[[top, bottom], left : right + 1] = value
            drawn[top : bottom + 1, [left, right]] = value
    return drawn


class _Box:
    """A box in whole pixels of an image, and its color."""

    def __init__(self, row: np.ndarray, colors: Sequence[str], height: int, width: int) -> None:
        left, top, right, bottom = (round(float(corner)) for corner in row[1:5])
        self.left, self.top, self.right, self.bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        self.color = [int(colors[int(row[0])][place : place + 2], 16) for place in (1, 3, 5)]


def _rows(objects: np.ndarray) -> np.ndarray:
    """Without the rows that are no objects."""
    return objects[objects[:, 0] >= 0]


def _extent(tile: np.ndarray, objects: Sequence[np.ndarray]) -> tuple[int, int]:
    """Height and width of a square tile without the white that it is filled up with; boxes stay whole."""
    inked = np.any(tile < 255, axis=2)
    corners = np.concatenate([np.zeros((1, 5)), *(rows[:, :5] for rows in objects)])
    sides = []
    for axis, corner in ((1, 4), (0, 3)):
        places = np.flatnonzero(np.any(inked, axis=axis))
        last = max(places[-1] + 1 if len(places) else 1, int(np.ceil(corners[:, corner].max())))
        sides.append(min(last, tile.shape[1 - axis]))
    return sides[0], sides[1]


def _is_shown(samples: Samples, label: int) -> bool:
    return any((rows[..., 0] == label).any() for rows in (samples.targets, *samples.predictions.values()))


def _caption(matched: Mapping[str, MatchedImage], objects: int) -> str:
    """What every model finds, with its name where there are several."""
    texts = []
    for label, one in matched.items():
        counts = one.counts()
        wrong = f"{counts.wrong} wrong box{'es' if counts.wrong != 1 else ''}" if counts.wrong else "no wrong box"
        text = f"{counts.hits} of {objects} found, {wrong}"
        texts.append(f"{label}: {text}" if len(matched) > 1 else text)
    return "; ".join(texts)
