from collections.abc import Callable
from pathlib import Path

import pytest

from subband.visual.colors import series_styles
from subband.visual.report.runs import Row, read_runs
from subband.visual.report.video_figures import energy_ratios, frame_plots, frequency_findings, frequency_plots

MakeRun = Callable[..., Path]


def _row(name: str, hh: float) -> Row:
    target = {"ll": 100.0, "lh": 4.0, "hl": 2.0, "hh": 1.0}
    prediction = {"ll": 99.0, "lh": 3.0, "hl": 1.0, "hh": hh}
    return Row(
        label=name, facts={"name": name, "metrics": {}, "subband_energy": {"target": target, "prediction": prediction}}
    )


@pytest.mark.parametrize(
    ("hh", "words"),
    [
        (0.61, "is 61\u202f% of the target’s (ll 99\u202f%, lh 75\u202f%, hl 50\u202f%): it loses high frequencies."),
        (1.0, "it keeps the high frequencies."),
        (1.3, "is 130\u202f% of the target’s"),
        (1.3, "it adds high frequencies that are not there."),
    ],
)
def test_findings_are_computed_from_the_energies(hh: float, words: str) -> None:
    assert words in frequency_findings([_row("wast", hh), _row("persistence", 5.0)])


def test_findings_leave_the_baseline_and_missing_numbers_out() -> None:
    assert frequency_findings([_row("persistence", 5.0)]) == ""
    assert frequency_findings([Row(label="a", facts={"name": "a", "metrics": {}})]) == ""


def test_no_ratio_to_an_empty_band() -> None:
    row = _row("wast", 0.5)
    row.facts["subband_energy"]["target"]["hh"] = 0.0
    assert energy_ratios(row) == {}


def test_plots_of_a_run(make_run: MakeRun) -> None:
    runs = read_runs([make_run("wast"), make_run("tau", seed=2)])
    rows = [*runs[0].rows, runs[1].rows[0]]
    styles = series_styles([row.label for row in rows])
    assert frame_plots(rows, styles).count("<svg") == 3
    assert frequency_plots(rows, styles).count("<svg") == 3


def test_nothing_recorded_gives_nothing() -> None:
    rows = [Row(label="a", facts={"name": "a", "metrics": {}})]
    styles = series_styles(["a"])
    assert (frame_plots(rows, styles), frequency_plots(rows, styles)) == ("", "")
