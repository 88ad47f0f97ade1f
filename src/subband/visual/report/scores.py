"""The score table of the report: what each metric means, which value is best, what is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from subband.visual.colors import SeriesStyle
from subband.visual.html import arrow, best, details, faint, footnotes, hint, named, stack, table
from subband.visual.report.runs import Row

MISSING = faint("not computed")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How a metric of `scores.json` is shown.

    Attributes:
        label: Head of the column.
        is_higher_better: Which end is good.
        digits: Decimals.
        definition: One sentence for the footnote, with unit.
        factor: Multiplies the value, 100 for percent.
    """

    label: str
    is_higher_better: bool
    digits: int
    definition: str
    factor: float = 1.0


_MSE = (
    "squared error summed over the channels, rows and columns of a frame (fields without a fixed range: averaged over "
    "them), averaged over frames and clips; the prediction is not clipped"
)

MAIN_METRICS = {
    "mse": Metric(label="MSE", is_higher_better=False, digits=2, definition=f"{_MSE} (squared units of the data)."),
    "mae": Metric(
        label="MAE",
        is_higher_better=False,
        digits=2,
        definition="absolute error summed and averaged in the same way (units of the data).",
    ),
    "ssim": Metric(
        label="SSIM",
        is_higher_better=True,
        digits=4,
        definition="structural similarity of every frame, 7 × 7 uniform window, data range 1, prediction clipped to "
        "[0, 1], averaged over frames and channels; 1 is identity.",
    ),
    "psnr": Metric(
        label="PSNR",
        is_higher_better=True,
        digits=2,
        definition="10 log₁₀(1 / mean squared error) of every frame in dB, prediction clipped to [0, 1], averaged "
        "over frames.",
    ),
    "lpips": Metric(
        label="LPIPS",
        is_higher_better=False,
        digits=4,
        definition="learned perceptual distance with AlexNet features; needs weights that are not part of the package.",
    ),
}
OTHER_METRICS = {
    "rmse": Metric(label="RMSE", is_higher_better=False, digits=3, definition="square root of MSE."),
    "snr": Metric(
        label="SNR",
        is_higher_better=True,
        digits=2,
        definition="10 log₁₀(mean squared target / mean squared error) of every frame in dB, averaged over frames.",
    ),
    "ssim_openstl": Metric(
        label="SSIM (range 2)",
        is_higher_better=True,
        digits=4,
        definition="SSIM with data range 2 on values in [0, 1], as the OpenSTL benchmark computes it; higher than "
        "SSIM, and the one to compare with its tables.",
    ),
    "psnr_legacy_uint8": Metric(
        label="PSNR (legacy uint8)",
        is_higher_better=True,
        digits=2,
        definition="PSNR in wrapping 8-bit arithmetic, as papers before June 2023 printed it; reads up to 16 dB too "
        "high and serves only for comparison with them.",
    ),
}


def score_table(
    rows: Sequence[Row], styles: dict[str, SeriesStyle], metrics: dict[str, Metric] = MAIN_METRICS
) -> Markup:
    """Main metrics with the cost of each model, the best value of each bold, then further metrics, unfolded on demand.

    Args:
        rows: Models and the baseline.
        styles: Color of every label.
        metrics: Columns of the first table, by key of `scores.json`.

    Returns:
        The tables, with footnotes that define every metric shown.
    """
    main = _metric_columns(rows, metrics) + _cost_columns()
    blocks = [_render(rows, styles, main), _footnotes(metrics)]
    others = _other_metrics(rows)
    if others:
        further = stack(_render(rows, styles, _metric_columns(rows, others)), _footnotes(others))
        blocks.append(details("Further metrics", further))
    return stack(*blocks)


def verdict(rows: Sequence[Row]) -> str:
    """A sentence that sets the squared error of every model against the baseline's; empty without a baseline."""
    baseline = next((row for row in rows if row.is_baseline), None)
    reference = _value(baseline, "mse") if baseline else None
    values = {row.label: _value(row, "mse") for row in rows if not row.is_baseline}
    findings = [
        f"{label} {_change(value / reference)}" for label, value in values.items() if value is not None and reference
    ]
    return f"Squared error against repeating the last frame: {', '.join(findings)}." if findings else ""


def _change(ratio: float) -> str:
    percent = 100 * (ratio - 1)
    if math.isnan(ratio):
        return "not a number"
    return "the same" if abs(percent) < 0.5 else f"{abs(percent):.0f}\u202f% {'lower' if percent < 0 else 'higher'}"


Column = tuple[str, Callable[[Row], str]]


def _metric_columns(rows: Sequence[Row], metrics: dict[str, Metric]) -> list[Column]:
    return [_metric_column(rows, key, metric) for key, metric in metrics.items()]


def _metric_column(rows: Sequence[Row], key: str, metric: Metric) -> Column:
    values = [value for row in rows if (value := _value(row, key)) is not None and not math.isnan(value)]
    winner = (max if metric.is_higher_better else min)(values, default=None)

    def cell(row: Row) -> str:
        value = _value(row, key)
        if value is None:
            return MISSING
        text = "not a number" if math.isnan(value) else f"{metric.factor * value:.{metric.digits}f}".replace("inf", "∞")
        return best(text) if value == winner else text

    return arrow(metric.label, metric.is_higher_better), cell


def _cost_columns() -> list[Column]:
    return [
        ("Parameters", lambda row: _count(row.facts.get("parameters"))),
        ("Training", lambda row: _duration(row.facts.get("train_seconds"))),
        ("Steps", lambda row: _whole(row.facts.get("steps"))),
        ("Seed", lambda row: _whole(row.facts.get("seed"))),
    ]


def _render(rows: Sequence[Row], styles: dict[str, SeriesStyle], columns: list[Column]) -> Markup:
    body = [[named(row.label, styles[row.label]), *(cell(row) for _, cell in columns)] for row in rows]
    return table(["Model", *(head for head, _ in columns)], body)


def _footnotes(metrics: dict[str, Metric]) -> Markup:
    return footnotes([(metric.label, metric.definition) for metric in metrics.values()])


def _other_metrics(rows: Sequence[Row]) -> dict[str, Metric]:
    """Those of `OTHER_METRICS` that a row has, then the errors of single variables, `mse_NAME` and the like."""
    present = dict.fromkeys(key for row in rows for key in row.facts["metrics"])
    others = {key: metric for key, metric in OTHER_METRICS.items() if key in present}
    for key in present:
        error, _, variable = key.partition("_")
        if error in ("mse", "mae", "rmse") and variable:
            label = f"{error.upper()} {variable}"
            others[key] = Metric(
                label=label, is_higher_better=False, digits=3, definition=f"{error.upper()} of {variable} alone."
            )
    return others


def _value(row: Row, key: str) -> float | None:
    value: Any = row.facts["metrics"].get(key)
    return None if value is None else float(value)


def _whole(value: Any) -> str:
    return "–" if value is None else f"{int(value):,}".replace(",", "\u202f")


def _count(value: Any) -> str:
    if not value:
        return "–" if value is None else "0"
    short = f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value / 1e3:.1f} k" if value >= 1e3 else str(value)
    return hint(short, str(int(value)))


def _duration(seconds: Any) -> str:
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    return hint(text, f"{seconds:.1f} s")
