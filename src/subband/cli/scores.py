"""The score table as the terminal shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from subband.cli.options import open_table, show_table
from subband.tasks import task_class

if TYPE_CHECKING:
    from subband.metrics.descriptors import MetricInfo


def show_scores(scores: dict[str, Any]) -> None:
    """Print the main metrics of `scores.json` as a table, and those of published protocols as another one.

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
    missing = [metric for metric in present if metric not in described and (metric.is_main or metric.protocol)]
    if missing:
        print(f"not computed: {', '.join(_named(metric) for metric in missing)}")


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
