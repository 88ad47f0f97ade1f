"""Scores of classifiers in the report: the verdict, the accuracy of every class, and which class is taken for which."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from subband.visual.html import details, emphasis, findings, heading, legend, note, percent, render, stack, strong
from subband.visual.report.runs import Row, Run
from subband.visual.report.task_report import Styles

MAX_TABLE = 30
"""Classes of a confusion matrix that a page has room for."""

_MANY = 40  # with more classes than this, only the worst and the best are shown
_ENDS = 20  # so many of either
_MISTAKES = 3
_NAME_WIDTH = 18  # characters; longer names are broken
_Z = 1.96  # 95 % of a normal distribution


def verdict(runs: Sequence[Run], rows: Sequence[Row]) -> str:
    """Which model is right how often, how sure that is, and how often guessing would be; plain text."""
    data = runs[0].data
    images, guessing = int(data["images"]), 100 / len(data["classes"])
    first, *others = sorted(rows, key=lambda row: -row.facts["metrics"]["top1"])
    low, high = interval(first.facts["metrics"]["top1"], images)
    amount = f"{images:,}".replace(",", "\u202f")
    text = (
        f"{first.label} names the right class of {_percent(first)} of {amount} test images "
        f"(95\u202f% interval {100 * low:.1f} to {100 * high:.1f}\u202f%; guessing: {guessing:.2g}\u202f%)."
    )
    if others:
        text += f" Next comes {others[0].label} with {_percent(others[0])}"
        settled = interval(others[0].facts["metrics"]["top1"], images)[1] < low
        text += "." if settled else "; the intervals overlap, so these images do not settle which of the two is better."
    return text


def interval(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share.

    Args:
        share: In [0, 1].
        count: Of how many samples.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 1927.

    Example:
        >>> [round(end, 3) for end in interval(0.9, 100)]
        [0.826, 0.945]
    """
    spread = _Z**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def class_bars(rows: Sequence[Row], styles: Styles) -> Markup:
    """Accuracy of every class as bars, the worst first; of many classes only the ends; nothing without numbers."""
    shown = [row for row in rows if row.facts.get("per_class")]
    if not shown:
        return Markup()
    names = set.intersection(*(set(row.facts["per_class"]) for row in shown))
    ordered = sorted(names, key=lambda name: (sum(row.facts["per_class"][name] for row in shown), name))
    key = legend({row.label: styles[row.label] for row in shown})
    if len(ordered) <= _MANY:
        return stack(key, _bars(ordered, shown, styles))
    worst, best = ordered[:_ENDS], ordered[: -_ENDS - 1 : -1]
    return stack(
        key,
        heading(f"The {_ENDS} hardest of {len(ordered)} classes"),
        _bars(worst, shown, styles),
        heading(f"The {_ENDS} easiest"),
        _bars(best, shown, styles),
    )


def confusion_findings(rows: Sequence[Row], classes: Sequence[str]) -> Markup:
    """The most frequent mistakes of every model, in words; nothing without numbers."""
    items = []
    for row in rows:
        counts = row.facts.get("confusion")
        if not counts:
            continue
        mistakes = sorted(
            ((count, i, j) for i, line in enumerate(counts) for j, count in enumerate(line) if count and i != j),
            key=lambda mistake: (-mistake[0], mistake[1:]),
        )
        listed = Markup(", ").join(
            emphasis(classes[i]) + " taken for " + emphasis(classes[j]) + f" ({count} of {sum(counts[i])})"
            for count, i, j in mistakes[:_MISTAKES]
        )
        words = "most frequent mistakes: " + listed if mistakes else "no mistake at all"
        items.append(strong(row.label) + ", " + words + ".")
    return findings(items)


def confusion_tables(rows: Sequence[Row], classes: Sequence[str]) -> Markup:
    """A table of counts per model: what images show, and what they were taken for; nothing without room."""
    if len(classes) > MAX_TABLE:
        return Markup()
    explanation = "Rows: what the images show. Columns: what they were taken for. Counts of test images."
    found = {row.label: row.facts["confusion"] for row in rows if row.facts.get("confusion")}
    return count_tables(found, classes, classes, explanation)


def count_tables(
    counts: Mapping[str, Sequence[Sequence[int]]], rows: Sequence[str], columns: Sequence[str], explanation: str
) -> Markup:
    """A table of counts per model, of several models in parts that fold away; nothing without counts.

    Args:
        counts: By the name of the model, a line for each row. What is right lies on the diagonal.
        rows: Names of the rows.
        columns: Names of the columns.
        explanation: What rows and columns are.
    """
    tables = {label: _confusion(lines, rows, columns) for label, lines in counts.items()}
    if not tables:
        return Markup()
    first = next(iter(tables))
    if len(tables) == 1:
        return stack(note(explanation), tables[first])
    folded = [details(f"Table of {label}", content, is_open=label == first) for label, content in tables.items()]
    return stack(note(explanation), *folded)


def _percent(row: Row) -> str:
    return percent(row.facts["metrics"]["top1"], digits=1)


def _bars(names: Sequence[str], rows: Sequence[Row], styles: Styles) -> Markup:
    width = min(max(map(len, names)), _NAME_WIDTH)
    return render("classes.html.jinja", names=names, rows=rows, styles=styles, width=width + 1)


class _Cell(NamedTuple):
    """A cell of a confusion matrix: its number, and how much of which color lies under it."""

    number: int
    shade: float
    variable: str


def _confusion(counts: Sequence[Sequence[int]], rows: Sequence[str], columns: Sequence[str]) -> Markup:
    lines = [
        (name, [_cell(count, max(sum(line), 1), i == j) for j, count in enumerate(line)])
        for i, (name, line) in enumerate(zip(rows, counts, strict=True))
    ]
    return render("confusion.html.jinja", classes=columns, rows=lines, is_long=max(map(len, columns)) > 3)


def _cell(count: int, total: int, is_right: bool) -> _Cell:
    shade = 12 + 48 * math.sqrt(count / total)  # the root lets rare mistakes show; below 60 % the figures stay readable
    return _Cell(count, shade, "--series-1" if is_right else "--series-2")
