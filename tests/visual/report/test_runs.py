import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from subband.tasks.video_prediction import VideoPredictionTask
from subband.visual.report import runs as _runs
from subband.visual.report.runs import read_runs

MakeRun = Callable[..., Path]


def test_a_whole_run(make_run: MakeRun) -> None:
    [run] = read_runs([make_run("wast", seed=5)])
    assert [row.label for row in run.rows] == ["wast", "persistence"]
    assert [row.is_baseline for row in run.rows] == [False, True]
    assert run.rows[0].facts["seed"] == 5
    assert len(run.log["train_loss"]) == 100
    assert run.log["val_loss"][0][0] == 90
    assert "lr" in run.log
    assert run.samples is not None
    assert run.samples.predictions["wast"].shape == run.samples.targets.shape == (2, 10, 1, 64, 64)
    assert "embed_dim: 20" in (run.config or "")


def test_what_is_not_there_is_none(make_run: MakeRun) -> None:
    folder = make_run("wast")
    for name in ("metrics.csv", "samples.npz", "config.yaml"):
        (folder / name).unlink()
    [run] = read_runs([folder])
    assert (run.log, run.samples, run.config) == ({}, None, None)


def test_equal_names_are_told_apart(make_run: MakeRun) -> None:
    runs = read_runs([make_run("wast", seed=1), make_run("wast", seed=2), make_run("tau", seed=1)])
    labels = [run.rows[0].label for run in runs]
    assert labels == ["wast (run_wast_1)", "wast (run_wast_2)", "tau"]
    assert runs[0].samples is not None
    assert "wast (run_wast_1)" in runs[0].samples.predictions


def test_number_of_samples_is_limited(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VideoPredictionTask, "max_samples", 1)
    [run] = read_runs([make_run("wast")])
    assert run.samples is not None
    assert len(run.samples.targets) == len(run.samples.predictions["wast"]) == 1


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("scores.json", None, FileNotFoundError, "has no scores.json"),
        ("scores.json", "{", ValueError, "not a score file"),
        ("scores.json", "[]", ValueError, "not a score file"),
        ("scores.json", json.dumps({"task": "video_prediction", "rows": []}), ValueError, "lacks rows"),
        ("scores.json", json.dumps({"task": "x", "rows": [{"name": "a"}]}), ValueError, "lacks rows"),
        ("samples.npz", "not a zip file", ValueError, "samples.npz cannot be read"),
    ],
)
def test_damaged_runs(make_run: MakeRun, name: str, content: str | None, error: type[Exception], message: str) -> None:
    folder = make_run("wast")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(error, match=message):
        read_runs([folder])


def test_other_tasks_are_refused(make_run: MakeRun) -> None:
    folder = make_run("wast")
    scores = json.loads((folder / "scores.json").read_text()) | {"task": "depth"}
    (folder / "scores.json").write_text(json.dumps(scores))
    with pytest.raises(ValueError, match="is about depth; reports are for classification and detection and"):
        read_runs([folder])


def test_samples_that_do_not_fit(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run("wast")
    frames = np.zeros((1, 2, 1, 4, 4), np.uint8)
    np.savez(folder / "samples.npz", inputs=frames, targets=frames, **{"prediction/wast": frames[:, :1]})
    with pytest.raises(ValueError, match="do not belong together"):
        read_runs([folder])
    np.savez(folder / "samples.npz", inputs=np.array([object()]), targets=frames)
    with pytest.raises(ValueError, match=r"samples\.npz cannot be read"):  # pickles are never loaded
        read_runs([folder])
    monkeypatch.setattr(_runs, "_MAX_SAMPLE_BYTES", 10)
    with pytest.raises(ValueError, match="at most 10 are read"):
        read_runs([folder])


def test_no_run_and_one_run_twice(make_run: MakeRun) -> None:
    folder = make_run("wast")
    with pytest.raises(ValueError, match="at least one run folder"):
        read_runs([])
    with pytest.raises(ValueError, match="given twice"):
        read_runs([folder, folder / ".." / folder.name])
