"""Keeping only the largest details of every image."""

from __future__ import annotations

import math

import torch

from subband.models.generation.pyramid import Pyramid

__all__ = ["keep_largest", "position_bits"]


def keep_largest(mean: Pyramid, scale: Pyramid, count: int) -> tuple[Pyramid, Pyramid]:
    """Set all details of every image to zero, without noise, but for the largest.

    Gradients pass as if all had been kept, so that which ones are large can change.

    Args:
        mean: Coefficients.
        scale: Scales of their noise, of the same shapes or broadcast to them.
        count: Details of an image that are kept; all, if there are no more.

    Returns:
        Both, with the others at zero.
    """
    magnitudes = torch.cat([detail.detach().abs().flatten(1) for detail in mean.details], 1)
    places = magnitudes.topk(min(count, magnitudes.shape[1]), 1).indices
    flags = torch.zeros_like(magnitudes).scatter_(1, places, 1.0)
    parts = flags.split([detail[0].numel() for detail in mean.details], 1)
    masks = [part.view_as(detail) for part, detail in zip(parts, mean.details, strict=True)]
    kept = [d + (d * mask - d).detach() for d, mask in zip(mean.details, masks, strict=True)]
    noise = [s * mask for s, mask in zip(scale.details, masks, strict=True)]
    return Pyramid(mean.approx, tuple(kept)), Pyramid(scale.approx, tuple(noise))


def position_bits(total: int, count: int) -> float:
    """Bits that tell which of some coefficients are kept, log2 of the number of possibilities.

    Args:
        total: How many there are.
        count: How many are kept, at most all.

    Example:
        >>> round(position_bits(6, 2), 4)
        3.9069
    """
    count = min(count, total)
    nats = math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)
    return nats / math.log(2)
