"""The frames of a sharp video, exposed for longer than they were: means of frames, and of frames in between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.data.restoration.response import Response, from_linear
from subband.data.restoration.sensor import num_subframes, subframe_times
from subband.transforms.optical_flow import optical_flow

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

    @cached_property
    def flows(self) -> tuple[Tensor, Tensor]:
        """From the first frame to the second and back, `(1, 2, H, W)` each; found when first asked for."""
        gray = torch.stack([self.first, self.second]).clamp(max=1).mean(1, keepdim=True)
        pair = from_linear(gray, self.response)
        # Half the size is fine enough for sub-frames that are averaged, and takes a fifth of the time.
        forward, backward = optical_flow(pair, pair.flip(0), num_steps=3, finest_steps=0).split(1)
        return forward, backward

    @cached_property
    def movement(self) -> float:
        """Way of the fast pixels in pixels; the very fastest do not count, since errors are among them."""
        lengths = self.flows[0].square().sum(1).sqrt().flatten()
        some = lengths[:: max(len(lengths) // _MOST_LOOKED_AT, 1)]
        return float(some.kthvalue(max(int(_FAST_SHARE * len(some)), 1)).values)

    @cached_property
    def is_cut(self) -> bool:
        """Whether the second frame shows another scene: their coarse pictures have little in common."""
        coarse = F.adaptive_avg_pool2d(torch.stack([self.first, self.second]).clamp(max=1), 8)
        first, second = from_linear(coarse, self.response)
        return bool((first - second).abs().mean() > _CUT)

    def between(self, time: float) -> Tensor:
        """A frame in between: both ends moved along the flow, each counting as much as it is near.

        A pixel that one end does not show, because it lies outside the frame there, is taken from the other. The flows
        from a time in between are approximated as by Jiang et al. ("Super SloMo", CVPR 2018, eq. 4).

        Args:
            time: 0 for the first frame and 1 for the second.

        Returns:
            Light, `(3, H, W)`.
        """
        here, forward, backward = self._places
        past, left = time, 1 - time
        of_first = here.add(forward, alpha=-left * past).add_(backward, alpha=past**2)
        of_second = here.add(forward, alpha=left**2).add_(backward, alpha=-left * past)
        in_first, in_second = _is_inside(of_first), _is_inside(of_second)
        share = in_second.to(here).masked_fill_(in_first == in_second, time)
        return torch.lerp(_fetched(self.first, of_first), _fetched(self.second, of_second), share)

    @cached_property
    def _places(self) -> tuple[Tensor, Tensor, Tensor]:
        """Where every pixel is and the flows, `(1, H, W, 2)` each, in the units of `grid_sample`: half sides."""
        height, width = self.first.shape[-2:]
        sides = self.first.new_tensor([2 / width, 2 / height])
        columns = (torch.arange(width, device=sides.device) + 0.5) * sides[0] - 1
        rows = (torch.arange(height, device=sides.device) + 0.5) * sides[1] - 1
        here = torch.stack(torch.broadcast_tensors(columns, rows[:, None]), -1)[None]
        forward, backward = ((flow.movedim(1, -1) * sides).contiguous() for flow in self.flows)
        return here, forward, backward


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
        for time in within.tolist():
            total += passages[number].between(time)
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


def _is_inside(places: Tensor) -> Tensor:
    """Whether places `(1, H, W, 2)` are inside the frame, `(H, W)`."""
    return (places[0].abs() <= 1).all(-1)


def _fetched(frame: Tensor, places: Tensor) -> Tensor:
    """Values of a frame `(3, H, W)` at places `(1, H, W, 2)`; beyond the border, the border."""
    return F.grid_sample(frame[None], places, mode="bilinear", padding_mode="border", align_corners=False)[0]
