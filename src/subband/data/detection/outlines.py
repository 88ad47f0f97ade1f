"""Outlines of objects as pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from subband.data.detection.annotations import Annotation
from subband.data.spec import DamagedFileError
from subband.extras import names_extra

__all__ = ["outline_masks"]


def outline_masks(objects: Sequence[Annotation], height: int, width: int) -> Tensor:
    """Pixels of objects; of those without an outline, the pixels of their box.

    Polygons and run lengths become pixels as COCO's own tools do it; needs `pip install 'subband[detection]'` where
    there are any.

    Args:
        objects: With boxes and outlines in pixels.
        height: Of the image.
        width: Of the image.

    Returns:
        `(G, H, W)`, bool.

    Raises:
        DamagedFileError: If run lengths are of another size or damaged.
        ImportError: If pycocotools is needed and not installed.

    Example:
        >>> outline_masks([Annotation((1, 0, 3, 2), 0, [[1.0, 0.0, 3.0, 0.0, 3.0, 2.0, 1.0, 2.0]])], 3, 4).int()
        tensor([[[0, 1, 1, 0],
                 [0, 1, 1, 0],
                 [0, 0, 0, 0]]], dtype=torch.int32)
    """
    masks = torch.zeros(len(objects), height, width, dtype=torch.bool)
    for mask, item in zip(masks, objects, strict=True):
        if item.outline is None:
            left, top, right, bottom = (round(value) for value in item.box)
            mask[top:bottom, left:right] = True
        else:
            mask |= _pixels(item, height, width)
    return masks


def _pixels(item: Annotation, height: int, width: int) -> Tensor:
    with names_extra("outlines of objects need"):
        from pycocotools import mask as coco_mask
    outline = item.outline
    if isinstance(outline, dict):
        if list(outline["size"]) != [height, width]:
            raise DamagedFileError(f"run lengths are of {outline['size']} pixels, the image of {[height, width]}")
        runs = outline if isinstance(outline["counts"], str | bytes) else coco_mask.frPyObjects(outline, height, width)
    else:
        runs = coco_mask.merge(coco_mask.frPyObjects(outline, height, width))
    decoded = coco_mask.decode(runs)
    return torch.from_numpy(decoded.astype(bool))
