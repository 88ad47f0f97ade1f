"""The report's sections about image classification."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from subband.metrics.descriptors import CLASSIFICATION_METRICS
from subband.visual.html import figure, legend, note, plots, section
from subband.visual.plots import line_plot
from subband.visual.report.classification_images import image_cards, mistake_cards
from subband.visual.report.classification_scores import (
    class_bars,
    confusion_findings,
    confusion_tables,
    verdict,
)
from subband.visual.report.figures import logged_columns, training_plots
from subband.visual.report.runs import Row, Run
from subband.visual.report.samples import merge_samples
from subband.visual.report.scores import score_table
from subband.visual.report.task_report import Styles, TaskReport, data_name
from subband.visual.robustness import Y_RANGE, robustness_findings, robustness_panels

_RATE = {"lr": ("Learning rate", "of the optimizer")}


def _facts(runs: Sequence[Run]) -> list[tuple[str, str]]:
    data = runs[0].data
    return [
        ("Data", f"{data_name(data)}, {data.get('split', 'test')} split"),
        ("Images", f"{data['images']:,}".replace(",", "\u202f")),
        ("Classes", str(len(data["classes"]))),
        ("Image size", f"{data.get('height')} × {data.get('width')}"),
    ]


def _sections(runs: Sequence[Run], rows: Sequence[Row], styles: Styles) -> list[Markup]:
    classes = runs[0].data["classes"]
    cards = [image_cards(samples, classes, styles) for samples in merge_samples(runs)]
    mistakes = [
        mistake_cards(label, samples, classes, styles, is_open=len(runs) == 1)
        for run in runs
        if run.samples is not None
        for label, samples in run.samples.mistakes.items()
    ]
    return [
        section(
            "Scores",
            "Best value of each column in bold; arrows point to better.",
            score_table(rows, styles, CLASSIFICATION_METRICS),
        ),
        section(
            "Classes",
            "Share of the test images of each class that are recognized, the hardest class first.",
            class_bars(rows, styles),
        ),
        section(
            "Mistakes",
            "Which class is taken for which?",
            confusion_findings(rows, classes),
            confusion_tables(rows, classes),
            *mistakes,
        ),
        section(
            "Test images",
            "Images from all over the test set as the network sees them, with its three most likely classes; "
            "those with a mistake come first, and the right class is bold.",
            *cards,
        ),
        section(
            "Robustness",
            "Which frequencies does a model live on, and what does JPEG coding cost?",
            *_robustness(runs, styles),
        ),
        section(
            "Training",
            "From the logs of the runs. The training loss includes label smoothing and mixed images where the recipe "
            "asks for them; the validation loss does not.",
            training_plots(runs, styles, logged_columns(CLASSIFICATION_METRICS) | _RATE),
        ),
    ]


def _robustness(runs: Sequence[Run], styles: Styles) -> list[Markup]:
    rows = {run.rows[0].label: run.robustness for run in runs if run.robustness}
    if not rows:
        return []
    panels, key = robustness_panels(rows, styles, len(runs[0].data["classes"]))
    figures = [
        figure(panel.title, line_plot(panel.curves, panel.title, panel.x_label, "top-1, %", y_range=Y_RANGE))
        for panel in panels
    ]
    explanation = note(
        "Accuracy on test images that were distorted after resizing and cropping. The filters cut a sharp circle out "
        "of the Fourier spectrum; a radius of 1 is the Nyquist frequency, half a cycle per pixel, and removing the low "
        "frequencies leaves the mean. JPEG halves the resolution in color (4:2:0). Pale lines: the images as they are."
    )
    return [robustness_findings(rows), plots(figures, legend(key)), explanation]


REPORT = TaskReport(
    name="image classification",
    lead="How often the right class is named, which classes are confused, and which frequencies it takes.",
    verdict=verdict,
    facts=_facts,
    sections=_sections,
    sheets=("classification.css",),
)
