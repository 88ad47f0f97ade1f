"""How the frames of a video are turned until they are upright."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from subband.extras import names_extra

_MATRIX_VALUES = 9
_FIXED_POINT = 1 << 16
_TOLERANCE = math.sin(math.radians(1))  # as ffmpeg has it: within one degree a turn counts as a quarter turn


class Turn(NamedTuple):
    """How stored pixels become upright: first transposed, then flipped.

    Attributes:
        is_transposed: Whether rows become columns.
        is_upside_down: Whether the rows are then reversed.
        is_mirrored: Whether the columns are then reversed.
    """

    is_transposed: bool = False
    is_upside_down: bool = False
    is_mirrored: bool = False

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Upright pixels.

        Args:
            pixels: `(H, W, C)` as stored.

        Returns:
            `(H, W, C)`, or `(W, H, C)` after a quarter turn.
        """
        if self.is_transposed:
            pixels = pixels.swapaxes(0, 1)
        pixels = pixels[:: -1 if self.is_upside_down else 1, :: -1 if self.is_mirrored else 1]
        return np.ascontiguousarray(pixels)


_BY_ANGLE = {0: Turn(), 90: Turn(True, False, True), 180: Turn(False, True, True), 270: Turn(True, True, False)}


def find_turn(frame: Any, stream: Any, path: Path) -> Turn:
    """The turn of a clip.

    The display matrix counts (of the track, of the roll of a Matroska projection, or in the stream of H.264 and HEVC:
    the decoder hands all of them on with its frames), without one the old note `rotate`, clockwise degrees. Angles that
    are no quarter turns are left alone with a warning.

    Args:
        frame: The first decoded frame.
        stream: Its stream.
        path: What the warning calls the file.
    """
    with names_extra("video files need"):
        from av.sidedata.sidedata import Type

    found = frame.side_data.get(Type.DISPLAYMATRIX)
    if found is not None:
        matrix = np.frombuffer(bytes(found), np.int32, count=_MATRIX_VALUES) / _FIXED_POINT
        turn, angle = _by_matrix(matrix[[0, 1, 3, 4]])
    else:
        angle = _noted_angle(stream)
        turn = _BY_ANGLE.get(round(angle) % 360) if angle == round(angle) else None
    if turn is None:
        warnings.warn(
            f"{path} says that its frames are to be turned by {angle:.0f} degrees; they are left as stored.",
            stacklevel=2,
        )
    return turn or Turn()


def _by_matrix(matrix: np.ndarray) -> tuple[Turn | None, float]:
    """By a display matrix (ISO/IEC 14496-12), which maps stored (x, y) to (ax + cy, bx + dy)."""
    a, b, c, d = matrix
    across, along = math.hypot(a, b), math.hypot(c, d)
    if not across or not along:
        return Turn(), 0
    a, b, c, d = a / across, b / across, c / along, d / along
    angle = math.degrees(math.atan2(b, a))
    if max(abs(a), abs(d)) < _TOLERANCE:
        return Turn(True, b < 0, c < 0), angle
    if max(abs(b), abs(c)) < _TOLERANCE:
        return Turn(False, d < 0, a < 0), angle
    return None, angle


def _noted_angle(stream: Any) -> float:
    notes = {key.lower(): value for key, value in stream.metadata.items()}
    try:
        angle = float(notes.get("rotate", 0))
    except ValueError:
        return 0
    return angle if math.isfinite(angle) else 0
