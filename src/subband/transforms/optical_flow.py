"""How things move between two frames, and frames moved along a flow; pure functions, no other package.

The flow is found by least squares in a window around every pixel, from coarse to fine: Lucas and Kanade, An Iterative
Image Registration Technique with an Application to Stereo Vision, IJCAI 1981, in the dense pyramidal form that is usual
today, smoothed between the steps. It treats all clips alike and is no match for learned flow.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.transforms.arguments import check_real

__all__ = ["move", "optical_flow"]

_SHORTEST = 16  # sides of the coarsest level
_DAMPING = 1e-4  # squared slopes below it count as no texture: the flow of the coarser level stays
_LARGEST_STEP = 1.0  # pixels of a level


@torch.no_grad()
def optical_flow(first: Tensor, second: Tensor, *, num_steps: int = 5, finest_steps: int | None = None) -> Tensor:
    """Where the pixels of a frame are in the next one.

    Args:
        first: Frames, `(N, C, H, W)` in [0, 1].
        second: The next ones, of the same shape.
        num_steps: Steps towards the flow at every size of the frames, the coarsest first, each twice the last.
        finest_steps: Steps at full size, which take most of the time; `num_steps` by default.

    Returns:
        `(N, 2, H, W)`: columns, then rows, in pixels; `second` at `x + flow` looks like `first` at `x`.

    Raises:
        ValueError: If shapes differ or are not four-dimensional.

    Example:
        >>> frame = torch.rand(1, 3, 8, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
        >>> flow = optical_flow(frame, frame.roll(2, 3))
        >>> flow[0, :, 16:48, 16:48].mean((1, 2)).round().abs()
        tensor([2., 0.])
    """
    check_real(first, "first")
    check_real(second, "second")
    if first.shape != second.shape or first.ndim != 4:
        raise ValueError(
            f"first and second must be (N, C, H, W) alike, got {tuple(first.shape)}, {tuple(second.shape)}"
        )
    levels = [tuple(frames.float().mean(1, keepdim=True) for frames in (first, second))]
    while min(levels[-1][0].shape[-2:]) >= 2 * _SHORTEST:
        levels.append(tuple(F.avg_pool2d(frames, 2) for frames in levels[-1]))
    steps = [num_steps if finest_steps is None else finest_steps] + [num_steps] * (len(levels) - 1)
    flow = first.new_zeros(first.shape[0], 2, *levels[-1][0].shape[-2:], dtype=torch.float32)
    for (before, after), count in zip(reversed(levels), reversed(steps), strict=True):
        if flow.shape[-2:] != before.shape[-2:]:
            flow = 2 * F.interpolate(flow, before.shape[-2:], mode="bilinear", align_corners=False)
        flow = _improved(flow, before, after, count)
    return flow


def move(frames: Tensor, flow: Tensor, outside: Literal["border", "zeros"] = "border") -> Tensor:
    """Frames fetched along a flow: the value of a pixel comes from where the flow leads from it.

    Args:
        frames: `(N, C, H, W)`.
        flow: `(N, 2, H, W)`: columns, then rows, in pixels.
        outside: What counts beyond the border: the nearest pixel (`border`), or `zeros`.

    Returns:
        `(N, C, H, W)`, bilinear.

    Example:
        >>> move(torch.tensor([[[[1.0, 2.0, 3.0]]]]), torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 3))
        tensor([[[[2., 3., 3.]]]])
    """
    height, width = frames.shape[-2:]
    columns = torch.arange(width, device=flow.device) + 0.5
    rows = torch.arange(height, device=flow.device)[:, None] + 0.5
    grid = torch.stack(((flow[:, 0] + columns) * (2 / width) - 1, (flow[:, 1] + rows) * (2 / height) - 1), -1)
    precise = torch.promote_types(frames.dtype, torch.float32)  # positions in half precision are too coarse
    moved = F.grid_sample(
        frames.to(precise), grid.to(precise), mode="bilinear", padding_mode=outside, align_corners=False
    )
    return moved.to(frames.dtype)


def _improved(flow: Tensor, before: Tensor, after: Tensor, num_steps: int) -> Tensor:
    """A better flow `(N, 2, H, W)` between frames `(N, 1, H, W)`.

    Sums over windows stand in place of means, since the equations of a window may be scaled. Steps that differ from
    pixel to pixel would add up to a rough flow, so they are smoothed.
    """
    ones = torch.ones_like(before[:1])
    damping, count = _DAMPING * _sums7(ones), _sums5(ones)
    for _ in range(num_steps):
        moved = move(after, flow)
        change, (across, down) = moved - before, _slopes((before + moved) / 2)
        products = torch.cat((across * across, across * down, down * down, across * change, down * change), 1)
        products *= _leads_inside(flow)
        xx, xy, yy, xt, yt = _sums7(products).split(1, 1)
        xx, yy = xx + damping, yy + damping
        step = torch.cat((xy * yt - yy * xt, xy * xt - xx * yt), 1) / (xx * yy - xy * xy)
        flow = _sums5(step.clamp_(-_LARGEST_STEP, _LARGEST_STEP).add_(flow)) / count
    return flow


def _leads_inside(flow: Tensor) -> Tensor:
    """Where a flow leads to a pixel of the frame, `(N, 1, H, W)`: beyond its border there is nothing to compare."""
    height, width = flow.shape[-2:]
    columns = flow[:, :1] + torch.arange(width, device=flow.device)
    rows = flow[:, 1:] + torch.arange(height, device=flow.device)[:, None]
    return (columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1)


def _slopes(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences along columns and along rows."""
    padded = F.pad(frames, (1, 1, 1, 1), mode="replicate")
    return (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2, (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2


def _sums7(x: Tensor) -> Tensor:
    """Sums over windows of 7 x 7 pixels, of what of them lies inside; slices take a fifth of the time of pooling."""
    x = F.pad(x, (3, 3, 3, 3))
    for axis in (-1, -2):
        length = x.shape[axis] - 6
        two = x.narrow(axis, 0, length + 5) + x.narrow(axis, 1, length + 5)
        four = two.narrow(axis, 0, length + 3) + two.narrow(axis, 2, length + 3)
        x = (four.narrow(axis, 0, length) + four.narrow(axis, 3, length)).sub_(x.narrow(axis, 3, length))
    return x


def _sums5(x: Tensor) -> Tensor:
    """The same over windows of 5 x 5 pixels."""
    x = F.pad(x, (2, 2, 2, 2))
    for axis in (-1, -2):
        length = x.shape[axis] - 4
        two = x.narrow(axis, 0, length + 3) + x.narrow(axis, 1, length + 3)
        x = (two.narrow(axis, 0, length) + two.narrow(axis, 2, length)).add_(x.narrow(axis, 4, length))
    return x
