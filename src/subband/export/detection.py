"""Detectors as ONNX files, from an image to boxes, names and masks.

How many objects there are depends on the image, and the sizes in a file do not: results have as many rows as a detector
gives at most, of which those without an object have the score 0. Overlapping boxes are removed by ONNX's own operator,
levels and classes moved apart as in the published code.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.onnx.ops import symbolic

from subband.export.onnx import OnnxFile, require_onnx, save_program
from subband.models.arguments import Inputs, as_arguments
from subband.models.detection.boxes import decode_boxes, has_area
from subband.models.detection.detector import PROPOSALS, Detector
from subband.models.detection.heads import BOX_SIZE, MASK_SIZE
from subband.models.detection.regions import region_levels
from subband.models.detection.results import Detections
from subband.models.detection.roi_heads import MAX_DETECTIONS, MIN_SCORE, NMS_THRESHOLD
from subband.models.detection.rpn import ANCHOR_STDS
from subband.models.detection.rpn import NMS_THRESHOLD as PROPOSAL_THRESHOLD

__all__ = ["RESULTS", "export_detector"]

RESULTS = ("boxes", "scores", "labels", "masks")
TIED = 1e-4  # difference of scores that rounding may turn round
UNWANTED = -2.0  # score of what no list is filled up with: below the least that is asked for, -1
SINCE = 16  # version of ONNX's operators, the first whose RoiAlign is aligned


def export_detector(model: Detector, inputs: Inputs, path: Path, *, dynamic_batch: bool = False) -> float:
    """Write an ONNX file, run it in onnxruntime on the CPU and compare.

    The file takes one image and gives `boxes (100, 4)`, `scores (100,)`, `labels (100,)` and, with masks, `masks (100,
    28, 28)`: what a `Detections` holds, best score first, filled up with rows of score 0.

    Args:
        model: Detector in evaluation mode.
        inputs: Example image `(1, 3, H, W)`; its size is fixed in the file.
        path: File to write.
        dynamic_batch: Not for detectors.

    Returns:
        How far the objects of file and network are apart: of boxes as a share of the longer side, of scores and mask
        probabilities as they are.

    Raises:
        ImportError: If onnx, onnxscript or onnxruntime is missing.
        ValueError: If there are several images.
    """
    (images,) = as_arguments(inputs)
    if dynamic_batch or len(images) != 1:
        raise ValueError("a detector is exported for one image at a time; leave out --batch and --dynamic-batch.")
    require_onnx()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own, about its own code
        names = list(RESULTS if model.with_masks else RESULTS[:-1])
        program = torch.onnx.export(
            _Graph(model).eval(),
            (images,),
            dynamo=True,
            input_names=["images"],
            output_names=names,
            opset_version=18,
            verbose=False,
            optimize=False,  # it would rely on the sizes below
        )
        (wanted,) = model(images)
    _forget_sizes(program)
    save_program(program, model, images, path)
    return _difference(wanted, OnnxFile(path).all_results(images), max(images.shape[-2:]))


def _forget_sizes(program: torch.onnx.ONNXProgram | None) -> None:
    """Take back the sizes that were claimed for what `NonMaxSuppression` gives, which runtimes would rely on."""
    assert program is not None  # without dynamo there would be none
    for node in program.model.graph:
        if node.op_type == "NonMaxSuppression":
            (concat, _), *_ = node.outputs[0].uses()
            for one in (node, concat):
                one.outputs[0].shape = None


def _difference(wanted: Detections, found: Sequence[Tensor], side: int) -> float:
    """Of every object in one list from the nearest one in the other, at most.

    Of a full list, those whose scores equal that of the last one do not count: which of them are in it is chance.
    """
    kept = found[1] > 0
    parts = [part[kept] for part in found]
    if len(parts[0]) != len(wanted.boxes):
        return float("inf")
    if not len(wanted.boxes):
        return 0.0
    apart = torch.cdist(parts[0], wanted.boxes, p=float("inf")) / side
    apart = apart.maximum((parts[1][:, None] - wanted.scores).abs())
    apart[parts[2][:, None] != wanted.labels] = float("inf")
    values, nearest = apart.min(1)
    if wanted.mask_probs is not None:
        values = values.maximum((parts[3] - wanted.mask_probs[nearest]).abs().amax((1, 2)))
    if len(values) == MAX_DETECTIONS:
        values = values[parts[1] > wanted.scores[-1] + TIED]
    return torch.cat([values, (parts[1] - wanted.scores).abs()]).max().item()


class _Graph(nn.Module):
    """A detector without anything whose size depends on what is found.

    Args:
        model: The detector.
    """

    def __init__(self, model: Detector) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Boxes, scores, labels and masks of images `(1, 3, H, W)`."""
        size, heads = (images.shape[-2], images.shape[-1]), self.model.heads
        maps = self.model.features(images)
        boxes, is_real = self._propose(maps, size)
        total = boxes.new_zeros(())
        for stage, rules in enumerate(heads.stages):
            logits, deltas = heads.box_heads[stage](self._pool(maps, boxes, BOX_SIZE))
            total = total + logits
            moved = decode_boxes(boxes[:, None], deltas, rules.stds, size)  # (R, K, 4)
            if stage + 1 < len(heads.stages):
                boxes = _row_of(moved, logits[:, :-1].argmax(1))
        probs = (total / len(heads.stages)).softmax(1)[:, :-1] * is_real[:, None]
        return self._results(maps, moved, probs)

    def _propose(self, maps: list[Tensor], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Proposals `(1000, 4)`, and which of them are none but fill the list up."""
        boxes, scores, levels = [], [], []
        found = self.model.rpn(maps).of_image(0)
        for level, (logits, deltas, anchors) in enumerate(zip(*found, strict=True)):
            best, chosen = logits.sigmoid().topk(min(PROPOSALS, len(logits)))
            boxes.append(decode_boxes(anchors[chosen], deltas[chosen], ANCHOR_STDS, size))
            scores.append(best)
            levels.append(torch.full_like(best, level))
        candidates, objectness = torch.cat(boxes), torch.cat(scores)
        if not self.model.rpn.keep_empty:
            objectness = objectness.where(has_area(candidates), UNWANTED)
        kept = _suppress(candidates, objectness, torch.cat(levels), PROPOSAL_THRESHOLD, -1.0, PROPOSALS)
        candidates = torch.cat([candidates, candidates.new_zeros(1, 4)])
        return candidates[kept], (kept < len(objectness)).to(candidates)

    def _pool(self, maps: list[Tensor], boxes: Tensor, side: int) -> Tensor:
        """Features of boxes: from every level those of its own, and zeros of boxes that have no size there."""
        strides = self.model.heads.strides
        levels = region_levels(boxes, len(strides))
        images = torch.zeros_like(levels)
        parts = []
        for level, stride in enumerate(strides):
            own = boxes * (levels == level).to(boxes)[:, None]
            attributes = {
                "coordinate_transformation_mode": "half_pixel",
                "mode": "avg",
                "output_height": side,
                "output_width": side,
                "sampling_ratio": 0,
                "spatial_scale": 1 / stride,
            }
            shape = (len(boxes), maps[level].shape[1], side, side)
            parts.append(
                symbolic(
                    "RoiAlign", (maps[level], own, images), attributes, dtype=own.dtype, shape=shape, version=SINCE
                )
            )
        return torch.stack(parts).sum(0)

    def _results(self, maps: list[Tensor], moved: Tensor, probs: Tensor) -> tuple[Tensor, ...]:
        """The best objects of boxes `(R, K, 4)` with probabilities `(R, K)`."""
        labels = torch.arange(probs.shape[1]).expand_as(probs).flatten()
        boxes, scores = moved.flatten(0, 1), probs.flatten()
        if not self.model.heads.keep_empty:
            scores = scores * has_area(boxes)
        kept = _suppress(boxes, scores, labels.to(scores), NMS_THRESHOLD, MIN_SCORE, MAX_DETECTIONS)
        boxes, scores, labels = (
            torch.cat([part, part.new_zeros(1, *part.shape[1:])])[kept] for part in (boxes, scores, labels)
        )
        if not self.model.with_masks:
            return boxes, scores, labels
        features = self._pool(maps, boxes, MASK_SIZE)
        masks = [_row_of(head(features), labels).sigmoid() for head in self.model.heads.mask_heads]
        return boxes, scores, labels, torch.stack(masks).mean(0)


def _row_of(values: Tensor, labels: Tensor) -> Tensor:
    """Of values `(N, K, ...)` those of one class each."""
    return values[torch.arange(len(labels)), labels]


def _suppress(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float, min_score: float, count: int) -> Tensor:
    """Numbers of the best `count` boxes that do not overlap better ones of their group, filled up with that of none."""
    apart = boxes + (groups * (boxes.max() + 1))[:, None]
    options = (torch.tensor([count]), torch.tensor([threshold]), torch.tensor([min_score]))
    arguments = (apart[None], scores[None, None], *options)
    found = symbolic("NonMaxSuppression", arguments, dtype=torch.int64, shape=(count, 3), version=SINCE)
    none = torch.full((count, 3), len(scores))
    both = symbolic("Concat", (found, none), {"axis": 0}, dtype=torch.int64, shape=(2 * count, 3), version=SINCE)
    span = (torch.tensor([0]), torch.tensor([count]), torch.tensor([0]))
    return symbolic("Slice", (both, *span), dtype=torch.int64, shape=(count, 3), version=SINCE)[:, 2]
