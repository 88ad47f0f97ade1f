"""What goes into a detector and what comes out, of one image."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["Detections", "Targets"]


class Detections(NamedTuple):
    """Objects found in one image, best score first.

    Attributes:
        boxes: Corners x1, y1, x2, y2 in pixels of what the detector was called with, `(N, 4)`.
        scores: In [0, 1], `(N,)`.
        labels: Class, 0 for the first, `(N,)`.
        mask_probs: Probability that a point of the box belongs to the object, in [0, 1], `(N, 28, 28)`; None of a
            detector without masks.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    mask_probs: Tensor | None


class Targets(NamedTuple):
    """Objects of one image, to learn from.

    Attributes:
        boxes: Corners x1, y1, x2, y2 in pixels of what the detector is called with, `(G, 4)`.
        labels: Class, 0 for the first, `(G,)`.
        masks: Their pixels, 0 or 1, `(G, H, W)`, of the image or of the padded image; None for a detector without
            masks.
    """

    boxes: Tensor
    labels: Tensor
    masks: Tensor | None = None
