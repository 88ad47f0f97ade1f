"""Scores of detectors on a test set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from subband.config import RecipeConfig
from subband.data.detection.images import DetectionData, DetectionSpec
from subband.files import shown
from subband.metrics.detection_counts import DetectionCounts
from subband.models.model_folder import find_model_folder, read_card
from subband.tasks.detection.samples import DetectionSamples
from subband.training.evaluation import Evaluation, evaluation_loader

__all__ = ["check_stored_samples", "evaluate", "stored_arguments"]

_OF_CLASSES = ("per_class", "curves")
_MAX_CONFUSION = 100  # classes


def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: DetectionData, device: torch.device) -> Evaluation:
    """Scores of networks on the test images.

    A row holds `metrics`, average precision as `DETECTION_METRICS` says, of masks too where the data has outlines and
    the network makes masks; `per_class`, that of the boxes of every class; `curves`, precision by recall as
    `AveragePrecision` gives it; `choice`, the least score with the largest F1 at an overlap of 0.5 (the lowest of
    equals), its hits and mistakes, and the F1 of every least score; and `confusion`, what objects are taken for at that
    score, where there are at most 100 classes.

    Raises:
        ValueError: If a network knows other classes than the data.
    """
    from subband.metrics.detection import AveragePrecision
    from subband.tasks.detection.batches import collate, detect, true_objects

    spec = data.spec
    for name, model in models.items():
        _check_classes(name, model, spec)
    scorers = {name: AveragePrecision(with_masks=model.with_masks and spec.has_masks) for name, model in models.items()}
    counts = {name: DetectionCounts(len(spec.classes)) for name in models}
    boxes: dict[str, list[Tensor]] = {name: [] for name in models}
    loader = evaluation_loader(recipe, data.test, device, collate)
    objects = 0
    for batch in loader:
        objects += sum(len(target.labels) for target in batch.targets)
        for name, model in models.items():
            with_masks = scorers[name].with_masks
            found, truth = detect(model, batch, with_masks=with_masks), true_objects(batch, with_masks=with_masks)
            scorers[name].update(found, truth)
            counts[name].update(found, truth)
            columns = [[one.labels[:, None], one.boxes, one.scores[:, None]] for one in found]
            boxes[name] += [torch.cat(parts, dim=1).cpu() for parts in columns]
    rows = {name: _row(scorers[name].compute(), counts[name], spec) for name in models}
    facts = {
        "name": recipe.data.name,
        "split": "test",
        "images": len(data.test) - len(loader.left_out),
        "objects": objects,
        "classes": list(spec.classes),
        "short_side": spec.preprocessing.short_side,
        "long_side": spec.preprocessing.long_side,
        "folder": shown(Path(recipe.data.args["path"]).resolve().name),
    }
    least = {name: row["choice"]["min_score"] for name, row in rows.items()}
    places = [place for place in range(len(data.test)) if place not in loader.left_out]
    pictures = DetectionSamples(data.test, places, boxes, least)
    return Evaluation(facts, rows, pictures.arrays(counts, recipe.evaluation.num_samples))


def _row(values: dict[str, Any], counts: DetectionCounts, spec: DetectionSpec) -> dict[str, Any]:
    """What is stored of one network."""
    per_class, curves = ({spec.classes[key]: one for key, one in values.pop(name).items()} for name in _OF_CLASSES)
    by_score = counts.f1_by_score()
    least = max(by_score, key=by_score.__getitem__)
    row: dict[str, Any] = {
        "metrics": values,
        "per_class": per_class,
        "curves": {
            name: {overlap: [round(value, 4) for value in curve] for overlap, curve in both.items()}
            for name, both in curves.items()
        },
        "choice": {
            "min_score": least,
            **counts.total(least)._asdict(),
            "f1": {f"{score:g}": round(value, 4) for score, value in by_score.items()},
        },
    }
    if len(spec.classes) <= _MAX_CONFUSION:
        row["confusion"] = counts.confusion(least)
    return row


def stored_arguments(source: str) -> dict[str, Any]:
    """Arguments of a data set that prepare images as stored weights want them, with their classes in their order.

    What they do not say is left out.
    """
    facts = read_card(find_model_folder(source))["metadata"]
    names = ",".join(facts.get("classes", ()))
    named = {"classes": names} if names and names.count(",") + 1 == len(facts["classes"]) else {}
    return {**facts.get("preprocessing", {}), **named}


def check_stored_samples(inputs: np.ndarray, targets: np.ndarray, predictions: dict[str, np.ndarray]) -> bool:
    """Whether images `(N, 3, S, S)`, true objects `(N, M, 5)` and found ones `(N, M, 6)` belong together."""
    fits = all(one.ndim == 3 and one.shape[2] == 6 and len(one) == len(inputs) for one in predictions.values())
    return fits and inputs.ndim == 4 and targets.ndim == 3 and targets.shape[2] == 5


def _check_classes(name: str, model: Any, spec: DetectionSpec) -> None:
    if model.num_classes != len(spec.classes):
        raise ValueError(
            f"{name} tells {model.num_classes} classes apart, but the data has {len(spec.classes)}; fine-tune it on "
            "this data first (train with model.weights)."
        )
    known = getattr(model, "metadata", {}).get("classes")
    if known is not None and list(known) != list(spec.classes):
        unlike = next(pair for pair in zip(known, spec.classes, strict=True) if pair[0] != pair[1])
        raise ValueError(f"{name} was trained with other classes than the data has: {unlike[0]!r}, not {unlike[1]!r}.")
