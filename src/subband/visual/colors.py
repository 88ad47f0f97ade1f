"""One set of colors for plots, images and pages: told apart by color-blind readers, on light and on dark paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BASELINES = ("persistence", "identity", "bicubic")
"""The rows that score tables have for comparison, of video prediction and of restoration; always drawn in gray."""
PYRAMID_ROWS, REAL_ROWS = "pyramid:", "real:"
"""How the names of those of image generation begin: the wavelet transform alone, and real images."""

# Okabe and Ito's set ("Color Universal Design", 2008) without its yellow, which is invisible on white; the second value
# is a lighter relative of the same hue for dark paper.
_SERIES = (
    ("#0072b2", "#4db3f0"),
    ("#d55e00", "#ff8f3f"),
    ("#009e73", "#35cfa2"),
    ("#cc79a7", "#e79cc6"),
    ("#b07d00", "#f0b93a"),
    ("#56b4e9", "#9ad7ff"),
)
_BASELINE_PAIR = ("#8a8781", "#96938d")
_MARKERS = ("o", "s", "^", "D", "v", "P")

# Dark to bright in even steps of lightness; from black over violet and red to pale yellow.
_ERROR_STOPS = np.array(
    [(0, 0, 4), (50, 10, 94), (120, 28, 109), (187, 55, 84), (236, 105, 37), (251, 180, 26), (252, 255, 200)], float
)


@dataclass(frozen=True, kw_only=True)
class SeriesStyle:
    """How one model is drawn everywhere on a page.

    Attributes:
        variable: CSS custom property that carries the color on a page.
        light: Color on light paper, hexadecimal; also what plots fall back to outside a page.
        dark: Color on dark paper.
        marker: Matplotlib marker, a second cue beside the color.
        dashes: Matplotlib line style; the baseline is dashed.
    """

    variable: str
    light: str
    dark: str
    marker: str
    dashes: str = "-"


def series_styles(names: Sequence[str]) -> dict[str, SeriesStyle]:
    """Assigns a style to every name, in order; colors repeat with other markers after six models.

    Args:
        names: Names of models; a baseline, or a name that starts with one, is gray and takes no color away.

    Returns:
        Style of every name.

    Example:
        >>> styles = series_styles(["wast", "persistence", "tau"])
        >>> styles["wast"].light, styles["persistence"].dashes, styles["tau"].variable
        ('#0072b2', '--', '--series-2')
    """
    styles: dict[str, SeriesStyle] = {}
    count = 0
    for name in dict.fromkeys(names):
        if name.startswith((*BASELINES, PYRAMID_ROWS, REAL_ROWS)):
            light, dark = _BASELINE_PAIR
            styles[name] = SeriesStyle(variable="--baseline", light=light, dark=dark, marker="x", dashes="--")
            continue
        index = count % len(_SERIES)
        light, dark = _SERIES[index]
        marker = _MARKERS[(count + count // len(_SERIES)) % len(_MARKERS)]
        styles[name] = SeriesStyle(variable=f"--series-{index + 1}", light=light, dark=dark, marker=marker)
        count += 1
    return styles


def is_baseline(name: str) -> bool:
    """Whether a row of a score table is there for comparison, by its name.

    Args:
        name: As in `scores.json`.
    """
    return name in BASELINES or name.startswith((PYRAMID_ROWS, REAL_ROWS))


def palette_css(dark: bool) -> str:
    """The custom properties `--series-1`, ..., `--baseline` as CSS declarations.

    Args:
        dark: Gives the colors for dark paper.
    """
    pairs = [(f"--series-{index}", pair) for index, pair in enumerate(_SERIES, start=1)]
    pairs.append(("--baseline", _BASELINE_PAIR))
    return " ".join(f"{name}: {pair[int(dark)]};" for name, pair in pairs)


def error_colors(values: np.ndarray) -> np.ndarray:
    """Colors of an error map.

    Args:
        values: Any shape, clipped to `[0, 1]`: 0 is black, 1 pale yellow.

    Returns:
        Red, green and blue, shape of `values` plus one axis of 3, uint8.

    Example:
        >>> error_colors(np.array([0.0, 1.0])).tolist()
        [[0, 0, 4], [252, 255, 200]]
    """
    position = np.clip(values, 0, 1) * (len(_ERROR_STOPS) - 1)
    lower = np.minimum(position.astype(int), len(_ERROR_STOPS) - 2)
    weight = (position - lower)[..., None]
    return np.round((1 - weight) * _ERROR_STOPS[lower] + weight * _ERROR_STOPS[lower + 1]).astype(np.uint8)
