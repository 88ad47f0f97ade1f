"""Movements of a camera and of objects in the plane, and where they take the pixels of a frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

DRAWS_PER_MOTION = 9
"""Numbers that `smooth_motion` needs."""


class Motion(NamedTuple):
    """A smooth movement.

    Attributes:
        y: Shift in pixels along the rows axis, `(B, T)`, 0 in the middle of the clip.
        x: The same along the columns axis.
        zoom: Magnification, `(B, T)`.
        angle: In radians, `(B, T)`.
    """

    y: np.ndarray
    x: np.ndarray
    zoom: np.ndarray
    angle: np.ndarray


def smooth_motion(draws: np.ndarray, num_frames: int, speed: float) -> Motion:
    """A drift with a shake on top, slow zoom and slow rotation.

    Args:
        draws: Numbers in [0, 1), `(B, >= 9)`.
        num_frames: `T`.
        speed: Fastest movement, pixels per frame: the drift reaches 0.8 of it (slow drifts being likelier), the shake
            0.15 of it in either direction.

    Returns:
        Shifts, magnification within 1.3 % per frame, rotation within 0.01 rad per frame.
    """
    return motion_at(draws, np.arange(num_frames) - (num_frames - 1) / 2, speed)


def motion_at(draws: np.ndarray, time: np.ndarray, speed: float) -> Motion:
    """The movement of `smooth_motion` at any times.

    Args:
        draws: Numbers in [0, 1), `(B, >= 9)`.
        time: In frames, `(T,)`; 0 is the middle of the clip.
        speed: Fastest movement, pixels per frame.

    Returns:
        Shifts, magnification and rotation at these times.
    """
    fast, heading, shake, period, phase_y, phase_x, zoom, turn, lean = draws[:, :DRAWS_PER_MOTION, None].swapaxes(0, 1)
    drift = 0.8 * speed * fast**1.5
    period = 8 + 16 * period
    amplitude = 0.15 * speed * shake * period / (2 * np.pi)
    y, x = (
        drift * component * time + amplitude * np.sin(2 * np.pi * (time / period + phase))
        for component, phase in ((np.sin(2 * np.pi * heading), phase_y), (np.cos(2 * np.pi * heading), phase_x))
    )
    rate = 0.013 * (2 * zoom - 1) ** 3  # mostly next to nothing
    angle = 0.2 * (lean - 0.5) + 0.01 * (2 * turn - 1) ** 3 * time
    return Motion(y, x, np.exp(rate * time), angle)


def pixel_offsets(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Rows and columns of all pixels counted from the center of the frame, `(1, 1, H, W, 2)`."""
    rows = torch.arange(height, device=device) - (height - 1) / 2
    columns = torch.arange(width, device=device) - (width - 1) / 2
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1)[None, None]


def as_pairs(y: np.ndarray, x: np.ndarray, like: Tensor) -> Tensor:
    """Pairs per frame that broadcast over pixels, `(B, T or 1, 1, 1, 2)`."""
    return torch.from_numpy(np.stack([y, x], axis=-1)).to(like)[:, :, None, None]


def follow(offsets: Tensor, motion: Motion) -> Tensor:
    """Where the pixels of each frame lie in the moving image, `(B, T, H, W, 2)`: turned, scaled, shifted."""
    sine, cosine = (trigonometric(motion.angle) / motion.zoom for trigonometric in (np.sin, np.cos))
    along_y, along_x = as_pairs(cosine, sine, offsets), as_pairs(-sine, cosine, offsets)
    return offsets[..., :1] * along_y + offsets[..., 1:] * along_x + as_pairs(motion.y, motion.x, offsets)
