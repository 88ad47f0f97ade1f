"""`subband evaluate --robustness`: measure, print, write the files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.cli.options import open_table, show_table
from subband.config import RecipeConfig
from subband.extras import require
from subband.files import shown, write_atomically

if TYPE_CHECKING:
    from torch import nn

    from subband.data.labelled.images import ImageData

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
    from subband.tasks.classification.robustness import distortions

    if recipe.task != "classification":
        raise ValueError(f"--robustness measures the accuracy of classifiers, but the recipe is for {recipe.task}.")
    require("matplotlib", "the plot of --robustness needs")
    distortions(**strengths)


def measure_robustness(
    recipe: RecipeConfig,
    model: nn.Module,
    data: ImageData,
    folder: Path,
    scores: dict[str, Any],
    strengths: dict[str, Sequence[Any]],
) -> None:
    """Measure a classifier, print the table, write `robustness.json`, `.csv` and `.png`.

    Args:
        recipe: Says the device and the batch size.
        model: In evaluation mode.
        data: Its test set counts.
        folder: Where the files go.
        scores: Contents of `scores.json` of this evaluation.
        strengths: `radii` and `qualities`, as far as they are not the usual ones.
    """
    from subband.tasks.classification.robustness import robustness
    from subband.training.trainer import pick_training_device
    from subband.visual.robustness import robustness_png

    device = pick_training_device(recipe.trainer)
    rows = robustness(recipe, model.to(device), data, device, progress=_progress, **strengths)
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
    print(f"robustness: {', '.join(shown(folder / file) for file in files)}")


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
