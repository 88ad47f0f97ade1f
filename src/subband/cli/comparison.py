"""Recipes against each other: every one trained with several seeds, and a table of mean and spread."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from subband.config import RecipeConfig

__all__ = ["Column", "Entry", "mean_and_spread", "run_folder", "show_comparison", "train_entries"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the table.

    Attributes:
        label: What the row is called.
        name: Start of the names of its run folders.
        recipe: Name of the recipe.
        changes: Settings that replace the recipe's.
    """

    label: str
    name: str
    recipe: str
    changes: dict[str, Any] = field(default_factory=dict)


class Column(NamedTuple):
    """One column of the table.

    Attributes:
        heading: Its heading.
        value: Its value in a row of `scores.json`; None if that has none.
        num_digits: Digits after the point.
    """

    heading: str
    value: Callable[[dict[str, Any]], float | None]
    num_digits: int


def run_folder(out: Path, entry: Entry, seed: int) -> Path:
    """Where the run of an entry with a seed lies."""
    return out / f"{entry.name}_seed{seed}"


def train_entries(entries: Sequence[Entry], seeds: Sequence[int], out: Path) -> dict[str, list[dict[str, Any]]]:
    """Train all entries with the first seed, then with the next; finished runs are kept, broken-off ones go on.

    Args:
        entries: What is compared.
        seeds: Seeds of each.
        out: Folder of the run folders.

    Returns:
        The scores of every run, by label, in order of the seeds.

    Raises:
        ValueError: If a run is there that was made with other settings.
        KeyboardInterrupt: After Ctrl-C; the state of the run is saved.
    """
    from subband.config import load_recipe, merge
    from subband.training.loop import finished_scores

    # All recipes are read before the first run: a mistake in the last one shows now, and no later edit mixes settings.
    runs = [
        (entry, run_folder(out, entry, seed), load_recipe(entry.recipe, merge(entry.changes, {"seed": seed})))
        for seed in dict.fromkeys(seeds)
        for entry in entries
    ]
    for _, folder, recipe in runs:
        _check_settings(folder, recipe)
    rows: dict[str, list[dict[str, Any]]] = {entry.label: [] for entry in entries}
    for entry, folder, recipe in runs:
        scores = finished_scores(folder)
        if scores is None:
            print(f"training {entry.label}, seed {recipe.seed}", flush=True)
            scores = _train(recipe, folder)
        if scores is not None:  # only the first of several processes has them
            rows[entry.label].append(scores["rows"][0])
    return rows


def show_comparison(
    rows: Mapping[str, Sequence[dict[str, Any]]],
    columns: Sequence[Column],
    *,
    facts: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Print mean and standard deviation over the runs of each entry.

    Args:
        rows: What `train_entries` returned.
        columns: What is shown besides the number of parameters.
        facts: More columns, the same for all runs of an entry: heading to label to text.
    """
    from subband.cli.options import open_table, show_table

    facts = facts or {}
    headings = ["model", "parameters", *facts, *(column.heading for column in columns)]
    num_seeds = max((len(runs) for runs in rows.values()), default=0)
    table = open_table(headings, title=f"mean ± standard deviation over {num_seeds} seed(s)", right=headings[1:])
    for label, runs in rows.items():
        if runs:
            values = [[column.value(run) for run in runs] for column in columns]
            cells = [mean_and_spread(v, column.num_digits) for v, column in zip(values, columns, strict=True)]
            table.add_row(label, f"{runs[0]['parameters']:,}", *(texts[label] for texts in facts.values()), *cells)
    show_table(table)


def mean_and_spread(values: Sequence[float | None], num_digits: int) -> str:
    """Mean and sample standard deviation of the values there are, as text.

    Example:
        >>> mean_and_spread([1.0, 2.0, None], 2), mean_and_spread([1.0], 2), mean_and_spread([None], 2)
        ('1.50 ± 0.71', '1.00', '-')
    """
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    mean = f"{statistics.mean(known):.{num_digits}f}"
    return f"{mean} ± {statistics.stdev(known):.{num_digits}f}" if len(known) > 1 else mean


def _train(recipe: RecipeConfig, folder: Path) -> dict[str, Any] | None:
    from subband.training.callbacks import TrainingInterrupted
    from subband.training.loop import train

    resume = (folder / "checkpoints" / "last.ckpt").is_file()
    how = "the same command again"
    try:
        return train(recipe, folder, resume=resume, overwrite=not resume, progress=False, resume_command=how)
    except TrainingInterrupted as stop:
        raise KeyboardInterrupt(str(stop)) from None


def _check_settings(folder: Path, recipe: RecipeConfig) -> None:
    from subband.config import build_recipe, read_recipe

    path = folder / "config.yaml"
    if not path.is_file():
        return
    known = build_recipe(read_recipe(path), str(path))
    known.trainer.device = recipe.trainer.device  # the one thing that may change between runs
    if known != recipe:
        raise ValueError(f"{folder} holds a run with other settings; choose another --out, or remove that folder.")
