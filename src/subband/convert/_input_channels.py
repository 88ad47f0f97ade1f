"""First layers of three-color weights for images of another number of channels."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["fit_channels", "fit_channel_statistics"]

COLORS = 3


def fit_channels(weight: Tensor, wanted: torch.Size, *, bands: int = 1) -> Tensor | None:
    """The weight of a first convolution for other channels.

    One channel takes the sum over the colors, so that a gray image gives what it gave as a color image. More channels
    take the colors in turn, scaled by three over their number, as in timm.

    Args:
        weight: `(D, bands * 3, P, Q)`, the colors within each band.
        wanted: `(D, bands * C, P, Q)`.
        bands: Wavelet bands before the convolution.

    Returns:
        A weight of the wanted shape; None if the shapes differ in something else.

    Example:
        >>> fit_channels(torch.ones(8, 3, 4, 4), torch.Size((8, 1, 4, 4)))[0, 0, 0, 0]
        tensor(3.)
    """
    if weight.ndim != 4 or weight.shape[1] != bands * COLORS or wanted[1] % bands:
        return None
    count = wanted[1] // bands
    colors = weight.unflatten(1, (bands, COLORS))
    fitting = colors.sum(2, keepdim=True) if count == 1 else _in_turn(colors, 2, count) * (COLORS / count)
    fitting = fitting.flatten(1, 2)
    return fitting if fitting.shape == wanted else None


def fit_channel_statistics(value: Tensor, wanted: torch.Size, *, bands: int) -> Tensor | None:
    """A value per channel of the norm before that convolution: the mean over the colors, or the colors in turn.

    Args:
        value: `(bands * 3,)`.
        wanted: `(bands * C,)`.
        bands: Wavelet bands.

    Returns:
        A value of the wanted shape; None if it cannot have it.
    """
    if value.shape != (bands * COLORS,) or wanted[0] % bands:
        return None
    count = wanted[0] // bands
    colors = value.unflatten(0, (bands, COLORS))
    return (colors.mean(1, keepdim=True) if count == 1 else _in_turn(colors, 1, count)).flatten()


def _in_turn(colors: Tensor, axis: int, count: int) -> Tensor:
    return colors.index_select(axis, torch.arange(count) % COLORS)
