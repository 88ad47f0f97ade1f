"""Dense optical flow between neighboring frames, for the frames that a slow camera did not take.

Iterative least squares in a window, coarse to fine (Lucas and Kanade, IJCAI 1981; the pyramid after Bouguet, 2000),
with the window equations of a pixel kept well-posed by a small ridge and the flow smoothed between the steps.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.data.restoration.sampling import warp

_SMALLEST = 16  # pixels of the shorter side at the coarsest level
_ITERATIONS = 3  # a level
_WINDOW = 7
_RIDGE = 1e-4  # of squared gradients, white being 1
_LARGEST_STEP = 1.0  # pixels, an iteration
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def optical_flow(first: Tensor, second: Tensor) -> Tensor:
    """Where every pixel of a frame goes until the next.

    Args:
        first: `(B, 3, H, W)` in [0, 1].
        second: Same shape.

    Returns:
        `(B, 2, H, W)`, y and x in pixels: what is at p in `first` is at p + flow in `second`.

    Example:
        >>> frame = torch.rand(1, 3, 8, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
        >>> flow = optical_flow(frame, frame.roll(2, 3))
        >>> flow[0, :, 16:48, 16:48].mean((1, 2)).round().abs()
        tensor([0., 2.])
    """
    luma = first.new_tensor(_LUMA).view(3, 1, 1)
    levels = [tuple((frame * luma).sum(1, keepdim=True) for frame in (first, second))]
    while min(levels[-1][0].shape[-2:]) >= 2 * _SMALLEST:
        levels.append(tuple(F.avg_pool2d(frame, 2) for frame in levels[-1]))
    flow = first.new_zeros(len(first), 2, *levels[-1][0].shape[-2:])
    for before, after in reversed(levels):
        if flow.shape[-2:] != before.shape[-2:]:
            flow = 2 * F.interpolate(flow, size=before.shape[-2:], mode="bilinear", align_corners=False)
        for _ in range(_ITERATIONS):
            flow = _smooth(flow + _step(before, warp(after, flow)), 5)
    return flow


def _step(first: Tensor, second: Tensor) -> Tensor:
    """What is missing in the flow, by the gradients of two nearly equal frames `(B, 1, H, W)`."""
    slope_y, slope_x = _slopes((first + second) / 2)
    change = second - first
    yy, yx, xx, yt, xt = _smooth(
        torch.cat([slope_y**2, slope_y * slope_x, slope_x**2, slope_y * change, slope_x * change], 1), _WINDOW
    ).unbind(1)
    yy, xx = yy + _RIDGE, xx + _RIDGE
    determinant = yy * xx - yx**2
    step = torch.stack([(yx * xt - xx * yt) / determinant, (yx * yt - yy * xt) / determinant], 1)
    return step.clamp_(-_LARGEST_STEP, _LARGEST_STEP)


def _slopes(frame: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences along rows and columns."""
    padded = F.pad(frame, (1, 1, 1, 1), mode="replicate")
    return (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2, (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2


def _smooth(values: Tensor, window: int) -> Tensor:
    """Mean over a square window, of what is there at the border."""
    reach = window // 2
    sums = F.pad(values, (reach,) * 4)
    for axis in (-2, -1):  # sums of slices take a fifth of the time of pooling
        length = values.shape[axis]
        total = sums.narrow(axis, 0, length) + sums.narrow(axis, 1, length)
        for shift in range(2, window):
            total += sums.narrow(axis, shift, length)
        sums = total
    rows, columns = (_counts(length, reach, values) for length in values.shape[-2:])
    return sums.div_(rows[:, None] * columns)


def _counts(length: int, reach: int, like: Tensor) -> Tensor:
    """How many places of a window lie inside, at every place of an axis."""
    place = torch.arange(length, device=like.device)
    return ((place + reach).clamp(max=length - 1) - (place - reach).clamp(min=0) + 1).to(like)
