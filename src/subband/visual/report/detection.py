"""The report's sections about detection."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from subband.metrics.detection_descriptors import DETECTION_METRICS
from subband.visual.html import details, section
from subband.visual.report.classification_scores import class_bars
from subband.visual.report.detection_images import object_figures
from subband.visual.report.detection_scores import (
    choice_findings,
    class_tables,
    curve_plots,
    taken_findings,
    taken_tables,
)
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
    classes = runs[0].data["classes"]
    return [
        section(
            "Scores",
            "Best value of each column in bold; arrows point to better.",
            score_table(rows, styles, DETECTION_METRICS),
        ),
        section(
            "Precision and recall",
            "How many of the boxes are right while more and more of the objects are found. Strong lines: boxes that "
            "overlap an object of their class by 0.5 or more are right; pale lines: by 0.75 or more. The area below a "
            "line is AP50 and AP75.",
            choice_findings(rows),
            curve_plots(rows, styles),
        ),
        section(
            "Classes",
            "Average precision of the boxes of each class, the hardest first.",
            class_bars(rows, styles),
            class_tables(rows, classes),
        ),
        section(
            "Mistakes",
            "What is taken for what, what is missed, and what is seen where nothing is?",
            taken_findings(rows, classes),
            taken_tables(rows, classes),
        ),
        *_images(runs, classes),
        section(
            "Training",
            "From the logs of the runs.",
            training_plots(runs, styles, logged_columns(DETECTION_METRICS) | _RATE),
        ),
    ]


def _images(runs: Sequence[Run], classes: Sequence[str]) -> list[Markup]:
    """Images from all over the test set where several models are compared, and those that each is worst and best at."""
    stored = [run.samples for run in runs if run.samples is not None]
    chosen = {
        words: {label: images for samples in stored for label, images in getattr(samples, kind).items()}
        for kind, words in (("mistakes", "Worst"), ("best", "Best"))
    }
    merged = [samples for samples in merge_samples(runs) if len(samples.predictions) > 1 or not any(chosen.values())]
    shown = [
        section(
            "Test images",
            "Images from all over the test set, with the boxes of the score that suits each model best, or more.",
            *(object_figures(samples, classes) for samples in merged),
        )
    ]
    for words, by_label in chosen.items():
        folded = [
            details(label, object_figures(images, classes), len(by_label) == 1) for label, images in by_label.items()
        ]
        order = "smallest" if words == "Worst" else "largest"
        shown.append(
            section(
                f"{words} images",
                f"The test images with the {order} F1, in this order, with the boxes of the score that suits the "
                "model best, or more.",
                *(folded if len(folded) > 1 else [object_figures(images, classes) for images in by_label.values()]),
            )
        )
    return shown


REPORT = TaskReport(
    name="detection",
    lead="How well objects are found, by class and by size.",
    verdict=_verdict,
    facts=_facts,
    sections=_sections,
    sheets=("classification.css", "detection.css"),
)
