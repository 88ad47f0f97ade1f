"""Figures of lines that swing their arms and legs: where their joints are, and how they look.

Ours: one pose is a pure function of time and twelve swings. Angles are 0 straight down and grow towards the right of
the picture; those of arms and legs are added to that of the trunk, and a forearm's to that of its upper arm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from subband.joints import POSETRACK

__all__ = ["Figure", "Occluder", "Swing", "background", "draw_figures", "figure_joints", "head_boxes"]

# Lengths as shares of the body's height.
TORSO, NECK, HEAD_BOTTOM, HEAD = 0.30, 0.06, 0.03, 0.13
NOSE_UP, NOSE_ASIDE = 0.35 * HEAD, 0.25 * HEAD
HALF_SHOULDERS, HALF_HIPS = 0.11, 0.08
UPPER_ARM, FOREARM, THIGH, SHANK = 0.17, 0.15, 0.24, 0.23
LIMB_RADIUS, HEAD_BAR_RADIUS, HEAD_RADIUS = 0.022, 0.045, 0.065
BACKGROUND_FREQUENCY = 0.06  # cycles per pixel, the spread of the low-pass


class Swing(NamedTuple):
    """An angle over time: `middle + reach * sin(rate * t + phase)`, in radians and frames."""

    middle: float
    reach: float
    rate: float
    phase: float

    def at(self, times: np.ndarray) -> np.ndarray:
        """The angle at these times."""
        return self.middle + self.reach * np.sin(self.rate * times + self.phase)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure and how it moves.

    Args:
        height: Of the body in pixels.
        start: x and y of the pelvis at time 0.
        speed: Pixels per frame along x and y.
        lean: Of the trunk.
        upper_arms: Left, right.
        forearms: Left, right, against the upper arm.
        thighs: Left, right.
        shanks: Left, right, against the thigh.
    """

    height: float
    start: tuple[float, float]
    speed: tuple[float, float]
    lean: Swing
    upper_arms: tuple[Swing, Swing]
    forearms: tuple[Swing, Swing]
    thighs: tuple[Swing, Swing]
    shanks: tuple[Swing, Swing]


class Occluder(NamedTuple):
    """A rectangle that moves along a line, over everything.

    Attributes:
        size: Height and width in pixels.
        middle: x and y at time 0.
        speed: Pixels per frame along x and y.
        color: Red, green and blue in [0, 1].
    """

    size: tuple[float, float]
    middle: tuple[float, float]
    speed: tuple[float, float]
    color: tuple[float, float, float]

    def hides(self, points: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Which of points `(N, K, 2)` at times `(N,)` it covers, `(N, K)`."""
        middles = np.asarray(self.middle) + times[:, None] * np.asarray(self.speed)  # (N, 2)
        inside = np.abs(points - middles[:, None]) <= np.asarray(self.size)[::-1] / 2
        return inside.all(-1)


def figure_joints(figure: Figure, times: np.ndarray) -> np.ndarray:
    """Where the joints are.

    Args:
        figure: Whose.
        times: In frames, `(N,)`.

    Returns:
        x and y in pixels, `(N, 15, 2)`, in the order of `subband.joints.POSETRACK`.

    Example:
        >>> still = Swing(0.0, 0.0, 0.0, 0.0)
        >>> limbs = dict.fromkeys(("upper_arms", "forearms", "thighs", "shanks"), (still, still))
        >>> figure = Figure(height=100, start=(50, 60), speed=(0, 0), lean=still, **limbs)
        >>> joints = figure_joints(figure, np.zeros(1))[0]
        >>> joints[POSETRACK.names.index("left_wrist")].round(1).tolist()
        [61.0, 62.0]
    """
    h = figure.height
    lean = figure.lean.at(times)
    pelvis = np.asarray(figure.start, float) + times[:, None] * np.asarray(figure.speed, float)
    up = -_towards(lean)
    side = np.stack([-up[:, 1], up[:, 0]], 1)  # to the figure's left, as it faces the camera
    neck = pelvis + TORSO * h * up
    points = [
        neck + (NECK + NOSE_UP) * h * up + NOSE_ASIDE * h * side,
        neck + HEAD_BOTTOM * h * up,
        neck + (NECK + HEAD) * h * up,
    ]
    shoulders = [neck + sign * HALF_SHOULDERS * h * side for sign in (1, -1)]
    hips = [pelvis + sign * HALF_HIPS * h * side for sign in (1, -1)]
    for starts, first, second, upper, lower in (
        (shoulders, figure.upper_arms, figure.forearms, UPPER_ARM, FOREARM),
        (hips, figure.thighs, figure.shanks, THIGH, SHANK),
    ):
        angles = [lean + swing.at(times) for swing in first]
        middles = [start + upper * h * _towards(angle) for start, angle in zip(starts, angles, strict=True)]
        ends = [
            middle + lower * h * _towards(angle + swing.at(times))
            for middle, angle, swing in zip(middles, angles, second, strict=True)
        ]
        points += [*starts, *middles, *ends]
    return np.stack(points, 1)


def head_boxes(joints: np.ndarray) -> np.ndarray:
    """Squares around heads, as long as these: left, top, width and height, `(N, 4)`, of joints `(N, 15, 2)`."""
    bottom, top = joints[:, 1], joints[:, 2]
    length = np.linalg.norm(top - bottom, axis=1, keepdims=True)
    return np.concatenate([(top + bottom) / 2 - length / 2, length, length], 1)


def background(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Smooth noise around a dark color, `(3, H, W)`."""
    noise = rng.uniform(0, 0.5, (3, *size))
    down, across = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])
    keep = np.exp(-(down**2 + across**2) / (2 * BACKGROUND_FREQUENCY**2))
    return np.fft.irfft2(np.fft.rfft2(noise) * keep, s=size)


def draw_figures(
    joints: np.ndarray,
    height: float,
    colors: np.ndarray,
    behind: np.ndarray,
    occluder: Occluder | None = None,
    times: np.ndarray | None = None,
) -> np.ndarray:
    """Pictures of a figure: limbs with smooth edges in their order, the head, and what is in front of it.

    Args:
        joints: `(N, 15, 2)`.
        height: Of the body in pixels.
        colors: Of the limbs of `POSETRACK`, then of the head, `(15, 3)`, in [0, 1].
        behind: Background, `(3, H, W)`.
        occluder: What hides a part, with `times`.
        times: Of the pictures, `(N,)`.

    Returns:
        `(N, 3, H, W)`, float32.
    """
    frames = np.repeat(behind[None].astype(np.float32), len(joints), 0)
    for number, (first, second) in enumerate(POSETRACK.limbs):
        radius = (HEAD_BAR_RADIUS if number == 0 else LIMB_RADIUS) * height
        _draw_capsule(frames, joints[:, first], joints[:, second], radius, colors[number])
    middles = (joints[:, 1] + joints[:, 2]) / 2
    _draw_capsule(frames, middles, middles, HEAD_RADIUS * height, colors[-1])
    if occluder is not None and times is not None:
        _draw_rectangle(frames, occluder, times)
    return frames


def _towards(angles: np.ndarray) -> np.ndarray:
    return np.stack([np.sin(angles), np.cos(angles)], -1)


def _draw_capsule(frames: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float, color: np.ndarray) -> None:
    """Paint all points closer to a line than `radius`, `(N, 2)` each, with an edge one pixel wide."""
    ends = np.stack([start, end])
    place = _reached(ends.min((0, 1)) - radius - 1, ends.max((0, 1)) + radius + 1, frames.shape)
    if place is None:
        return
    rows, columns = place
    x = np.arange(columns.start, columns.stop, dtype=np.float32)[None, None]
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[None, :, None]
    (x0, y0), (dx, dy) = (value.T.astype(np.float32)[..., None, None] for value in (start, end - start))
    across, down = x - x0, y - y0  # (N, 1, w), (N, h, 1)
    squared = np.maximum(dx * dx + dy * dy, np.float32(1e-12))
    along = np.clip((across * dx + down * dy) / squared, 0, 1)
    distance = np.sqrt((across - along * dx) ** 2 + (down - along * dy) ** 2)
    _blend(frames, rows, columns, np.clip(np.float32(radius + 0.5) - distance, 0, 1), color)


def _draw_rectangle(frames: np.ndarray, occluder: Occluder, times: np.ndarray) -> None:
    middles = np.asarray(occluder.middle) + times[:, None] * np.asarray(occluder.speed)
    half = np.asarray(occluder.size)[::-1] / 2
    place = _reached(middles.min(0) - half - 1, middles.max(0) + half + 1, frames.shape)
    if place is None:
        return
    rows, columns = place
    cover = [
        np.clip(half[axis] + 0.5 - np.abs(np.arange(part.start, part.stop) - middles[:, axis, None]), 0, 1)
        for axis, part in ((0, columns), (1, rows))
    ]
    alpha = (cover[1][:, :, None] * cover[0][:, None, :]).astype(np.float32)
    _blend(frames, rows, columns, alpha, np.asarray(occluder.color))


def _reached(low: np.ndarray, high: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """Rows and columns of the frames between two corners x, y; None if there are none."""
    left, top = (max(int(np.floor(value)), 0) for value in low)
    right, bottom = (min(int(np.ceil(value)) + 1, side) for value, side in zip(high, (shape[3], shape[2]), strict=True))
    return (slice(top, bottom), slice(left, right)) if top < bottom and left < right else None


def _blend(frames: np.ndarray, rows: slice, columns: slice, alpha: np.ndarray, color: np.ndarray) -> None:
    part = frames[:, :, rows, columns]
    part += alpha[:, None] * (color.astype(np.float32)[:, None, None] - part)
