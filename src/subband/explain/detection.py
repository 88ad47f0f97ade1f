"""Which frequencies of a photograph the score of one detection depends on: its wavelet subbands are removed one by one.

As `subband.explain.occlusion` does for classes, here with two questions: what if a subband is missing everywhere, and
what if it is missing inside the box alone? What the second leaves out is context.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from subband.explain.occlusion import LEVEL, WAVELET, without_each_subband
from subband.models.detection.boxes import box_iou
from subband.models.detection.results import Detections
from subband.transforms import WaveletLike, dwt_max_level

OVERLAP = 0.5  # from which a box stands for the same object
_TOGETHER = 4  # images that go through the network at once

Find = Callable[[Tensor], list[Detections]]


class DetectionDrop(NamedTuple):
    """What becomes of a detection's score without one subband.

    Attributes:
        name: Subband and level, as in `SubbandDrop`.
        everywhere: Score when the whole image lacks it, in [0, 1]; 0 where the object is no longer found.
        inside: Score when the image lacks it inside the box of the detection alone.
    """

    name: str
    everywhere: float
    inside: float


@dataclass(frozen=True, kw_only=True)
class DetectionExplanation:
    """What the score of one detection depends on.

    Attributes:
        found: Everything that is found in the image, best score first, in pixels of what the network was given.
        index: Which of these is explained.
        drops: Its score without each subband: the approximation, then `LH, HL, HH` from the coarsest level to the
            finest.
        variants: The images without a subband, `(3, H, W)` each, normalized, by its name.
    """

    found: Detections
    index: int
    drops: list[DetectionDrop]
    variants: dict[str, Tensor]

    @property
    def score(self) -> float:
        """Score of the detection in the image as it is."""
        return self.found.scores[self.index].item()

    @property
    def decisive(self) -> DetectionDrop:
        """The subband without which the score is lowest, the first of equals."""
        return min(self.drops, key=lambda drop: drop.everywhere)


@torch.no_grad()
def explain_detection(
    find: Find, inputs: Tensor, index: int = 0, *, wavelet: WaveletLike = WAVELET, level: int | None = None
) -> DetectionExplanation:
    """What the score of one detection becomes without each subband of the image.

    The whole detector looks at each changed image, proposals and all. The detection's score there is the best score
    among the boxes of its class that overlap its box by half or more (intersection over union), and 0 if there is none.
    Without the approximation each color keeps its mean. Subbands of the normalized inputs are removed, of all colors
    together; removing those of the photograph before would be the same.

    Args:
        find: From images `(B, 3, H, W)` to the detections of each, such as a `Detector` in evaluation mode.
        inputs: The image as the network takes it, normalized, without what it is filled up with, `(3, H, W)`.
        index: Which detection, 0 for the one with the best score.
        wavelet: Wavelet of the subbands.
        level: Levels, at least 1. If not given, so many that the approximation is coarser than the object, of one value
            for its box or fewer, but three at least; fewer if the image has no room for them.

    Returns:
        The scores, on the CPU as everything else.

    Raises:
        ValueError: If nothing is found, there is no such detection or wavelet, or `level` is below 1.

    Example:
        >>> def find(images):  # one object, whose score is the brightness of the image
        ...     box, label = torch.tensor([[2.0, 2.0, 6.0, 6.0]]), torch.tensor([0])
        ...     return [Detections(box, image.mean()[None], label, None) for image in images]
        >>> explained = explain_detection(find, torch.full((3, 8, 8), 0.5), wavelet="haar", level=1)
        >>> [(drop.name, round(drop.everywhere, 3)) for drop in explained.drops]
        [('LL1', 0.5), ('LH1', 0.5), ('HL1', 0.5), ('HH1', 0.5)]
    """
    if level is not None and level < 1:
        raise ValueError(f"level must be at least 1, got {level}.")
    (found,) = find(inputs[None])
    count = len(found.scores)
    if not count:
        raise ValueError("no object is found, so there is nothing to explain.")
    if not 0 <= index < count:
        words = f"within the {count} detections, from 0" if count > 1 else "0, the only detection"
        raise ValueError(f"the detection must be {words}, got {index}.")
    if level is None:
        wanted = max(LEVEL, math.floor(math.log2(max(_side(found.boxes[index]), 1.0))))
        level = max(1, min(wanted, dwt_max_level(min(inputs.shape[-2:]), wavelet)))
    variants = {name: image[0] for name, image in without_each_subband(inputs[None], wavelet, level).items()}
    inside = _inside(found.boxes[index], inputs)
    images = [torch.where(inside, image, inputs) for image in variants.values()]
    scores = [_score(other, found, index) for other in _in_parts(find, [*variants.values(), *images])]
    halves = zip(variants, scores[: len(variants)], scores[len(variants) :], strict=True)
    return DetectionExplanation(
        found=Detections(*(None if part is None else part.cpu() for part in found)),  # type: ignore[arg-type]
        index=index,
        drops=[DetectionDrop(*values) for values in halves],
        variants={name: image.cpu() for name, image in variants.items()},
    )


def _side(box: Tensor) -> float:
    """Geometric mean of the sides of a box."""
    return (box[2:] - box[:2]).prod().sqrt().item()


def _inside(box: Tensor, inputs: Tensor) -> Tensor:
    """Pixels of the image that a box touches, `(H, W)`."""
    rows, columns = (torch.arange(side, device=inputs.device) for side in inputs.shape[-2:])
    left, top, right, bottom = box.tolist()
    across, down = (columns + 1 > left) & (columns < right), (rows + 1 > top) & (rows < bottom)
    return down[:, None] & across


def _in_parts(find: Find, images: list[Tensor]) -> Iterator[Detections]:
    for start in range(0, len(images), _TOGETHER):
        yield from find(torch.stack(images[start : start + _TOGETHER]))


def _score(other: Detections, found: Detections, index: int) -> float:
    """Best score of a box that stands for the same object."""
    same = (box_iou(other.boxes, found.boxes[index : index + 1])[:, 0] >= OVERLAP) & (
        other.labels == found.labels[index]
    )
    return other.scores[same].max().item() if same.any() else 0.0
