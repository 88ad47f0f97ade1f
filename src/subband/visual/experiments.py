"""Plots of experiments as PNG files: curves over what is varied, or a bar for every setting."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from subband.extras import names_extra
from subband.files import shown
from subband.visual.colors import series_styles
from subband.visual.plots import Curve, Panel, line_panels_png

__all__ = ["Bars", "Lines", "Picture", "experiment_png"]

_INCHES_OF_BAR, _MARGIN = 0.26, 0.06


class Lines(NamedTuple):
    """Curves over what is varied.

    Attributes:
        panels: Heading to name to points `(x, y)`; several points at one x are averaged.
        x_label: Quantity and unit of the horizontal axes.
        y_label: Quantity and unit of the vertical axis.
    """

    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]
    x_label: str
    y_label: str


class Bars(NamedTuple):
    """A bar for every setting.

    Attributes:
        values: Name to value; several values under one name are averaged.
        x_label: Quantity and unit.
    """

    values: Sequence[tuple[str, float]]
    x_label: str


Picture = Lines | Bars


def experiment_png(picture: Picture) -> bytes:
    """Draw a picture.

    Args:
        picture: What to draw; values that are not finite are left out.

    Returns:
        PNG file.

    Raises:
        ValueError: If there is nothing to draw.
        ImportError: If matplotlib is not installed.
    """
    return _lines(picture) if isinstance(picture, Lines) else _bars(picture)


def _lines(picture: Lines) -> bytes:
    panels = {title: {name: _means(points) for name, points in own.items()} for title, own in picture.panels.items()}
    names = dict.fromkeys(name for own in panels.values() for name, points in own.items() if points)
    heights = [y for own in panels.values() for points in own.values() for y in points.values()]
    if not heights:
        raise ValueError("there is nothing to draw.")
    styles = series_styles(list(names))
    room = _MARGIN * (max(heights) - min(heights)) or 1.0
    drawn = [
        Panel(
            title,
            picture.x_label,
            [Curve(list(p), list(p.values()), styles[name], with_markers=True) for name, p in own.items() if p],
        )
        for title, own in panels.items()
    ]
    return line_panels_png(drawn, picture.y_label, (min(heights) - room, max(heights) + room), styles)


def _bars(picture: Bars) -> bytes:
    with names_extra("plots need"):
        from matplotlib.figure import Figure

    found: dict[str, list[float]] = {}
    for name, value in picture.values:
        if math.isfinite(value):
            found.setdefault(name, []).append(value)
    if not found:
        raise ValueError("there is nothing to draw.")
    styles = series_styles(list(found))
    figure = Figure(figsize=(6, 0.9 + _INCHES_OF_BAR * len(found)), layout="constrained")
    axes = figure.add_subplot()
    means = [sum(values) / len(values) for values in found.values()]
    bars = axes.barh([shown(name) for name in found], means, 0.7, color=[styles[name].light for name in found])
    axes.bar_label(bars, fmt="%.4g", padding=2, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(picture.x_label)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def _means(points: Sequence[tuple[float, float]]) -> dict[float, float]:
    """Mean height at every position, in order."""
    found: dict[float, list[float]] = {}
    for x, y in points:
        if math.isfinite(x) and math.isfinite(y):
            found.setdefault(x, []).append(y)
    return {x: sum(found[x]) / len(found[x]) for x in sorted(found)}
