"""Scores of detectors in the report: curves, what every class reaches, and what objects are taken for."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from markupsafe import Markup

from subband.visual.html import details, emphasis, figure, findings, legend, note, percent, plots, stack, strong, table
from subband.visual.plots import Curve, line_plot
from subband.visual.report.classification_scores import MAX_TABLE, count_tables
from subband.visual.report.runs import Row
from subband.visual.report.task_report import Styles

_LOW, _HIGH = "0.50", "0.75"  # overlaps, strong and pale
_MAX_CURVES = 11  # classes; with the mean they fill rows of two, three and four plots
_MISTAKES = 4
_RANGE = (0.0, 102.0)  # %; a curve along the upper edge stays whole


def choice_findings(rows: Sequence[Row]) -> Markup:
    """What every model finds at the score that suits it best; nothing without numbers."""
    items = []
    for row in rows:
        if chosen := row.facts.get("choice"):
            objects, boxes = chosen["hits"] + chosen["missed"], chosen["hits"] + chosen["wrong"]
            items.append(
                strong(row.label)
                + f" does best with boxes of score {chosen['min_score']:g} or more: it finds {chosen['hits']} of "
                f"{objects} objects ({_share(chosen['hits'], objects)}), and {_share(chosen['hits'], boxes)} of its "
                f"{boxes} boxes are right (F1 {_share(2 * chosen['hits'], objects + boxes)})."
            )
    return findings(items)


def curve_plots(rows: Sequence[Row], styles: Styles) -> Markup:
    """Precision by recall over all classes and of each, the hardest first, and F1 by score; nothing without curves."""
    shown = [row for row in rows if row.facts.get("curves")]
    if not shown:
        return Markup()
    title = "All classes, mean"
    figures = [figure(title, _precision_plot(shown, styles, title, None))]
    if f1 := [_f1_curve(row, styles) for row in shown if row.facts.get("choice")]:
        title = "F1 by least score"
        figures.append(figure(title, line_plot(f1, title, "least score of a box", "F1, %", y_range=_RANGE)))
    names = sorted(
        {name for row in shown for name in row.facts["curves"]},
        key=lambda name: (fmean(row.facts["per_class"].get(name, 0.0) for row in shown), name),
    )
    figures += [figure(name, _precision_plot(shown, styles, name, name)) for name in names[:_MAX_CURVES]]
    left = len(names) - _MAX_CURVES
    rest = note(f"The {_MAX_CURVES} hardest classes; {left} more are in scores.json.") if left > 0 else Markup()
    return stack(plots(figures, legend({row.label: styles[row.label] for row in shown})), rest)


def class_tables(rows: Sequence[Row], classes: Sequence[str]) -> Markup:
    """All numbers of every class, a table for every model, in a part that folds away; nothing without numbers."""
    tables = {row.label: _class_table(row.facts, classes) for row in rows if row.facts.get("curves")}
    parts = [stack(strong(label), content) if len(tables) > 1 else content for label, content in tables.items()]
    return details("All numbers of the classes", stack(*parts), len(tables) == 1) if tables else Markup()


def taken_findings(rows: Sequence[Row], classes: Sequence[str]) -> Markup:
    """The most frequent mistakes of every model, in words; nothing without numbers."""
    items = []
    for row in rows:
        if not (counts := row.facts.get("confusion")):
            continue
        names = [*map(emphasis, classes), None]
        found = sorted(
            ((count, i, j) for i, line in enumerate(counts) for j, count in enumerate(line) if count and i != j),
            key=lambda mistake: (-mistake[0], mistake[1:]),
        )
        told = [_mistake(names[i], names[j], count, sum(counts[i])) for count, i, j in found[:_MISTAKES]]
        words = "most frequent mistakes: " + Markup(", ").join(told) if told else "no mistake at all"
        items.append(strong(row.label) + ", " + words + ".")
    return findings(items)


def taken_tables(rows: Sequence[Row], classes: Sequence[str]) -> Markup:
    """What objects of every class are taken for, a table of counts per model; nothing without room."""
    if len(classes) > MAX_TABLE:
        return Markup()
    found = {row.label: row.facts["confusion"] for row in rows if row.facts.get("confusion")}
    return count_tables(
        found,
        [*classes, "no object"],
        [*classes, "missed"],
        "Rows: what the images show. Columns: what it was taken for. Only boxes of the score that suits the model "
        "best, or more, count. A box stands for the object that it overlaps most, by half or more; those of the right "
        "class choose first.",
    )


def _precision_plot(rows: Sequence[Row], styles: Styles, title: str, name: str | None) -> Markup:
    """Curves of one class, or means over all classes."""
    curves = []
    for overlap in (_HIGH, _LOW):
        for row in rows:
            every = row.facts["curves"]
            chosen = [every[name]] if name in every else list(every.values()) if name is None else []
            if chosen:
                values = [100 * fmean(column) for column in zip(*(one[overlap] for one in chosen), strict=True)]
                curves.append(Curve(range(len(values)), values, styles[row.label], is_faint=overlap == _HIGH))
    return line_plot(curves, f"Precision by recall: {title}", "recall, %", "precision, %", y_range=_RANGE)


def _f1_curve(row: Row, styles: Styles) -> Curve:
    points = row.facts["choice"]["f1"]
    return Curve([float(score) for score in points], [100 * value for value in points.values()], styles[row.label])


def _class_table(facts: dict[str, Any], classes: Sequence[str]) -> Markup:
    counts = facts.get("confusion")
    heads = ["Class", "AP, %", "AP50, %", "AP75, %", *(["Objects", "Found, %", "Right boxes, %"] if counts else [])]
    rows = []
    for index, name in enumerate(classes):
        if (own := facts["curves"].get(name)) is None:
            continue
        values = [facts["per_class"][name], fmean(own[_LOW]), fmean(own[_HIGH])]
        cells = [f"{100 * value:.1f}" for value in values]
        if counts:
            hits, objects = counts[index][index], sum(counts[index])
            boxes = sum(line[index] for line in counts)
            shares = (f"{100 * hits / number:.1f}" if number else "–" for number in (objects, boxes))
            cells += [str(objects), *shares]
        rows.append([name, *cells])
    return table(heads, rows)


def _mistake(true: Markup | None, found: Markup | None, count: int, objects: int) -> Markup:
    if true is None:
        boxes = "one box" if count == 1 else f"{count} boxes"
        return Markup("{} of {} where there is no object").format(boxes, found)  # safe: escapes what it is given
    what = "missed" if found is None else Markup("taken for {}").format(found)  # safe: likewise
    return Markup("{} {} ({} of {})").format(true, what, count, objects)  # safe: likewise


def _share(part: int, whole: int) -> str:
    return percent(part / whole if whole else 0.0, digits=1)
