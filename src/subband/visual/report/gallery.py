"""Predicted clips in the report: animations first, then the same clips frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from subband.visual.colors import BASELINE, SeriesStyle
from subband.visual.html import data_uri, details, image, swatch
from subband.visual.report.runs import Run, Samples
from subband.visual.strips import MEDIA_TYPES, animation, error_scale, error_tiles, strip_png, to_tiles

_MAX_STILLS = 10  # tiles of a strip; longer clips are thinned out evenly


def merge_samples(runs: Sequence[Run]) -> list[Samples]:
    """Samples of all runs; runs that pictured the same clips share one entry with all predictions."""
    merged: list[Samples] = []
    for samples in (run.samples for run in runs if run.samples is not None):
        same = next((other for other in merged if _is_same(samples, other)), None)
        if same is None:
            same = Samples(inputs=samples.inputs, targets=samples.targets, predictions={})
            merged.append(same)
        same.predictions.update(samples.predictions)
    for samples in merged:  # the baseline closes every picture
        if BASELINE in samples.predictions:
            samples.predictions[BASELINE] = samples.predictions.pop(BASELINE)
    return merged


def clip_cards(samples: Samples, styles: dict[str, SeriesStyle]) -> str:
    """The animations of all clips, then their strips, of which the first are unfolded."""
    clips = [_Clip(samples, index, styles) for index in range(len(samples.targets))]
    cards = [f'<article class="clip"><h3>{clip.name}</h3>{clip.animated()}</article>' for clip in clips]
    strips = [details(f"{clip.name}, frame by frame", clip.strips(), is_open=clip is clips[0]) for clip in clips]
    columns = 1 + len(samples.predictions)
    return f'<div class="clips" style="--columns: {columns}">{"".join(cards)}</div>{"".join(strips)}'


class _Clip:
    """Tiles of one test clip."""

    def __init__(self, samples: Samples, index: int, styles: dict[str, SeriesStyle]) -> None:
        self.styles = styles
        self.name = f"Test clip {index + 1}"
        self.inputs, self.target = to_tiles(samples.inputs[index]), to_tiles(samples.targets[index])
        self.predictions = {label: to_tiles(clips[index]) for label, clips in samples.predictions.items()}
        self.scale = max((error_scale(tiles, self.target) for tiles in self.predictions.values()), default=1.0)

    def animated(self) -> str:
        """Target and predictions above, their errors below; still when the reader asked for less motion."""
        past = np.zeros_like(self.inputs)  # there is no error while the model only looks on
        above = [np.concatenate([self.inputs, tiles]) for tiles in (self.target, *self.predictions.values())]
        below = [None, *(np.concatenate([past, self._error(label)]) for label in self.predictions)]
        content = animation([above, below], num_inputs=len(self.inputs))
        heads = "<span>target</span>" + "".join(f"<span>{self._name(label)}</span>" for label in self.predictions)
        description = f"Animation of {self.name}: target, {', '.join(self.predictions)}; below each prediction its absolute error."
        moving = f'<img class="pixels" alt="{escape(description)}" src="{data_uri(content, MEDIA_TYPES["apng"])}">'
        still = data_uri(strip_png(np.stack([tiles[-1] for tiles in above])), MEDIA_TYPES["png"])
        picture = f'<picture><source media="(prefers-reduced-motion: reduce)" srcset="{still}">{moving}</picture>'
        return f'<div class="scroll"><div class="animation"><div class="heads">{heads}</div>{picture}</div></div>'

    def strips(self) -> str:
        """Input, target, and every prediction with its error, as rows of stills with frame numbers."""
        first = len(self.inputs) + 1
        most = min(max(len(self.inputs), len(self.target)), _MAX_STILLS)
        rows = [self._row("input", "input", self.inputs, 1), self._row("target", "target", self.target, first)]
        for label, tiles in self.predictions.items():
            rows.append(self._row(self._name(label), label, tiles))
            rows.append(self._row("error", f"error of {label}", self._error(label)))
        note = f"Error: mean absolute difference of the channels, black = 0, pale yellow = {self.scale:.2f} or more."
        return f'<div class="scroll"><div class="strips" style="--most: {most}">{"".join(rows)}</div></div><p class="note">{note}</p>'

    def _row(self, head: str, description: str, tiles: np.ndarray, first: int | None = None) -> str:
        """One strip; `first` is the number above its first frame, None leaves the numbers to the strip above."""
        kept = np.unique(np.linspace(0, len(tiles) - 1, min(len(tiles), _MAX_STILLS)).round().astype(int))
        numbers = "" if first is None else "".join(f"<span>{first + index}</span>" for index in kept)
        picture = image(strip_png(tiles[kept]), MEDIA_TYPES["png"], f"{description}, {self.name}")
        return (
            f'<div class="strip" style="--columns: {len(kept)}"><span class="label">{head}</span><div class="stills">'
            f'{numbers and f"""<div class="heads">{numbers}</div>"""}{picture}</div></div>'
        )

    def _name(self, label: str) -> str:
        return swatch(self.styles[label]) + escape(label)

    def _error(self, label: str) -> np.ndarray:
        return error_tiles(self.predictions[label], self.target, self.scale)


def _is_same(one: Samples, other: Samples) -> bool:
    return np.array_equal(one.inputs, other.inputs) and np.array_equal(one.targets, other.targets)
