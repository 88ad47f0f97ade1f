"""The report's sections about detection."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from subband.metrics.detection_descriptors import DETECTION_METRICS
from subband.visual.html import section
from subband.visual.report.classification_scores import class_bars
from subband.visual.report.detection_images import object_figures
from subband.visual.report.figures import logged_columns, training_plots
from subband.visual.report.runs import Row, Run
from subband.visual.report.samples import merge_samples
from subband.visual.report.scores import score_table
from subband.visual.report.task_report import Styles, TaskReport, data_name

_RATE = {"lr": ("Learning rate", "of the optimizer")}


def _verdict(runs: Sequence[Run], rows: Sequence[Row]) -> str:
    found = [(row.label, row.facts["metrics"].get("ap50")) for row in rows]
    known = sorted(((share, label) for label, share in found if share is not None), reverse=True)
    if not known:
        return "No test image shows an object."
    words = [f"{label} {100 * share:.1f}\u202f%" for share, label in known]
    return f"Average precision of boxes that overlap by half or more: {', '.join(words)}."


def _facts(runs: Sequence[Run]) -> list[tuple[str, str]]:
    data = runs[0].data
    return [
        ("Data", f"{data_name(data)}, {data.get('split', 'test')} split"),
        ("Images", str(data["images"])),
        ("Objects", str(data["objects"])),
        ("Classes", ", ".join(data["classes"])),
        ("Largest input", f"{data['short_side']} × {data['long_side']}"),
    ]


def _sections(runs: Sequence[Run], rows: Sequence[Row], styles: Styles) -> list[Markup]:
    return [
        section(
            "Scores",
            "Best value of each column in bold; arrows point to better.",
            score_table(rows, styles, DETECTION_METRICS),
        ),
        section(
            "Classes", "Average precision of the boxes of each class, the hardest first.", class_bars(rows, styles)
        ),
        section(
            "Test images",
            "Boxes with a score of 0.3 or more, those with most mistakes first: objects that no box of their class "
            "overlaps by half, and boxes that stand for none.",
            *(object_figures(samples, runs[0].data["classes"], styles) for samples in merge_samples(runs)),
        ),
        section(
            "Training",
            "From the logs of the runs.",
            training_plots(runs, styles, logged_columns(DETECTION_METRICS) | _RATE),
        ),
    ]


REPORT = TaskReport(
    name="detection",
    lead="How well objects are found, by class and by size.",
    verdict=_verdict,
    facts=_facts,
    sections=_sections,
    sheets=("classification.css",),
)
