"""The report's sections about image generation."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from subband.metrics.generation_descriptors import GENERATION_METRICS
from subband.visual.html import note, section
from subband.visual.report.figures import logged_columns, training_plots
from subband.visual.report.generated_images import coefficient_figures, drawn_figures, reconstruction_strips
from subband.visual.report.runs import Row, Run
from subband.visual.report.samples import merge_samples
from subband.visual.report.scores import score_table
from subband.visual.report.task_report import Styles, TaskReport, data_name

_ALL = 0.999  # share of the numbers of an image from which on a code is no code


def reconstruction_verdict(runs: Sequence[Run], rows: Sequence[Row], what: str = "an image") -> str:
    """Every model's reconstructions beside those of the wavelet transform from no more numbers.

    Args:
        runs: Make no difference here.
        rows: Models and baselines.
        what: What is reconstructed, for the message.
    """
    found = []
    for row in rows:
        own, share = (row.facts["metrics"].get(key) for key in ("psnr", "coded"))
        if row.is_baseline or own is None or share is None:
            continue
        if share > _ALL:
            found.append(f"{row.label} codes as many numbers as {what} has, so its reconstructions say nothing")
            continue
        bars = [
            other.facts["metrics"]["psnr"]
            for other in rows
            if other.is_baseline and (other.facts["metrics"].get("coded") or math.inf) <= share + 1e-9
        ]
        words = f"; the wavelet transform alone {max(bars):.2f} dB" if bars else ""
        found.append(f"{row.label} reconstructs with {own:.2f} dB from {100 * share:.2g}\u202f% of the numbers{words}")
    return f"{'. '.join(found)}." if found else ""


def _facts(runs: Sequence[Run]) -> list[tuple[str, str]]:
    data = runs[0].data
    return [
        ("Data", f"{data_name(data)}, {data.get('split', 'test')} split"),
        ("Images", f"{data['images']:,}".replace(",", "\u202f")),
        ("Image size", f"{data.get('height')} × {data.get('width')}"),
        ("Colors", "gray" if data.get("channels") == 1 else "red, green, blue"),
    ]


def _sections(runs: Sequence[Run], rows: Sequence[Row], styles: Styles) -> list[Markup]:
    merged = merge_samples(runs)
    return [
        section(
            "Scores",
            "Best value of each column in bold; arrows point to better. The rows of the pyramid are the Haar transform "
            "without any training: what a model has to beat that codes as many numbers. The row of real images "
            "compares two halves of the test set: drawn images are not expected to come closer.",
            score_table(rows, styles, GENERATION_METRICS),
            note(
                "A model that codes all numbers of an image has a perfect encoder and decoder in the transform and its "
                "inverse; how well it reconstructs then measures how far its training has come, nothing else."
            ),
        ),
        section(
            "Drawn images",
            "Images that were never there, the first ones of a fixed seed, at temperature 1; none was picked.",
            *(drawn_figures(samples, styles) for samples in merged),
        ),
        section(
            "Reconstructions",
            "Test images, what became of them, and the absolute error.",
            *(reconstruction_strips(samples, styles) for samples in merged),
        ),
        section(
            "Coefficients",
            "The first test image as the encoder sees it. Above, its coarsest approximation, and how large all details "
            "are at every pixel; below, every level from the coarsest, by orientation: along the rows, along the "
            "columns, diagonal. Colors are logarithmic and the same for all maps of a model.",
            *(coefficient_figures(samples, styles) for samples in merged),
        ),
        section(
            "Training", "From the logs of the runs.", training_plots(runs, styles, logged_columns(GENERATION_METRICS))
        ),
    ]


REPORT = TaskReport(
    name="image generation",
    lead="What networks draw, how well they reconstruct from how many numbers, and which coefficients they see.",
    verdict=reconstruction_verdict,
    facts=_facts,
    sections=_sections,
)
