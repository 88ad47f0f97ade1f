"""Run folders of `subband train` and `subband evaluate`, read and checked for the report."""

from __future__ import annotations

import csv
import json
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from subband.tasks import TASKS, task_class
from subband.visual.colors import is_baseline

_MAX_SAMPLE_BYTES = 2**28


@dataclass(frozen=True, kw_only=True)
class Row:
    """Scores of one model, or of the baseline.

    Attributes:
        label: Name on the page; unique within the report, that of `BASELINES` for the baseline.
        facts: Its entry of `scores.json` (`parameters`, `metrics`, `per_frame`, `subband_energy`, `spectrum`, ...).
    """

    label: str
    facts: dict[str, Any]

    @property
    def is_baseline(self) -> bool:
        """Whether this is what every model has to beat, as the last frame repeated, or the degraded frames."""
        return is_baseline(self.facts["name"])


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Test samples with predictions.

    Attributes:
        inputs: Clips `(N, T, C, H, W)` or images `(N, 3, H, W)`, uint8.
        targets: Clips `(N, T', C, H, W)`, uint8, or classes `(N,)`.
        predictions: By label: clips shaped as `targets`, or probabilities `(N, K)`.
        mistakes: By label: images that this model gets wrong, with its predictions alone.
        best: By label: images that this model does best at, likewise.
        drawn: By label: images `(N, C, H, W)`, or clips, that this model has drawn, uint8.
        maps: By label: the coefficients of the first image as a picture, `(1, 3, H, W)` uint8.
    """

    inputs: np.ndarray
    targets: np.ndarray
    predictions: dict[str, np.ndarray]
    mistakes: dict[str, Samples] = field(default_factory=dict)
    best: dict[str, Samples] = field(default_factory=dict)
    drawn: dict[str, np.ndarray] = field(default_factory=dict)
    maps: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run folder.

    Attributes:
        folder: Where it lies.
        task: Key of `subband.tasks.TASKS`.
        data: What was predicted: name, split, number and shape of the samples.
        rows: Scores, the baseline included.
        environment: Date, hardware, versions and command.
        config: Resolved recipe as text, None when the run has none.
        log: Columns of `metrics.csv` as (step, value) pairs, empty when the run was not trained here.
        samples: Shown clips or images, None when the run has none.
        robustness: Rows of `robustness.json`, empty when there are none for the test set of the scores.
    """

    folder: Path
    task: str
    data: dict[str, Any]
    rows: list[Row]
    environment: dict[str, Any]
    config: str | None
    log: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    samples: Samples | None = None
    robustness: list[dict[str, Any]] = field(default_factory=list)


def read_runs(folders: list[Path]) -> list[Run]:
    """Reads run folders; models of one name get the folder's name (or the seed) added.

    Args:
        folders: Run folders, each with a `scores.json`.

    Returns:
        Runs in the order given.

    Raises:
        FileNotFoundError: If a folder or its `scores.json` does not exist.
        ValueError: If no folder is given, one is given twice, a file in it cannot be read or lacks an entry, or the
            runs are of different tasks.
    """
    if not folders:
        raise ValueError("a report needs at least one run folder.")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise ValueError("a run folder was given twice.")
    scores = [_read_scores(folder) for folder in folders]
    tasks = sorted({score["task"] for score in scores})
    if len(tasks) > 1:
        raise ValueError(f"a report is about runs of one task, these are of {' and '.join(tasks)}; write one for each.")
    labels = _labels(folders, scores)
    return [_read_run(*item) for item in zip(folders, scores, labels, strict=True)]


def _read_run(folder: Path, scores: dict[str, Any], labels: dict[str, str]) -> Run:
    config = folder / "config.yaml"
    return Run(
        folder=folder,
        task=scores["task"],
        data=scores["data"],
        rows=[Row(label=labels[row["name"]], facts=row) for row in scores["rows"]],
        environment=scores["environment"],
        config=config.read_text(encoding="utf-8") if config.is_file() else None,
        log=_read_log(folder / "metrics.csv"),
        samples=_read_samples(folder / "samples.npz", scores["task"], labels),
        robustness=_read_robustness(folder / "robustness.json", scores["data"]),
    )


def _read_scores(folder: Path) -> dict[str, Any]:
    path = folder / "scores.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no scores.json; give a run folder of subband train or subband evaluate.")
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
        task, rows = scores["task"], scores["rows"]
        complete = all({"name", "metrics"} <= row.keys() for row in rows) and {"data", "environment"} <= scores.keys()
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a score file of subband ({error!r}).") from error
    if not complete or not rows:
        raise ValueError(f"{path} lacks rows with name and metrics, data, or environment.")
    if task not in TASKS:
        raise ValueError(f"{path} is about {task}; reports are for {' and '.join(TASKS)}.")
    return scores


def _labels(folders: list[Path], scores: list[dict[str, Any]]) -> list[dict[str, str]]:
    """For every run the name of each row on the page: as it is where it is unique, else with the run folder."""
    names = [row["name"] for score in scores for row in score["rows"]]
    folder_names = [folder.resolve().name for folder in folders]
    labels = []
    for folder, score in zip(folders, scores, strict=True):
        shown = folder.resolve().name if folder_names.count(folder.resolve().name) == 1 else str(folder)
        own = [row["name"] for row in score["rows"]]
        repeated = {name for name in own if names.count(name) > 1 and not is_baseline(name)}
        labels.append({name: f"{name} ({shown})" if name in repeated else name for name in own})
    return labels


def _read_log(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Every column with a number in it, by step; the rows are sparse, one per logged group of values."""
    if not path.is_file():
        return {}
    columns: dict[str, list[tuple[float, float]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file)):
            logged = _number(row.get("step"))
            step = float(number) if logged is None else logged
            for name, text in row.items():
                value = _number(text)
                if name not in (None, "epoch", "step") and value is not None:
                    columns.setdefault(name, []).append((step, value))
    return columns


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _read_samples(path: Path, task: str, labels: dict[str, str]) -> Samples | None:
    if not path.is_file():
        return None
    most = task_class(task).max_samples
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MAX_SAMPLE_BYTES:
            raise ValueError(f"{size} bytes unpacked, at most {_MAX_SAMPLE_BYTES} are read")
        with np.load(path, allow_pickle=False) as arrays:
            stored = {key: arrays[key][:most] for key in arrays}
        if not stored:  # evaluation.num_samples was 0
            return None
        inputs, targets = stored["inputs"], stored["targets"]
        samples = _checked(task, inputs, targets, stored, "prediction/{}", labels)
        for name, label in labels.items():
            for kind, chosen in (("mistakes", samples.mistakes), ("best", samples.best)):
                if f"{kind}/{name}/inputs" in stored:
                    shown_inputs, true = (stored[f"{kind}/{name}/{key}"] for key in ("inputs", "targets"))
                    pattern = f"{kind}/{{}}/prediction"
                    chosen[label] = _checked(task, shown_inputs, true, stored, pattern, {name: label})
            for kind, shown, axes in (("drawn", samples.drawn, inputs.ndim), ("maps", samples.maps, 4)):
                if (array := stored.get(f"{kind}/{name}")) is not None:
                    shown[label] = _as_pictures(array, axes)
    except (ValueError, LookupError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} cannot be read: {error}.") from error
    return samples


def _as_pictures(array: np.ndarray, axes: int) -> np.ndarray:
    if array.ndim != axes or array.shape[-3] not in (1, 3) or array.dtype != np.uint8:
        shape = "(N, C, H, W)" if axes == 4 else "(N, T, C, H, W)"
        raise ValueError(f"drawn images must be {shape} uint8 with C = 1 or 3")
    return array


def _checked(
    task: str, inputs: np.ndarray, targets: np.ndarray, stored: dict[str, np.ndarray], key: str, labels: dict[str, str]
) -> Samples:
    """Samples with the predictions that are stored under `key.format(name)`."""
    predictions = {label: stored[key.format(name)] for name, label in labels.items() if key.format(name) in stored}
    fits = task_class(task).check_samples(inputs, targets, predictions)
    if len(inputs) != len(targets) or inputs.dtype != np.uint8 or not fits:
        raise ValueError("shapes of inputs, targets and predictions do not belong together")
    return Samples(inputs=inputs, targets=targets, predictions=predictions)


def _read_robustness(path: Path, data: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows about the test set of the scores; those about another one are of an evaluation that was since repeated."""
    if not path.is_file():
        return []
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        rows = document["rows"]
        complete = all({"distortion", "strength", "top1"} <= row.keys() for row in rows)
        if not complete or "none" not in [row["distortion"] for row in rows]:
            raise KeyError("rows")
        return rows if document["data"] == data else []
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} was not written by subband evaluate --robustness ({error!r}).") from error
