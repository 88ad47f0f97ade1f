import math

import pytest

from subband.metrics.descriptors import VIDEO_METRICS
from subband.visual.colors import series_styles
from subband.visual.report.runs import Row
from subband.visual.report.scores import MISSING, score_table, verdict


def _row(name: str, metrics: dict[str, float | None], **facts: float | None) -> Row:
    return Row(label=name, facts={"name": name, "metrics": metrics, **facts})


ROWS = [
    _row(
        "wast",
        {"mse": 20.0, "mae": None, "ssim": 0.9, "psnr": None, "lpips": None},
        parameters=28_183_141,
        train_seconds=3725.4,
        steps=2000,
        seed=7,
    ),
    _row("tau", {"mse": 25.0, "ssim": 0.95}, parameters=950, train_seconds=61),
    _row("persistence", {"mse": 40.0, "ssim": math.nan, "snr": 3.0}, parameters=0),
]
STYLES = series_styles([row.label for row in ROWS])


def _cells(html: str, label: str) -> list[str]:
    line = next(line for line in html.splitlines() if f"{label}</th>" in line)
    return [part.removesuffix("</tr>").removesuffix("</td>") for part in line.split("<td>")[1:]]


def test_best_missing_and_impossible_values() -> None:
    html = score_table(ROWS, STYLES, VIDEO_METRICS)
    mse, _, ssim, psnr, lpips, *_ = _cells(html, "wast")
    assert (mse, ssim, psnr, lpips) == ("<strong>20.00</strong>", "0.9000", MISSING, MISSING)
    assert _cells(html, "tau")[2] == "<strong>0.9500</strong>"
    assert _cells(html, "persistence")[2] == "not a number"


def test_costs() -> None:
    html = score_table(ROWS, STYLES, VIDEO_METRICS)
    parameters, seconds, steps, seed = _cells(html, "wast")[-4:]
    assert ">28.18 M<" in parameters
    assert "28183141" in parameters
    assert ">1 h 02 min<" in seconds
    assert (steps, seed) == ("2\u202f000", "7")
    assert ">950<" in _cells(html, "tau")[-4]
    assert ">1 min 01 s<" in _cells(html, "tau")[-3]
    assert _cells(html, "persistence")[-4:] == ["0", "–", "–", "–"]


def test_every_shown_metric_is_defined() -> None:
    html = score_table(ROWS, STYLES, VIDEO_METRICS)
    further = html[html.index("<details") :]
    assert "SNR" in further  # one row has it
    assert "legacy" not in html  # no row has it
    for label in ("MSE", "MAE", "SSIM", "PSNR", "LPIPS", "SNR"):
        assert f"<b>{label}</b>" in html


def test_errors_of_single_variables() -> None:
    rows = [_row("wast", {"mse": 3.0, "mse_wind": 2.0}), _row("persistence", {"mse": 4.0, "mse_wind": 1.0})]
    html = score_table(rows, STYLES, VIDEO_METRICS)
    assert "<b>MSE wind</b> MSE of wind alone." in html
    assert "<strong>1.000</strong>" in html


def test_names_are_escaped() -> None:
    rows = [_row("<script>alert(1)</script>", {"mse": 1.0})]
    assert "<script>" not in score_table(rows, series_styles([rows[0].label]), VIDEO_METRICS)


@pytest.mark.parametrize(
    ("mse", "finding"),
    [
        (20.0, "wast 50\u202f% lower"),
        (44.0, "wast 10\u202f% higher"),
        (40.0, "wast the same"),
        (math.nan, "not a number"),
    ],
)
def test_verdict(mse: float, finding: str) -> None:
    assert finding in verdict([_row("wast", {"mse": mse}), ROWS[2]])


def test_no_verdict_without_a_baseline() -> None:
    assert verdict(ROWS[:2]) == ""
