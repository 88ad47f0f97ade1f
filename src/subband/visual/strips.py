"""Frames as images: strips of still frames and animations of input, target, predictions and errors.

All functions work on uint8 arrays; frames are `(T, C, H, W)` with C = 1 or 3 (of other channel counts the first channel
is shown), tiles `(T, H, W, 3)`. Nothing is resampled beyond whole-number averaging of large frames; pages enlarge the
pixels.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

import numpy as np
from einops import rearrange, reduce

from subband.visual.colors import error_colors

AnimationFormat = Literal["apng", "gif", "webp"]

_GAP = 2  # pixels between tiles, transparent
_BAR = 3  # height of the progress bar
_TRACK, _INPUT_BAR, _PREDICTED_BAR = (128, 128, 128, 60), (128, 126, 121, 255), (213, 94, 0, 255)


def to_tiles(frames: np.ndarray, max_side: int = 160) -> np.ndarray:
    """Frames as color tiles of a size that fits a page.

    Args:
        frames: `(T, C, H, W)` uint8.
        max_side: Frames with a longer side are averaged over blocks of whole pixels until they fit.

    Returns:
        `(T, H', W', 3)` uint8.

    Raises:
        ValueError: If `frames` has another shape or type.

    Example:
        >>> to_tiles(np.zeros((10, 1, 256, 320), np.uint8)).shape
        (10, 128, 160, 3)
    """
    if frames.ndim != 4 or frames.dtype != np.uint8 or 0 in frames.shape:
        raise ValueError(f"frames must be (T, C, H, W) uint8 and not empty, got {frames.shape} {frames.dtype}.")
    if frames.shape[1] != 3:
        frames = np.repeat(frames[:, :1], 3, axis=1)
    factor = -(-max(frames.shape[2:]) // max_side)
    height, width = (side // factor * factor for side in frames.shape[2:])
    if factor == 1 or min(height, width) == 0:
        return rearrange(frames, "t c h w -> t h w c")
    means = reduce(frames[..., :height, :width].astype(float), "t c (h a) (w b) -> t h w c", "mean", a=factor, b=factor)
    return np.round(means).astype(np.uint8)


def error_scale(prediction: np.ndarray, target: np.ndarray) -> float:
    """The absolute error that all but one in five hundred pixels stay below, so that one outlier does not darken the
    rest.

    Args:
        prediction: Tiles, `(T, H, W, 3)` uint8.
        target: Tiles of the same shape.

    Returns:
        In `(0, 1]` of the range of values; never below 0.02, lest noise look like errors.
    """
    return max(float(np.quantile(_absolute_error(prediction, target), 0.998)), 0.02)


def error_tiles(prediction: np.ndarray, target: np.ndarray, scale: float) -> np.ndarray:
    """Absolute error, averaged over the channels, in colors from black (0) to pale yellow (`scale` and above).

    Args:
        prediction: Tiles, `(T, H, W, 3)` uint8.
        target: Tiles of the same shape.
        scale: Error drawn in the brightest color, in units of the range of values.

    Returns:
        Tiles, `(T, H, W, 3)` uint8.

    Raises:
        ValueError: If the shapes differ.
    """
    return error_colors(_absolute_error(prediction, target) / scale)


def strip_png(tiles: np.ndarray) -> bytes:
    """Tiles side by side with a transparent gap of two pixels.

    Args:
        tiles: `(T, H, W, 3)` uint8.

    Returns:
        PNG file.
    """
    opaque = np.concatenate([tiles, np.full_like(tiles[..., :1], 255)], axis=-1)
    padded = np.pad(opaque, ((0, 0), (0, 0), (0, _GAP), (0, 0)))
    return _save([rearrange(padded, "t h w c -> h (t w) c")[:, :-_GAP]], "png", 0)


def animation(
    grid: Sequence[Sequence[np.ndarray | None]], num_inputs: int, fps: float = 5, file_format: AnimationFormat = "apng"
) -> bytes:
    """Sequences of tiles in rows and columns, in motion, over a bar that shows how far it is and where prediction
    starts.

    Args:
        grid: Rows of equal length, e.g. target and predictions above, errors below; every cell is `(T, H, W, 3)` uint8
            of one common shape, or None for an empty place.
        num_inputs: How many of the T frames were given to the model; the bar is gray there and red after.
        fps: Frames per second; the last frame stays three times as long.
        file_format: APNG and WebP are lossless; GIF has 256 colors and is understood everywhere.

    Returns:
        File of that format, repeating endlessly.

    Raises:
        ValueError: If the grid is empty or ragged, or shapes differ.
    """
    shapes = {cell.shape for row in grid for cell in row if cell is not None}
    if len(shapes) != 1 or len({len(row) for row in grid}) != 1:
        raise ValueError(f"animation needs full rows of cells of one shape, got {sorted(shapes)}.")
    num_frames, height, width, _ = next(iter(shapes))
    columns = len(grid[0])
    canvas = np.zeros((num_frames, len(grid) * (height + _GAP) + _BAR, columns * (width + _GAP) - _GAP, 4), np.uint8)
    for row, cells in enumerate(grid):
        for column, cell in enumerate(cells):
            if cell is not None:
                top, left = row * (height + _GAP), column * (width + _GAP)
                canvas[:, top : top + height, left : left + width, :3] = cell
                canvas[:, top : top + height, left : left + width, 3] = 255
    _draw_progress(canvas[:, -_BAR:], num_inputs)
    return _save(list(canvas), file_format, round(1000 / fps))


def _absolute_error(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    if prediction.shape != target.shape:
        raise ValueError(f"prediction {prediction.shape} and target {target.shape} must have one shape.")
    return np.abs(prediction.astype(np.int16) - target.astype(np.int16)).mean(-1) / 255


def _draw_progress(bars: np.ndarray, num_inputs: int) -> None:
    """Fills `(T, 3, W, 4)` from the left as time goes on: gray while the model is given frames, then red."""
    num_frames, _, width, _ = bars.shape
    ends = [round((index + 1) * width / num_frames) for index in range(num_frames)]
    start = ends[num_inputs - 1] if num_inputs else 0
    bars[:] = _TRACK
    for index, end in enumerate(ends):
        bars[index, :, : min(end, start)] = _INPUT_BAR
        bars[index, :, start:end] = _PREDICTED_BAR


def _save(images: list[np.ndarray], file_format: str, milliseconds: int) -> bytes:
    from PIL import Image

    first, *rest = [Image.fromarray(image) for image in images]
    buffer = io.BytesIO()
    options: dict[str, object] = {"lossless": True} if file_format == "webp" else {"optimize": True}
    if rest:
        durations = [milliseconds] * len(rest) + [3 * milliseconds]
        options |= {"save_all": True, "append_images": rest, "duration": durations, "loop": 0}
    first.save(buffer, format="PNG" if file_format == "apng" else file_format.upper(), **options)
    return buffer.getvalue()
