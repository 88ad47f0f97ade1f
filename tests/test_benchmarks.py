"""The benchmark of the transforms runs, and finds that all libraries agree."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "transforms.py"


@pytest.mark.slow
def test_the_benchmark_of_the_transforms_runs(tmp_path):
    files = {kind: tmp_path / f"results.{kind}" for kind in ("json", "csv", "markdown", "plot")}
    files["plot"] = tmp_path / "results.png"
    words = [f"--{kind}={file}" for kind, file in files.items()]
    command = [sys.executable, str(SCRIPT), "--cases", "haar 3-D", "--rounds", "1", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert all(file.stat().st_size > 0 for file in files.values())
    rows = json.loads(files["json"].read_text())["rows"]
    assert [row["pass"] for row in rows] == ["forward", "f+b"]
    for row in rows:
        assert not row["remarks"]
        assert {"clone", "subband", "OpenSTL layer"} <= set(row["ms"])
    assert "PyWavelets" in rows[0]["ms"]
