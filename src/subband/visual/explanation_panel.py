"""Why a classifier decided as it did, as one image for one photograph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from subband.explain.explanation import Explanation
from subband.explain.filters import filter_image, row_centers
from subband.explain.frequencies import PLANES, FrequencyShares
from subband.explain.grad_cam import enlarge, overlay
from subband.explain.occlusion import SubbandDrop
from subband.extras import names_extra
from subband.visual.colors import error_colors, series_styles
from subband.visual.sheet import (
    COLUMN,
    FRAME,
    GAP,
    MARGIN,
    PALE,
    RC,
    RULE,
    SOFT,
    WIDTH,
    Sheet,
    left_of,
    short,
    signed,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import ListedColormap

FOR, AGAINST = (style.light for style in series_styles(("for", "against")).values())
"""Colors of what speaks for a class, and of what speaks against it."""

_HEADING, _BARS, _MAPS, _MAX_FILTERS = 1.1, 1.95, 2.3, 8.0
_BELOW_IMAGES, _BELOW_BARS = 0.72, 0.9


def panel(explanation: Explanation, name: str, facts: str = "", spectra: Mapping[str, Tensor] | None = None) -> bytes:
    """The whole explanation as a PNG file: images above, bars below, then what is known of the network's frequencies.

    Args:
        explanation: What `subband.explain.explanation.explain` returns.
        name: Of the photograph.
        facts: More for the line under the heading, such as the name of the network.
        spectra: What `subband.explain.filters.filter_spectra` returns; left out when empty.

    Returns:
        PNG file, 1893 pixels wide.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    with names_extra("plots need"):
        from matplotlib import rc_context

    shares = explanation.shares
    images = max(1.0, explanation.image.shape[1] / explanation.image.shape[2]) * COLUMN
    bars = _HEADING + images + _BELOW_IMAGES
    below = bars + _BARS + _BELOW_BARS
    height = below - _BELOW_BARS / 4
    if spectra:
        height = below + _filter_size(filter_image(spectra))[0] + MARGIN
    elif shares is not None:
        height = below + _MAPS + MARGIN + 0.45
    with rc_context(RC):
        sheet = Sheet(height)
        _heading(sheet, explanation, name, facts)
        _images(sheet, explanation, _HEADING, images)
        _probabilities(sheet, explanation, bars)
        _drops(sheet, explanation, bars)
        if spectra:
            _filters(sheet, spectra, below)
        elif shares is not None:
            _frequencies(sheet, shares, explanation.explained, below)
        return sheet.png()


def heat_overlay(explanation: Explanation) -> Tensor:
    """The heat map over the image as the network sees it, half and half.

    Args:
        explanation: Of one image.

    Returns:
        `(3, H, W)` in `[0, 1]`.
    """
    return overlay(explanation.image, explanation.heat, torch.from_numpy(error_colors(np.linspace(0, 1, 256))) / 255)


def _heading(sheet: Sheet, explanation: Explanation, name: str, facts: str) -> None:
    height, width = explanation.image.shape[1:]
    best, probability = explanation.top(1)[0]
    others = "" if best == explanation.explained else f"most probable: {short(best, 40)}, {100 * probability:.1f} %"
    line = "   ·   ".join(filter(None, (short(name, 60), others, facts, f"input {width} × {height} pixels")))
    title = f"{short(explanation.explained, 60)}  ·  {100 * explanation.probability:.1f} %"
    sheet.text(MARGIN, 0.41, title, fontsize=16, fontweight="bold", va="baseline")
    sheet.text(MARGIN, 0.63, line, color=SOFT, va="baseline")


def _images(sheet: Sheet, explanation: Explanation, top: float, height: float) -> None:
    seen = explanation.image
    rows, columns = explanation.heat.shape
    alone = f"That map alone, {columns} × {rows} places" if explanation.heat.any() else "No place speaks for the class"
    titles = ("What the network sees", "Where it looked (Grad-CAM)", alone)
    heat = enlarge(explanation.heat, (seen.shape[1], seen.shape[2]))
    panels = (seen.movedim(0, -1), heat_overlay(explanation).movedim(0, -1), heat)
    for column, (title, panel) in enumerate(zip(titles, panels, strict=True)):
        axes = sheet.axes(left_of(column), top, COLUMN, height, title)
        axes.imshow(panel.numpy(), cmap=_heat_colors(), vmin=0, vmax=1)
        axes.set_anchor("NW")
        axes.axis("off")
    _color_bar(sheet, left_of(2) + COLUMN + 0.05, top, COLUMN * seen.shape[1] / seen.shape[2])
    _spectrum(sheet.axes(left_of(3), top, COLUMN, COLUMN, "Its spectrum, levels of subbands"), explanation)


def _color_bar(sheet: Sheet, left: float, top: float, height: float) -> None:
    bar = sheet.axes(left, top, 0.07, height)
    bar.imshow(np.linspace(1, 0, 256)[:, None], cmap=_heat_colors(), aspect="auto", extent=(0, 1, 0, 1))
    bar.axis("off")
    for value, align in ((1, "top"), (0, "bottom")):
        bar.text(1.5, value, str(value), fontsize=8, color=SOFT, va=align, transform=bar.transAxes)


def _spectrum(axes: Axes, explanation: Explanation) -> None:
    """Amplitudes of the Fourier transform, and the frequencies at which the subbands of two levels meet."""
    with names_extra("plots need"):
        from matplotlib.patheffects import withStroke

    spectrum = torch.fft.fftshift(torch.fft.fft2(explanation.image.mean(0))).abs().clamp_min(1e-6).log10()
    ranked = spectrum.flatten().sort().values
    lowest, highest = ranked[len(ranked) // 50].item(), ranked[-2].item()  # the mean outshines everything
    (low, high), (top, bottom) = (_edges(side) for side in reversed(explanation.image.shape[1:]))
    place = (low, high, bottom, top)
    axes.imshow(spectrum.numpy(), cmap="Grays_r", vmin=lowest, vmax=highest, extent=place, interpolation="nearest")
    outline = [withStroke(linewidth=2, foreground="black")]
    for number in range(1, _level(explanation.drops) + 1):
        side = 0.5 / 2 ** (number - 1)
        inner = side / 2
        axes.plot([-inner, inner, inner, -inner, -inner], [-inner, -inner, inner, inner, -inner], color=FRAME, lw=1)
        axes.text(0, -0.75 * side, str(number), color=FRAME, fontsize=9, ha="center", va="center", path_effects=outline)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)
    axes.set_xticks([low, 0, high], ["−½", "0", "½ cycles per pixel"], fontsize=8, color=SOFT)
    axes.get_xticklabels()[2].set_horizontalalignment("right")
    axes.get_xticklabels()[0].set_horizontalalignment("left")
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _edges(side: int) -> tuple[float, float]:
    """Where the first pixel of a shifted spectrum begins and its last one ends, in cycles per pixel."""
    first = -(side // 2) - 0.5
    return first / side, first / side + 1


def _probabilities(sheet: Sheet, explanation: Explanation, top: float) -> None:
    best = explanation.top()
    axes = sheet.axes(left_of(0), top, COLUMN, _BARS, "Most probable classes, %")
    colors = [FOR if name == explanation.explained else PALE for name, _ in best]
    axes.barh(range(len(best)), [100 * p for _, p in best], 0.2, color=colors)
    for row, (name, probability) in enumerate(best):
        axes.text(0, row - 0.2, short(name, 34), va="bottom")
        axes.text(100, row - 0.2, f"{100 * probability:.1f}", va="bottom", ha="right")
        axes.plot([0, 100], [row, row], color=RULE, linewidth=0.8, zorder=0)
    axes.set_xlim(0, 100)
    axes.set_ylim(len(best) - 0.7, -0.75)
    axes.axis("off")


def _drops(sheet: Sheet, explanation: Explanation, top: float) -> None:
    left, width = left_of(1) + 0.3, 3 * COLUMN + 2 * GAP - 0.3
    title = f"What “{short(explanation.explained)}” loses without one subband: drop of its logit"
    draw_drops(sheet.axes(left, top, width, _BARS, title), explanation.drops)
    hint = "LH horizontal edges, HL vertical, HH diagonal"
    sheet.text(left + width, top - 0.11, hint, va="baseline", ha="right", fontsize=8.5, color=SOFT)


def draw_drops(axes: Axes, drops: Sequence[SubbandDrop]) -> None:
    """Bars of what a class loses with each subband, in one group per level.

    Args:
        axes: Where to draw.
        drops: Of one image.
    """
    level = _level(drops)
    values = [drop.logit.item() for drop in drops]
    places = [0.0] + [1.5 + 3.5 * group + index for group in range(level) for index in range(3)]
    bars = axes.bar(places, values, 0.78, color=[FOR if value >= 0 else AGAINST for value in values])
    axes.bar_label(bars, [signed(value) for value in values], padding=2, fontsize=8.5)
    axes.hlines(0, -0.5, places[-1] + 0.5, color=SOFT, linewidth=0.8)
    axes.set_xticks(places, [drop.name for drop in drops])
    words = ["coarsest details", *["details"] * (level - 2), "finest details"] if level > 1 else ["details"]
    for place, text in zip((0.0, *places[2::3]), ("smooth part", *words), strict=True):
        axes.text(
            place, -0.17, text, transform=axes.get_xaxis_transform(), ha="center", va="top", fontsize=8.5, color=SOFT
        )
    axes.set_xlim(-0.75, max(places[-1], 6.0) + 0.75)
    low, high = min(0.0, *values), max(0.0, *values)
    room = max(high - low, 0.05)  # nothing stays nothing
    axes.set_ylim(low - 0.16 * room * (low < 0), max(high, low + room) + 0.16 * room)
    axes.tick_params(axis="y", labelsize=8.5, labelcolor=SOFT)
    axes.spines[:].set_visible(False)


def _filter_size(image: np.ndarray) -> tuple[float, float]:
    """Height and width in inches: as wide as the sheet unless that is too high."""
    ratio = image.shape[0] / image.shape[1]
    height = min((WIDTH - 2 * MARGIN - 0.25) * ratio, _MAX_FILTERS)
    return height, height / ratio


def _filters(sheet: Sheet, spectra: Mapping[str, Tensor], top: float) -> None:
    image, count = filter_image(spectra), len(spectra)
    height, width = _filter_size(image)
    title = (
        f"Its {count} global filters, one row each: how much of every frequency they let through "
        "(blue: most; middle: zero frequency)"
    )
    sheet.text(MARGIN, top - 0.11, title, va="baseline", fontsize=10)
    axes = sheet.axes(MARGIN + 0.25, top, width, height)
    axes.imshow(image)
    numbers = [str(number) for number in range(1, count + 1)]
    axes.set_yticks(row_centers(spectra), numbers, fontsize=8, color=SOFT)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)


def _frequencies(sheet: Sheet, shares: FrequencyShares, name: str, top: float) -> None:
    """Three maps of 8 x 8; gray for frequencies that the network does not take, a cross for those its gate drops."""
    with names_extra("plots need"):
        from matplotlib.colors import LinearSegmentedColormap

    diverging = LinearSegmentedColormap.from_list("for", [AGAINST, "white", FOR]).with_extremes(bad="#eceae5")
    values, is_kept = shares.logit[0], shares.is_kept[0]
    limit = values.nan_to_num().abs().max().item() or 1.0
    sheet.text(
        MARGIN,
        top - 0.11,
        f"What the cosine frequencies add to the logit of “{short(name)}”",
        va="baseline",
        fontsize=10,
    )
    for column, (plane, share, kept) in enumerate(zip(PLANES, values, is_kept, strict=True)):
        axes = sheet.axes(left_of(column) + 0.2, top + 0.25, _MAPS, _MAPS)
        axes.set_title(plane, loc="left", fontsize=9.5, color=SOFT, pad=4)
        axes.imshow(share.numpy(), cmap=diverging, vmin=-limit, vmax=limit)
        dropped = (~kept & ~share.isnan()).nonzero()
        axes.plot(dropped[:, 1], dropped[:, 0], "x", color=SOFT, markersize=5, markeredgewidth=0.8)
        axes.set_xticks([0, 7], ["0", "7"], fontsize=8, color=SOFT)
        axes.set_yticks([0, 7], ["0", "7"], fontsize=8, color=SOFT)
        axes.spines[:].set_visible(True)
    taken, kept_count = int((~values.isnan()).sum()), int(is_kept.sum())
    lines = [
        "Blue raises the logit, orange lowers it;",
        f"full color is {limit:.3g}.",
        "Rows: vertical frequency,",
        "columns: horizontal frequency.",
    ]
    if taken < values.numel():
        lines.append("Gray: no input of this network.")
    if kept_count < taken:
        lines.append(f"×: dropped by the gate, {taken - kept_count} of {taken}.")
    sheet.text(left_of(3), top + 0.25, "\n".join(lines), va="top", fontsize=8.5, color=SOFT, linespacing=1.6)


def _level(drops: Sequence[SubbandDrop]) -> int:
    return (len(drops) - 1) // 3


def _heat_colors() -> ListedColormap:
    with names_extra("plots need"):
        from matplotlib.colors import ListedColormap

    return ListedColormap(error_colors(np.linspace(0, 1, 256)) / 255)
