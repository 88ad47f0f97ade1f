"""Predicted clips in the report: animations first, then the same clips frame by frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from subband.visual.colors import SeriesStyle
from subband.visual.html import details, named, render, stack
from subband.visual.report.runs import Samples
from subband.visual.strips import animation, error_scale, error_tiles, strip_png, to_tiles

_MAX_STILLS = 10  # tiles of a strip; longer clips are thinned out evenly


def clip_cards(samples: Samples, styles: dict[str, SeriesStyle]) -> Markup:
    """The animations of all clips, then their strips, of which the first are unfolded."""
    clips = [_Clip(samples, index, styles) for index in range(len(samples.targets))]
    animations = render("animations.html.jinja", clips=clips, labels=list(samples.predictions), styles=styles)
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

    def __init__(self, samples: Samples, index: int, styles: dict[str, SeriesStyle]) -> None:
        self.styles = styles
        self.name = f"Test clip {index + 1}"
        self.inputs, self.target = to_tiles(samples.inputs[index]), to_tiles(samples.targets[index])
        self.predictions = {label: to_tiles(clips[index]) for label, clips in samples.predictions.items()}
        self.scale = max((error_scale(tiles, self.target) for tiles in self.predictions.values()), default=1.0)

    def animation(self) -> bytes:
        """Target and predictions above, their errors below, as APNG."""
        past = np.zeros_like(self.inputs)  # there is no error while the model only looks on
        above = [np.concatenate([self.inputs, tiles]) for tiles in (self.target, *self.predictions.values())]
        below = [None, *(np.concatenate([past, self._error(label)]) for label in self.predictions)]
        return animation([above, below], num_inputs=len(self.inputs))

    def last_frame(self) -> bytes:
        """Target and predictions at the end, as PNG."""
        return strip_png(np.stack([tiles[-1] for tiles in (self.target, *self.predictions.values())]))

    def strips(self) -> Markup:
        """Input, target, and every prediction with its error, as rows of stills with frame numbers."""
        first = len(self.inputs) + 1
        most = min(max(len(self.inputs), len(self.target)), _MAX_STILLS)
        rows = [self._strip("input", "input", self.inputs, 1), self._strip("target", "target", self.target, first)]
        for label, tiles in self.predictions.items():
            rows.append(self._strip(named(label, self.styles[label]), label, tiles))
            rows.append(self._strip("error", f"error of {label}", self._error(label)))
        return render("strips.html.jinja", strips=rows, most=most, scale=self.scale)

    def _strip(self, head: str, description: str, tiles: np.ndarray, first: int | None = None) -> _Strip:
        """One strip; `first` is the number above its first frame, None leaves the numbers to the strip above."""
        kept = np.unique(np.linspace(0, len(tiles) - 1, min(len(tiles), _MAX_STILLS)).round().astype(int))
        numbers = [(first or 0) + int(index) for index in kept]
        return _Strip(head, f"{description}, {self.name}", strip_png(tiles[kept]), numbers, first is not None)

    def _error(self, label: str) -> np.ndarray:
        return error_tiles(self.predictions[label], self.target, self.scale)
