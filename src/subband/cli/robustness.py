"""`subband evaluate --robustness`: measure, print, write the files."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from subband.cli.options import open_table, show_table
from subband.config import RecipeConfig
from subband.data.registry import build_data
from subband.files import write_atomically
from subband.models.checkpoint import load_model
from subband.tasks.classification.robustness import distortions, robustness
from subband.visual.robustness import robustness_png

COLUMNS = ("distortion", "strength", "top1", "top5", "cross_entropy", "images")
_SHOWN = {"none": "none", "low_pass": "low-pass", "high_pass": "high-pass", "jpeg": "JPEG"}


def check_robustness(recipe: RecipeConfig, strengths: dict[str, Sequence[Any]]) -> None:
    """Refuse before any work what cannot be measured or written.

    Args:
        recipe: Says the task.
        strengths: `radii` and `qualities`, as far as they are not the usual ones.

    Raises:
        ValueError: If the recipe is not for classification, or a strength is out of range.
        ImportError: If matplotlib is missing.
    """
    if recipe.task != "classification":
        raise ValueError(f"--robustness measures the accuracy of classifiers, but the recipe is for {recipe.task}.")
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError("--robustness draws with matplotlib: pip install 'subband[visual]'.")
    distortions(**strengths)


def measure_robustness(
    recipe: RecipeConfig, source: str, folder: Path, scores: dict[str, Any], strengths: dict[str, Sequence[Any]]
) -> None:
    """Measure a saved classifier, print the table, write `robustness.json`, `.csv` and `.png`.

    Args:
        recipe: Says the data.
        source: Whatever `subband.load_model` takes.
        folder: Where the files go.
        scores: Contents of `scores.json` of this evaluation.
        strengths: `radii` and `qualities`, as far as they are not the usual ones.
    """
    from subband.training.trainer import pick_training_device

    data = build_data(recipe.data.name, recipe.data.args, recipe.seed)
    device = pick_training_device(recipe.trainer)
    rows = robustness(recipe, load_model(source).to(device), data, device, progress=_progress, **strengths)
    name = scores["rows"][0]["name"]
    document = {**scores, "rows": rows, "model": name}
    files = {
        "robustness.json": (json.dumps(document, indent=1) + "\n").encode(),
        "robustness.csv": _as_csv(rows).encode(),
        "robustness.png": robustness_png(rows, name, len(scores["data"]["classes"])),
    }
    for file, content in files.items():
        write_atomically(folder / file, content)
    _show(rows, name)
    print(f"robustness: {', '.join(str(folder / file) for file in files)}")


def _progress(batches: Iterable[Any]) -> Iterable[Any]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(batches, "distorted images", console=console, transient=True, disable=not console.is_terminal)


def _as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [column for column in COLUMNS if column in rows[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _show(rows: list[dict[str, Any]], name: str) -> None:
    measured = [column for column in COLUMNS[2:-1] if column in rows[0]]
    headings = ["distortion", "strength", *(column.replace("top", "top-").replace("_", "-") for column in measured)]
    table = open_table(headings, title=f"{name}: {rows[0]['images']} distorted test images", right=headings[1:])
    for before, row in zip([None, *rows], rows, strict=False):
        if before is not None and before["distortion"] != row["distortion"]:
            table.add_section()
        strength = "" if row["strength"] is None else f"{row['strength']:g}"
        table.add_row(_SHOWN[row["distortion"]], strength, *(f"{row[column]:.4f}" for column in measured))
    show_table(table)
