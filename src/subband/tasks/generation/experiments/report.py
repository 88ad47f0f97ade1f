"""The rows of an experiment as files: JSON lines, a markdown table, a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from subband.environment import describe_environment
from subband.files import write_atomically
from subband.tasks.generation.experiments.experiment import Check, Experiment, Result, Rows
from subband.training.comparison import mean_and_spread
from subband.visual.experiments import experiment_png

__all__ = ["markdown_table", "write_result"]

ROWS_FILE, TABLE_FILE, PLOT_FILE = "rows.jsonl", "table.md", "plot.png"


def write_result(experiment: Experiment, result: Result, out: Path) -> str:
    """Write `rows.jsonl`, `table.md` and `plot.png`.

    Args:
        experiment: What was run.
        result: What came out.
        out: An existing folder.

    Returns:
        The table and what was expected, as markdown.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    write_atomically(out / ROWS_FILE, "".join(json.dumps(row) + "\n" for row in result.rows).encode())
    text = "\n\n".join([markdown_table(experiment, result.rows), *(_sentence(check) for check in result.checks)])
    facts = " | ".join(f"{key} {value}" for key, value in describe_environment().items())
    page = f"# {experiment.title}\n\n{facts}\n\n{text}\n\n![plot]({PLOT_FILE})\n"
    write_atomically(out / TABLE_FILE, page.encode())
    write_atomically(out / PLOT_FILE, experiment_png(experiment.picture(result.rows)))
    return text


def markdown_table(experiment: Experiment, rows: Rows) -> str:
    """Mean and standard deviation over seeds of every setting.

    Args:
        experiment: Says the columns.
        rows: Of all settings and seeds.
    """
    lines: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        lines.setdefault(tuple(row.get(key, "-") for key in experiment.by), []).append(row)
    columns = {key: column for key, column in experiment.columns.items() if any(key in row for row in rows)}
    head = [*experiment.by, *(heading for heading, _ in columns.values())]
    body = [
        [*map(_cell, key), *(mean_and_spread([row.get(c) for row in own], d) for c, (_, d) in columns.items())]
        for key, own in lines.items()
    ]
    rule = ["---"] * len(experiment.by) + ["---:"] * len(columns)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *body))


def _cell(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace("|", "\\|")


def _sentence(check: Check) -> str:
    return f"{'holds' if check.holds else 'does NOT hold'}: {check.text}"
