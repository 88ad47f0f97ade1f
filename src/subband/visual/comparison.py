"""A clip beside what was made of it: a video with both, scores against a reference, and stills of several moments."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import torch

from subband.files import shown
from subband.media.frame_folders import find_mismatch
from subband.media.frames import ClipReader, Frame
from subband.media.sources import FolderReader, open_clip
from subband.media.video_writer import VIDEO_SUFFIXES
from subband.media.writers import ClipWriter, open_writer
from subband.metrics.image import psnr, ssim
from subband.predictors.streaming import Span, clip_rate, span_frames

_GAP = 2  # black pixels between the panels
_MAX_WIDTH = 4096  # pixels of the video, which common decoders still show
_SSIM_SIDE = 7  # the window of SSIM


class Scores(NamedTuple):
    """How near a frame, or a clip in the mean over its frames, is to the reference.

    Attributes:
        psnr: In dB, infinite for equal frames.
        ssim: At most 1; None for frames that are too small for its window.
    """

    psnr: float
    ssim: float | None


class Moment(NamedTuple):
    """A frame of a comparison.

    Attributes:
        number: Number of the frame.
        time: In seconds from the beginning; None where frames have no times.
        before: `(H, W, 3)` uint8, of the size of `after`.
        after: `(H, W, 3)` uint8.
        reference: `(H, W, 3)` uint8, None without a reference.
        scores: Of `before` and `after`; None without a reference.
    """

    number: int
    time: Fraction | None
    before: np.ndarray
    after: np.ndarray
    reference: np.ndarray | None
    scores: tuple[Scores, Scores] | None


class ClipComparison(NamedTuple):
    """What came out of a comparison.

    Attributes:
        num_frames: Frames that were compared.
        moments: Frames at equal distances.
        scores: Means of the clip before and after; None without a reference.
        pixel_aspect: Width of a pixel over its height.
    """

    num_frames: int
    moments: list[Moment]
    scores: tuple[Scores, Scores] | None
    pixel_aspect: Fraction = Fraction(1)


def compare_clips(
    before: Path | str,
    after: Path | str,
    video: Path | str | None = None,
    *,
    reference: Path | str | None = None,
    span: Span | None = None,
    fps: float | None = None,
    num_moments: int = 6,
    labels: Sequence[str] = ("before", "after", "reference"),
    overwrite: bool = False,
) -> ClipComparison:
    """Goes through a clip and what was made of it, frame by frame, in bounded memory.

    Frames are matched by their order. Where `after` has another size, `before` is scaled to it (bicubic), also for its
    scores. The row or column that a video repeats to make an odd side even is cut off.

    Args:
        before: The clip that was processed.
        after: The result of `stream_clip`.
        video: Where to write before, after and reference side by side, without sound; None for no video.
        reference: What the result should be, with the frames of `before`; None if nobody knows.
        span: Which part of `before` and `reference` the result shows.
        fps: Frames per second of clips without times, 10 by default, or those of a clip that has times; refused where
            all have times.
        num_moments: Stills to keep.
        labels: Small words in the corners of the panels.
        overwrite: Replaces an existing video.

    Raises:
        FileExistsError: If there is something at `video` and `overwrite` is False.
        ValueError: If a clip cannot be read, the reference has another size, or no frames can be compared.

    Example:
        >>> from subband.media import write_clip
        >>> folder = getfixture("tmp_path")
        >>> for name, value in (("before", 0.2), ("after", 0.5), ("true", 0.6)):
        ...     write_clip(folder / name, torch.full((3, 3, 16, 24), value))
        >>> scores = compare_clips(folder / "before", folder / "after", reference=folder / "true").scores
        >>> [round(score.psnr) for score in scores]
        [8, 20]
    """
    span = span or Span()
    with ExitStack() as stack:
        sources = [Path(path) for path in (before, after, reference) if path is not None]
        readers = [stack.enter_context(open_clip(path)) for path in sources]
        parts = [Span() if reader is readers[1] else span for reader in readers]
        rate = _common_rate(readers, fps)
        clips = [span_frames(reader, part, rate) for reader, part in zip(readers, parts, strict=True)]
        panels = Panels(readers, labels)
        writer = None
        if video is not None:
            writer = stack.enter_context(_open_video(Path(video), readers, rate, overwrite))
        found = _compare(clips, panels, writer, sources, _wanted(readers[1], num_moments))
        return found._replace(pixel_aspect=readers[1].details.pixel_aspect)


def check_reference(before: Path | str, reference: Path | str, *, scale: int = 1) -> None:
    """Refuses early a reference that no result of a clip can be compared with, for work that takes long.

    Args:
        before: The clip that is to be processed.
        reference: What the result should be.
        scale: How many times as large as the clip the result will be.

    Raises:
        ValueError: If it cannot be read, its size is not that of the result, or names of frames contradict their order.
    """
    with open_clip(before) as clip, open_clip(reference) as other:
        wanted = [scale * side for side in _size(clip)]
        if any(have - want not in (0, want % 2) for have, want in zip(_size(other), wanted, strict=True)):
            raise ValueError(
                f"{other.path} has frames of {other.width} x {other.height} pixels, but what is made of {clip.path} "
                f"{wanted[1]} x {wanted[0]}; a reference must have the size of the result."
            )
        if isinstance(clip, FolderReader) and isinstance(other, FolderReader) and clip.count == other.count:
            mismatch = find_mismatch(clip.files, other.files)
            if mismatch is not None and mismatch.is_contradiction:
                ours, theirs = (shown(reader.files[mismatch.place]) for reader in (clip, other))
                raise ValueError(f"{theirs} is the frame that {ours} would be compared with; name them alike.")


class Panels:
    """Brings the frames of several clips to one size, and shows them side by side.

    Args:
        readers: Before, after, and the reference if there is one.
        labels: A word for each.

    Raises:
        ValueError: If the reference has another size than the result.
    """

    def __init__(self, readers: Sequence[ClipReader], labels: Sequence[str]) -> None:
        before, after = readers[:2]
        scale = max(round(after.height / before.height), 1)
        wanted = (before.height * scale, before.width * scale)
        # A video repeats the last row or column of an odd side.
        is_padded = all(have - want in (0, want % 2) for have, want in zip(_size(after), wanted, strict=True))
        self.size = wanted if is_padded else _size(after)
        for reader in readers[2:]:
            sides = zip(_size(reader), self.size, strict=True)
            if any(have - want not in (0, want % 2) for have, want in sides):
                raise ValueError(
                    f"{reader.path} has frames of {reader.width} x {reader.height} pixels, but {after.path} of "
                    f"{self.size[1]} x {self.size[0]}; a reference must have the size of the result."
                )
        self._labels = labels[: len(readers)]
        self._masks: list[tuple[np.ndarray, np.ndarray]] | None = None

    def fit(self, frames: Sequence[Frame]) -> list[np.ndarray]:
        """Frames of one size, `(H, W, 3)` uint8 each.

        Args:
            frames: Before, after, and the reference if there is one.
        """
        before, *others = (frame.pixels for frame in frames)
        height, width = self.size
        if before.shape[:2] != self.size:
            before = _resized(before, self.size)
        return [pixels[:height, :width] for pixels in (before, *others)]

    def side_by_side(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """One picture with labels, `(H, W, 3)` uint8; smaller where it would be wider than 4096 pixels.

        Args:
            pixels: From `fit`.
        """
        height, width = self.size
        most = (_MAX_WIDTH - _GAP * (len(pixels) - 1)) // len(pixels)
        if width > most:
            height, width = max(round(height * most / width), 1), most
            pixels = [_resized(panel, (height, width)) for panel in pixels]
        if self._masks is None:
            self._masks = [_label(text, height, width) for text in self._labels]
        gap = np.zeros((height, _GAP, 3), np.uint8)
        parts: list[np.ndarray] = []
        for panel, (color, weight) in zip(pixels, self._masks, strict=True):
            labelled = panel.copy()
            corner = labelled[: color.shape[0], : color.shape[1]]
            corner[:] = np.round(corner + weight * (color - corner))
            parts += [labelled, gap]
        return np.concatenate(parts[:-1], axis=1)


def _compare(
    clips: Sequence[Iterator[Frame]],
    panels: Panels,
    writer: ClipWriter | None,
    sources: Sequence[Path],
    wanted: set[int],
) -> ClipComparison:
    moments: list[Moment] = []
    scores: list[tuple[Scores, Scores]] = []
    count = 0
    ended: list[bool] = []
    while True:
        frames = [next(clip, None) for clip in clips]
        found = [frame for frame in frames if frame is not None]
        if len(found) < len(frames):
            ended = [frame is None for frame in frames]
            break
        pixels, time = panels.fit(found), found[0].time if found[1].time is None else found[1].time
        if len(pixels) == 3:
            scores.append((_score(pixels[0], pixels[2]), _score(pixels[1], pixels[2])))
        if writer is not None:
            writer.write(panels.side_by_side(pixels), time)
        if count in wanted:
            shown = [panel.copy() for panel in pixels]
            last = scores[-1] if scores else None
            moments.append(Moment(count, time, shown[0], shown[1], shown[2] if len(shown) > 2 else None, last))
        count += 1
    _name_shorter(sources, ended, count)
    return ClipComparison(count, moments, (_mean(scores, 0), _mean(scores, 1)) if scores else None)


def _name_shorter(sources: Sequence[Path], ended: Sequence[bool], count: int) -> None:
    shorter = [str(path) for path, is_over in zip(sources, ended, strict=True) if is_over]
    if not count:
        raise ValueError(f"there is nothing to compare: {' and '.join(shorter)} has no frames in this part.")
    if not all(ended):
        warnings.warn(f"{' and '.join(shorter)} ends after {count} frames; only those are compared.", stacklevel=4)


def _wanted(reader: ClipReader, num_moments: int) -> set[int]:
    """Numbers of frames at equal distances."""
    total = reader.details.about_frames or reader.count
    return {math.floor((index + 0.5) * total / num_moments) for index in range(num_moments)}


def _common_rate(readers: Sequence[ClipReader], fps: float | None) -> float:
    """Frames per second of the clips that do not say: what belongs together is shown at one rate."""
    if fps is not None:
        return clip_rate(next((reader for reader in readers if reader.details.time_base is None), readers[0]), fps)
    return clip_rate(next((reader for reader in readers if reader.fps), readers[0]), None)


def _open_video(path: Path, readers: Sequence[ClipReader], rate: float, overwrite: bool) -> Any:
    before, after = readers[:2]
    timed = after if after.details.time_base is not None else before
    options: dict[str, Any] = {}
    if path.suffix.lower() in VIDEO_SUFFIXES:
        options["time_base"] = timed.details.time_base
        if timed.details.codec is not None:
            options |= {"colors": timed.details.colors, "pixel_aspect": timed.details.pixel_aspect}
    return open_writer(path, fps=timed.fps or rate, overwrite=overwrite, **options)


def _size(reader: ClipReader) -> tuple[int, int]:
    return reader.height, reader.width


def _resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC))


def _label(text: str, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Color and weight of the pixels of a label in the upper left corner, `(h, w, 3)` and `(h, w, 1)`."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(max(9, min(28, height // 16)))
    layer = Image.new("RGBA", (width, height))
    ImageDraw.Draw(layer).text((4, 2), text, "white", font, stroke_width=1, stroke_fill="black")
    values = np.asarray(layer, np.float32)
    return values[..., :3], values[..., 3:] / 255


def _score(pixels: np.ndarray, reference: np.ndarray) -> Scores:
    made, true = (torch.from_numpy(panel.astype(np.float32) / 255).permute(2, 0, 1) for panel in (pixels, reference))
    similarity = ssim(made, true).item() if min(pixels.shape[:2]) >= _SSIM_SIDE else None
    return Scores(psnr(made, true).item(), similarity)


def _mean(scores: Sequence[tuple[Scores, Scores]], which: int) -> Scores:
    similarities = [one for pair in scores if (one := pair[which].ssim) is not None]
    return Scores(fmean(pair[which].psnr for pair in scores), fmean(similarities) if similarities else None)
