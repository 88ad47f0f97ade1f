"""Where a clip changes at all."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

__all__ = ["activity"]

_REACH = 13  # pixels, a side: what moves by three pixels a frame gets no farther in four frames
_BLUR = 3  # pixels, a side: noise of single pixels is no change
_HALF = 0.01  # change, for values in [0, 1], that counts one half


def activity(frames: Tensor) -> Tensor:
    """How far something nearby changes in a clip: 0 where nothing does, close to 1 where things move.

    The largest change from one frame to the next, blurred, within 6 pixels, as `c**2 / (c**2 + 0.01**2)`. Ours.

    Args:
        frames: `(B, T, C, H, W)`, values in [0, 1].

    Returns:
        `(B, 1, C, H, W)` in [0, 1); zeros for a single frame.
    """
    first = frames[:, 0]
    if frames.shape[1] == 1:
        return first.mul(0)[:, None]
    change = frames.diff(dim=1).abs().amax(1)
    blurred = F.avg_pool2d(change, _BLUR, stride=1, padding=_BLUR // 2, count_include_pad=False)
    square = F.max_pool2d(blurred, _REACH, stride=1, padding=_REACH // 2).square()
    return (square / (square + _HALF**2))[:, None]
