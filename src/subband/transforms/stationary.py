"""Undecimated wavelet transforms: every band keeps the resolution of the input."""

from typing import Literal

import torch
from torch import Tensor

from subband.transforms.padding import extend

__all__ = ["undecimated_haar2"]

_BORDERS = ("periodic", "zero")  # names of `extend` that the published stem knows


def undecimated_haar2(x: Tensor, border: Literal["periodic", "zero"] = "periodic") -> Tensor:
    """One level of the undecimated Haar transform, the wavelet stem of WSF-ViT.

    Along each axis `low[n] = (x[n] + x[n+1]) / sqrt(2)` and `high[n] = (x[n+1] - x[n]) / sqrt(2)`, first along the width,
    then along the height. The published code computes the same through an FFT of the image padded to a square power of
    two, so its border is periodic for such squares and zero for all others.

    Args:
        x: Images, `(B, C, H, W)`, any real floating dtype, any range.
        border: What follows the last row and column: the first ones again, or zeros.

    Returns:
        Bands `LL, LH, HL, HH` of all channels one after the other, `(B, 4C, H, W)`. The first letter is the **width**,
        the second the height: `LH` is low along the width and high along the height.

    Raises:
        ValueError: If `border` is unknown or `x` is not `(B, C, H, W)` with at least one pixel.

    Example:
        >>> undecimated_haar2(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).flatten(2).tolist()
        [[[5.0, 5.0, 5.0, 5.0], [2.0, 2.0, -2.0, -2.0], [1.0, -1.0, 1.0, -1.0], [0.0, 0.0, 0.0, 0.0]]]
    """
    if border not in _BORDERS:
        raise ValueError(f"border must be one of {', '.join(_BORDERS)}, got {border!r}")
    if x.ndim != 4 or 0 in x.shape[-2:]:
        raise ValueError(f"x must be (B, C, H, W) with at least one pixel, got {tuple(x.shape)}")
    wide = extend(extend(x, 0, 1, border, -1), 0, 1, border, -2)  # (B, C, H + 1, W + 1)
    current, following = wide[..., :-1], wide[..., 1:]
    bands = []
    for half in (current + following, following - current):
        half = 0.5 * half
        bands += [half[..., :-1, :] + half[..., 1:, :], half[..., 1:, :] - half[..., :-1, :]]
    return torch.cat(bands, 1)
