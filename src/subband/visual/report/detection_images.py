"""Test images in the report, with the boxes of objects and of what every model found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from subband.visual.colors import series_styles
from subband.visual.html import figure, findings, image, legend, plots, stack
from subband.visual.report.runs import Samples
from subband.visual.report.task_report import Styles
from subband.visual.strips import strip_png, to_tiles

_MOST = 12  # images
_SIDE = 320
_MATCH = 0.5  # overlap from which a box stands for an object


def object_figures(samples: Samples, classes: Sequence[str], styles: Styles) -> Markup:
    """Test images twice and more: with their true boxes, then with those of every model.

    Images with most mistakes come first: objects that are not found, and boxes that are none.

    Args:
        samples: Images, true objects `(N, M, 5)`, found ones `(N, M, 6)`; rows that are none have the label -1.
        classes: Names of the classes.
        styles: Style of every model.
    """
    if not len(samples.inputs) or not samples.predictions:
        return Markup()
    tiles = to_tiles(samples.inputs, _SIDE)
    colors = series_styles(classes)
    counts = [
        sum(mistakes(samples.targets[index], found[index]) for found in samples.predictions.values())
        for index in range(len(tiles))
    ]
    figures = []
    for index in sorted(range(len(tiles)), key=lambda place: (-counts[place], place))[:_MOST]:
        rows = [samples.targets[index], *(found[index] for found in samples.predictions.values())]
        drawn = np.stack([with_boxes(tiles[index], one, [colors[name].light for name in classes]) for one in rows])
        words = f"{counts[index]} mistakes" if counts[index] else "no mistakes"
        figures.append(figure(words, image(strip_png(drawn), "image/png", "a test image with boxes")))
    order = ", then ".join(["the true boxes", *(f"those of {label}" for label in samples.predictions)])
    return stack(findings([f"From left to right: {order}."]), plots(figures, legend(colors)))


def mistakes(true: np.ndarray, found: np.ndarray) -> int:
    """Objects that are not found, and boxes that stand for none, of one image.

    Args:
        true: Label and corners, `(M, 5)`.
        found: Label, corners and score, best score first, `(M, 6)`.

    Example:
        >>> true = np.array([[0.0, 0, 0, 10, 10], [1, 20, 0, 30, 10], [-1, -1, -1, -1, -1]])
        >>> mistakes(true, np.array([[0.0, 1, 0, 11, 10, 0.9], [0, 20, 0, 30, 10, 0.8]]))
        2
    """
    left = [row for row in true if row[0] >= 0]
    wrong = 0
    for row in (one for one in found if one[0] >= 0):
        overlaps = [_overlap(row[1:5], other[1:5]) if other[0] == row[0] else 0.0 for other in left]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if best >= 0 and overlaps[best] >= _MATCH:
            left.pop(best)
        else:
            wrong += 1
    return wrong + len(left)


def with_boxes(tile: np.ndarray, objects: np.ndarray, colors: Sequence[str]) -> np.ndarray:
    """An image with boxes in the colors of their classes, on a white line.

    Args:
        tile: `(H, W, 3)` uint8.
        objects: Label and corners in pixels, `(M, 5 or more)`.
        colors: Hexadecimal, one a class.
    """
    drawn = tile.copy()
    for label, *corners in (row[:5] for row in objects if row[0] >= 0):
        color = [int(colors[int(label)][place : place + 2], 16) for place in (1, 3, 5)]
        for inset, value in ((0, [255, 255, 255]), (1, color), (2, color)):
            left, top, right, bottom = (round(float(corner)) for corner in corners)
            left, top = max(left + inset, 0), max(top + inset, 0)
            right, bottom = min(right - inset, drawn.shape[1]) - 1, min(bottom - inset, drawn.shape[0]) - 1
            if left > right or top > bottom:
                break
            drawn[[top, bottom], left : right + 1] = value
            drawn[top : bottom + 1, [left, right]] = value
    return drawn


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    sides = np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None)
    shared = float(sides.prod())
    union = float((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod()) - shared
    return shared / union if union > 0 else 0.0
