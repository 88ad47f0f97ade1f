"""`subband report`."""

import json
from pathlib import Path

import pytest

from subband.cli.main import main


def make_run(folder: Path, name: str) -> Path:
    """The least a run folder holds: scores."""
    rows = [{"name": name, "metrics": {"mse": 12.5, "lpips": None}}, {"name": "persistence", "metrics": {"mse": 50.0}}]
    data = {"name": "moving_digits", "split": "test", "sequences": 8, "in_frames": 10, "out_frames": 10}
    environment = {"command": f"subband train {name}", "torch": "2.13.0"}
    scores = {"task": "video_prediction", "data": data, "rows": rows, "environment": environment}
    folder.mkdir()
    (folder / "scores.json").write_text(json.dumps(scores))
    return folder


def test_one_run(tmp_path: Path, capsys) -> None:
    folder = make_run(tmp_path / "run", "wast")
    assert main(["report", str(folder)]) == 0
    assert f"wrote {folder / 'report.html'}" in capsys.readouterr().out
    page = (folder / "report.html").read_text()
    assert "12.50" in page
    assert "wast 75\u202f% lower" in page


def test_several_runs_into_one_page(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / name, name) for name in ("wast", "tau")]
    out = tmp_path / "pages" / "all.html"
    assert main(["report", *map(str, folders), "--out", str(out)]) == 0
    assert "2 models on moving_digits" in out.read_text()


@pytest.mark.parametrize(
    ("words", "message"), [((), "exists already"), (("--out", "{run}/report.html"), "exists already")]
)
def test_existing_page(tmp_path: Path, capsys, words: tuple[str, ...], message: str) -> None:
    folder = make_run(tmp_path / "run", "wast")
    (folder / "report.html").write_text("mine")
    assert main(["report", str(folder), *(word.format(run=folder) for word in words)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert (folder / "report.html").read_text() == "mine"
    assert main(["report", str(folder), "--overwrite"]) == 0


def test_folders_that_are_no_runs(tmp_path: Path, capsys) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "missing"):
        assert main(["report", str(folder)]) == 2
        assert "has no scores.json; give a run folder" in capsys.readouterr().err
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "scores.json").write_text("{")
    assert main(["report", str(tmp_path / "broken")]) == 2
    assert "is not a score file of subband" in capsys.readouterr().err
    assert not (tmp_path / "missing").exists()
