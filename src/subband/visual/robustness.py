"""Curves of accuracy against low-pass radius, high-pass radius and JPEG quality, and what they say in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from subband.visual.colors import BASELINES, SeriesStyle, series_styles
from subband.visual.html import findings, strong
from subband.visual.plots import Curve, Panel, line_panels_png

GUESSING = "guessing"
Y_RANGE = (0.0, 100.0)
_KEPT = 0.9  # share of the accuracy that counts as kept
_ROUNDING = 1e-9
# Distortion, heading, horizontal axis, and what the strength of a distortion that is still borne says.
_PANELS = (
    (
        "low_pass",
        "Low frequencies alone",
        "kept up to this share of Nyquist",
        "from the frequencies up to {:g} of Nyquist alone",
    ),
    (
        "high_pass",
        "High frequencies alone",
        "removed up to this share of Nyquist",
        "without the frequencies up to {:g} of Nyquist",
    ),
    ("jpeg", "JPEG", "quality", "at JPEG quality {:g}"),
)

Rows = Sequence[Mapping[str, Any]]


def robustness_panels(
    rows: Mapping[str, Rows], styles: Mapping[str, SeriesStyle], num_classes: int
) -> tuple[list[Panel], dict[str, SeriesStyle]]:
    """Accuracy over the strength of every distortion; pale lines are the accuracy on images as they are.

    Args:
        rows: What `subband.tasks.classification.robustness.robustness` returns, by label of the model.
        styles: Style of every label.
        num_classes: Says how often guessing is right.

    Returns:
        Panels with anything in them, and the key of their styles.
    """
    guessing = series_styles(BASELINES)[BASELINES[0]]
    panels = []
    for name, title, x_label, _ in _PANELS:
        curves = [curve for label, own in rows.items() for curve in _curves(own, name, styles[label])]
        if curves:
            ends = [min(min(curve.x) for curve in curves), max(max(curve.x) for curve in curves)]
            panels.append(Panel(title, x_label, [Curve(ends, [100 / num_classes] * 2, guessing), *curves]))
    return panels, {**{label: styles[label] for label in rows}, GUESSING: guessing}


def robustness_png(rows: Rows, label: str, num_classes: int) -> bytes:
    """The panels of one model as a PNG file.

    Args:
        rows: What `subband.tasks.classification.robustness.robustness` returns.
        label: Name of the model.
        num_classes: Says how often guessing is right.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    panels, key = robustness_panels({label: rows}, series_styles([label]), num_classes)
    return line_panels_png(panels, "top-1, %", Y_RANGE, key)


def robustness_findings(rows: Mapping[str, Rows]) -> Markup:
    """What each model bears without losing more than a tenth of its accuracy, computed from the rows."""
    items = []
    for label, own in rows.items():
        borne = [text.format(limit) for name, _, _, text in _PANELS if (limit := _limit(own, name)) is not None]
        listed = f"{', '.join(borne[:-1])}{' and ' if borne[:-1] else ''}{borne[-1]}" if borne else ""
        words = (
            f"keeps nine tenths of its accuracy {listed}"
            if borne
            else "loses more than a tenth of its accuracy everywhere"
        )
        items.append(strong(label) + f" {words}.")
    return findings(items)


def _curves(rows: Rows, name: str, style: SeriesStyle) -> list[Curve]:
    points = sorted((row["strength"], 100 * row["top1"]) for row in rows if row["distortion"] == name)
    if not points:
        return []
    x, y = [strength for strength, _ in points], [top1 for _, top1 in points]
    plain = 100 * _plain(rows)["top1"]
    return [Curve([x[0], x[-1]], [plain, plain], style, is_faint=True), Curve(x, y, style, with_markers=True)]


def _limit(rows: Rows, name: str) -> float | None:
    """The strongest distortion up to which, from the weakest on, accuracy is kept; None if it never is."""
    enough = _KEPT * _plain(rows)["top1"] - _ROUNDING
    own = sorted((row["strength"], row["top1"]) for row in rows if row["distortion"] == name)
    limit = None
    for strength, top1 in own if name == "high_pass" else reversed(own):
        if top1 < enough:
            break
        limit = strength
    return limit


def _plain(rows: Rows) -> Mapping[str, Any]:
    return next(row for row in rows if row["distortion"] == "none")
