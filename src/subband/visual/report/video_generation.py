"""The report's sections about the generation of clips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from subband.metrics.generation_descriptors import VIDEO_GENERATION_METRICS
from subband.visual.colors import is_baseline
from subband.visual.html import details, figure, image, named, plots, render, section, stack
from subband.visual.report.figures import logged_columns, training_plots
from subband.visual.report.generation import reconstruction_verdict
from subband.visual.report.runs import Row, Run, Samples
from subband.visual.report.samples import merge_samples
from subband.visual.report.scores import score_table
from subband.visual.report.task_report import Styles, TaskReport, data_name
from subband.visual.strips import animation, error_scale, error_tiles, strip_png, to_tiles


class _Strip(NamedTuple):
    """The frames of a clip side by side."""

    head: str | Markup
    description: str
    image: bytes
    numbers: list[int]
    with_numbers: bool = False


def drawn_clips(samples: Samples, styles: Styles) -> Markup:
    """The drawn clips of every model that can draw, in motion, and the first of them frame by frame."""
    figures = []
    for label, clips in samples.drawn.items():
        tiles = [to_tiles(clip) for clip in clips]
        columns = math.ceil(math.sqrt(len(tiles)))
        cells: list[np.ndarray | None] = [*tiles, *[None] * (-len(tiles) % columns)]
        grid = [cells[first : first + columns] for first in range(0, len(cells), columns)]
        moving = image(animation(grid, num_inputs=0), "image/apng", f"clips drawn by {label}")
        still = image(strip_png(tiles[0]), "image/png", f"the first clip drawn by {label}, frame by frame")
        figures.append(figure(named(label, styles[label]), stack(moving, still)))
    return plots(figures)


def reconstructed_clips(samples: Samples, styles: Styles) -> Markup:
    """Every test clip, what became of it and the error, in motion and frame by frame."""
    return stack(*(_reconstructed_clip(samples, index, styles) for index in range(len(samples.inputs))))


def _reconstructed_clip(samples: Samples, index: int, styles: Styles) -> Markup:
    name, true = f"Test clip {index + 1}", to_tiles(samples.inputs[index])
    tiles = {label: to_tiles(clips[index]) for label, clips in samples.predictions.items()}
    scale = max((error_scale(item, true) for item in tiles.values()), default=1.0)
    errors = {label: error_tiles(item, true, scale) for label, item in tiles.items()}
    above, below = [true, *tiles.values()], [None, *errors.values()]
    words = f"{name} in motion, from the left: the clip, {', '.join(tiles)}; below, the absolute errors"
    moving = image(animation([above, below], num_inputs=0), "image/apng", words)
    numbers = list(range(1, len(true) + 1))
    strips = [_Strip("clip", f"frames of {name}", strip_png(true), numbers, True)]
    for label, item in tiles.items():
        strips.append(
            _Strip(named(label, styles[label]), f"{name}, reconstructed by {label}", strip_png(item), numbers)
        )
        if not is_baseline(label):
            strips.append(_Strip("error", f"error of {label}, {name}", strip_png(errors[label]), numbers))
    rows = render("strips.html.jinja", strips=strips, most=len(true), scale=scale)
    return stack(figure(words, moving), details(f"{name}, frame by frame", rows, is_open=index == 0))


def _facts(runs: Sequence[Run]) -> list[tuple[str, str]]:
    data = runs[0].data
    return [
        ("Data", f"{data_name(data)}, {data.get('split', 'test')} split"),
        ("Clips", f"{data['clips']:,}".replace(",", "\u202f")),
        ("Frames", str(data.get("frames"))),
        ("Frame size", f"{data.get('height')} × {data.get('width')}"),
        ("Colors", "gray" if data.get("channels") == 1 else "red, green, blue"),
    ]


def _sections(runs: Sequence[Run], rows: Sequence[Row], styles: Styles) -> list[Markup]:
    merged = merge_samples(runs)
    logged = logged_columns(VIDEO_GENERATION_METRICS)
    return [
        section(
            "Scores",
            "Best value of each column in bold; arrows point to better. The rows of the pyramid are the Haar transform "
            "over time, rows and columns without any training: what a model has to beat that codes as many numbers. "
            "The row of real clips compares two halves of the test set, frame by frame.",
            score_table(rows, styles, VIDEO_GENERATION_METRICS),
        ),
        section(
            "Drawn clips",
            "Clips that were never there, the first ones of a fixed seed, at temperature 1; none was picked.",
            *(drawn_clips(samples, styles) for samples in merged),
        ),
        section(
            "Reconstructions",
            "Test clips, what became of them, and the absolute error.",
            *(reconstructed_clips(samples, styles) for samples in merged),
        ),
        section("Training", "From the logs of the runs.", training_plots(runs, styles, logged)),
    ]


REPORT = TaskReport(
    name="video generation",
    lead="What clips networks draw, and how well they reconstruct clips from how many numbers.",
    verdict=lambda runs, rows: reconstruction_verdict(runs, rows, "a clip"),
    facts=_facts,
    sections=_sections,
)
