"""From proposals to detections: box heads, one or three after another, and mask heads beside them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from subband.models.detection.boxes import decode_boxes, grouped_nms, has_area
from subband.models.detection.families import Family
from subband.models.detection.heads import BOX_SIZE, MASK_SIZE, BoxHead, MaskHead
from subband.models.detection.regions import pool_regions
from subband.models.detection.results import Detections

__all__ = ["RoIHeads"]

MIN_SCORE = 0.05
NMS_THRESHOLD = 0.5
MAX_DETECTIONS = 100

Sizes = Sequence[tuple[int, int]]


class RoIHeads(nn.Module):
    """Heads on regions of interest.

    In a cascade every head refines the boxes that the next one sees; logits and mask probabilities are averaged.

    Args:
        family: Number of heads and their rules.
        dim: Channels of the pyramid.
        strides: Pixels per element of the levels that regions are read from.
        num_classes: K, without the background.
        hidden_dim: Width of the linear layers.
        with_masks: Whether there are mask heads.
        keep_empty: Whether boxes without area are detections.
    """

    def __init__(
        self,
        family: Family,
        dim: int,
        strides: Sequence[int],
        *,
        num_classes: int,
        hidden_dim: int,
        with_masks: bool,
        keep_empty: bool = True,
    ) -> None:
        super().__init__()
        self.strides, self.keep_empty = tuple(strides), keep_empty
        self.stages = family.stages
        self.box_heads = nn.ModuleList(
            BoxHead(dim, num_classes=num_classes, hidden_dim=hidden_dim, num_convs=family.num_convs)
            for _ in family.stages
        )
        self.mask_heads = nn.ModuleList(
            MaskHead(dim, num_classes=num_classes) for _ in (family.stages if with_masks else ())
        )

    def predict(self, stage: int, maps: Sequence[Tensor], boxes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits `(R, K + 1)` and deltas `(R, K, 4)` of one stage.

        Args:
            stage: Which, from 0.
            maps: Pyramid, `(B, C, H, W)` each; those levels that have no stride here are not read.
            boxes: Regions of each image, `(N, 4)`; R of all images.
        """
        return self.box_heads[stage](pool_regions(maps[: len(self.strides)], boxes, self.strides, BOX_SIZE))

    def predict_masks(self, stage: int, maps: Sequence[Tensor], boxes: Sequence[Tensor]) -> Tensor:
        """Mask logits `(R, K, 28, 28)` of one stage; arguments as of `predict`."""
        return self.mask_heads[stage](pool_regions(maps[: len(self.strides)], boxes, self.strides, MASK_SIZE))

    def refine(
        self, stage: int, boxes: Sequence[Tensor], labels: Tensor, deltas: Tensor, image_sizes: Sizes
    ) -> list[Tensor]:
        """Boxes after a stage, moved by the deltas of one class each.

        Args:
            stage: Which, from 0.
            boxes: Those before, `(N, 4)` of each image; R of all images.
            labels: Class of each, `(R,)`.
            deltas: Of all classes, `(R, K, 4)`.
            image_sizes: `(H, W)` of each image, which results are clipped to.

        Returns:
            `(N, 4)` of each image.
        """
        chosen = deltas[torch.arange(len(labels), device=labels.device), labels]
        parts = chosen.split([len(item) for item in boxes])
        stds = self.stages[stage].stds
        triples = zip(boxes, parts, image_sizes, strict=True)
        return [decode_boxes(item, part, stds, size) for item, part, size in triples]

    def forward(self, maps: Sequence[Tensor], proposals: Sequence[Tensor], image_sizes: Sizes) -> list[Detections]:
        """Detections of every image.

        Args:
            maps: Pyramid, `(B, C, H, W)` each.
            proposals: Boxes of each image, `(N, 4)`.
            image_sizes: `(H, W)` of each image without padding.
        """
        boxes, total = list(proposals), torch.zeros(())
        for stage in range(len(self.stages)):
            logits, deltas = self.predict(stage, maps, boxes)
            total = total.to(logits) + logits
            if stage + 1 < len(self.stages):
                boxes = self.refine(stage, boxes, logits[:, :-1].argmax(1), deltas.detach(), image_sizes)
        counts = [len(item) for item in boxes]
        probs = (total / len(self.stages)).softmax(1)[:, :-1].split(counts)
        found = [self._select(*one) for one in zip(boxes, deltas.split(counts), probs, image_sizes, strict=True)]
        return self._with_masks(maps, found) if self.mask_heads else found

    def _select(self, boxes: Tensor, deltas: Tensor, probs: Tensor, image_size: tuple[int, int]) -> Detections:
        """Detections of one image, without masks: every class of every box for itself."""
        rows, labels = (probs > MIN_SCORE).nonzero(as_tuple=True)
        moved = decode_boxes(boxes[rows], deltas[rows, labels], self.stages[-1].stds, image_size)
        scores = probs[rows, labels]
        if not self.keep_empty:
            moved, scores, labels = (part[has_area(moved)] for part in (moved, scores, labels))
        kept = grouped_nms(moved, scores, labels, NMS_THRESHOLD)[:MAX_DETECTIONS]
        return Detections(moved[kept], scores[kept], labels[kept], None)

    def _with_masks(self, maps: Sequence[Tensor], found: list[Detections]) -> list[Detections]:
        boxes, labels = [item.boxes for item in found], torch.cat([item.labels for item in found])
        rows = torch.arange(len(labels), device=labels.device)
        stages = range(len(self.mask_heads))
        probs = [self.predict_masks(stage, maps, boxes)[rows, labels].sigmoid() for stage in stages]
        parts = torch.stack(probs).mean(0).split([len(item) for item in boxes])
        return [item._replace(mask_probs=part) for item, part in zip(found, parts, strict=True)]
