"""Average precision of detectors, as COCO's own tools compute it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from subband.extras import names_extra, require

with names_extra("these scores need"):
    from torchmetrics.detection import MeanAveragePrecision

__all__ = ["AveragePrecision", "ImageDetections", "TrueObjects"]

CURVES = {"0.50": 0, "0.75": 5}  # overlaps of which curves are given, and their places among COCO's

_KEYS = {
    "ap": "map",
    "ap50": "map_50",
    "ap75": "map_75",
    "ap_small": "map_small",
    "ap_medium": "map_medium",
    "ap_large": "map_large",
}


class ImageDetections(NamedTuple):
    """What a detector found in one image, in pixels of its file.

    Attributes:
        boxes: Corners x1, y1, x2, y2, `(N, 4)`.
        scores: `(N,)`.
        labels: `(N,)`.
        masks: Bool, `(N, H, W)`; None of a detector without masks.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    masks: Tensor | None


class TrueObjects(NamedTuple):
    """What the image shows, in pixels of its file.

    Attributes:
        boxes: `(G, 4)`.
        labels: `(G,)`.
        areas: By which objects are small, medium or large, `(G,)`.
        is_crowd: Not looked for, but no mistake if found, `(G,)`.
        masks: Bool, `(G, H, W)`; None where they do not count.
    """

    boxes: Tensor
    labels: Tensor
    areas: Tensor
    is_crowd: Tensor
    masks: Tensor | None


class AveragePrecision(MeanAveragePrecision):
    """Average precision of boxes, and of masks if wanted, with COCO's own tools.

    Args:
        with_masks: Whether masks are scored, too.

    Raises:
        ImportError: If pycocotools is not installed.

    Example:
        >>> import torch
        >>> metric = AveragePrecision(with_masks=False)
        >>> boxes, labels = torch.tensor([[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 60.0, 40.0]]), torch.tensor([0, 0])
        >>> truth = TrueObjects(boxes, labels, torch.tensor([100.0, 1600.0]), torch.tensor([False, False]), None)
        >>> metric.update([ImageDetections(boxes[:1], torch.tensor([0.9]), labels[:1], None)], [truth])
        >>> round(metric.compute()["ap"], 3)  # one of two, read at 101 places
        0.505
    """

    def __init__(self, *, with_masks: bool) -> None:
        require("pycocotools", "scores of detectors need")
        kinds: Any = ("bbox", "segm") if with_masks else "bbox"
        super().__init__(iou_type=kinds, extended_summary=True, backend="pycocotools")
        self.with_masks = with_masks
        self.warn_on_many_detections = False  # a detector gives 100 at most

    def update(self, found: Sequence[ImageDetections], truth: Sequence[TrueObjects]) -> None:  # type: ignore[override]
        """Add images.

        Args:
            found: What was found in each.
            truth: What each shows.
        """
        super().update(
            [self._entry(one, scores=one.scores) for one in found],
            [self._entry(one, area=one.areas, iscrowd=one.is_crowd.int()) for one in truth],
        )

    def _entry(self, one: ImageDetections | TrueObjects, **more: Tensor) -> dict[str, Tensor]:
        entry = {"boxes": one.boxes, "labels": one.labels, **more}
        if self.with_masks:
            assert one.masks is not None
            entry["masks"] = one.masks
        return entry

    def compute(self) -> dict[str, Any]:
        """Keys of `DETECTION_METRICS` and their values in [0, 1], None where there is no such object.

        Of the boxes of every class that occurs there are also, by its number, under `per_class` the average precision
        and under `curves` the precision at recalls of 0, 0.01, ..., 1 for overlaps of `0.50` and `0.75`; it is the best
        one at this recall or a larger one, 0 where that is not reached.
        """
        found, box = super().compute(), "bbox_" if self.with_masks else ""
        values: dict[str, Any] = {key: _share(found[f"{box}{name}"]) for key, name in _KEYS.items()}
        if self.with_masks:
            values |= {f"mask_{key}": _share(found[f"segm_{name}"]) for key, name in _KEYS.items()}
        values["per_class"], values["curves"] = {}, {}
        for place, number in enumerate(found["classes"].reshape(-1).tolist()):
            # Overlaps, recalls, classes; of objects of any size, 100 boxes of an image at most.
            own = found[f"{box}precision"][:, :, place, 0, -1]
            if own.max() >= 0:  # COCO's tools say -1 where there is nothing to be found
                values["per_class"][number] = float(own.mean())
                values["curves"][number] = {name: own[row].tolist() for name, row in CURVES.items()}
        return values


def _share(value: Tensor) -> float | None:
    """A value in [0, 1]; COCO's tools say -1 where there is nothing to be found."""
    share = float(value)
    return None if share < 0 or math.isnan(share) else share
