"""How things move between two frames, and whether they move alike in two clips; pure functions, no other package.

The flow is found by least squares in a window around every pixel, from coarse to fine: Lucas and Kanade, An Iterative
Image Registration Technique with an Application to Stereo Vision, IJCAI 1981, in the dense pyramidal form that is usual
today. It is a measuring tool that treats all clips alike, no match for learned flow.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.transforms.arguments import check_real

__all__ = ["flow_error", "optical_flow"]

_RADIUS = 7  # of the window, in pixels of a level
_SHORTEST = 16  # sides of the coarsest level
_NUM_STEPS = 5  # per level
_DAMPING = 1e-4  # squared gradients below it count as no texture: the flow of the coarser level stays


@torch.no_grad()
def optical_flow(first: Tensor, second: Tensor) -> Tensor:
    """Where the pixels of a frame are in the next one.

    Args:
        first: Frames, `(N, C, H, W)` in [0, 1].
        second: The next ones, of the same shape.

    Returns:
        `(N, 2, H, W)`: columns, then rows, in pixels; `second` at `x + flow` looks like `first` at `x`.

    Raises:
        ValueError: If shapes differ or are not four-dimensional.

    Example:
        >>> optical_flow(torch.rand(1, 3, 32, 48), torch.rand(1, 3, 32, 48)).shape
        torch.Size([1, 2, 32, 48])
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
    flow = first.new_zeros(len(first), 2, *levels[-1][0].shape[-2:], dtype=torch.float32)
    for before, after in reversed(levels):
        if flow.shape[-2:] != before.shape[-2:]:
            flow = 2 * F.interpolate(flow, before.shape[-2:], mode="bilinear", align_corners=False)
        for _ in range(_NUM_STEPS):
            flow = _improved(flow, before, _moved(after, flow))
    return flow


def flow_error(pred: Tensor, target: Tensor) -> Tensor:
    """How far the flow between restored frames is from that between the true ones (tOF).

    A clip that trembles or flickers where the true one does not has a large error, however sharp its frames are. The
    measure is that of Chu et al., Learning Temporal Coherence via Self-Supervision for GAN-based Video Generation,
    TOG 2020, with the flow of `optical_flow`.

    Args:
        pred: Restored clips, `(B, T, C, H, W)` in [0, 1], T at least 2.
        target: True clips of the same shape.

    Returns:
        `(B, T - 1)`: mean over the pixels of the sum of both components' absolute differences, in pixels.

    Raises:
        ValueError: If shapes differ, are not five-dimensional, or there is one frame only.

    Example:
        >>> clip = torch.rand(1, 3, 3, 16, 16)
        >>> flow_error(clip, clip)
        tensor([[0., 0.]])
    """
    if pred.shape != target.shape or pred.ndim != 5 or pred.shape[1] < 2:
        raise ValueError(
            "pred and target must be (B, T, C, H, W) alike with two frames or more, "
            f"got {tuple(pred.shape)}, {tuple(target.shape)}"
        )
    errors = []
    for place in range(1, pred.shape[1]):
        ours, wanted = (optical_flow(clip[:, place - 1], clip[:, place]) for clip in (pred, target))
        errors.append((ours - wanted).abs().sum(1).mean((-2, -1)))
    return torch.stack(errors, 1)


def _improved(flow: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """A better flow `(N, 2, H, W)` from frames `(N, 1, H, W)` of which the second was moved back by the present one.

    The whole flow is fitted anew in every window, not what is missing of it: sums of fits that differ from pixel to
    pixel would grow rough (Le Besnerais and Champagnat, Dense optical flow by iterative local window registration, ICIP
    2005).
    """
    padded = F.pad(after, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    change = after - before - across * flow[:, :1] - down * flow[:, 1:]
    products = torch.cat((across * across, across * down, down * down, across * change, down * change, flow), 1)
    xx, xy, yy, xt, yt, columns, rows = _window_means(products).split(1, 1)
    xx, yy = xx + _DAMPING, yy + _DAMPING
    xt, yt = xt - _DAMPING * columns, yt - _DAMPING * rows
    determinant = xx * yy - xy * xy
    return torch.cat((xy * yt - yy * xt, xy * xt - xx * yt), 1) / determinant


def _window_means(x: Tensor) -> Tensor:
    """Means over square windows, of what of them lies inside the image; rows and columns one after the other."""
    side = 2 * _RADIUS + 1
    across = F.avg_pool2d(x, (1, side), stride=1, padding=(0, _RADIUS), count_include_pad=False)
    return F.avg_pool2d(across, (side, 1), stride=1, padding=(_RADIUS, 0), count_include_pad=False)


def _moved(frames: Tensor, flow: Tensor) -> Tensor:
    """Frames `(N, 1, H, W)` at `x + flow`; beyond the border the nearest pixel counts."""
    height, width = frames.shape[-2:]
    columns = torch.arange(width, device=flow.device) + flow[:, 0]
    rows = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    grid = torch.stack(((2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1), -1)
    return F.grid_sample(frames, grid, mode="bilinear", padding_mode="border", align_corners=False)
