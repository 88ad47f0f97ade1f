"""The curves of training, and what plots of all tasks share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from markupsafe import Markup

from subband.metrics.descriptors import MetricInfo
from subband.visual.colors import SeriesStyle
from subband.visual.html import figure, legend, plots
from subband.visual.plots import Curve, line_plot
from subband.visual.report.runs import Run
from subband.visual.report.task_report import Styles

_MAX_POINTS = 300


def training_plots(runs: Sequence[Run], styles: Styles, columns: Mapping[str, tuple[str, str]]) -> Markup:
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
    figures = [figure(title, line_plot(losses, title, "step", unit, log_y=is_positive(losses)))]
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


def logged_columns(metrics: Sequence[MetricInfo]) -> dict[str, tuple[str, str]]:
    """Heading and unit of the plot of every metric that validation logs, by column of the log."""
    logged = [metric for metric in metrics if metric.is_logged]
    return {f"val_{metric.key}": (f"Validation {metric.heading}", axis_label(metric)) for metric in logged}


def axis_label(metric: MetricInfo) -> str:
    """What stands beside the axis of a metric.

    Example:
        >>> from subband.metrics.descriptors import VIDEO_METRICS
        >>> [axis_label(metric) for metric in VIDEO_METRICS if metric.key in ("mse", "psnr")]
        ['MSE, lower is better', 'PSNR in dB, higher is better']
    """
    unit = f" in {metric.unit}" if metric.unit and metric.factor == 1 else ""
    return f"{metric.heading}{unit}, {'higher' if metric.higher_is_better else 'lower'} is better"


def is_positive(curves: Sequence[Curve]) -> bool:
    """Whether a logarithmic axis can show the curves."""
    return all(value > 0 for curve in curves for value in curve.y if not math.isnan(value))


def plottable(values: Sequence[float | None]) -> list[float]:
    """Values with gaps, NaN, where there is none or an infinite one."""
    return [value if value is not None and math.isfinite(value) else math.nan for value in values]


def _column(run: Run, prefix: str) -> list[tuple[float, float]]:
    """The first logged column whose name begins so; the learning rates of all parameters follow one schedule."""
    return next((points for name, points in run.log.items() if name.startswith(prefix)), [])


def _curve(points: list[tuple[float, float]], style: SeriesStyle, is_faint: bool = False) -> Curve:
    """A logged column; long ones are averaged over blocks so that the page stays small."""
    block = -(-len(points) // _MAX_POINTS)
    chunks = [points[start : start + block] for start in range(0, len(points), block)]
    x = [fmean(step for step, _ in chunk) for chunk in chunks]
    y = [fmean(value for _, value in chunk) for chunk in chunks]
    return Curve(x, plottable(y), style, is_faint=is_faint, with_markers=not is_faint and len(x) <= 40)
