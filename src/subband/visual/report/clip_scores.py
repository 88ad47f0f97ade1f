"""Scores of single clips in the report."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from subband.metrics.descriptors import MetricInfo, describe_metrics
from subband.visual.colors import SeriesStyle
from subband.visual.html import arrow, best, details, named, section, stack, table
from subband.visual.report.runs import Row

_MOST_OPEN = 30  # rows of a table that is unfolded at first


def clip_tables(rows: Sequence[Row], styles: dict[str, SeriesStyle], metrics: Sequence[MetricInfo]) -> list[Markup]:
    """A section with a table of all clips for every metric; none where there are fewer than two clips with names.

    Args:
        rows: Models and the baseline.
        styles: Color of every label.
        metrics: Those of the task.
    """
    scored = [row for row in rows if row.facts.get("per_clip")]
    clips = list(dict.fromkeys(clip for row in scored for clip in row.facts["per_clip"]))
    if len(clips) < 2:
        return []
    present = [key for row in scored for values in row.facts["per_clip"].values() for key in values]
    blocks = [_table(metric, clips, scored, styles) for metric in describe_metrics(metrics, present)]
    content = details(f"{len(clips)} clips", stack(*blocks), is_open=len(clips) <= _MOST_OPEN)
    return [section("Clip by clip", "Averages over the frames of every test clip; the best of each in bold.", content)]


def _table(metric: MetricInfo, clips: Sequence[str], rows: Sequence[Row], styles: dict[str, SeriesStyle]) -> Markup:
    header = [arrow(metric.label, metric.higher_is_better), *(named(row.label, styles[row.label]) for row in rows)]
    return table(header, [[clip, *_cells(metric, clip, rows)] for clip in clips])


def _cells(metric: MetricInfo, clip: str, rows: Sequence[Row]) -> list[str]:
    """The score of a clip by every network."""
    values = [row.facts["per_clip"].get(clip, {}).get(metric.key) for row in rows]
    winner = (max if metric.higher_is_better else min)((value for value in values if value is not None), default=None)
    return [
        best(metric.text(value)) if value is not None and value == winner else metric.text(value) for value in values
    ]
