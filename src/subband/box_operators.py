"""The two operators on boxes that torchvision compiles, or what stands in for them where it does not load.

torchvision itself is not imported: that takes a second, and its library, opened with this file, is enough.
"""

from __future__ import annotations

import torch
from torch import Tensor

from subband._torchvision import register_fallback_ops

__all__ = ["nms", "roi_align"]

register_fallback_ops()


def nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Non-maximum suppression, see `subband._torchvision.nms`: boxes `(N, 4)`, scores `(N,)`, to indices `(N',)`."""
    return torch.ops.torchvision.nms(boxes, scores, threshold)


def roi_align(x: Tensor, regions: Tensor, scale: float, size: int) -> Tensor:
    """Features of boxes, aligned, with as many samples as they need; see `subband._torchvision.roi_align`.

    Args:
        x: Features, `(B, C, H, W)`.
        regions: Image and corners of each box, `(N, 5)`.
        scale: Elements of `x` per pixel of the boxes.
        size: Side of the result S.

    Returns:
        `(N, C, S, S)`, of the kind of `x`; computed in single precision at least, which places of samples need.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    return torch.ops.torchvision.roi_align(x.to(wide), regions.to(wide), scale, size, size, 0, True).to(x.dtype)
