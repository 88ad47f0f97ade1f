"""What a detector minimizes: errors of objectness, classes, boxes and masks, all of them for sampled boxes.

Source: the published configurations on MMDetection 2.11; the rules by which families differ are in
`subband.models.detection.families`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.models.detection.boxes import box_iou, decode_boxes, encode_boxes, generalized_iou_loss
from subband.models.detection.families import Family, StageRules
from subband.models.detection.matching import IGNORED, Sample, match_boxes, sample_matches
from subband.models.detection.regions import crop_masks
from subband.models.detection.results import Targets
from subband.models.detection.roi_heads import RoIHeads
from subband.models.detection.rpn import ANCHOR_STDS, RegionScores

__all__ = ["region_losses", "rpn_losses", "sample_anchors", "sample_regions"]

RPN_POSITIVE, RPN_NEGATIVE = 0.7, 0.3
RPN_POSITIVE_SHARE, REGION_POSITIVE_SHARE = 0.5, 0.25
GIOU_WEIGHT = 10.0

Sizes = Sequence[tuple[int, int]]


def sample_anchors(
    anchors: Tensor, boxes: Tensor, family: Family, usable: Tensor, generator: torch.Generator | None
) -> Sample:
    """Anchors of one image that are learnt from.

    Args:
        anchors: Of all levels, `(A, 4)`.
        boxes: Objects, `(G, 4)`.
        family: Rules.
        usable: Which anchors there are for this image, `(A,)`.
        generator: As of `sample_matches`.
    """
    rules = {"positive": RPN_POSITIVE, "negative": RPN_NEGATIVE, "best": RPN_NEGATIVE}
    matches = torch.full_like(usable, IGNORED, dtype=torch.long)
    matches[usable] = match_boxes(box_iou(boxes, anchors[usable]), **rules)
    return sample_matches(
        matches, num_samples=family.rpn_samples, positive_share=RPN_POSITIVE_SHARE, generator=generator
    )


def usable_anchors(anchors: Tensor, family: Family, image_size: tuple[int, int], padded: tuple[int, int]) -> Tensor:
    """Which anchors count in training, `(A,)`: those whose place is in the padded image, or those within the image.

    Args:
        anchors: `(A, 4)`.
        family: Rules.
        image_size: `(H, W)` of the image.
        padded: `(H, W)` of the image padded as if it were alone in its batch.
    """
    if family.anchors_inside:
        height, width = image_size
        limits = anchors.new_tensor([width, height])
        return (anchors[:, :2] >= 0).all(1) & (anchors[:, 2:] < limits).all(1)
    last = anchors.new_tensor([padded[1] - 1, padded[0] - 1])
    return ((anchors[:, :2] + anchors[:, 2:]) / 2 < last).all(1)


def rpn_losses(
    scores: RegionScores,
    image_sizes: Sizes,
    padded_sizes: Sizes,
    targets: Sequence[Targets],
    family: Family,
    generator: torch.Generator | None,
) -> dict[str, Tensor]:
    """Losses of the region proposals.

    Args:
        scores: Of all anchors.
        image_sizes: `(H, W)` of each image.
        padded_sizes: `(H, W)` of each image padded as if it were alone in its batch.
        targets: Objects of each image.
        family: Rules.
        generator: As of `sample_matches`.

    Returns:
        `objectness` and `proposal_box`, sums over the samples of the batch divided by their number; an image without
        positive or without negative samples counts as if it had one.
    """
    anchors = torch.cat(scores.anchors)
    logits, deltas = torch.cat(scores.logits, dim=1), torch.cat(scores.deltas, dim=1)
    count, objectness, boxes = 0, logits.new_zeros(()), logits.new_zeros(())
    for index, target in enumerate(targets):
        usable = usable_anchors(anchors, family, image_sizes[index], padded_sizes[index])
        sample = sample_anchors(anchors, target.boxes, family, usable, generator)
        found = logits[index, sample.indices]
        truth = (torch.arange(len(found), device=found.device) < len(sample.positives)).to(found)
        objectness = objectness + F.binary_cross_entropy_with_logits(found, truth, reduction="sum")
        wanted = encode_boxes(anchors[sample.positives], target.boxes[sample.objects], ANCHOR_STDS)
        moved = deltas[index, sample.positives]
        boxes = boxes + F.smooth_l1_loss(moved, wanted, beta=family.rpn_beta, reduction="sum")
        count += max(len(sample.positives), 1) + max(len(sample.negatives), 1)
    return {"objectness": objectness / count, "proposal_box": boxes / count}


def sample_regions(
    proposals: Tensor, boxes: Tensor, rules: StageRules, family: Family, generator: torch.Generator | None
) -> tuple[Tensor, Sample]:
    """Regions of one image that a stage learns from.

    Args:
        proposals: `(N, 4)`.
        boxes: Objects, `(G, 4)`, which are regions, too.
        rules: Of the stage.
        family: Of the detector.
        generator: As of `sample_matches`.

    Returns:
        Objects and proposals, `(G + N, 4)`, and which of them to learn from.
    """
    best = rules.min_iou if family.takes_best_region else None
    matches = match_boxes(box_iou(boxes, proposals), positive=rules.min_iou, negative=rules.min_iou, best=best)
    own = torch.arange(len(boxes), device=boxes.device)
    sample = sample_matches(
        torch.cat([own, matches]),
        num_samples=family.region_samples,
        positive_share=REGION_POSITIVE_SHARE,
        generator=generator,
    )
    return torch.cat([boxes, proposals]), sample


def region_losses(
    heads: RoIHeads,
    maps: Sequence[Tensor],
    proposals: Sequence[Tensor],
    image_sizes: Sizes,
    targets: Sequence[Targets],
    family: Family,
    generator: torch.Generator | None,
) -> dict[str, Tensor]:
    """Losses of the heads, stage after stage.

    Args:
        heads: Box and mask heads.
        maps: Pyramid, `(B, C, H, W)` each.
        proposals: Of each image, `(N, 4)`.
        image_sizes: `(H, W)` of each image.
        targets: Objects of each image.
        family: Rules.
        generator: As of `sample_matches`.

    Returns:
        `class`, `box` and, with mask heads, `mask`; in a cascade `class_1` to `mask_3`, weighted.
    """
    losses: dict[str, Tensor] = {}
    for stage, rules in enumerate(family.stages):
        pairs = [
            sample_regions(regions, target.boxes, rules, family, generator)
            for regions, target in zip(proposals, targets, strict=True)
        ]
        samples = [sample for _, sample in pairs]
        boxes = [regions[sample.indices] for regions, sample in pairs]
        logits, deltas = heads.predict(stage, maps, boxes)
        background = logits.shape[1] - 1
        labels = torch.cat(
            [_labels(sample, target, background) for sample, target in zip(samples, targets, strict=True)]
        )
        found = {
            "class": F.cross_entropy(logits, labels),
            "box": _box_loss(deltas, labels, boxes, samples, targets, rules, family),
        }
        if heads.mask_heads:
            found["mask"] = _mask_loss(heads, stage, maps, pairs, targets)
        suffix = f"_{stage + 1}" if len(family.stages) > 1 else ""
        losses |= {f"{name}{suffix}": rules.weight * loss for name, loss in found.items()}
        if stage + 1 < len(family.stages):
            guesses = torch.where(labels == background, logits[:, :-1].argmax(1), labels)
            refined = heads.refine(stage, boxes, guesses, deltas.detach(), image_sizes)
            proposals = [
                moved[sample.indices >= len(target.boxes)]  # the objects are added again
                for moved, sample, target in zip(refined, samples, targets, strict=True)
            ]
    return losses


def _labels(sample: Sample, target: Targets, background: int) -> Tensor:
    """Class of every region of one image."""
    return torch.cat([target.labels[sample.objects], torch.full_like(sample.negatives, background)])


def _box_loss(
    deltas: Tensor,
    labels: Tensor,
    boxes: Sequence[Tensor],
    samples: Sequence[Sample],
    targets: Sequence[Targets],
    rules: StageRules,
    family: Family,
) -> Tensor:
    """Error of the boxes of objects, for their true class, per region."""
    counts = [len(sample.positives) for sample in samples]
    starts = torch.cat([item[:count] for item, count in zip(boxes, counts, strict=True)])
    wanted = torch.cat([target.boxes[sample.objects] for target, sample in zip(targets, samples, strict=True)])
    rows = (labels < deltas.shape[1]).nonzero()[:, 0]
    moved = deltas[rows, labels[rows]]
    if family.box_loss == "giou":
        errors = GIOU_WEIGHT * generalized_iou_loss(decode_boxes(starts, moved, rules.stds), wanted)
    else:
        errors = (moved - encode_boxes(starts, wanted, rules.stds)).abs()
    return errors.sum() / max(len(labels), 1)


def _mask_loss(
    heads: RoIHeads,
    stage: int,
    maps: Sequence[Tensor],
    pairs: Sequence[tuple[Tensor, Sample]],
    targets: Sequence[Targets],
) -> Tensor:
    """Cross-entropy of the masks of objects, for their true class, per point."""
    boxes = [regions[sample.positives] for regions, sample in pairs]
    logits = heads.predict_masks(stage, maps, boxes)
    labels = torch.cat([target.labels[sample.objects] for (_, sample), target in zip(pairs, targets, strict=True)])
    if not len(labels):
        return logits.sum()  # zero, but of the graph, as several processes need it
    found = logits[torch.arange(len(labels), device=labels.device), labels]
    wanted = [
        crop_masks(target.masks, sample.objects, item, found.shape[-1])
        for item, (_, sample), target in zip(boxes, pairs, targets, strict=True)
        if target.masks is not None
    ]
    return F.binary_cross_entropy_with_logits(found, torch.cat(wanted).to(found))
