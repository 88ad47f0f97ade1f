"""What a network for clips learned about frequencies of time and space: the size of its filters."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from subband.models.pose.backbones import REDUCTIONS
from subband.models.pose.clip_filters import BASE
from subband.models.pose.freqpose import FreqPose

__all__ = ["FilterAmplitudes", "clip_filter_amplitudes"]


class FilterAmplitudes(NamedTuple):
    """How much the filter of one scale lets through, averaged over channels; 1 changes nothing.

    Attributes:
        reduction: How many times smaller its maps are than the crop.
        values: By frequency over time, zero in the middle as of `torch.fft.fftshift`, and by the distance from the
            spatial frequency zero in sixteenths of a cycle per entry of the map, half a cycle and more being the last,
            `(T, 9)`. They are those of spatial frequencies to the right; those to the left have them at the opposite
            frequency over time.
    """

    reduction: int
    values: Tensor


@torch.no_grad()
def clip_filter_amplitudes(model: nn.Module) -> list[FilterAmplitudes]:
    """The size of the filters of a `FreqPose`, one for each of its scales, the finest first.

    Args:
        model: Any network; others than a `FreqPose` have none.

    Example:
        >>> model = FreqPose(num_joints=4, num_frames=3, channels=4, groups=2, img_size=(32, 32))
        >>> [(one.reduction, one.values.unique().tolist()) for one in clip_filter_amplitudes(model)]
        [(4, [1.0]), (8, [1.0]), (16, [1.0]), (32, [1.0])]
    """
    if not isinstance(model, FreqPose):
        return []
    values = [_amplitudes(block.get_parameter("filter.weight")) for block in model.filters]
    return [FilterAmplitudes(*one) for one in zip(REDUCTIONS, values, strict=True)]


def _amplitudes(weight: Tensor) -> Tensor:
    """Means over channels and rings `(T, 9)` of a filter `(2, C, T, 16, 9)`."""
    size = torch.linalg.vector_norm(weight.float().cpu(), dim=0).mean(0)  # (T, 16, 9)
    rows, columns = BASE
    down, across = torch.fft.fftfreq(rows, 1 / rows)[:, None], torch.arange(columns)
    rings = (down.square() + across.square()).sqrt().round().long().clamp(max=columns - 1).flatten()
    sums = torch.zeros(len(size), columns).index_add_(1, rings, size.flatten(1))
    return torch.fft.fftshift(sums / rings.bincount(minlength=columns), 0)
