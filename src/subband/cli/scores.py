"""The score table as the terminal shows it."""

from __future__ import annotations

from typing import Any

from subband.cli.options import open_table, show_table
from subband.tasks import task_class


def show_scores(scores: dict[str, Any]) -> None:
    """Print the main metrics of `scores.json` as a table; what was not computed shows as a dash."""
    from subband.metrics.descriptors import describe_metrics

    data, task, rows = scores["data"], task_class(scores["task"]), scores["rows"]
    title = f"{data.get('folder', data['name'])}, {data['split']} set: {task.describe_data(data)}"
    computed = [key for row in rows for key, value in row["metrics"].items() if value is not None]
    shown = [metric for metric in describe_metrics(task.metrics, computed) if metric.is_main]
    headings = ["model", "parameters", *(metric.label for metric in shown), "train s"]
    table = open_table(headings, title=title, right=headings[1:])
    for row in rows:
        values = [metric.text(row["metrics"].get(metric.key)) for metric in shown]
        seconds = row.get("train_seconds")
        table.add_row(row["name"], f"{row['parameters']:,}", *values, "-" if seconds is None else f"{seconds:.1f}")
    show_table(table)
