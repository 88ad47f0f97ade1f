"""Scores of networks for pose on a test set, whose boxes are given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from subband.config import RecipeConfig
from subband.data.pose.samples import PoseData, PoseSpec
from subband.explain.clip_filters import clip_filter_amplitudes
from subband.files import shown
from subband.joints import COCO, POSETRACK
from subband.models.model_folder import find_model_folder, read_card
from subband.tasks.pose.batches import PoseBatch, Poses, collate, crop_points
from subband.tasks.pose.networks import check_network, find_heatmaps
from subband.training.evaluation import Evaluation, as_bytes, evaluation_loader

__all__ = ["check_stored_samples", "evaluate", "stored_arguments"]


def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: PoseData, device: torch.device) -> Evaluation:
    """Scores over all test people, of every joint, over time, and some people with the joints that were found.

    Of a network that filters clips, rows also hold the size of its filters.

    Raises:
        ValueError: If a network finds other joints than the data has, or is for shorter clips.
    """
    from subband.tasks.pose.scores import PoseRow

    spec = data.test.spec
    for name, model in models.items():
        check_network(model, spec, name)
    found = {name: PoseRow(spec) for name in models}
    samples = _Samples(recipe.evaluation.num_samples, spec)
    loader = evaluation_loader(recipe, data.test, device, collate)
    clips, count = set(), 0
    for batch in loader:
        poses = {name: crop_points(find_heatmaps(model, batch.frames), spec) for name, model in models.items()}
        for name, one in poses.items():
            found[name].add(batch, one)
        samples.add(batch, poses)
        clips |= {truth.clip for truth in batch.truths if truth is not None}
        count += len(batch.truths)
    rows = {name: one.compute() | _filters(models[name]) for name, one in found.items()}
    args = recipe.data.args
    place = args.get("path", args.get("root"))
    facts = {
        "name": recipe.data.name,
        "split": "test",
        "people": count,
        "clips": len(clips),
        "boxes": "given",
        "joints": list(spec.joints.names),
        "limbs": [list(pair) for pair in spec.joints.limbs],
        "frames": spec.num_frames,
        "height": spec.crop_size[0],
        "width": spec.crop_size[1],
    }
    if place is not None:
        facts["folder"] = shown(Path(place).resolve().name)
    return Evaluation(facts, rows, samples.arrays(list(models)))


def _filters(model: Any) -> dict[str, Any]:
    """How much the filters of a network for clips let through, to four digits; nothing of one without."""
    scales = [
        {"reduction": one.reduction, "amplitudes": [[round(value, 4) for value in row] for row in one.values.tolist()]}
        for one in clip_filter_amplitudes(model)
    ]
    return {"clip_filters": scales} if scales else {}


def stored_arguments(source: str) -> dict[str, Any]:
    """Arguments of `coco_keypoints` that show people as stored weights want them.

    What they do not say is left out.
    """
    facts = read_card(find_model_folder(source))["metadata"]
    prepare, names = facts.get("preprocessing", {}), tuple(facts.get("joints", ()))
    found: dict[str, Any] = {}
    if "size" in prepare:
        found["img_size"] = prepare["size"]
    if "convention" in prepare:
        found["targets"] = "udp" if prepare["convention"] == "udp" else "plain"
    if names in (COCO.names, POSETRACK.names):
        found["joints"] = "coco" if names == COCO.names else "posetrack"
    return found


def check_stored_samples(inputs: np.ndarray, targets: np.ndarray, predictions: dict[str, np.ndarray]) -> bool:
    """Whether crops `(N, 3, H, W)`, true joints `(N, K, 3)` and found ones `(N, K, 3)` belong together."""
    fits = all(one.shape == targets.shape for one in predictions.values())
    return fits and inputs.ndim == 4 and targets.ndim == 3 and targets.shape[2] == 3 and len(inputs) == len(targets)


class _Samples:
    """Some test people: the first of every clip, as they are seen in the middle frame.

    Args:
        wanted: Number of people.
        spec: Says how they were normalized.
    """

    def __init__(self, wanted: int, spec: PoseSpec) -> None:
        self.wanted, self.spec = wanted, spec
        self._clips: set[str] = set()
        self._crops: list[Tensor] = []
        self._true: list[Tensor] = []
        self._found: list[dict[str, Tensor]] = []

    def add(self, batch: PoseBatch, found: dict[str, Poses]) -> None:
        """Keep people as long as there are too few."""
        middle = batch.frames.shape[1] // 2
        for index, truth in enumerate(batch.truths):
            if truth is None or truth.clip in self._clips or len(self._crops) >= self.wanted:
                continue
            self._clips.add(truth.clip)
            self._crops.append(self.spec.denormalize(batch.frames[index, middle]).cpu())
            self._true.append(torch.cat([batch.joints[index], batch.visible[index, :, None]], 1).cpu())
            self._found.append(
                {
                    name: torch.cat([one.points[index], one.scores[index, :, None]], 1).float().cpu()
                    for name, one in found.items()
                }
            )

    def arrays(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """`inputs` `(N, 3, H, W)`; `targets` `(N, K, 3)`, x, y and visibility; `prediction/NAME` with a score."""
        if not self._crops:
            return {}
        arrays = {"inputs": as_bytes(torch.stack(self._crops)), "targets": torch.stack(self._true).numpy()}
        return arrays | {
            f"prediction/{name}": torch.stack([one[name] for one in self._found]).numpy() for name in names
        }
