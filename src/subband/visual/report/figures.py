"""The plots of the report and the sentences that are computed from the same numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from markupsafe import Markup

from subband.visual.colors import SeriesStyle
from subband.visual.html import figure, findings, legend, percent, plots, strong
from subband.visual.plots import BANDS, Curve, energy_bars, line_plot
from subband.visual.report.runs import Row, Run

Styles = dict[str, SeriesStyle]

_PER_FRAME = {
    "mse": ("Squared error", "MSE, lower is better"),
    "psnr": ("Signal to noise", "PSNR in dB, higher is better"),
    "ssim": ("Structural similarity", "SSIM, higher is better"),
}
VIDEO_COLUMNS = {
    "val_psnr": ("Validation PSNR", "dB"),
    "val_ssim": ("Validation SSIM", "1 is identity"),
}
_MAX_POINTS = 300
_MAX_KEPT = 200  # percent; beyond, tiny powers of target and prediction are divided by each other
_KEPT = 0.95, 1.05  # energy ratios in between count as kept


def frame_plots(rows: Sequence[Row], styles: Styles) -> Markup:
    """Error of every predicted frame, one plot per metric; empty when nothing was recorded."""
    figures = []
    for key, (title, unit) in _PER_FRAME.items():
        curves = []
        for row in rows:
            values = row.facts.get("per_frame", {}).get(key)
            if values:
                frames = list(range(1, len(values) + 1))
                curves.append(Curve(frames, _plottable(values), styles[row.label], with_markers=len(values) <= 20))
        if curves:
            is_log = key == "mse" and _is_positive(curves)  # the baseline's error would flatten all others
            plot = line_plot(curves, title, "predicted frame", unit, log_y=is_log, whole_x=True)
            figures.append(figure(title, plot))
    return plots(figures, legend(styles))


def training_plots(
    runs: Sequence[Run], styles: Styles, columns: Mapping[str, tuple[str, str]] = VIDEO_COLUMNS
) -> Markup:
    """Training and validation loss by step, and further columns of the log; empty when no loss was logged.

    Args:
        runs: Those without a log are left out.
        styles: Style of every label.
        columns: By the name of a column, or how it begins, the heading and the unit of its plot.
    """
    losses: list[Curve] = []
    trained: Styles = {}
    for run in runs:
        label = next((row.label for row in run.rows if not row.is_baseline), None)
        if label is None or not run.log.keys() & {"train_loss", "val_loss"}:
            continue
        trained[label] = styles[label]
        if "train_loss" in run.log:
            losses.append(_curve(run.log["train_loss"], styles[label], is_faint=True))
        if "val_loss" in run.log:
            losses.append(_curve(run.log["val_loss"], styles[label]))
    if not losses:
        return Markup()
    title, unit = "Loss", "pale: training, strong: validation"
    figures = [figure(title, line_plot(losses, title, "step", unit, log_y=_is_positive(losses)))]
    for column, (title, unit) in columns.items():
        curves = [
            _curve(points, styles[row.label])
            for run in runs
            for row in run.rows[:1]
            if (points := _column(run, column)) and row.label in trained
        ]
        if curves:
            figures.append(figure(title, line_plot(curves, title, "step", unit)))
    return plots(figures, legend(trained))


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


def _column(run: Run, prefix: str) -> list[tuple[float, float]]:
    """The first logged column whose name begins so; the learning rates of all parameters follow one schedule."""
    return next((points for name, points in run.log.items() if name.startswith(prefix)), [])


def _curve(points: list[tuple[float, float]], style: SeriesStyle, is_faint: bool = False) -> Curve:
    """A logged column; long ones are averaged over blocks so that the page stays small."""
    block = -(-len(points) // _MAX_POINTS)
    chunks = [points[start : start + block] for start in range(0, len(points), block)]
    x = [fmean(step for step, _ in chunk) for chunk in chunks]
    y = [fmean(value for _, value in chunk) for chunk in chunks]
    return Curve(x, _plottable(y), style, is_faint=is_faint, with_markers=not is_faint and len(x) <= 40)


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
    return Curve([f for f, _ in kept], _plottable([value for _, value in kept]), style)


def _is_positive(curves: Sequence[Curve]) -> bool:
    return all(value > 0 for curve in curves for value in curve.y if not math.isnan(value))


def _plottable(values: Sequence[float | None]) -> list[float]:
    return [value if value is not None and math.isfinite(value) else math.nan for value in values]
