"""What the score of one detection depends on, as one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.data.detection.preprocessing import DetectionPreprocessing
from subband.explain.detection import DetectionExplanation
from subband.extras import names_extra
from subband.visual.colors import series_styles
from subband.visual.sheet import COLUMN, GAP, MARGIN, RC, RULE, SOFT, WIDTH, Sheet, left_of, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EVERYWHERE, INSIDE = (style.light for style in series_styles(("everywhere", "inside")).values())
"""Colors of scores without a subband anywhere, and without it inside the box."""

_HEADING, _BARS, _BELOW = 1.1, 1.95, 0.62  # inches
_HIGHEST = 5.0  # of the photograph
_CONTEXT = 1.7  # sides of the part around a box, in sides of the box
_SHOWN = 0.3  # score from which other objects are shown, as `subband detect` does
_PIXELS = 160  # along a side of such a part


def detection_panel(
    explanation: DetectionExplanation,
    inputs: Tensor,
    preprocessing: DetectionPreprocessing,
    *,
    classes: Sequence[str],
    name: str,
    facts: str = "",
) -> bytes:
    """The whole explanation as a PNG file: the image with its objects, the object without each subband, its scores.

    Args:
        explanation: What `subband.explain.detection.explain_detection` returns.
        inputs: The image that it is about, normalized, `(3, H, W)`.
        preprocessing: How it was normalized.
        classes: Names in order of the labels.
        name: Of the photograph.
        facts: More for the line under the heading, such as the name of the network.

    Returns:
        PNG file, 1893 pixels wide.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    with names_extra("plots need"):
        from matplotlib import rc_context

    image = _pixels(preprocessing, inputs.cpu())
    height, width = image.shape[1:]
    wide = min(2 * COLUMN + GAP, _HIGHEST * width / height)
    high = wide * height / width
    parts = _HEADING + max(high, COLUMN) + 0.55
    side = (WIDTH - 2 * MARGIN) / len(explanation.drops)
    bars = parts + side + 0.35
    label = classes[int(explanation.found.labels[explanation.index])]
    with rc_context(RC):
        sheet = Sheet(bars + _BARS + _BELOW)
        title = f"{short(label, 60)}  ·  score {explanation.score:.2f}"
        sheet.text(MARGIN, 0.41, title, fontsize=16, fontweight="bold", va="baseline")
        which = f"detection {explanation.index}, from 0"
        line = "   ·   ".join(filter(None, (short(name, 60), which, facts, f"input {width} × {height} pixels")))
        sheet.text(MARGIN, 0.63, line, color=SOFT, va="baseline")
        _objects(sheet.axes(MARGIN, _HEADING, wide, high, "What the network finds"), image, explanation)
        close = sheet.axes(left_of(2), _HEADING, COLUMN, COLUMN, "The object")
        _show(close, _part(image, explanation.found.boxes[explanation.index]))
        _words(sheet, explanation)
        title = "The object without one subband of the image, and its score then"
        sheet.text(MARGIN, parts - 0.11, title, va="baseline", fontsize=10)
        for place, variant in enumerate(explanation.variants.values()):
            axes = sheet.axes(MARGIN + (place + 0.04) * side, parts, 0.92 * side, 0.92 * side)
            _show(axes, _part(_pixels(preprocessing, variant), explanation.found.boxes[explanation.index]))
        draw_scores(sheet.axes(MARGIN, bars, WIDTH - 2 * MARGIN, _BARS), explanation)
        return sheet.png()


def draw_scores(axes: Axes, explanation: DetectionExplanation) -> None:
    """A pair of bars for each subband: the score without it everywhere, and without it inside the box alone.

    Args:
        axes: Where to draw.
        explanation: Of one detection.
    """
    drops = explanation.drops
    for shift, color, values in (
        (-0.2, EVERYWHERE, [drop.everywhere for drop in drops]),
        (0.2, INSIDE, [drop.inside for drop in drops]),
    ):
        bars = axes.bar([place + shift for place in range(len(drops))], values, 0.36, color=color)
        small = min(8.5, 100 / len(drops))
        axes.bar_label(bars, [f"{value:.2f}" for value in values], padding=2, fontsize=small)
    axes.axhline(explanation.score, color=SOFT, linewidth=0.8, linestyle="--", zorder=0)
    axes.set_xticks(range(len(drops)), [drop.name for drop in drops])
    level = (len(drops) - 1) // 3
    words = ["coarsest details", *["details"] * (level - 2), "finest details"] if level > 1 else ["details"]
    for place, text in zip((0, *range(2, len(drops), 3)), ("smooth part", *words), strict=True):
        axes.text(
            place, -0.17, text, transform=axes.get_xaxis_transform(), ha="center", va="top", fontsize=8.5, color=SOFT
        )
    axes.set_xlim(-0.5, len(drops) - 0.5)
    axes.set_ylim(0, 1.16 * max(explanation.score, *(max(drop.everywhere, drop.inside) for drop in drops)))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _words(sheet: Sheet, explanation: DetectionExplanation) -> None:
    """What the colors mean, and what comes out."""
    lowest = explanation.decisive
    context = min(explanation.drops, key=lambda drop: drop.everywhere - drop.inside)
    lines = [
        (f"Score in the photograph: {explanation.score:.2f} (dashed)", SOFT),
        ("■ one subband missing everywhere", EVERYWHERE),
        ("■ missing inside the box alone", INSIDE),
        ("0.00: no longer found", SOFT),
        ("", SOFT),
        (f"Most depends on {lowest.name}: {lowest.everywhere:.2f} without it.", SOFT),
    ]
    if context.inside - context.everywhere > 0.1:
        lines.append((f"{context.name} counts around the box, too.", SOFT))
    lines += [("", SOFT), ("LH: horizontal edges, HL: vertical,", SOFT), ("HH: diagonal; level 1 is the finest", SOFT)]
    for place, (text, color) in enumerate(lines):
        sheet.text(left_of(3), _HEADING + 0.2 * place, text, va="top", fontsize=8.5, color=color)


def _objects(axes: Axes, image: Tensor, explanation: DetectionExplanation) -> None:
    """The image with the boxes of its objects, the explained one in color."""
    with names_extra("plots need"):
        from matplotlib.patches import Rectangle

    _show(axes, image)
    scores = explanation.found.scores.tolist()
    others = [place for place, score in enumerate(scores) if score >= _SHOWN and place != explanation.index]
    for place in (*reversed(others), explanation.index):
        left, top, right, bottom = explanation.found.boxes[place].tolist()
        is_it = place == explanation.index
        for color, line in (("white", 3.4), (EVERYWHERE, 2.0)) if is_it else ((SOFT, 1.6), ("white", 0.9)):
            axes.add_patch(
                Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, ec=color, lw=line)
            )


def _show(axes: Axes, image: Tensor) -> None:
    axes.imshow(image.movedim(0, -1).numpy(), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(RULE)


def _pixels(preprocessing: DetectionPreprocessing, inputs: Tensor) -> Tensor:
    return preprocessing.denormalize(inputs.float()).clamp(0, 1)


def _part(image: Tensor, box: Tensor) -> Tensor:
    """A square around a box, white where it reaches beyond the image, `(3, S, S)`."""
    left, top, right, bottom = box.tolist()
    half = max(_CONTEXT * max(right - left, bottom - top) / 2, 4.0)
    centers = ((right + left) / 2, (bottom + top) / 2)
    steps = (torch.arange(_PIXELS) + 0.5) / _PIXELS * 2 - 1
    columns, rows = (center + half * steps for center in centers)
    height, width = image.shape[1:]
    grid = torch.stack(torch.broadcast_tensors(2 * columns[None] / width - 1, 2 * rows[:, None] / height - 1), dim=-1)
    part = F.grid_sample(1 - image[None], grid[None], mode="bilinear", align_corners=False)[0]
    return 1 - part
