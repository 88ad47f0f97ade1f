"""The report's sections about pose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from subband.metrics.pose_descriptors import POSE_METRICS
from subband.visual.html import best, figure, findings, legend, note, plots, section, strong, table
from subband.visual.plots import Curve, line_plot
from subband.visual.report.figures import logged_columns, plottable, training_plots
from subband.visual.report.pose_images import joint_set, pose_figures
from subband.visual.report.runs import Row, Run
from subband.visual.report.samples import merge_samples
from subband.visual.report.scores import score_table
from subband.visual.report.task_report import Styles, TaskReport, data_name

_RATE = {"lr": ("Learning rate", "of the optimizer")}
_MOST_CLIPS = 4  # with a plot over time
_WORST = 5  # clips of a model that are named


def _verdict(runs: Sequence[Run], rows: Sequence[Row]) -> str:
    found = [(row.facts["metrics"].get("pck"), row.label) for row in rows]
    known = sorted(((share, label) for share, label in found if share is not None), reverse=True)
    words = [f"{label} {100 * share:.1f}\u202f%" for share, label in known]
    return f"Joints that are right, boxes being given: {', '.join(words)}." if words else ""


def _facts(runs: Sequence[Run]) -> list[tuple[str, str]]:
    data = runs[0].data
    return [
        ("Data", f"{data_name(data)}, {data.get('split', 'test')} split"),
        ("People", str(data["people"])),
        ("Clips", str(data["clips"])),
        ("Boxes", str(data["boxes"])),
        ("Joints", str(len(data["joints"]))),
        ("Frames of a clip", str(data["frames"])),
        ("Crops", f"{data['height']} × {data['width']}"),
    ]


def _sections(runs: Sequence[Run], rows: Sequence[Row], styles: Styles) -> list[Markup]:
    names = joint_set(runs[0].data)
    return [
        section(
            "Scores",
            "Best value of each column in bold; arrows point to better. The boxes of people are given, not detected, "
            "which tables of other sources may not say of theirs.",
            score_table(rows, styles, POSE_METRICS),
        ),
        section(
            "Joints",
            "Share of the labelled joints of each kind that are no further from the truth than 0.2 times the longer "
            "side of the box, in percent.",
            _joint_table(rows, names.names),
        ),
        section(
            "Over time",
            "Mean error of the joints of one person, frame by frame, in shares of the longer side of the box.",
            _time_plots(rows, styles),
            _worst_clips(rows),
        ),
        section(
            "Test people",
            "Those with most wrong joints first: farther off than a tenth of the crop. Joints with a score below 0.2 "
            "are not drawn. Limbs of the left are warm, those of the right cool.",
            *(pose_figures(samples, names) for samples in merge_samples(runs)),
        ),
        section(
            "Training",
            "From the logs of the runs.",
            training_plots(runs, styles, logged_columns(POSE_METRICS) | _RATE),
        ),
    ]


def _joint_table(rows: Sequence[Row], names: Sequence[str]) -> Markup:
    """A line for every joint, a column for every model."""
    lines = []
    for name in names:
        shares = [row.facts["per_joint"].get(name, {}) for row in rows]
        known = [share["pck"] for share in shares if share.get("pck") is not None]
        cells = [_cell(share, max(known, default=math.nan)) for share in shares]
        lines.append([name.replace("_", " "), *cells])
    return table(["Joint", *(row.label for row in rows)], lines)


def _cell(share: dict[str, Any], most: float) -> str:
    if share.get("pck") is None:
        return "–"
    text = f"{100 * share['pck']:.1f}"
    return best(text) if share["pck"] == most else text


def _time_plots(rows: Sequence[Row], styles: Styles) -> Markup:
    """One plot for each of the first people who are followed over time; nothing where nobody is."""
    tracks = list(dict.fromkeys(one["name"] for row in rows for one in row.facts.get("over_time", [])))
    figures = []
    for name in tracks[:_MOST_CLIPS]:
        curves = [
            Curve(one["frames"], plottable(one["errors"]), styles[row.label], with_markers=len(one["frames"]) <= 20)
            for row in rows
            for one in row.facts.get("over_time", [])
            if one["name"] == name
        ]
        figures.append(figure(name, line_plot(curves, name, "frame", "error, lower is better", whole_x=True)))
    return plots(figures, legend(styles)) if figures else note("Nobody is followed over several frames of this data.")


def _worst_clips(rows: Sequence[Row]) -> Markup:
    items = []
    for row in rows:
        worst = row.facts.get("worst", [])[:_WORST]
        if worst:
            words = ", ".join(f"{one['name']} {one['error']:.3f}" for one in worst)
            items.append(strong(row.label) + f", clips with the largest mean error: {words}.")
    return findings(items)


REPORT = TaskReport(
    name="pose",
    lead="How well the joints of people are found, by joint, over time and where they are occluded.",
    verdict=_verdict,
    facts=_facts,
    sections=_sections,
)
