"""Recipes against each other: every one trained with several seeds, with mean and spread of what came out."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from subband.config import RecipeConfig, load_recipe, merge
from subband.training.loop import RunFiles, finished_scores, train
from subband.training.resume import changed_settings

__all__ = ["Entry", "mean_and_spread", "run_folder", "train_entries"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One of the recipes that are compared.

    Attributes:
        label: What it is called.
        name: Start of the names of its run folders.
        recipe: Name of the recipe.
        changes: Settings that replace the recipe's.
    """

    label: str
    name: str
    recipe: str
    changes: dict[str, Any] = field(default_factory=dict)


def run_folder(out: Path, entry: Entry, seed: int) -> Path:
    """Where the run of an entry with a seed lies."""
    return out / f"{entry.name}_seed{seed}"


def train_entries(
    entries: Sequence[Entry],
    seeds: Sequence[int],
    out: Path,
    *,
    announce: Callable[[str], None] = lambda text: None,
    resume_command: str = "the same call again",
    done: Callable[[Entry, RecipeConfig, Path], None] = lambda entry, recipe, folder: None,
) -> dict[str, list[dict[str, Any]]]:
    """Train all entries with the first seed, then with the next; finished runs are kept, broken-off ones go on.

    Args:
        entries: What is compared.
        seeds: Seeds of each.
        out: Folder of the run folders.
        announce: Told in a sentence which run begins.
        resume_command: How to go on after Ctrl-C, for its message.
        done: Called, with the recipe and the folder of the run, for every run that has ended, at once.

    Returns:
        The scores of every run, by label, in order of the seeds.

    Raises:
        ValueError: If a run is there that was made with other settings.
        TrainingInterrupted: After Ctrl-C; the state of the run is saved.
    """
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
            announce(f"training {entry.label}, seed {recipe.seed}")
            resume = RunFiles(folder).last.is_file()
            scores = train(
                recipe, folder, resume=resume, overwrite=not resume, progress=False, resume_command=resume_command
            )
        if scores is not None:  # only the first of several processes has them
            rows[entry.label].append(scores["rows"][0])
            done(entry, recipe, folder)
    return rows


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


def _check_settings(folder: Path, recipe: RecipeConfig) -> None:
    changed = changed_settings(recipe, RunFiles(folder), with_paths=True).keys() - {"trainer.device"}
    if changed:
        raise ValueError(
            f"{folder} holds a run with other settings; choose another folder for the runs, or remove that one."
        )
