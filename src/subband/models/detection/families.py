"""The two families of published detectors: their heads, and the rules by which they learn.

Sources: He et al., Mask R-CNN, ICCV 2017 (without masks: Ren et al., Faster R-CNN, NeurIPS 2015); Cai and Vasconcelos,
Cascade R-CNN, CVPR 2018, with the GIoU loss of the published configurations. Numbers are those of the detectors
published with WSF-ViT (MMDetection 2.11).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["FAMILIES", "Family", "FamilyName", "StageRules"]

FamilyName = Literal["rcnn", "cascade"]
Stds = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class StageRules:
    """One stage of box heads.

    Attributes:
        stds: Of the deltas.
        min_iou: Overlap from which a region is taken for the object.
        weight: Of the losses of this stage.
    """

    stds: Stds
    min_iou: float
    weight: float


@dataclass(frozen=True, kw_only=True)
class Family:
    """Heads of a detector, and the rules by which it learns.

    Attributes:
        stages: Box heads, one after another.
        num_convs: Convolutions in a box head.
        anchors_inside: Learn from anchors only that lie within the image.
        rpn_beta: Where the loss of the first boxes turns from squares to differences; 0 for differences alone.
        takes_best_region: Give every object its best region, if that is a region of some object anyway.
        box_loss: Of the box heads: differences of deltas, or generalized overlap of the boxes.
        proposals: Most regions of an image in training.
        rpn_samples: Anchors of an image that are learnt from.
        region_samples: Regions of an image that are learnt from.
    """

    stages: tuple[StageRules, ...]
    num_convs: int
    anchors_inside: bool
    rpn_beta: float
    takes_best_region: bool
    box_loss: Literal["l1", "giou"]
    proposals: int
    rpn_samples: int = 256
    region_samples: int = 512


FAMILIES: dict[str, Family] = {
    "rcnn": Family(
        stages=(StageRules(stds=(0.1, 0.1, 0.2, 0.2), min_iou=0.5, weight=1.0),),
        num_convs=0,
        anchors_inside=False,
        rpn_beta=0.0,
        takes_best_region=True,
        box_loss="l1",
        proposals=1000,
    ),
    "cascade": Family(
        stages=(
            StageRules(stds=(0.1, 0.1, 0.2, 0.2), min_iou=0.5, weight=1.0),
            StageRules(stds=(0.05, 0.05, 0.1, 0.1), min_iou=0.6, weight=0.5),
            StageRules(stds=(0.033, 0.033, 0.067, 0.067), min_iou=0.7, weight=0.25),
        ),
        num_convs=4,
        anchors_inside=True,
        rpn_beta=1 / 9,
        takes_best_region=False,
        box_loss="giou",
        proposals=2000,
    ),
}
