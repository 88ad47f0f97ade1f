"""Detectors on the device against the CPU: scores and heads with gradients, detections, losses.

Which boxes are found follows from comparisons, so everything after them begins with the same boxes on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

import subband
from gpu_checks.check import DEEP, Check, Figure, Setting, noise, on, relative_error, with_gradients
from gpu_checks.models import WSFVIT, lively
from subband.models.detection.results import Targets

__all__ = ["SMALL", "check_detectors"]

OPTIONS = {"backbone_args": {**WSFVIT, "img_size": 64}, "dim": 8, "hidden_dim": 16, "num_classes": 3}
SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "mask": ("wsfvit_p0_maskrcnn", OPTIONS),
    "cascade": ("wsfvit_p0_maskrcnn", {**OPTIONS, "family": "cascade"}),
}
SIZE = (64, 64)
BOXES = [[3.0, 4.0, 40.0, 30.0], [20.5, 10.0, 60.0, 63.0], [0.0, 0.0, 5.5, 6.0], [7.0, 7.0, 7.0, 30.0]]


def check_detectors(setting: Setting) -> Iterator[Check]:
    """Both families as small networks."""
    for family in SMALL:
        yield Check(f"{family}, scores", partial(compare_scores, family, setting))
        yield Check(f"{family}, detections", partial(compare_detections, family, setting))
        yield Check(f"{family}, losses", partial(compare_losses, family, setting))


def pair(family: str, setting: Setting) -> tuple[Any, Any]:
    """A detector on the CPU, and the same on the device."""
    name, options = SMALL[family]
    torch.manual_seed(3)
    model = lively(subband.create_model(name, **options))
    return model, on(setting.device, model)


def scores_of(model: Any, images: Tensor) -> list[Tensor]:
    """Region scores, and what every stage says about given boxes."""
    maps = model.features(images)
    boxes = [torch.tensor(BOXES, device=images.device)] * len(images)
    stages = range(len(model.heads.box_heads))
    heads = [part for stage in stages for part in model.heads.predict(stage, maps, boxes)]
    masks = [model.heads.predict_masks(stage, maps, boxes) for stage in stages]
    regions = model.rpn(maps)
    return [*regions.logits, *regions.deltas, *heads, *masks]


def compare_scores(family: str, setting: Setting) -> list[Figure]:
    """Outputs and gradients."""
    model, moved = pair(family, setting)
    images = noise(2, 3, *SIZE)
    wanted, gradients = with_gradients(partial(scores_of, model), (images,), model.parameters())
    inputs = (images.to(setting.device),)
    found, own = with_gradients(partial(scores_of, moved), inputs, moved.parameters())
    return [
        Figure(relative_error(found, wanted), DEEP),
        Figure(relative_error(own, gradients), DEEP, "", "gradient"),
    ]


def compare_detections(family: str, setting: Setting) -> Figure:
    """Detections of given boxes in a given pyramid."""
    model, moved = pair(family, setting)
    with torch.no_grad():
        maps, boxes = model.features(noise(1, 3, *SIZE)), torch.tensor(BOXES)
        (wanted,) = model.heads(maps, [boxes], [SIZE])
        (found,) = moved.heads(on(setting.device, maps), [boxes.to(setting.device)], [SIZE])
    return Figure(relative_error([part.float() for part in found], [part.float() for part in wanted]), DEEP)


def compare_losses(family: str, setting: Setting) -> Figure:
    """Losses of the region proposals, whose samples do not depend on results; those of the heads are finite."""
    masks = torch.zeros(2, *SIZE, dtype=torch.bool)
    masks[:, 10:30, 10:30] = True
    target = Targets(torch.tensor(BOXES[:2]), torch.tensor([0, 2]), masks)
    losses = []
    for model in pair(family, setting):
        device = next(model.parameters()).device
        generator = torch.Generator().manual_seed(0)
        losses.append(model.losses(noise(1, 3, *SIZE).to(device), [on(device, target)], generator=generator))
    assert all(value.isfinite() for value in losses[1].values())
    names = ("objectness", "proposal_box")
    return Figure(relative_error(*([part[name].detach() for name in names] for part in reversed(losses))), DEEP)
