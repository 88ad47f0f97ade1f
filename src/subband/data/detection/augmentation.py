"""Views of training images for detectors: mirrored, of several sizes, and parts of them.

As the published detectors were trained: half of the images are mirrored; then one of two ways is chosen, either one of
three sizes, or first a smaller size and a random part of it, then one of the three sizes. Published for images that fit
into 1120 x 896; here the sizes are these shares of whatever the images fit into.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.data.detection.preprocessing import DetectionPreprocessing
from subband.data.random import uniform

__all__ = ["AugmentName", "Objects", "ObjectView", "augment", "changed"]

AugmentName = Literal["none", "flip", "multi_scale", "crop"]

SHORT_SIDES = (448 / 896, 672 / 896, 1.0)  # shares of the shorter side
CROP_SHORT_SIDES = (400 / 896, 500 / 896, 600 / 896)  # before a part is taken
CROP_SIDES = (448 / 896, 600 / 896)  # of the part, from and to


class Objects(NamedTuple):
    """What an image shows.

    Attributes:
        boxes: Corners x1, y1, x2, y2 in pixels, `(G, 4)`.
        labels: Class, 0 for the first, `(G,)`.
        masks: Their pixels, bool, `(G, H, W)`; None where the data has no outlines.
    """

    boxes: Tensor
    labels: Tensor
    masks: Tensor | None


class ObjectView(NamedTuple):
    """An image `(3, H, W)` in [0, 1], and its objects."""

    image: Tensor
    objects: Objects


def check_augment(name: str) -> None:
    """Refuse a name that there is not.

    Raises:
        ValueError: If so.
    """
    if name not in get_args(AugmentName):
        raise ValueError(f"augment must be {' or '.join(map(repr, get_args(AugmentName)))}, got {name!r}.")


def augment(view: ObjectView, prepare: DetectionPreprocessing, name: AugmentName, *, seed: int, key: int) -> ObjectView:
    """One training image at the size of an input.

    Args:
        view: The image as it is.
        prepare: What it shall fit into.
        name: `none` for its plain size, `flip` for half of the images mirrored, `multi_scale` also of three sizes,
            `crop` also parts of them, as published.
        seed: Chooses the draws, with `key`.
        key: Number of the sample.
    """
    flip, way, size, first_size, *crop = uniform(seed, [key], 8)[0].tolist()
    if name != "none" and flip < 0.5:
        view = _mirrored(view)
    if name == "crop" and way < 0.5:
        view = changed(view, _smaller(prepare, CROP_SHORT_SIDES, first_size))
        view = _part(view, prepare.short_side, crop)
    if name in ("multi_scale", "crop"):
        prepare = _smaller(prepare, SHORT_SIDES, size)
    return changed(view, prepare)


def changed(view: ObjectView, prepare: DetectionPreprocessing) -> ObjectView:
    """An image that just fits, with its objects."""
    before = view.image.shape[-2:]
    size = prepare.size(*before)
    scale = view.objects.boxes.new_tensor([size[1] / before[1], size[0] / before[0]]).repeat(2)
    masks = view.objects.masks
    if masks is not None and size != tuple(before):
        masks = (
            F.interpolate(masks[None].to(torch.uint8), size, mode="nearest")[0].bool()
            if len(masks)
            else (masks.new_zeros(0, *size))
        )
    return ObjectView(prepare.resize(view.image, size), Objects(view.objects.boxes * scale, view.objects.labels, masks))


def _smaller(prepare: DetectionPreprocessing, shares: Sequence[float], draw: float) -> DetectionPreprocessing:
    share = shares[int(draw * len(shares))]
    return replace(prepare, short_side=max(1, round(share * prepare.short_side)))


def _mirrored(view: ObjectView) -> ObjectView:
    boxes, labels, masks = view.objects
    width = view.image.shape[-1]
    boxes = torch.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], dim=1)
    return ObjectView(view.image.flip(-1), Objects(boxes, labels, None if masks is None else masks.flip(-1)))


def _part(view: ObjectView, short_side: int, draws: Sequence[float]) -> ObjectView:
    """A part of random size and place; objects outside it are gone, none may be left."""
    sides, starts = [], []
    for full, size_draw, place_draw in zip(view.image.shape[-2:], draws[:2], draws[2:], strict=True):
        low, high = (min(full, max(1, round(share * short_side))) for share in CROP_SIDES)
        sides.append(low + int(size_draw * (high - low + 1)))
        starts.append(int(place_draw * (full - sides[-1] + 1)))
    (height, width), (top, left) = sides, starts
    boxes, labels, masks = view.objects
    boxes = boxes - boxes.new_tensor([left, top, left, top])
    boxes = boxes.clamp(min=0).minimum(boxes.new_tensor([width, height, width, height]))
    stays = (boxes[:, 2:] > boxes[:, :2]).all(1)
    place = (..., slice(top, top + height), slice(left, left + width))
    kept = None if masks is None else masks[stays][place]
    return ObjectView(view.image[place], Objects(boxes[stays], labels[stays], kept))
