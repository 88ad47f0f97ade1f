"""The benchmarks run; that of the transforms finds that all libraries agree."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from subband.models.checkpoint import BUNDLED_FOLDER, read_card

SCRIPTS = Path(__file__).parent.parent / "benchmarks"


def run_script(name, *words, folder):
    """What a script prints."""
    command = [sys.executable, str(SCRIPTS / name), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, cwd=folder)
    assert result.returncode == 0, result.stderr
    return result.stdout


def table(text):
    """Cells of a Markdown table without its head."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return lines[2:]


@pytest.mark.slow
def test_the_benchmark_of_the_transforms_runs(tmp_path):
    files = {kind: tmp_path / f"results.{kind}" for kind in ("json", "csv", "markdown", "plot")}
    files["plot"] = tmp_path / "results.png"
    words = [f"--{kind}={file}" for kind, file in files.items()]
    run_script("transforms.py", "--cases", "haar 3-D", "--rounds", "1", *words, folder=tmp_path)
    assert all(file.stat().st_size > 0 for file in files.values())
    rows = json.loads(files["json"].read_text())["rows"]
    assert [row["pass"] for row in rows] == ["forward", "f+b"]
    for row in rows:
        assert not row["remarks"]
        assert {"clone", "subband", "OpenSTL layer"} <= set(row["ms"])
    assert "PyWavelets" in rows[0]["ms"]


@pytest.mark.slow
def test_the_benchmark_of_the_classifiers_runs(tmp_path):
    rows = table(run_script("classification.py", "wsfvit_p0", "--batch", "1", "--repeats", "1", folder=tmp_path))
    assert [row[:3] for row in rows] == [["wsfvit_p0", "1", mode] for mode in ("forward", "train")]
    for row in rows:
        published, ours, ratio = map(float, row[3:])
        assert ratio == pytest.approx(published / ours, abs=0.1)


@pytest.mark.slow
def test_the_benchmark_of_integers_runs(tmp_path):
    bundled = BUNDLED_FOLDER / "gfnet_digits"
    shutil.copytree(bundled, tmp_path / "run" / "model")
    card = read_card(bundled)
    (tmp_path / "run" / "config.yaml").write_text(card["metadata"]["recipe"])
    single, integer = table(run_script("quantization.py", "run", "--repeats", "1", folder=tmp_path))
    assert single[:2] == ["run (gfnet_ti)", "float32"]
    assert float(single[2]) == pytest.approx(100 * card["metadata"]["scores"]["top1"], abs=0.01)
    assert float(single[3]) == 100 >= float(integer[3]) > 98
    assert float(integer[4]) < 0.5 * float(single[4])


@pytest.mark.slow
def test_the_benchmark_of_media_runs(tmp_path):
    rows = table(run_script("media.py", "--frames", "12", "--repeats", "1", folder=tmp_path))
    assert [row[1] for row in rows] == ["12", "12", "12", "12", "5", "12"]
    assert all(float(row[2]) > 0 for row in rows)
