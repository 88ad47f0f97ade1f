"""The report's sections about video prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from subband.metrics.descriptors import VIDEO_METRICS
from subband.visual.html import note, section
from subband.visual.report.figures import logged_columns, training_plots
from subband.visual.report.runs import Row, Run
from subband.visual.report.samples import merge_samples
from subband.visual.report.scores import score_table, verdict
from subband.visual.report.task_report import Styles, TaskReport
from subband.visual.report.video_clips import clip_cards
from subband.visual.report.video_figures import frame_plots, frequency_findings, frequency_plots


def _facts(runs: Sequence[Run]) -> list[tuple[str, str]]:
    data = runs[0].data
    pairs = [
        ("Data", f"{data.get('name', 'unnamed')}, {data.get('split', 'test')} split"),
        ("Clips", str(data.get("sequences", "unknown"))),
        ("Frames", f"{data.get('in_frames')} given, {data.get('out_frames')} predicted"),
        ("Frame size", f"{data.get('height')} × {data.get('width')}, {_channels(data.get('channels'))}"),
    ]
    if data.get("data_range"):
        pairs.append(("Data range", "{:g} to {:g}".format(*data["data_range"])))
    return pairs


def _channels(count: Any) -> str:
    return {1: "gray", 3: "color"}.get(count, f"{count} channels")


def _sections(runs: Sequence[Run], rows: Sequence[Row], styles: Styles) -> list[Markup]:
    clips = [clip_cards(samples, styles) for samples in merge_samples(runs) if len(samples.targets)]
    return [
        section(
            "Scores",
            "Best value of each column in bold; arrows point to better. "
            "Persistence repeats the last given frame: a model has to beat it.",
            score_table(rows, styles, VIDEO_METRICS),
        ),
        section(
            "Predictions",
            "Above, the given frames and then the target or a prediction; below, the absolute error. "
            "The bar is gray while frames are given and red while they are predicted.",
            *clips,
        ),
        section(
            "Error over time",
            "Each predicted frame on its own, averaged over all test clips.",
            frame_plots(rows, styles),
        ),
        section(
            "Frequencies",
            "Does a model lose high frequencies, that is, does it blur?",
            frequency_findings(rows),
            frequency_plots(rows, styles),
            _frequency_note(rows),
        ),
        section("Training", "From the logs of the runs.", training_plots(runs, styles, logged_columns(VIDEO_METRICS))),
    ]


def _frequency_note(rows: Sequence[Row]) -> Markup:
    if not any(row.facts.get("subband_energy") or row.facts.get("spectrum") for row in rows):
        return Markup()
    return note(
        "Energy: mean square of the coefficients in the four bands of a one-level Haar transform of every frame; the "
        "line at 100 % is the target. Power: squared amplitude of the Fourier transform, averaged over rings of equal "
        "frequency. Persistence copies a real frame, so its spectrum is right even where its image is wrong."
    )


REPORT = TaskReport(
    name="video prediction",
    lead="How well the next frames of a video are predicted, and what prediction does to their frequencies.",
    verdict=lambda runs, rows: verdict(rows),
    facts=_facts,
    sections=_sections,
)
