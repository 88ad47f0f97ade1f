"""The score table of the report: what each metric means, which value is best, what is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from subband.metrics.descriptors import MetricInfo, describe_metrics
from subband.visual.colors import SeriesStyle
from subband.visual.html import arrow, best, details, faint, footnotes, hint, named, stack, table
from subband.visual.report.runs import Row

MISSING = faint("not computed")


def score_table(rows: Sequence[Row], styles: dict[str, SeriesStyle], metrics: Sequence[MetricInfo]) -> Markup:
    """Main metrics with the cost of each model, the best value of each bold, then further metrics, unfolded on demand.

    Args:
        rows: Models and the baseline.
        styles: Color of every label.
        metrics: Those of the task; what no row holds is left out.

    Returns:
        The tables, with footnotes that define every metric shown.
    """
    shown = describe_metrics(metrics, [key for row in rows for key in row.facts["metrics"]])
    main = [metric for metric in shown if metric.is_main]
    others = [metric for metric in shown if not metric.is_main]
    blocks = [_render(rows, styles, _metric_columns(rows, main) + _cost_columns()), _footnotes(main)]
    if others:
        further = stack(_render(rows, styles, _metric_columns(rows, others)), _footnotes(others))
        blocks.append(details("Further metrics", further))
    return stack(*blocks)


def verdict(rows: Sequence[Row]) -> str:
    """A sentence that sets the squared error of every model against the baseline's; empty without a baseline."""
    baseline = next((row for row in rows if row.is_baseline), None)
    reference = _value(baseline, "mse") if baseline else None
    values = {row.label: _value(row, "mse") for row in rows if not row.is_baseline}
    findings = [
        f"{label} {_change(value / reference)}" for label, value in values.items() if value is not None and reference
    ]
    return f"Squared error against repeating the last frame: {', '.join(findings)}." if findings else ""


def _change(ratio: float) -> str:
    percent = 100 * (ratio - 1)
    if math.isnan(ratio):
        return "not a number"
    return "the same" if abs(percent) < 0.5 else f"{abs(percent):.0f}\u202f% {'lower' if percent < 0 else 'higher'}"


Column = tuple[str, Callable[[Row], str]]


def _metric_columns(rows: Sequence[Row], metrics: Sequence[MetricInfo]) -> list[Column]:
    return [_metric_column(rows, metric) for metric in metrics]


def _metric_column(rows: Sequence[Row], metric: MetricInfo) -> Column:
    values = [value for row in rows if (value := _value(row, metric.key)) is not None and not math.isnan(value)]
    winner = (max if metric.higher_is_better else min)(values, default=None)

    def cell(row: Row) -> str:
        value = _value(row, metric.key)
        if value is None:
            return MISSING
        return best(metric.text(value)) if value == winner else metric.text(value)

    return arrow(metric.label, metric.higher_is_better), cell


def _cost_columns() -> list[Column]:
    return [
        ("Parameters", lambda row: _count(row.facts.get("parameters"))),
        ("Training", lambda row: _duration(row.facts.get("train_seconds"))),
        ("Steps", lambda row: _whole(row.facts.get("steps"))),
        ("Seed", lambda row: _whole(row.facts.get("seed"))),
    ]


def _render(rows: Sequence[Row], styles: dict[str, SeriesStyle], columns: list[Column]) -> Markup:
    body = [[named(row.label, styles[row.label]), *(cell(row) for _, cell in columns)] for row in rows]
    return table(["Model", *(head for head, _ in columns)], body)


def _footnotes(metrics: Sequence[MetricInfo]) -> Markup:
    return footnotes([(metric.heading, metric.definition) for metric in metrics])


def _value(row: Row, key: str) -> float | None:
    value: Any = row.facts["metrics"].get(key)
    return None if value is None else float(value)


def _whole(value: Any) -> str:
    return "–" if value is None else f"{int(value):,}".replace(",", "\u202f")


def _count(value: Any) -> str:
    if not value:
        return "–" if value is None else "0"
    short = f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value / 1e3:.1f} k" if value >= 1e3 else str(value)
    return hint(short, str(int(value)))


def _duration(seconds: Any) -> str:
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    return hint(text, f"{seconds:.1f} s")
