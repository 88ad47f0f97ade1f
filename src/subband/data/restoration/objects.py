"""Things that move over a scene on their own: cut out of photographs and drawn scenes along a random outline."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from subband.data.restoration.camera_path import CameraPath
from subband.data.restoration.draws import Draws
from subband.data.restoration.sampling import REACH, sample
from subband.data.video.camera import Motion, follow, pixel_offsets

_SMALLEST, _LARGEST = 0.08, 0.3  # radius over the shorter side of the frame
_WAVES = (2, 3, 4, 5)  # of the outline around the object


class MovingObject:
    """A piece of a picture with an anti-aliased outline.

    Args:
        draws: Numbers of the object.
        light: Where it is cut from, `(3, S, S)` light, S at least `side`.
        path: How it moves over the frame.
        size: `(H, W)` of the frame.
    """

    def __init__(self, draws: Draws, light: Tensor, path: CameraPath, size: tuple[int, int]) -> None:
        self._path, self._size = path, size
        self._start = np.array([draws.number(-0.5, 0.5) * size[0], draws.number(-0.5, 0.5) * size[1]])
        opacity = _outline(draws, light.shape[-1]).to(light)
        self._cutout = torch.cat([light * opacity, opacity])  # (4, S, S)

    @staticmethod
    def draw_side(draws: Draws, size: tuple[int, int]) -> int:
        """A side of the square that an object is cut from, in pixels."""
        return 2 * round(draws.number(_SMALLEST, _LARGEST) * min(size)) + 2 * REACH

    def movements(self, times: np.ndarray) -> np.ndarray:
        """Length of the way that it takes during each exposure, in pixels, `(E,)` for times `(E, T)`."""
        return self._path.movements(1, 1, times)

    def cover(self, frames: Tensor, offsets: Tensor, times: Tensor) -> None:
        """Draw the object over frames, in place.

        Args:
            frames: Light `(T, 3, H, W)` at these times.
            offsets: Pixels counted from the center of the frame, `(1, 1, H, W, 2)`.
            times: In frames, `(T,)`.
        """
        motion = self._path.at(times.numpy())
        center = self._start + np.stack([motion.y[0], motion.x[0]], -1)  # (T, 2)
        reach = self._cutout.shape[-1] * float(motion.zoom.max()) * 0.75  # of a square that is turned
        rows, columns = (
            slice(max(int(low + (side - 1) / 2 - reach), 0), max(int(high + (side - 1) / 2 + reach) + 2, 0))
            for low, high, side in zip(center.min(0), center.max(0), self._size, strict=True)
        )
        part = frames[:, :, rows, columns]
        if not part.numel():
            return
        still = np.zeros_like(motion.y)
        shift = torch.from_numpy(center).to(offsets)[None, :, None, None]
        own = follow(offsets[:, :, rows, columns] - shift, Motion(still, still, motion.zoom, motion.angle))
        values = sample(self._cutout, own[0], "zeros")
        found, opacity = values[:, 3:], values[:, 3:].clamp(max=1)
        # Where the interpolation overshoots, light and opacity do alike; their ratio is right.
        part.mul_(1 - opacity).add_(values[:, :3] * (opacity / found.clamp(min=1e-6)))


def _outline(draws: Draws, side: int) -> Tensor:
    """Opacity of a blob or a box, `(1, S, S)`, 0 at the border."""
    radius = side / 2 - REACH
    exponent = 2.0 if draws.happens(0.6) else 8.0  # round, or a box with round corners
    aspect = draws.number(0.5, 1.0)
    amplitudes, phases = draws.numbers(len(_WAVES)), draws.numbers(len(_WAVES))
    rows, columns = pixel_offsets(side, side)[0, 0].unbind(-1)
    angle = torch.atan2(rows, columns)
    waves = zip(_WAVES, amplitudes, phases, strict=True)
    bulge = sum(float(a) / k * torch.cos(k * angle + 2 * torch.pi * float(p)) for k, a, p in waves)
    scaled = (columns.abs() ** exponent + (rows.abs() / aspect) ** exponent) ** (1 / exponent)
    # The widest bulge is 1 + 0.5 * sum(1 / k) of the narrowest radius; it ends at the border.
    limit = radius * (1 + 0.5 * bulge) / (1 + 0.5 * sum(1 / k for k in _WAVES))
    return (limit - scaled + 0.5).clamp(0, 1)[None]
