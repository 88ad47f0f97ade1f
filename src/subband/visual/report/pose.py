"""The report's sections about pose."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from subband.metrics.pose_descriptors import POSE_METRICS
from subband.visual.html import best, figure, findings, legend, note, plots, section, strong, table
from subband.visual.plots import Curve, line_plot
from subband.visual.report.figures import logged_columns, plottable, training_plots
from subband.visual.report.pose_filters import filter_figures
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
            "side of the box, in percent; occluded: of those that are labelled as occluded alone.",
            _joint_table(rows, names.names),
        ),
        section(
            "Over time",
            "Mean error of the joints of one person, frame by frame, in shares of the longer side of the box.",
            _time_plots(rows, styles),
            _worst_clips(rows),
        ),
        section(
            "Filters over time and space",
            "How much of each frequency a network for clips lets through, averaged over its channels: 1 changes "
            "nothing, warm colors stand for more, cool ones for less. What stands still is in the middle row; patterns "
            "that move are farther up and down, fine ones farther left and right.",
            filter_figures(rows),
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
    """A line for every joint, a column for every model, and one for occluded joints where some are."""
    columns = [
        (label, [row.facts["per_joint"].get(name, {}).get(key) for name in names], key)
        for row in rows
        for key, label in (("pck", row.label), ("pck_occluded", f"{row.label}, occluded"))
    ]
    kept = [column for column in columns if column[2] == "pck" or any(share is not None for share in column[1])]
    lines = []
    for place, name in enumerate(names):
        most = {
            key: max(
                (shares[place] for _, shares, kind in kept if kind == key and shares[place] is not None), default=0
            )
            for key in ("pck", "pck_occluded")
        }
        lines.append([name.replace("_", " "), *(_cell(shares[place], most[key]) for _, shares, key in kept)])
    return table(["Joint", *(label for label, _, _ in kept)], lines)


def _cell(share: float | None, most: float) -> str:
    if share is None:
        return "–"
    text = f"{100 * share:.1f}"
    return best(text) if share == most else text


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
