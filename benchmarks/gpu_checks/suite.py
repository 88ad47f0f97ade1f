"""The tests of the suite that are marked `gpu`, where pytest and the tests are there."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from gpu_checks.check import Check, Figure, LeftOutError, Setting

__all__ = ["checks", "read_results"]

ROOT = Path(__file__).parent.parent.parent
MARK = "mark.gpu"
SECONDS = 40


def checks(setting: Setting) -> Iterator[Check]:
    """All of them in one run of pytest."""
    yield Check("pytest -m gpu", partial(run_tests, ROOT))


def run_tests(root: Path) -> list[Figure]:
    """Run the marked tests and say which of them failed.

    Raises:
        AssertionError: If a test failed; the message has its names and the last lines.
        LeftOutError: If there is no pytest, or no tests, or they skipped all.
    """
    if importlib.util.find_spec("pytest") is None:
        raise LeftOutError("pytest is not installed")
    # Only files that have such a test: collecting all takes longer than running these.
    files = [
        file for file in sorted((root / "tests").rglob("test_*.py")) if f"@pytest.{MARK}" in file.read_text("utf-8")
    ]
    if not files:
        raise LeftOutError("no tests marked gpu beside this script")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", f"--junitxml={report}", *map(str, files)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=SECONDS)
        assert report.is_file(), f"pytest ended with {done.returncode}: {(done.stdout + done.stderr)[-500:]}"
        return read_results(report)


def read_results(report: Path) -> list[Figure]:
    """Numbers of tests that passed and that failed, from a report in JUnit's format.

    Raises:
        LeftOutError: If all were skipped.
    """
    cases = list(ElementTree.parse(report).iter("testcase"))
    skipped = [case for case in cases if case.find("skipped") is not None]
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    if len(skipped) == len(cases):
        raise LeftOutError(f"{len(skipped)} tests were skipped")
    names = ", ".join(f"{case.get('classname')}.{case.get('name')}" for case in failed)
    passed = len(cases) - len(skipped) - len(failed)
    remark = f"{passed} passed, {len(skipped)} skipped" + (f"; failed: {names}" if failed else "")
    return [Figure(len(failed), 0.0, "failed tests", remark=remark)]
