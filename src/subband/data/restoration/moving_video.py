"""The frames of a sharp video, exposed for longer than they were: means of frames, and of frames in between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.data.restoration.optical_flow import optical_flow
from subband.data.restoration.response import Response, from_linear
from subband.data.restoration.sampling import warp
from subband.data.restoration.sensor import num_subframes, subframe_times

_MOST_BETWEEN = 16  # sub-frames between two frames
_CUT = 0.15  # mean difference of coarse pictures, white being 1
_MOST_LOOKED_AT = 10_000  # pixels
_FAST_SHARE = 0.98  # of the pixels that must move by at most one pixel between two sub-frames


@dataclass
class Passage:
    """How one frame becomes the next.

    Args:
        first: Light of a frame, `(3, H, W)`.
        second: Light of the next one.
        response: How the light is stored; movement is looked for in stored values, where dark parts show, too.
    """

    first: Tensor
    second: Tensor
    response: Response
    _flows: tuple[Tensor, Tensor] | None = field(default=None, repr=False)

    @property
    def flows(self) -> tuple[Tensor, Tensor]:
        """From the first frame to the second and back, `(1, 2, H, W)` each; found when first asked for."""
        if self._flows is None:
            pair = from_linear(torch.stack([self.first, self.second]), self.response)
            forward, backward = optical_flow(pair, pair.flip(0)).split(1)
            self._flows = forward, backward
        return self._flows

    @property
    def movement(self) -> float:
        """Way of the fast pixels in pixels; the very fastest do not count, since errors are among them."""
        lengths = self.flows[0].square().sum(1).sqrt().flatten()
        some = lengths[:: max(len(lengths) // _MOST_LOOKED_AT, 1)]
        return float(some.kthvalue(max(int(_FAST_SHARE * len(some)), 1)).values)

    @property
    def is_cut(self) -> bool:
        """Whether the second frame shows another scene: their coarse pictures have little in common."""
        coarse = F.adaptive_avg_pool2d(from_linear(torch.stack([self.first, self.second]), self.response), 8)
        return bool((coarse[0] - coarse[1]).abs().mean() > _CUT)

    def between(self, times: Tensor) -> Tensor:
        """Frames in between: both ends moved along the flow, each counting as much as it is near.

        A pixel that one end does not show, because it lies outside the frame there, is taken from the other. The flows
        from a time in between are approximated as by Jiang et al. ("Super SloMo", CVPR 2018, eq. 4).

        Args:
            times: `(N,)`, 0 for the first frame and 1 for the second.

        Returns:
            Light, `(N, 3, H, W)`.
        """
        forward, backward = self.flows
        t = times.to(forward)[:, None, None, None]
        to_first = -(1 - t) * t * forward + t**2 * backward
        to_second = (1 - t) ** 2 * forward - t * (1 - t) * backward
        shares = (1 - t) * _is_inside(to_first), t * _is_inside(to_second)
        total = shares[0] + shares[1]
        share = torch.where(total > 0, shares[1] / total.clamp(min=1e-6), t)
        count = len(t), -1, -1, -1
        return torch.lerp(
            warp(self.first[None].expand(count), to_first), warp(self.second[None].expand(count), to_second), share
        )


def exposed(
    frames: Sequence[Tensor], passages: Sequence[Passage], center: int, length: float, *, interpolate: bool
) -> Tensor:
    """Mean light of an exposure.

    Args:
        frames: Light of neighboring frames, `(3, H, W)` each.
        passages: How each becomes the next, one fewer.
        center: Number of the frame at the center of the exposure.
        length: Of the exposure in frames; it must lie within the frames.
        interpolate: Add frames in between where things move by more than a pixel from one frame to the next;
            otherwise whole frames are averaged, an odd number of them. What lies beyond a cut does not count.

    Returns:
        `(3, H, W)`.
    """
    first, last = _shot(passages, center, reach_of(length))
    if not interpolate:
        reach = min(int(length / 2), center - first, last - center)
        return torch.stack(list(frames[center - reach : center + reach + 1])).mean(0)
    movement = max((passage.movement for passage in passages[first:last]), default=0.0)
    count = num_subframes(movement * length, max(int(_MOST_BETWEEN * length), 3) | 1)
    offsets = subframe_times(length, count)
    total, num_added = frames[center].clone(), 1
    for number in range(first, last):
        times = center + offsets - number
        within = times[(times >= 0) & (times < 1) & (offsets != 0)]
        if len(within):
            total += passages[number].between(within).sum(0)
            num_added += len(within)
    return total / num_added


def _shot(passages: Sequence[Passage], center: int, reach: int) -> tuple[int, int]:
    """First and last frame within reach that are not beyond a cut."""
    first = last = center
    while first > center - reach and not passages[first - 1].is_cut:
        first -= 1
    while last < center + reach and not passages[last].is_cut:
        last += 1
    return first, last


def reach_of(length: float) -> int:
    """Frames before and after its center that an exposure of so many frames may need."""
    return max(math.ceil(length / 2), 1)


def _is_inside(flow: Tensor) -> Tensor:
    """1 where a flow `(B, 2, H, W)` leads to a place inside the frame, else 0, `(B, 1, H, W)`."""
    height, width = flow.shape[-2:]
    rows = torch.arange(height, device=flow.device)[:, None] + flow[:, 0]
    columns = torch.arange(width, device=flow.device) + flow[:, 1]
    inside = (rows >= -0.5) & (rows <= height - 0.5) & (columns >= -0.5) & (columns <= width - 0.5)
    return inside[:, None].to(flow)
