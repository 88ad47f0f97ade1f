"""List the models: task, parameters, paper, and which weights can be had."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from subband.cli.options import open_table, show_table
from subband.models.model_folder import BUNDLED_FOLDER, bundled_models, read_card
from subband.models.registry import catalog, list_models

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

EXAMPLES = """examples:
  subband models
  subband models 'simvp*'
  subband models --json > models.json
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("pattern", type=str, nargs="?", default="*", help="Shell-style pattern of names.")
    parser.add_argument("--task", type=str, default=None, help="Only models of this task, e.g. video_prediction.")
    parser.add_argument("--json", action="store_true", help="Print a JSON list instead of a table.")


def run(args: Namespace) -> None:
    """Print one line per model."""
    rows = model_rows(args.pattern, args.task)
    if args.json:
        print(json.dumps(rows, indent=2))
        return

    papers = list(dict.fromkeys(row["paper"] for row in rows))
    columns = ("name", "task", "parameters", "published weights", "bundled weights", "paper")
    table = open_table(columns, right=("parameters", "paper"))
    for row in rows:
        loads = "load" if row["loads_published"] else "-"
        bundled = ", ".join(row["bundled"]) or "-"
        paper = f"[{papers.index(row['paper']) + 1}]"
        table.add_row(row["name"], row["task"], f"{row['parameters']:,}", loads, bundled, paper)
    show_table(table)
    for number, paper in enumerate(papers, 1):
        print(f"[{number}] {paper}")


def model_rows(pattern: str = "*", task: str | None = None) -> list[dict[str, Any]]:
    """Facts about the models that match.

    Args:
        pattern: Shell-style pattern of names.
        task: Only models of this task.

    Returns:
        Dicts with `name`, `task`, `parameters`, `loads_published`, `bundled` (names for `subband.load_model`), `paper`.

    Raises:
        ValueError: If the task is unknown or no model matches.
    """
    tasks = sorted({spec.task for spec in catalog().values()})
    if task is not None and task not in tasks:
        raise ValueError(f"--task must be one of {', '.join(tasks)}, not {task!r}.")
    names = [name for name in list_models(pattern) if task in (None, catalog()[name].task)]
    if not names:
        raise ValueError(f"no model matches {pattern!r}; `subband models` lists all.")
    cards = {weights: read_card(BUNDLED_FOLDER / weights)["name"] for weights in bundled_models()}
    return [
        {
            "name": name,
            "task": catalog()[name].task,
            "parameters": catalog()[name].params,
            "loads_published": catalog()[name].layout is not None,
            "bundled": [weights for weights, model in cards.items() if model == name],
            "paper": catalog()[name].paper,
        }
        for name in names
    ]
