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
from subband.models.model_folder import find_model_folder, read_card
from subband.training.evaluation import Evaluation, as_bytes, evaluation_loader

__all__ = ["check_stored_samples", "evaluate", "stored_arguments"]

_SIDE = 320  # of a stored sample
_MIN_SCORE = 0.3  # of objects in one


def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: DetectionData, device: torch.device) -> Evaluation:
    """Average precision of networks on the test images, as `DETECTION_METRICS` says, and of every class.

    Masks are scored where the data has outlines and the network makes masks.

    Raises:
        ValueError: If a network knows other classes than the data.
    """
    from subband.metrics.detection import AveragePrecision
    from subband.tasks.detection.batches import collate, detect, true_objects

    spec = data.spec
    for name, model in models.items():
        _check_classes(name, model, spec)
    scorers = {name: AveragePrecision(with_masks=model.with_masks and spec.has_masks) for name, model in models.items()}
    loader = evaluation_loader(recipe, data.test, device, collate)
    samples = _Samples(recipe.evaluation.num_samples, spec)
    count = 0
    for batch in loader:
        count += sum(len(target.labels) for target in batch.targets)
        found = {}
        for name, model in models.items():
            with_masks = scorers[name].with_masks
            found[name] = detect(model, batch, with_masks=with_masks)
            scorers[name].update(found[name], true_objects(batch, with_masks=with_masks))
        samples.add(batch, found)
    rows: dict[str, dict[str, Any]] = {}
    for name, scorer in scorers.items():
        values = scorer.compute()
        per_class = {spec.classes[number]: share for number, share in values.pop("per_class").items()}
        rows[name] = {"metrics": values, "per_class": per_class}
    facts = {
        "name": recipe.data.name,
        "split": "test",
        "images": len(data.test) - len(loader.left_out),
        "objects": count,
        "classes": list(spec.classes),
        "short_side": spec.preprocessing.short_side,
        "long_side": spec.preprocessing.long_side,
        "folder": shown(Path(recipe.data.args["path"]).resolve().name),
    }
    return Evaluation(facts, rows, samples.arrays(list(models)))


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


class _Samples:
    """Some test images with their objects and what was found, all in squares of one size.

    Args:
        wanted: Number of images.
        spec: Says how they were normalized.
    """

    def __init__(self, wanted: int, spec: DetectionSpec) -> None:
        self.wanted, self.spec = wanted, spec
        self._images: list[Tensor] = []
        self._true: list[Tensor] = []
        self._found: list[dict[str, Tensor]] = []

    def add(self, batch: Any, found: dict[str, Any]) -> None:
        """Keep images as long as there are too few."""
        prepare = self.spec.preprocessing
        for index, (image, (height, width)) in enumerate(zip(batch.images, batch.sizes, strict=True)):
            if len(self._images) >= self.wanted:
                return
            mean, std = (image.new_tensor(value)[:, None, None] for value in (prepare.mean, prepare.std))
            scale = _SIDE / max(height, width)
            size = (max(1, round(height * scale)), max(1, round(width * scale)))
            square = image.new_ones(3, _SIDE, _SIDE)
            square[:, : size[0], : size[1]] = prepare.resize(image[:, :height, :width] * std + mean, size)
            self._images.append(square.cpu())
            target = batch.targets[index]
            self._true.append(torch.cat([target.labels[:, None], target.boxes * scale], dim=1).cpu())
            original = max(batch.truths[index].size)
            rows = {}
            for name, images in found.items():
                one = images[index]
                kept = one.scores >= _MIN_SCORE
                columns = [one.labels[:, None], one.boxes * (_SIDE / original), one.scores[:, None]]
                rows[name] = torch.cat(columns, dim=1)[kept].cpu()
            self._found.append(rows)

    def arrays(self, names: list[str]) -> dict[str, np.ndarray]:
        """`inputs` `(N, 3, S, S)`; `targets` `(N, M, 5)`, label and corners; `prediction/NAME` with the score, too.

        Rows that are no objects have the label -1.
        """
        if not self._images:
            return {}
        arrays = {"inputs": as_bytes(torch.stack(self._images)), "targets": _filled(self._true)}
        return arrays | {f"prediction/{name}": _filled([one[name] for one in self._found]) for name in names}


def _filled(rows: list[Tensor]) -> np.ndarray:
    filled = torch.full((len(rows), max(map(len, rows)), rows[0].shape[1]), -1.0)
    for place, one in zip(filled, rows, strict=True):
        place[: len(one)] = one
    return filled.numpy()


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
