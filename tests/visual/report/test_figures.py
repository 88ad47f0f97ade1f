from collections.abc import Callable
from pathlib import Path

from subband.visual.colors import series_styles
from subband.visual.report.figures import training_plots
from subband.visual.report.runs import read_runs

MakeRun = Callable[..., Path]
COLUMNS = {"val_psnr": ("Validation PSNR", "dB"), "val_ssim": ("Validation SSIM", "1 is identity")}


def test_plots_of_the_logs(make_run: MakeRun) -> None:
    runs = read_runs([make_run("wast"), make_run("tau", seed=2)])
    styles = series_styles([row.label for run in runs for row in run.rows])
    training = training_plots(runs, styles, COLUMNS)
    assert training.count("<svg") == 3
    assert "persistence" not in training


def test_nothing_recorded_gives_nothing(make_run: MakeRun) -> None:
    folder = make_run("wast")
    (folder / "metrics.csv").unlink()
    assert training_plots(read_runs([folder]), series_styles(["wast", "persistence"]), COLUMNS) == ""
