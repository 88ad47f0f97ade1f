"""The report's sections about video restoration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from subband.metrics.descriptors import RESTORATION_METRICS
from subband.visual.html import findings, note, percent, section, strong
from subband.visual.report.clip_scores import clip_tables
from subband.visual.report.figures import logged_columns, training_plots
from subband.visual.report.restored_clips import clip_cards
from subband.visual.report.runs import Row, Run
from subband.visual.report.samples import merge_samples
from subband.visual.report.scores import score_table
from subband.visual.report.task_report import Styles, TaskReport
from subband.visual.report.video_figures import energy_ratios, frame_plots, frequency_plots

_BANDS = {"lh": "along the columns", "hl": "along the rows", "hh": "diagonal"}


def _verdict(runs: Sequence[Run], rows: Sequence[Row]) -> str:
    """What every model gains over the degraded frames."""
    found = []
    for row in rows:
        gain = row.facts["metrics"].get("psnr_gain")
        if not row.is_baseline and gain is not None and math.isfinite(gain):
            words = "the same" if abs(gain) < 0.005 else f"{abs(gain):.2f} dB {'better' if gain > 0 else 'worse'}"
            found.append(f"{row.label} {words}")
    return f"Signal to noise against the degraded frames: {', '.join(found)}." if found else ""


def _facts(runs: Sequence[Run]) -> list[tuple[str, str]]:
    data = runs[0].data
    pairs = [
        ("Data", f"{data.get('name', 'unnamed')}, {data.get('split', 'test')} split"),
        ("Clips", str(data.get("clips", "unknown"))),
        ("Frames", _or_several(data.get("frames"), "several lengths")),
        ("Frame size", _frame_size(data)),
    ]
    if data.get("past_frames") or data.get("future_frames"):
        pairs.append(("Context", f"{data['past_frames']} frames before, {data['future_frames']} after"))
    if data.get("mirrored"):
        pairs.append(("Seen", "there and back, both averaged"))
    return pairs


def _frame_size(data: dict[str, Any]) -> str:
    sides = data.get("height"), data.get("width")
    return "several" if None in sides else f"{sides[0]} × {sides[1]}"


def _or_several(value: Any, words: str) -> str:
    return words if value is None else str(value)


def _sections(runs: Sequence[Run], rows: Sequence[Row], styles: Styles) -> list[Markup]:
    clips = [clip_cards(samples, styles) for samples in merge_samples(runs) if len(samples.targets)]
    return [
        section(
            "Scores",
            "Best value of each column in bold; arrows point to better. Identity leaves the frames as they are: a "
            "model has to beat it.",
            score_table(rows, styles, RESTORATION_METRICS),
        ),
        *clip_tables(rows, styles, RESTORATION_METRICS),
        section(
            "Restored clips",
            "Above, the degraded frames, what became of them, and the sharp ones, from the middle of the frame, pixel "
            "by pixel; below, the absolute error.",
            *clips,
        ),
        section(
            "Frame by frame",
            "Every place in a clip on its own, averaged over all test clips; a network that remembers needs some "
            "frames to begin with.",
            frame_plots(rows, styles, RESTORATION_METRICS, "frame of the clip"),
        ),
        section(
            "Frequencies",
            "Which of the lost details are back, and is there more than there should be?",
            _recovery_findings(rows),
            _energy_findings(rows),
            frequency_plots(rows, styles),
            _frequency_note(rows),
        ),
        section(
            "Training", "From the logs of the runs.", training_plots(runs, styles, logged_columns(RESTORATION_METRICS))
        ),
    ]


def _recovery_findings(rows: Sequence[Row]) -> Markup:
    """The share of what was wrong in each band that is right again, in words."""
    items = []
    for row in rows:
        shares = {band: row.facts["metrics"].get(f"recovered_{band}") for band in _BANDS}
        if not row.is_baseline and None not in shares.values():
            words = ", ".join(f"{_BANDS[band]} {percent(share, 1)}" for band, share in shares.items())  # type: ignore[arg-type]
            items.append("Of the energy that was missing or wrong, back with " + strong(row.label) + f": {words}.")
    return findings(items)


def _energy_findings(rows: Sequence[Row]) -> Markup:
    """How much energy there is in the highest band, right or wrong, beside what there was."""
    before = next((ratio["hh"] for row in rows if row.is_baseline and (ratio := energy_ratios(row))), None)
    items = []
    for row in rows:
        ratio = energy_ratios(row)
        if not row.is_baseline and ratio:
            words = f" has {percent(ratio['hh'])} of the sharp clips’ energy in hh"
            words += "." if before is None else f", the degraded frames {percent(before)}."
            items.append(strong(row.label) + words)
    return findings(items)


def _frequency_note(rows: Sequence[Row]) -> Markup:
    if not any(row.facts.get("subband_energy") or row.facts.get("spectrum") for row in rows):
        return Markup()
    return note(
        "Energy: mean square of the coefficients in the four bands of a one-level Haar transform of every frame; the "
        "line at 100 % is the sharp clip. Noise and invented detail are energy, too; what is back says what is right. "
        "Power: squared amplitude of the Fourier transform, averaged over rings of equal frequency."
    )


REPORT = TaskReport(
    name="video restoration",
    lead="How much sharper degraded video became, where it is right, and what is left at every frequency.",
    verdict=_verdict,
    facts=_facts,
    sections=_sections,
)
