"""What was found, as COCO's files say it (https://cocodataset.org/#format-results)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from subband.predictors.detection.found import FoundObjects

__all__ = ["coco_results", "run_lengths"]

BITS, CONTINUED, FIRST_CHARACTER = 5, 0x20, 48  # of the text that run lengths are written as


def coco_results(found: FoundObjects, image_id: int, category_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Entries of a file of results, one for each object.

    Args:
        found: The objects of one image.
        image_id: Number of the image.
        category_ids: Number that the file has for each class.

    Returns:
        `image_id`, `category_id`, `bbox` (left, top, width, height) and `score` of each object; `segmentation` as
        compressed run lengths where there are masks.
    """
    results: list[dict[str, Any]] = []
    for index, (box, score, label) in enumerate(
        zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    ):
        left, top, right, bottom = box
        bbox = [round(value, 3) for value in (left, top, right - left, bottom - top)]
        entry = {"image_id": image_id, "category_id": category_ids[label], "bbox": bbox, "score": round(score, 5)}
        if found.mask_probs is not None:
            entry["segmentation"] = {"size": list(found.size), "counts": run_lengths(found.mask(index))}
        results.append(entry)
    return results


def run_lengths(mask: Tensor) -> str:
    """A mask as the text that COCO's tools call compressed run lengths.

    Pixels are counted column by column, those outside and inside the object in turn, beginning with those outside; of a
    count from the fourth on its difference to the one two before is written, in groups of five bits.

    Args:
        mask: `(H, W)`, bool.

    Example:
        >>> run_lengths(torch.tensor([[False, True], [False, True]]))
        '22'
    """
    pixels = mask.t().flatten().cpu()
    changes = (pixels[1:] != pixels[:-1]).nonzero()[:, 0] + 1
    ends = torch.cat([changes.new_zeros(2 if bool(pixels[0]) else 1), changes, changes.new_tensor([len(pixels)])])
    counts = ends.diff().tolist()
    return "".join(_digits(count - (counts[place - 2] if place > 2 else 0)) for place, count in enumerate(counts))


def _digits(value: int) -> str:
    """A number of either sign in groups of bits, the lowest first; all but the last are marked."""
    text = ""
    while True:
        group, value = value & (CONTINUED - 1), value >> BITS
        is_last = value == (-1 if group & 1 << BITS - 1 else 0)
        text += chr(FIRST_CHARACTER + group + (0 if is_last else CONTINUED))
        if is_last:
            return text
