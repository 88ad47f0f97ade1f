"""Scores and samples of networks for generation on a test set."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from subband.config import RecipeConfig
from subband.data.images.unlabelled import UnlabelledData
from subband.models.generation.wavelet_vae import WaveletVAE
from subband.tasks.generation.drawing import draw
from subband.tasks.generation.inception import InceptionScores
from subband.tasks.generation.networks import as_input, can_draw
from subband.tasks.generation.scores import DrawnScores, ReconstructionRow
from subband.training.evaluation import Evaluation, KeptSamples, as_bytes, evaluation_loader
from subband.visual.coefficient_maps import map_figure
from subband.visual.colors import REAL_ROWS

__all__ = ["evaluate"]

_SHOWN = 64  # drawn images that are stored to look at
_MOST_DRAWN = 10_000  # for distances from the test images


def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: UnlabelledData, device: torch.device) -> Evaluation:
    """Scores of reconstructions, likelihoods and drawn images against the test set; some of them to look at."""
    spec, config = data.test.spec, recipe.evaluation
    loader = evaluation_loader(recipe, data.test, device, torch.stack)
    options: dict[str, Any] = {"bound_samples": config.bound_samples}
    rows = {
        name: ReconstructionRow(model, spec, config.lpips_weights, device, **options) for name, model in models.items()
    }
    distances = {name: DrawnScores(spec, device) for name, model in models.items() if can_draw(model)}
    inception = InceptionScores(config.inception_weights, models, device)
    halves, samples = DrawnScores(spec, device), KeptSamples(config.num_samples)
    for number, images in enumerate(loader):
        for row in rows.values():
            row.add(images, torch.Generator(device).manual_seed(number))
        for scores in distances.values():
            scores.add(images, is_real=True)
        halves.add(images[::2], is_real=True)
        halves.add(images[1::2], is_real=False)
        recon = {name: row.newest for name, row in rows.items() if row.newest is not None}
        inception.add(images, recon)
        samples.add(images, images, recon)
    count, arrays = len(data.test) - len(loader.left_out), samples.arrays()
    for name, scores in distances.items():
        drawn = draw(models[name], max(min(count, _MOST_DRAWN), _SHOWN))
        for part in drawn[: min(count, _MOST_DRAWN)].to(device).split(_SHOWN):
            scores.add(part, is_real=False)
            inception.add_drawn(name, part)
        if arrays:
            arrays[f"drawn/{name}"] = as_bytes(drawn[:_SHOWN])
    if arrays:
        arrays |= _maps(models, torch.from_numpy(arrays["inputs"][:1]).to(device).float() / 255)
    measured: dict[str, dict[str, Any]] = {
        name: {"metrics": {**row.compute(), **_scores(distances.get(name)), **inception.compute(name)}}
        for name, row in rows.items()
    }
    measured[f"{REAL_ROWS} two halves"] = {"parameters": 0, "metrics": _scores(halves) | inception.of_halves()}
    for remark in [scores.remark for scores in (*distances.values(), halves) if scores.remark is not None][:1]:
        warnings.warn(remark, stacklevel=2)
    facts = {"name": recipe.data.name, "split": "test", "images": count, "channels": spec.channels}
    return Evaluation(facts | {"height": spec.height, "width": spec.width}, measured, arrays)


@torch.no_grad()
def _scores(distances: DrawnScores | None) -> dict[str, float | None]:
    return {} if distances is None else distances.compute()


def _maps(models: dict[str, Any], image: Tensor) -> dict[str, np.ndarray]:
    """The coefficients of an image `(1, C, H, W)` as the networks see it that have some."""
    found: dict[str, np.ndarray] = {}
    for name, model in models.items():
        if isinstance(model, WaveletVAE):
            mean = model.encode(as_input(model, image)).mean
            if mean.details:
                found[f"maps/{name}"] = map_figure(mean).transpose(2, 0, 1)[None]
    return found
