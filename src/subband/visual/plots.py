"""Line and bar plots as SVG texts that take their colors from the page they stand in, and line plots as a PNG file.

Text and axes are drawn in `currentColor` and every series in its CSS variable with the light color as fallback, so one
SVG is right on light paper, on dark paper and alone. The page supplies the legend.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup, escape

from subband.extras import names_extra
from subband.files import shown
from subband.visual.colors import SeriesStyle

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

BANDS = ("ll", "lh", "hl", "hh")

_INK = "#010203"  # stands for currentColor until the SVG is written; no series uses it
_COOL, _MIDDLE, _WARM = "#0072b2", "#f4f2ec", "#d55e00"  # told apart by color-blind readers
_SIZE = (3.9, 2.55)  # inches; small, so that the letters stay readable on a phone
_KEYS_PER_PANEL = 3  # names of a legend beside each other
_KEY_WIDTH, _LETTER_WIDTH = 0.6, 0.08  # inches
_RC: dict[Any, Any] = {
    "font.size": 9.5,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": _INK,
    "grid.alpha": 0.13,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "subband",
    "text.parse_math": False,  # names may hold dollar signs
}


class Curve(NamedTuple):
    """One line of a plot.

    Attributes:
        x: Positions, ascending.
        y: Values; NaN leaves a gap.
        style: Color, marker and dashes; None draws in the color of the text (the target).
        is_faint: Draws thin and pale, for noisy curves behind others.
        with_markers: Marks every point.
    """

    x: Sequence[float]
    y: Sequence[float]
    style: SeriesStyle | None
    is_faint: bool = False
    with_markers: bool = False


class Panel(NamedTuple):
    """One of several plots side by side.

    Attributes:
        title: Heading.
        x_label: Quantity and unit of the horizontal axis.
        curves: What to draw, first at the back.
    """

    title: str
    x_label: str
    curves: Sequence[Curve]


def line_plot(
    curves: Sequence[Curve],
    title: str,
    x_label: str,
    y_label: str,
    log_y: bool = False,
    whole_x: bool = False,
    y_max: float | None = None,
    y_range: tuple[float, float] | None = None,
) -> Markup:
    """Curves over a common axis.

    Args:
        curves: What to draw, first at the back.
        title: Description for screen readers; the page prints the heading.
        x_label: Quantity and unit of the horizontal axis.
        y_label: Quantity and unit of the vertical axis.
        log_y: Logarithmic vertical axis.
        whole_x: Horizontal ticks at whole numbers only.
        y_max: Where the vertical axis is cut off if curves reach higher.
        y_range: Ends of the vertical axis, whatever the curves.

    Returns:
        SVG element to be put into a page.

    Raises:
        ValueError: If there are no curves.
    """
    if not curves:
        raise ValueError("line_plot needs at least one curve.")
    with names_extra("plots need"):
        from matplotlib import rc_context
        from matplotlib.ticker import MaxNLocator

    with rc_context(_RC):
        figure, axes = _figure(x_label, y_label)
        for curve in curves:
            _draw(axes, curve)
        if log_y:
            axes.set_yscale("log")
            _set_plain(axes.yaxis)
        if whole_x:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(x=0.02)
        if y_max is not None and axes.get_ylim()[1] > y_max:
            axes.set_ylim(top=y_max)
        if y_range is not None:
            axes.set_ylim(y_range)
        return _to_svg(figure, title, {curve.style for curve in curves if curve.style})


def line_panels_png(
    panels: Sequence[Panel],
    y_label: str,
    y_range: tuple[float, float],
    key: Mapping[str, SeriesStyle],
    log_x: bool = False,
) -> bytes:
    """Plots side by side on one vertical scale, black on white, for those who need an image and no page.

    Args:
        panels: From left to right.
        y_label: Quantity and unit of the vertical axis.
        y_range: Its ends.
        key: Names of the styles, for the legend.
        log_x: Logarithmic horizontal axes.

    Returns:
        PNG file.

    Raises:
        ValueError: If there are no panels.
    """
    if not panels:
        raise ValueError("line_panels_png needs at least one panel.")
    with names_extra("plots need"):
        from matplotlib import rc_context
        from matplotlib.figure import Figure

    with rc_context(_RC):
        width, height = _SIZE
        figure = Figure(figsize=(len(panels) * width, height + 0.4), layout="constrained")
        row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, panel in zip(row, panels, strict=True):
            axes.set_title(panel.title, loc="left", fontsize=10.5, fontweight="bold")
            axes.set_xlabel(panel.x_label)
            for curve in panel.curves:
                _draw(axes, curve)
            if log_x:
                axes.set_xscale("log")
                _set_plain(axes.xaxis)
            axes.margins(x=0.08 if log_x else 0.02)
        row[0].set_ylabel(y_label)
        row[0].set_ylim(y_range)
        marked = any(curve.with_markers for panel in panels for curve in panel.curves)
        samples = [_sample(name, style, with_marker=marked) for name, style in key.items()]
        room = len(panels) * width / (_KEY_WIDTH + _LETTER_WIDTH * max(map(len, key), default=0))
        columns = max(1, min(len(samples), _KEYS_PER_PANEL * len(panels), int(room)))
        figure.legend(handles=samples, loc="outside upper left", ncols=columns, frameon=False)
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # an emoji in a name becomes a box
            figure.savefig(buffer, format="png", dpi=160, facecolor="white", metadata={"Software": None})
        return buffer.getvalue()


def heat_map(
    values: np.ndarray,
    extent: tuple[float, float, float, float],
    title: str,
    x_label: str,
    y_label: str,
    scale: tuple[float, float],
) -> Markup:
    """A table of numbers as colored cells: what is below the middle of the scale cool, what is above it warm.

    Args:
        values: `(rows, columns)`, the first row at the bottom.
        extent: Outer edges of the table: left, right, bottom and top, in units of the axes.
        title: Description for screen readers; the page prints the heading.
        x_label: Quantity and unit of the horizontal axis.
        y_label: Quantity and unit of the vertical axis.
        scale: Values of the coolest and the warmest color.

    Returns:
        SVG element to be put into a page.
    """
    with names_extra("plots need"):
        from matplotlib import rc_context
        from matplotlib.colors import LinearSegmentedColormap

    colors = LinearSegmentedColormap.from_list("cool to warm", [_COOL, _MIDDLE, _WARM])
    with rc_context(_RC | {"axes.grid": False}):
        figure, axes = _figure(x_label, y_label)
        drawn = axes.imshow(
            values,
            cmap=colors,
            vmin=scale[0],
            vmax=scale[1],
            extent=extent,
            origin="lower",
            aspect="auto",
            interpolation="nearest",
        )
        bar = figure.colorbar(drawn, ax=axes, ticks=[scale[0], sum(scale) / 2, scale[1]], format="%.4g")
        bar.outline.set_visible(False)  # type: ignore[operator]
        return _to_svg(figure, title, set())


def energy_bars(ratios: Mapping[str, Mapping[str, float]], styles: Mapping[str, SeriesStyle], title: str) -> Markup:
    """Energy of the predictions in each subband, relative to the target.

    Args:
        ratios: For every model the ratio prediction / target of the bands `ll, lh, hl, hh`, 1 = as much energy as the
            target.
        styles: Style of every model.
        title: Description for screen readers; the page prints the heading.

    Returns:
        SVG element to be put into a page.

    Raises:
        ValueError: If there are no ratios.
    """
    if not ratios:
        raise ValueError("energy_bars needs at least one model.")
    with names_extra("plots need"):
        from matplotlib import rc_context

    width = 0.8 / len(ratios)
    with rc_context(_RC):
        figure, axes = _figure("", "energy, % of the target's")
        for index, (name, by_band) in enumerate(ratios.items()):
            positions = [band + (index - (len(ratios) - 1) / 2) * width for band in range(len(BANDS))]
            heights = [100 * by_band[band] for band in BANDS]
            bars = axes.bar(positions, heights, width * 0.88, color=styles[name].light)
            if len(ratios) <= 3:
                axes.bar_label(bars, fmt="%.0f", padding=1.5, fontsize=7.5)
        axes.axhline(100, color=_INK, linewidth=0.9)
        axes.set_xticks(range(len(BANDS)), ["ll\nsmooth", "lh\n↕ detail", "hl\n↔ detail", "hh\ndiagonal"])
        axes.tick_params(axis="x", length=0)
        return _to_svg(figure, title, {styles[name] for name in ratios})


def signed_bars(heights: Mapping[str, float], up: SeriesStyle, down: SeriesStyle, title: str, y_label: str) -> Markup:
    """One bar per name, above or below zero, with its number.

    Args:
        heights: By name, from left to right.
        up: Style of the bars above zero.
        down: Style of those below.
        title: Description for screen readers; the page prints the heading.
        y_label: Quantity and unit of the vertical axis.

    Returns:
        SVG element to be put into a page.

    Raises:
        ValueError: If there are no bars.
    """
    if not heights:
        raise ValueError("signed_bars needs at least one bar.")
    with names_extra("plots need"):
        from matplotlib import rc_context

    with rc_context(_RC):
        figure, axes = _figure("", y_label)
        styles = [up if height >= 0 else down for height in heights.values()]
        bars = axes.bar(list(heights), list(heights.values()), 0.8, color=[style.light for style in styles])
        largest = max(map(abs, heights.values())) or 1.0
        digits = max(1, 1 - math.floor(math.log10(largest)))  # the same for all, lest small numbers be the widest
        axes.bar_label(bars, fmt=f"%+.{digits}f", padding=1.5, fontsize=6.5)
        axes.axhline(0, color=_INK, linewidth=0.9)
        axes.tick_params(axis="x", length=0, labelsize=7.5)
        axes.margins(y=0.12)
        axes.spines["bottom"].set_visible(False)
        return _to_svg(figure, title, set(styles))


def _figure(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    with names_extra("plots need"):
        from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    # The label lies above the axis: nobody tilts the head, least of all a phone.
    axes.set_title(y_label, loc="left", fontsize=9, pad=7)
    axes.set_xlabel(x_label)
    return figure, axes


def _draw(axes: Axes, curve: Curve) -> None:
    style = curve.style
    axes.plot(
        curve.x,
        curve.y,
        color=style.light if style else _INK,
        linestyle=style.dashes if style else "-",
        linewidth=0.8 if curve.is_faint else 1.6,
        alpha=0.45 if curve.is_faint else 1,
        marker=style.marker if style and curve.with_markers else None,
        markersize=3.6,
        solid_capstyle="round",
    )


def _sample(name: str, style: SeriesStyle, *, with_marker: bool) -> Line2D:
    """A line for the legend."""
    with names_extra("plots need"):
        from matplotlib.lines import Line2D

    dashes: Any = style.dashes
    text = shown(name)
    # Matplotlib leaves labels that begin with an underscore out.
    label = f" {text}" if text.startswith("_") else text
    marker = style.marker if with_marker else None
    return Line2D(
        [], [], color=style.light, linestyle=dashes, linewidth=1.6, marker=marker, markersize=3.6, label=label
    )


def _set_plain(axis: XAxis | YAxis) -> None:
    """Plain numbers along a logarithmic axis; within two decades its ticks are at 1, 2, 5 of each decade."""
    with names_extra("plots need"):
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    axis.set_minor_formatter(NullFormatter())
    if high < 100 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _to_svg(figure: Figure, title: str, styles: set[SeriesStyle]) -> Markup:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)  # several plots share a page, and nothing refers to these
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)  # it would speak for the whole page
    svg = re.sub(r"font-family: [^;\"]*", "font-family: system-ui, sans-serif", svg)
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)  # the page sets the size
    svg = svg.replace(_INK, "currentColor")
    for style in styles:
        svg = svg.replace(style.light, f"var({style.variable}, {style.light})")
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
    return Markup(svg)  # safe: matplotlib escapes the texts that it draws
