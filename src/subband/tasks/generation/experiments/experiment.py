"""What an experiment is, and how it runs: train every setting, measure it, keep its rows, tabulate all of them."""

from __future__ import annotations

import functools
import json
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from subband.config import RecipeConfig
from subband.data.images.unlabelled import UnlabelledData, UnlabelledSource
from subband.files import write_atomically
from subband.models.checkpoint import load_model
from subband.tasks.generation.experiments.plan import Plan
from subband.tasks.generation.networks import as_input
from subband.tasks.generation.task import GenerationTask
from subband.training.comparison import Entry, train_entries
from subband.training.loop import finished_scores
from subband.training.trainer import pick_training_device
from subband.visual.experiments import Picture

__all__ = [
    "DRAWN",
    "Check",
    "Experiment",
    "Result",
    "Trained",
    "baselines",
    "images_of",
    "kept",
    "mean_of",
    "run_experiment",
]

Row = dict[str, Any]
# Distances of drawn images, for tables whose networks may draw; the two halves of the real ones have them as well.
DRAWN = {"fwd": ("FWD of drawn images", 3), "wsd": ("WSD of drawn images", 1)}
ROWS_FILE, REFERENCE_FILE = "rows.json", "reference.json"
_AT_ONCE = 64


class Check(NamedTuple):
    """Something that is expected of the rows.

    Attributes:
        text: What, with the numbers found.
        holds: Whether it is so.
    """

    text: str
    holds: bool


class Trained(NamedTuple):
    """A network that was trained for an experiment, and what it was trained with.

    Attributes:
        model: On the device where it is measured, in evaluation mode.
        data: The three splits.
        recipe: As it was trained.
        scores: Contents of its `scores.json`.
        folder: Its run folder.
        plan: Options of the experiment.
    """

    model: Any
    data: UnlabelledData
    recipe: RecipeConfig
    scores: dict[str, Any]
    folder: Path
    plan: Plan

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.model.parameters()).device

    @property
    def metrics(self) -> dict[str, float]:
        """Its scores on the test set, those that there are."""
        return kept(self.scores["rows"][0]["metrics"])

    def test_inputs(self) -> Iterator[Tensor]:
        """The test set as the network sees it, `(B, C, H, W)`, the same in every call."""
        for number, images in enumerate(images_of(self.data.test)):
            generator = torch.Generator().manual_seed(number)
            yield as_input(self.model, images, generator).to(self.device)


Rows = Sequence[Row]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One question, and how it is answered.

    Attributes:
        title: The question.
        entries: The settings that are trained.
        columns: What the table shows: key of a row to heading and digits.
        picture: The plot of the rows.
        measure: Rows of a trained network; `experiment`, `setting` and `seed` are added where they are missing.
        reference: Rows of what is not trained, measured once, beside the first network.
        checks: What is expected.
        grid: Whether `values` say what is varied.
        by: Keys that tell the lines of the table apart.
    """

    title: str
    entries: Callable[[Plan], list[Entry]]
    columns: Mapping[str, tuple[str, int]]
    picture: Callable[[Rows], Picture]
    measure: Callable[[Trained], list[Row]]
    reference: Callable[[Trained], list[Row]]
    checks: Callable[[Rows], list[Check]] = lambda rows: []
    grid: bool = False
    by: tuple[str, ...] = ("setting",)


class Result(NamedTuple):
    """What came out of an experiment.

    Attributes:
        rows: Of all settings and seeds, references last.
        checks: What was expected of them.
    """

    rows: list[Row]
    checks: list[Check]


def run_experiment(
    name: str,
    experiment: Experiment,
    plan: Plan,
    seeds: Sequence[int],
    out: Path,
    *,
    announce: Callable[[str], None] = lambda text: None,
    tell: Callable[[Row], None] = lambda row: None,
) -> Result:
    """Train and measure what is not done yet.

    Args:
        name: What the rows say in `experiment`.
        experiment: The experiment.
        plan: At what size.
        seeds: Seeds of every network.
        out: Folder of the run folders. Every one gets `rows.json`, the folder `reference.json`.
        announce: Told in a sentence which training begins.
        tell: Given every row as soon as it is measured; not those that were there.

    Raises:
        ValueError: If options do not fit the experiment, or a run is there that was made with other settings.
        TrainingInterrupted: After Ctrl-C; what is finished stays.
    """
    found: dict[Path, list[Row]] = {}

    def done(entry: Entry, recipe: RecipeConfig, folder: Path) -> None:
        opened = functools.cache(lambda: _open(recipe, folder, plan))
        own = {"setting": entry.label, "seed": recipe.seed}
        for path, measure, facts in (
            (folder / ROWS_FILE, experiment.measure, own),
            (out / REFERENCE_FILE, experiment.reference, {}),
        ):
            if not path.is_file():
                rows = [{"experiment": name, **facts, **row} for row in measure(opened())]
                write_atomically(path, (json.dumps(rows, indent=1) + "\n").encode())
                for row in rows:
                    tell(row)
            found[path] = json.loads(path.read_text())

    entries = experiment.entries(plan)
    train_entries(entries, seeds, out, announce=announce, resume_command="the same command again", done=done)
    references = found.pop(out / REFERENCE_FILE)
    rows = [row for own in found.values() for row in own] + references
    return Result(rows, experiment.checks(rows))


def kept(metrics: Mapping[str, float | None]) -> dict[str, float]:
    """The metrics that were measured."""
    return {name: value for name, value in metrics.items() if value is not None}


def baselines(trained: Trained) -> list[Row]:
    """Rows that a run scored beside its network: the transform alone, and two halves of the real images."""
    return [{"setting": row["name"], **kept(row["metrics"])} for row in trained.scores["rows"][1:]]


def images_of(split: UnlabelledSource, count: int | None = None) -> Iterator[Tensor]:
    """Images of a split in batches `(B, C, H, W)` in [0, 1], in their order; the first ones if there is a count."""
    total = len(split) if count is None else min(count, len(split))
    for start in range(0, total, _AT_ONCE):
        yield torch.stack([split[index] for index in range(start, min(start + _AT_ONCE, total))])


def mean_of(rows: Rows, key: str, **where: Any) -> float:
    """Mean of a value over the rows that have it, and these values of other keys; NaN without any.

    Example:
        >>> mean_of([{"setting": "a", "psnr": 1.0}, {"setting": "a", "psnr": 2.0}, {"setting": "b"}], "psnr")
        1.5
    """
    values = [row[key] for row in rows if key in row and all(row.get(name) == value for name, value in where.items())]
    return statistics.fmean(values) if values else math.nan


def _open(recipe: RecipeConfig, folder: Path, plan: Plan) -> Trained:
    scores = finished_scores(folder)
    assert scores is not None
    model = load_model(folder).to(pick_training_device(recipe.trainer)).eval()
    return Trained(model, GenerationTask.build_data(recipe), recipe, scores, folder, plan)
