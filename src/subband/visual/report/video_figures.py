"""Plots of predicted videos, and the sentences that are computed from the same numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from subband.metrics.descriptors import VIDEO_METRICS, MetricInfo
from subband.visual.colors import SeriesStyle
from subband.visual.html import figure, findings, legend, percent, plots, strong
from subband.visual.plots import BANDS, Curve, energy_bars, line_plot
from subband.visual.report.figures import axis_label, is_positive, plottable
from subband.visual.report.runs import Row
from subband.visual.report.task_report import Styles

_MAX_KEPT = 200  # percent; beyond, tiny powers of target and prediction are divided by each other
_KEPT = 0.95, 1.05  # energy ratios in between count as kept


def frame_plots(
    rows: Sequence[Row],
    styles: Styles,
    metrics: Sequence[MetricInfo] = VIDEO_METRICS,
    axis: str = "predicted frame",
) -> Markup:
    """Scores of every frame, one plot per metric; empty when nothing was recorded.

    Args:
        rows: Models and the baseline.
        styles: Style of every label.
        metrics: Those of the task.
        axis: What is counted below the plots.
    """
    figures = []
    for metric in (item for item in metrics if item.is_per_frame):
        title, curves = metric.title, []
        for row in rows:
            values = row.facts.get("per_frame", {}).get(metric.key)
            if values:
                frames = list(range(1, len(values) + 1))
                curves.append(Curve(frames, plottable(values), styles[row.label], with_markers=len(values) <= 20))
        if curves:
            is_log = metric.key == "mse" and is_positive(curves)  # the baseline's error would flatten all others
            plot = line_plot(curves, title, axis, axis_label(metric), log_y=is_log, whole_x=True)
            figures.append(figure(title, plot))
    return plots(figures, legend(styles))


def frequency_plots(rows: Sequence[Row], styles: Styles) -> Markup:
    """Subband energies and radial spectra; empty when neither was recorded."""
    ratios = {row.label: ratio for row in rows if (ratio := energy_ratios(row))}
    spectra = {row.label: row.facts["spectrum"] for row in rows if row.facts.get("spectrum")}
    figures = []
    if ratios:
        title = "Energy in each wavelet subband"
        figures.append(figure(title, energy_bars(ratios, styles, title)))
    if spectra:
        figures += _spectrum_plots(spectra, styles)
    return plots(figures, legend(styles, target="target"))


def frequency_findings(rows: Sequence[Row]) -> Markup:
    """What each model does to the high frequencies, in words computed from the energies; nothing without energies."""
    items = []
    for row in rows:
        ratio = energy_ratios(row)
        if row.is_baseline or not ratio:
            continue
        others = ", ".join(f"{band} {percent(ratio[band])}" for band in BANDS[:-1])
        words = f" is {percent(ratio['hh'])} of the target’s ({others}): {_judgement(ratio['hh'])}."
        items.append("The hh energy of the prediction of " + strong(row.label) + words)
    return findings(items)


def _judgement(ratio: float) -> str:
    if ratio < _KEPT[0]:
        return "it loses high frequencies"
    return "it adds high frequencies that are not there" if ratio > _KEPT[1] else "it keeps the high frequencies"


def energy_ratios(row: Row) -> dict[str, float]:
    """Energy of the prediction over that of the target, per subband; empty when it was not recorded."""
    energy = row.facts.get("subband_energy")
    if not energy or any(not energy["target"].get(band) for band in BANDS):
        return {}
    return {band: energy["prediction"][band] / energy["target"][band] for band in BANDS}


def _spectrum_plots(spectra: dict[str, dict[str, list[float]]], styles: Styles) -> list[Markup]:
    """Power of target and predictions, and their quotient; without frequency 0, the mean, which dwarfs all others."""
    first = next(iter(spectra.values()))
    power = [_positive(first["frequency"], first["target"], None)]
    power += [_positive(item["frequency"], item["prediction"], styles[label]) for label, item in spectra.items()]
    kept = []
    for label, item in spectra.items():
        quotients = [
            100 * p / t if t > 0 else math.nan for p, t in zip(item["prediction"], item["target"], strict=True)
        ]
        kept.append(_positive(item["frequency"], quotients, styles[label]))
    kept.append(_positive(first["frequency"], [100.0] * len(first["frequency"]), None))
    axis, titles = "spatial frequency, cycles per pixel", ("Power at each frequency", "Power that is kept")
    return [
        figure(titles[0], line_plot(power, titles[0], axis, "radial mean of the power spectrum", log_y=True)),
        figure(titles[1], line_plot(kept, titles[1], axis, "% of the target's power", y_max=_MAX_KEPT)),
    ]


def _positive(frequency: list[float], values: list[float], style: SeriesStyle | None) -> Curve:
    kept = [(f, value) for f, value in zip(frequency, values, strict=True) if f > 0]
    return Curve([f for f, _ in kept], plottable([value for _, value in kept]), style)
