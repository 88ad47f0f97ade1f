"""A residual U-Net that is told how things move: it sees every place along the motion that blurred it.

Not published: ours, for small budgets. Motion blur mixes a pixel with those that its motion passes, in whatever
direction that is, and a network of convolutions needs long to learn all directions. Samples of the frame along the
motion look alike in all of them, so that little is left to learn.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from subband.models.residual_unet import COLORS, ResidualUNet
from subband.transforms.arguments import in_float32
from subband.transforms.optical_flow import move, optical_flow

__all__ = ["MotionUNet"]

PLACES = (-1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0)  # of the way from one frame to the next
ACROSS = (-0.5, -0.25, 0.25, 0.5)  # as far, but to the side
NUM_NEIGHBORS = 2
MOTION_SCALE = 4.0  # pixels from frame to frame that are 1 to the network
FLOW_STEPS = 3


class MotionUNet(ResidualUNet):
    """A `ResidualUNet` that sees a frame, its changes along its own motion, and both neighbors brought to its place.

    The motion is half of what leads from the frame before to the frame after, found by `optical_flow`. A fresh network
    returns the middle frame as it is. One frame alone has no motion, and is changed little.

    Args:
        dims: Channels of every resolution, each half of the one before.
        depth: Residual blocks at each, on the way down and on the way up.
        patch: Side of the squares of pixels that the network handles as one place; 2 makes it four times as fast.
        gated: Tell blur from what is merely smooth: see places across the motion as well, which motion does not blur,
            and let the whole frame decide how much of each channel counts.

    Shape:
        frames `(B, T, 3, H, W)` in [0, 1], RGB, T at least 3; result `(B, T - 2, 3, H, W)`, not clipped.

    Raises:
        ValueError: If a number is not positive.

    Example:
        >>> clip = torch.rand(1, 4, 3, 9, 10)
        >>> torch.equal(MotionUNet(dims=(4, 8), depth=1)(clip), clip[:, 1:3])
        True
    """

    def __init__(
        self, *, dims: Sequence[int] = (48, 96, 192), depth: int = 2, patch: int = 1, gated: bool = False
    ) -> None:
        self.across = ACROSS if gated else ()
        super().__init__(dims=dims, depth=depth, frames=1 + NUM_NEIGHBORS, patch=patch, gated=gated)

    def num_inputs(self, frames: int) -> int:
        """Channels of `inputs`: colors of the frame, of its samples and of its neighbors, and the motion."""
        return (frames + len(PLACES) + len(self.across)) * COLORS + 3

    def inputs(self, window: Tensor) -> Tensor:
        """What the convolutions see of a window `(B, 3, 3, H, W)`."""
        # Places in half precision are too coarse.
        samples: Tensor = in_float32(along_motion, window, across=self.across)
        return samples


def along_motion(window: Tensor, across: Sequence[float] = ()) -> Tensor:
    """The middle one of three frames, and what changes along its motion.

    Args:
        window: Frames `(B, 3, 3, H, W)` in [0, 1].
        across: Places beside the motion where to look as well, in lengths of the motion.

    Returns:
        `(B, 36 + 3 P, H, W)` for P places across: the frame; its differences at places along the motion and across;
        those of the next frame and of the one before, brought to its place; columns, rows and length of the motion.
    """
    before, frame, after = window.unbind(1)
    flow = optical_flow(torch.cat([frame, frame]), torch.cat([after, before]), num_steps=FLOW_STEPS, finest_steps=0)
    forward, backward = flow.to(window.dtype).chunk(2)
    motion = (forward - backward) / 2
    samples = [move(frame, place * motion) for place in PLACES]
    side = torch.stack([-motion[:, 1], motion[:, 0]], 1)
    samples += [move(frame, place * side) for place in across]
    samples += [move(after, forward), move(before, backward)]
    length = motion.square().sum(1, keepdim=True).sqrt()
    return torch.cat([frame, *(sample - frame for sample in samples), motion / MOTION_SCALE, length / MOTION_SCALE], 1)
