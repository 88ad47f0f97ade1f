"""The wavelet at the entrance of WSF-ViT: undecimated Haar bands, stacked along the channels."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from subband.layers.stationary import SWT2d

__all__ = ["HaarBands"]


class HaarBands(nn.Module):
    """Undecimated Haar bands of images, high-pass taken as later minus earlier sample.

    The published transform runs on a square power of two, zero padded; hence the border is periodic on such squares and
    zero elsewhere. (Where exactly one side is that power of two, the published code returns an empty tensor; zero, too,
    here.)

    Shape:
        `(B, C, H, W)` to `(B, 4C, H, W)`, bands `LL, LH, HL, HH` one after the other (first letter: width).

    Example:
        >>> import torch
        >>> HaarBands()(torch.rand(2, 3, 6, 8)).shape
        torch.Size([2, 12, 6, 8])
    """

    def __init__(self) -> None:
        super().__init__()
        published: dict[str, Any] = {
            "layout": "channels",
            "order": ("aa", "da", "ad", "dd"),
            "signs": (1, -1, -1, 1),
        }
        self.periodic, self.zero = SWT2d(mode="periodic", **published), SWT2d(mode="zero", **published)

    def forward(self, images: Tensor) -> Tensor:
        """Transform `images`, `(B, C, H, W)`."""
        height, width = images.shape[-2:]
        is_power_of_two = height & (height - 1) == 0
        return (self.periodic if height == width and is_power_of_two else self.zero)(images)
