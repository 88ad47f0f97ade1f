"""Objects in every frame of a clip, drawn into a copy of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from subband.media.frames import Frame
from subband.predictors.detection.coco_results import coco_results
from subband.predictors.detection.found import FoundObjects
from subband.predictors.detection.predictor import DetectionPredictor
from subband.predictors.fingerprint import fingerprint
from subband.predictors.frame_notes import FrameNotes, frame_notes
from subband.predictors.progress import Progress
from subband.predictors.streaming import stream_clip
from subband.predictors.windows import Window

__all__ = ["FrameResults", "detect_clip"]

WHITE = 255


class FrameResults(NamedTuple):
    """What one frame shows.

    Attributes:
        number: Of the frame, from 0.
        seconds: When it is shown; None in a clip without times.
        size: Height and width.
        results: Entries of a file of results, as `coco_results` gives them; `image_id` is `number + 1`.
    """

    number: int
    seconds: float | None
    size: tuple[int, int]
    results: list[dict[str, Any]]


def detect_clip(
    predictor: DetectionPredictor,
    source: Path,
    target: Path,
    draw: Callable[[Tensor, FoundObjects], Tensor],
    *,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> list[FrameResults]:
    """Find objects in every frame of a clip and write a copy of it with what was found, in bounded memory.

    A job that was stopped goes on when it is called again; what was found until then lies beside its finished segments
    (see `stream_clip`).

    Args:
        predictor: The detector.
        source: Video file or animated image.
        target: What to write.
        draw: Draws what was found into a frame `(3, H, W)`, uint8.
        overwrite: Replaces an existing output.
        progress: Called after every batch of frames.

    Returns:
        What each frame shows, in their order.

    Raises:
        FileExistsError: If there is an output and `overwrite` is False.
        ValueError: If the clip cannot be read, or an unfinished job has other settings.
    """
    with frame_notes(target) as notes:
        stream_clip(source, target, _Finder(predictor, notes, draw), overwrite=overwrite, progress=progress)
        return [FrameResults(**line) for line in notes.read()]


class _Finder:
    """What is done to the frames of a window; what was found is noted line by line."""

    margins = (0, 0)

    def __init__(
        self, predictor: DetectionPredictor, notes: FrameNotes, draw: Callable[[Tensor, FoundObjects], Tensor]
    ) -> None:
        self.window = predictor.batch_size
        self._predictor, self._notes, self._draw = predictor, notes, draw

    @property
    def facts(self) -> dict[str, Any]:
        """What results depend on."""
        predictor = self._predictor
        names = ("min_score", "only", "tile", "half", "classes")
        return {
            "window": self.window,
            "weights": fingerprint(predictor.model),
            "preprocessing": predictor.preprocessing.to_dict(),
            **{name: getattr(predictor, name) for name in names},
        }

    def begin(self, notes: Mapping[str, Any], note: Callable[[str, Any], None]) -> None:
        """Needs nothing: frames that are noted and not kept are found again."""

    def __call__(self, frames: Tensor, window: Window) -> Tensor:
        """Frames that are kept of `(T, 3, H, W)`, with what was found in them."""
        pixels = list((frames[window.keep] * WHITE).round().to(torch.uint8))
        found = self._predictor.detect(pixels)
        numbered = enumerate(zip(found, window.frames[window.keep], strict=True), window.first + window.keep.start)
        self._notes.add([self._line(number, objects, frame) for number, (objects, frame) in numbered])
        return torch.stack(list(map(self._draw, pixels, found))) / WHITE

    def _line(self, number: int, found: FoundObjects, frame: Frame) -> dict[str, Any]:
        seconds = None if frame.time is None else float(frame.time)
        results = coco_results(found, number + 1, self._predictor.category_ids)
        return FrameResults(number, seconds, found.size, results)._asdict()
