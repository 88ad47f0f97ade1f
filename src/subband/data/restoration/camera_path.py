"""The path of a hand-held camera over a photograph, and of objects over a frame, at any time."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from subband.data.restoration.draws import Draws
from subband.data.video.camera import DRAWS_PER_MOTION, Motion, follow, motion_at, pixel_offsets

_STEPS_PER_FRAME = 16  # of the random part
_MARGIN_FRAMES = 1  # the path begins before the first frame and ends after the last one
_JITTER = 0.5  # of the fastest movement


class CameraPath:
    """Drift, shake, slow zoom and slow rotation, with a random walk of the velocity on top.

    The random part is an Ornstein-Uhlenbeck process with a memory of 0.5 to 3 frames, which makes the curved traces of
    hand-held exposures.

    Args:
        draws: Numbers of the clip.
        num_frames: Frames of the clip; frame k is at time k.
        speed: Fastest movement in pixels per frame.
        roll: Fastest random rotation in radians per frame.
    """

    def __init__(self, draws: Draws, num_frames: int, speed: float, roll: float) -> None:
        self._draws = draws.numbers(DRAWS_PER_MOTION)[None]
        self._middle, self._speed = (num_frames - 1) / 2, speed
        memory = draws.log_number(0.5, 3.0)
        strengths = _JITTER * speed * draws.number() ** 2, roll * draws.number() ** 2
        count = (num_frames + 2 * _MARGIN_FRAMES) * _STEPS_PER_FRAME
        steps = draws.normals(3 * count).reshape(3, count)
        walk = _walk(steps, memory) * np.array([strengths[0], strengths[0], strengths[1]])[:, None]
        self._times = np.arange(count) / _STEPS_PER_FRAME - _MARGIN_FRAMES
        self._walk = walk - walk.mean(1, keepdims=True)

    def at(self, times: np.ndarray) -> Motion:
        """Shift, magnification and rotation at some times, each `(1, T)`.

        Args:
            times: In frames, `(T,)`, between -1 and the number of frames.
        """
        motion = motion_at(self._draws, times - self._middle, self._speed)
        y, x, angle = (np.interp(times, self._times, part) for part in self._walk)
        return Motion(motion.y + y, motion.x + x, motion.zoom, motion.angle + angle)

    def extent(self, height: int, width: int, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The smallest and largest place `(y, x)` that a frame shows at any of the times, from the photograph's center.

        Args:
            height: Rows of the frame.
            width: Columns of the frame.
            times: In frames.
        """
        corners = self.corners(height, width, times)
        return corners.min((0, 1)), corners.max((0, 1))

    def corners(self, height: int, width: int, times: np.ndarray) -> np.ndarray:
        """Places `(y, x)` of the corners of a frame, `(T, 4, 2)`."""
        offsets = pixel_offsets(2, 2).double() * torch.tensor([height - 1.0, width - 1.0])
        return follow(offsets, self.at(times))[0].flatten(1, 2).numpy()

    def movements(self, height: int, width: int, times: np.ndarray) -> np.ndarray:
        """Length of the way that the fastest corner of a frame takes during each exposure, in pixels, `(E,)`.

        Args:
            height: Rows of the frame.
            width: Columns of the frame.
            times: Of each exposure, ascending, `(E, T)`.
        """
        corners = self.corners(height, width, times.ravel()).reshape(*times.shape, 4, 2)
        steps = np.diff(corners, axis=1)
        return np.hypot(steps[..., 0], steps[..., 1]).sum(1).max(1)

    def places(self, offsets: Tensor, times: Tensor) -> Tensor:
        """Where the pixels of a frame lie in the photograph at some times, `(T, H, W, 2)`.

        Args:
            offsets: Pixels counted from the center of the frame, `(1, 1, H, W, 2)`.
            times: In frames, `(T,)`.
        """
        return follow(offsets, self.at(times.numpy()))[0]


def _walk(steps: np.ndarray, memory: float) -> np.ndarray:
    """Positions whose velocity is an Ornstein-Uhlenbeck process of variance 1, `(3, N)`."""
    kept = np.exp(-1 / (memory * _STEPS_PER_FRAME))
    velocity = np.empty_like(steps)
    velocity[:, 0] = steps[:, 0]
    for index in range(1, steps.shape[1]):
        velocity[:, index] = kept * velocity[:, index - 1] + np.sqrt(1 - kept**2) * steps[:, index]
    return np.cumsum(velocity, axis=1) / _STEPS_PER_FRAME
