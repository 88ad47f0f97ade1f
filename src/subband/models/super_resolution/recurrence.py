"""Recurrence over a clip in both directions, several times: every pass sees what the passes before it have found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from subband.layers.memory_format import channels_last_on_cpu
from subband.models.super_resolution.alignment import StateAlignment
from subband.transforms.optical_flow import move

__all__ = ["PASSES", "Direction", "FrameFlows", "run_pass"]

Direction: TypeAlias = Literal["backward", "forward"]
PASSES: tuple[Direction, ...] = ("backward", "forward", "backward", "forward")  # of BasicVSR++
# From a frame to the one before it in a pass, by the number of the frame.
FrameFlows: TypeAlias = Callable[[int], Tensor]


def run_pass(
    bank: Sequence[Sequence[Tensor]],
    direction: Direction,
    align: StateAlignment,
    body: Callable[[Tensor], Tensor],
    flow_of: FrameFlows | None = None,
    finish: Callable[[int, Tensor], Tensor] | None = None,
) -> list[Tensor]:
    """One pass over a clip: `state = aligned + body(cat(features, aligned))`, from frame to frame.

    Source: Chan et al., BasicVSR++, CVPR 2022: propagation of second order, along a grid of passes.

    Args:
        bank: Features of all frames, then those of earlier passes, `(B, C, H, W)` each. Only those of a frame are read
            for it.
        direction: `backward` begins with the last frame.
        align: Aligns the two states before a frame with its features.
        body: From the features of a frame, of all passes and aligned, to what is added.
        flow_of: The flow from a frame to the one that was visited before it; None for alignment without flow.
        finish: What is kept of a frame, given its number and state; by default the state. May empty the bank of it.

    Returns:
        The states, or what is kept, in the order of the frames.
    """
    num_frames = len(bank[0])
    order = range(num_frames - 1, -1, -1) if direction == "backward" else range(num_frames)
    kept: dict[int, Tensor] = {}
    states: list[Tensor] = []  # the last two
    visited: list[int] = []
    for frame in order:
        own = bank[0][frame]
        if not visited:
            aligned = torch.zeros_like(own)
        else:
            before = states[-1]
            second = states[-2] if len(states) > 1 else torch.zeros_like(before)
            flows = None if flow_of is None else _flows(flow_of, frame, visited)
            aligned = channels_last_on_cpu(align(own, (before, second), flows))
        inputs = torch.cat([*(branch[frame] for branch in bank), aligned], 1)
        states = [*states[-1:], aligned + body(inputs)]
        kept[frame] = states[-1] if finish is None else finish(frame, states[-1])
        visited.append(frame)
    return [kept[frame] for frame in range(num_frames)]


def _flows(flow_of: FrameFlows, frame: int, visited: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Flows to the last frame and to the one before it, by way of the last; none where there is no such frame."""
    first = flow_of(frame)
    if len(visited) < 2:
        return first, torch.zeros_like(first)
    return first, first + move(flow_of(visited[-1]), first, "zeros")
