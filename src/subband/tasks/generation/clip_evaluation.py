"""Scores and samples of networks for the generation of clips on a test set."""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

import torch
from torch import Tensor

from subband.config import RecipeConfig
from subband.data.images.unlabelled import UnlabelledSpec
from subband.data.spec import VideoData
from subband.metrics.descriptors import MetricInfo
from subband.metrics.generation_descriptors import VIDEO_GENERATION_METRICS
from subband.metrics.temporal import TemporalError
from subband.tasks.generation.drawing import draw
from subband.tasks.generation.networks import can_draw
from subband.tasks.generation.scores import DrawnScores, ReconstructionRow
from subband.training.evaluation import Evaluation, KeptSamples, as_bytes, evaluation_loader
from subband.visual.colors import REAL_ROWS

__all__ = ["ClipRow", "evaluate_clips"]

_SHOWN = 8  # drawn clips that are stored to look at
_MOST_DRAWN = 1_000  # for distances from the test clips
_AT_ONCE = 8


class ClipRow(ReconstructionRow):
    """Scores of a network that reconstructs clips: those of their frames, and of the changes between them.

    Args:
        model: The network.
        spec: Shape of the frames.
        frames: Frames of a clip.
        lpips_weights: File with AlexNet's weights, or None.
        device: Where clips are.
    """

    metrics: ClassVar[tuple[MetricInfo, ...]] = VIDEO_GENERATION_METRICS

    def __init__(
        self, model: Any, spec: UnlabelledSpec, frames: int, lpips_weights: str | None, device: torch.device
    ) -> None:
        super().__init__(model, spec, lpips_weights, device)
        self.count = frames * math.prod(spec.shape)
        self._changes = TemporalError().to(device)

    def _score(self, recon: Tensor, images: Tensor) -> None:
        super()._score(recon.flatten(0, 1), images.flatten(0, 1))
        if images.shape[1] > 1:
            self._changes.update(recon, images)

    def compute(self) -> dict[str, float | None]:
        """All metrics; what was not measured is None."""
        found = super().compute()
        return found | {"mse_time": self._changes.compute().item() if self._changes.values else None}


def evaluate_clips(recipe: RecipeConfig, models: dict[str, Any], data: VideoData, device: torch.device) -> Evaluation:
    """Scores of reconstructions, likelihoods and drawn clips against the test set; some of them to look at."""
    config, clip = recipe.evaluation, data.spec
    spec = UnlabelledSpec(channels=clip.channels, height=clip.height, width=clip.width)
    loader = evaluation_loader(recipe, data.test, device)
    rows = {name: ClipRow(model, spec, clip.num_frames, config.lpips_weights, device) for name, model in models.items()}
    distances = {name: DrawnScores(spec, device) for name, model in models.items() if can_draw(model)}
    halves, samples = DrawnScores(spec, device), KeptSamples(config.num_samples)
    for number, batch in enumerate(loader):
        clips = torch.cat(batch, 1)
        for row in rows.values():
            row.add(clips, torch.Generator(device).manual_seed(number))
        for scores in distances.values():
            scores.add(clips.flatten(0, 1), is_real=True)
        halves.add(clips[::2].flatten(0, 1), is_real=True)
        halves.add(clips[1::2].flatten(0, 1), is_real=False)
        samples.add(clips, clips, {name: row.newest for name, row in rows.items() if row.newest is not None})
    count, arrays = len(data.test) - len(loader.left_out), samples.arrays()
    for name, scores in distances.items():
        drawn = draw(models[name], max(min(count, _MOST_DRAWN), _SHOWN), batch_size=_AT_ONCE)
        for part in drawn[: min(count, _MOST_DRAWN)].to(device).split(_AT_ONCE):
            scores.add(part.flatten(0, 1), is_real=False)
        if arrays:
            arrays[f"drawn/{name}"] = as_bytes(drawn[:_SHOWN])
    measured: dict[str, dict[str, Any]] = {
        name: {"metrics": {**row.compute(), **(distances[name].compute() if name in distances else {})}}
        for name, row in rows.items()
    }
    measured[f"{REAL_ROWS} two halves"] = {"parameters": 0, "metrics": halves.compute()}
    for remark in [scores.remark for scores in (*distances.values(), halves) if scores.remark is not None][:1]:
        warnings.warn(remark, stacklevel=2)
    facts = {"name": recipe.data.name, "split": "test", "clips": count, "frames": clip.num_frames}
    facts |= {"channels": clip.channels, "height": clip.height, "width": clip.width}
    return Evaluation(facts, measured, arrays)
