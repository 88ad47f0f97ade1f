"""Bicubic enlargement: the baseline every network for super-resolution has to beat."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from subband.models.protocols.restoration import RestorationModel
from subband.transforms.arguments import in_float32

__all__ = ["Bicubic", "enlarged_bicubic"]


class Bicubic(RestorationModel):
    """Enlarges every frame by a cubic kernel; has no parameters.

    Args:
        scale: S, at least 2.

    Shape:
        frames `(B, T, 3, H, W)`, any range; `(B, T, 3, S H, S W)`, not clipped.

    Raises:
        ValueError: If the scale is below 2.

    Example:
        >>> import torch
        >>> Bicubic(scale=2)(torch.rand(1, 2, 3, 4, 5)).shape
        torch.Size([1, 2, 3, 8, 10])
    """

    example_shape = (3, 32, 32)

    def __init__(self, *, scale: int = 4) -> None:
        super().__init__()
        if scale < 2:
            raise ValueError(f"scale must be at least 2, got {scale}.")
        self.scale = scale

    def forward_clip(self, frames: Tensor) -> Tensor:
        """Enlarge `(B, T, 3, H, W)`."""
        return enlarged_bicubic(frames, self.scale)


def enlarged_bicubic(frames: Tensor, scale: int) -> Tensor:
    """Frames enlarged by Keys' cubic kernel with a = -0.5, which antialiased interpolation uses in PyTorch.

    But for the border, which is not mirrored, it is `subband.imaging.imresize`, at a fraction of its cost.

    Args:
        frames: `(B, T, 3, H, W)`.
        scale: S.

    Returns:
        `(B, T, 3, S H, S W)`, not clipped.
    """
    size = [scale * side for side in frames.shape[-2:]]
    flat: Tensor = in_float32(_interpolated, frames.flatten(0, 1), size=size)
    return flat.unflatten(0, frames.shape[:2])


def _interpolated(images: Tensor, *, size: list[int]) -> Tensor:
    return F.interpolate(images, size, mode="bicubic", antialias=True, align_corners=False)
