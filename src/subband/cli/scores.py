"""The score table as the terminal shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from subband.cli.options import open_table, show_table
from subband.tasks import task_class

if TYPE_CHECKING:
    from subband.metrics.descriptors import MetricInfo

MOST_CLIPS = 30  # that are printed one by one


def show_scores(scores: dict[str, Any]) -> None:
    """Print the main metrics of `scores.json` as a table, those of published protocols and of single clips as others.

    What was not computed of one network shows as a dash; what was computed of none is named below the tables.
    """
    from subband.metrics.descriptors import describe_metrics

    data, task, rows = scores["data"], task_class(scores["task"]), scores["rows"]
    title = f"{data.get('folder', data['name'])}, {data['split']} set: {task.describe_data(data)}"
    computed = [key for row in rows for key, value in row["metrics"].items() if value is not None]
    described = describe_metrics(task.metrics, computed)
    _show_rows(rows, [metric for metric in described if metric.is_main], title, with_cost=True)
    published = [metric for metric in described if metric.protocol]
    if published:
        names = " and ".join(dict.fromkeys(metric.protocol for metric in published))
        _show_rows(rows, published, f"by the published code of {names}", with_cost=False)
    present = describe_metrics(task.metrics, [key for row in rows for key in row["metrics"]])
    _show_clips(rows, task.metrics)
    missing = [metric for metric in present if metric not in described and (metric.is_main or metric.protocol)]
    if missing:
        print(f"not computed: {', '.join(_named(metric) for metric in missing)}")


def _show_clips(rows: Sequence[Mapping[str, Any]], metrics: Sequence[MetricInfo]) -> None:
    """Tables of single clips, of the usual scores and of those of a published protocol, where clips have names."""
    from subband.metrics.descriptors import describe_metrics

    by_clip: dict[str, list[dict[str, float]]] = {}
    for row in rows:
        for clip, values in row.get("per_clip", {}).items():
            by_clip.setdefault(clip, []).append(values)
    if len(by_clip) < 2:
        return
    if len(by_clip) > MOST_CLIPS:
        print(f"scores of each of the {len(by_clip)} clips stand in scores.json and in the report")
        return
    present = describe_metrics(metrics, [key for values in by_clip.values() for row in values for key in row])
    for protocol in dict.fromkeys(metric.protocol for metric in present):
        shown = [metric for metric in present if metric.protocol == protocol]
        headings = [f"{row['name']}, {metric.label}" for row in rows for metric in shown]
        title = f"by clip, {protocol}" if protocol else "by clip"
        table = open_table(["clip", *headings], title=title, right=headings)
        for clip, values in by_clip.items():
            table.add_row(clip, *(metric.text(row.get(metric.key)) for row in values for metric in shown))
        show_table(table)


def _named(metric: MetricInfo) -> str:
    return f"{metric.heading} (needs {metric.needs})" if metric.needs else metric.heading


def _show_rows(
    rows: Sequence[Mapping[str, Any]], metrics: Sequence[MetricInfo], title: str, *, with_cost: bool
) -> None:
    labels = [metric.label for metric in metrics]
    headings = ["model", "parameters", *labels, "train s"] if with_cost else ["model", *labels]
    table = open_table(headings, title=title, right=headings[1:])
    for row in rows:
        cells = [metric.text(row["metrics"].get(metric.key)) for metric in metrics]
        if with_cost:
            seconds = row.get("train_seconds")
            cells = [f"{row['parameters']:,}", *cells, "-" if seconds is None else f"{seconds:.1f}"]
        table.add_row(row["name"], *cells)
    show_table(table)
