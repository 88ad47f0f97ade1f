"""Restored clips in the report: animations first, then the same clips frame by frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from subband.visual.colors import BASELINES, SeriesStyle
from subband.visual.html import details, named, render, stack
from subband.visual.report.runs import Samples
from subband.visual.strips import animation, error_scale, error_tiles, strip_png, to_tiles

_MAX_STILLS = 6  # tiles of a strip; longer clips are thinned out evenly


def clip_cards(samples: Samples, styles: dict[str, SeriesStyle]) -> Markup:
    """The animations of all clips, then their strips, of which the first are unfolded."""
    labels = [label for label in samples.predictions if label not in BASELINES]
    clips = [_Clip(samples, index, labels, styles) for index in range(len(samples.targets))]
    animations = render("restored.html.jinja", clips=clips, labels=labels, styles=styles)
    strips = [details(f"{clip.name}, frame by frame", clip.strips(), is_open=clip is clips[0]) for clip in clips]
    return stack(animations, *strips)


class _Strip(NamedTuple):
    """Some frames of a clip side by side."""

    head: str
    description: str
    image: bytes
    numbers: list[int]
    with_numbers: bool


class _Clip:
    """Tiles of one test clip."""

    def __init__(self, samples: Samples, index: int, labels: list[str], styles: dict[str, SeriesStyle]) -> None:
        self.styles = styles
        self.name = f"Test clip {index + 1}"
        self.degraded, self.sharp = to_tiles(samples.inputs[index]), to_tiles(samples.targets[index])
        self.restored = {label: to_tiles(samples.predictions[label][index]) for label in labels}
        self.scale = error_scale(self.degraded, self.sharp)

    def psnr(self, label: str | None = None) -> str:
        """PSNR of the shown part of the clip: of a model, or of the degraded frames."""
        tiles = self.degraded if label is None else self.restored[label]
        error = float(np.square(tiles.astype(float) - self.sharp).mean())
        return "∞\u202fdB" if error == 0 else f"{20 * np.log10(255) - 10 * np.log10(error):.2f}\u202fdB"

    def animation(self) -> bytes:
        """Degraded, restored and sharp frames above, the errors below, as APNG."""
        columns = [self.degraded, *self.restored.values()]
        below = [error_tiles(tiles, self.sharp, self.scale) for tiles in columns]
        return animation([[*columns, self.sharp], [*below, None]], num_inputs=len(self.sharp))

    def last_frame(self) -> bytes:
        """The same of the last frame, as PNG."""
        return strip_png(np.stack([tiles[-1] for tiles in (self.degraded, *self.restored.values(), self.sharp)]))

    def strips(self) -> Markup:
        """Degraded frames, what every model makes of them and its error, and the sharp ones, with frame numbers."""
        rows = [self._strip("degraded", "degraded", self.degraded, with_numbers=True)]
        rows.append(self._strip("error", "error of the degraded frames", self._error(self.degraded)))
        for label, tiles in self.restored.items():
            rows.append(self._strip(named(label, self.styles[label]), f"restored by {label}", tiles))
            rows.append(self._strip("error", f"error of {label}", self._error(tiles)))
        rows.append(self._strip("sharp", "sharp", self.sharp))
        return render("strips.html.jinja", strips=rows, most=min(len(self.sharp), _MAX_STILLS), scale=self.scale)

    def _strip(self, head: str, description: str, tiles: np.ndarray, *, with_numbers: bool = False) -> _Strip:
        kept = np.unique(np.linspace(0, len(tiles) - 1, min(len(tiles), _MAX_STILLS)).round().astype(int))
        numbers = [int(index) + 1 for index in kept]
        return _Strip(head, f"{description}, {self.name}", strip_png(tiles[kept]), numbers, with_numbers)

    def _error(self, tiles: np.ndarray) -> np.ndarray:
        return error_tiles(tiles, self.sharp, self.scale)
