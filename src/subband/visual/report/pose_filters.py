"""The filters of networks for clips in the report: what they let through of every frequency of time and space."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from subband.visual.html import figure, heading, plots, stack
from subband.visual.plots import heat_map
from subband.visual.report.runs import Row

LEAST_SPAN = 0.01  # of the colors around 1, lest rounding be seen in a filter that has learned nothing
STEP = 0.001  # that the ends of the colors are rounded up to
HIGHEST = 0.5  # cycles per entry of a map


def filter_figures(rows: Sequence[Row]) -> Markup:
    """A plot for every scale of every model that has such filters; nothing without any.

    Args:
        rows: Of the score files; `clip_filters` holds the `FilterAmplitudes` of each scale.
    """
    blocks = []
    for row in rows:
        tables = [(one["reduction"], np.array(one["amplitudes"])) for one in row.facts.get("clip_filters", ())]
        if tables:
            farthest = max(float(abs(values - 1).max()) for _, values in tables)
            span = max(STEP * math.ceil(farthest / STEP), LEAST_SPAN)
            figures = [_figure(reduction, values, span) for reduction, values in tables]
            blocks.append(stack(heading(row.label), plots(figures)))
    return stack(*blocks)


def whole_spectrum(amplitudes: np.ndarray) -> np.ndarray:
    """Both halves of the spatial frequencies, zero in the middle; the left half is the right one turned around zero.

    Args:
        amplitudes: See `FilterAmplitudes`, `(T, R)`.

    Returns:
        `(T', 2R - 1)`, T' = T, or T + 1 where T is even, since its highest frequency over time has both signs.

    Example:
        >>> whole_spectrum(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).tolist()
        [[6.0, 3.0, 2.0], [4.0, 3.0, 4.0], [2.0, 3.0, 6.0]]
    """
    both = amplitudes if len(amplitudes) % 2 else np.concatenate([amplitudes, amplitudes[:1]])
    turned = both[::-1]
    still = (both[:, :1] + turned[:, :1]) / 2
    return np.concatenate([turned[:, :0:-1], still, both[:, 1:]], 1)


def _figure(reduction: int, amplitudes: np.ndarray, span: float) -> Markup:
    num_frames, num_rings = amplitudes.shape
    values = whole_spectrum(amplitudes)
    right, top = HIGHEST * (1 + 0.5 / (num_rings - 1)), len(values) / (2 * num_frames)  # half a cell beyond the last
    caption = f"Maps {reduction} times smaller than the crop"
    axes = "cycles per entry of the map", "cycles per frame"
    plot = heat_map(values, (-right, right, -top, top), caption, *axes, (1 - span, 1 + span))
    return figure(caption, plot)
