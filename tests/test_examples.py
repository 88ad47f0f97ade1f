"""Every example script runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def run(name, *words, cwd):
    command = [sys.executable, str(EXAMPLES / name), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT, timeout=300)


def test_every_example_is_tested_here():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {
        "demo.py",
        "gallery.py",
        "plain_pytorch.py",
        "published_checkpoint.py",
    }


@pytest.mark.parametrize(
    ("name", "words", "shown"),
    [
        ("plain_pytorch.py", ["3"], "predicted (16, 10, 1, 32, 32)"),
        ("published_checkpoint.py", [], "9,545,442 parameters; predicted (1, 15, 2, 32, 32)"),
    ],
)
def test_example_runs(name, words, shown, tmp_path):
    result = run(name, *words, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert shown in result.stdout


@pytest.mark.slow
def test_the_demo_prints_a_table_and_writes_a_report(tmp_path):
    result = run("demo.py", "--clips", "16", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for name in ("wast", "simvp", "persistence"):
        assert f"\n {name} " in result.stdout
    page = tmp_path / "runs" / "demo" / "report.html"
    assert page.stat().st_size > 100_000
    gallery = (tmp_path / "runs" / "demo" / "gallery.html").read_text(encoding="utf-8")
    assert gallery.count("<article") == 9
