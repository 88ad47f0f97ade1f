"""The GPU check as far as a CPU can try it: its clock, its processes, its file, and that it forgets nothing."""

import inspect
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import gpu
from gpu_checks import detection as detection_checks
from gpu_checks import layers as layer_checks
from gpu_checks import models as model_checks
from gpu_checks import runner, suite, training
from gpu_checks import transforms as transform_checks
from gpu_checks.check import Check, Figure, LeftOutError, Part, Setting, relative_error
from gpu_checks.runner import OUT_OF_TIME, Clock, Row, supervise
from records import read_record
from subband import layers, losses, transforms
from subband.config import list_recipes, read_recipe
from subband.models.registry import catalog
from subband.tasks import TASKS

SETTING = Setting(torch.device("cpu"), True)
# What computes no tensor from a tensor, or only in the way another function does.
NOT_CHECKED = {"block_frequencies", "central_frequency", "dwt_coeff_len", "dwt_max_level", "packet_paths"}
NOT_CHECKED |= {"dwtn_max_level", "frequency2scale", "radial_bins", "scale2frequency", "swt_max_level"}
NOT_CHECKED |= {"wavedecn_shapes", "wavedecn_size", "zigzag_order"}


def raising(error):
    def run():
        raise error

    return run


def bad_checks(setting):
    """One of every way to end."""
    yield Check("right", lambda: Figure(0.5, 1.0))
    yield Check("too large", lambda: [Figure(2.0, 1.0, name="first"), Figure(0.0, 1.0, name="second")])
    yield Check("no number", lambda: Figure(float("nan"), 1.0))
    yield Check("measured", lambda: Figure(3.0, None, "ms"))
    yield Check("left out", raising(LeftOutError("nothing to do here")))
    yield Check("raises", raising(RuntimeError("first line\nlast line")))
    yield Check("dies", lambda: os._exit(3))
    yield Check("after that", lambda: Figure(0.0, 1.0))


def slow_checks(setting):
    yield Check("quick", lambda: Figure(0.0, 1.0))
    yield Check("hangs", lambda: time.sleep(60) or Figure(0.0, 1.0))
    yield Check("never begun", lambda: Figure(0.0, 1.0))


def broken_part(setting):
    yield Check("first", lambda: Figure(0.0, 1.0))
    raise ValueError("this part cannot be made")


def statuses(rows):
    return [(row.part, row.check, row.status) for row in rows]


def test_whatever_a_check_does_the_others_go_on(monkeypatch):
    monkeypatch.setattr(runner, "GRACE", 0.3)
    parts = [Part("bad", 20, bad_checks), Part("slow", 2, slow_checks), Part("broken", 20, broken_part)]
    parts += [Part("last", 20, lambda setting: [Check("fine", lambda: Figure(0.0, 1.0))])]
    rows = list(supervise(parts, SETTING, 100, method="fork"))
    assert statuses(rows) == [
        ("bad", "right", "pass"),
        ("bad", "too large, first", "fail"),
        ("bad", "too large, second", "pass"),
        ("bad", "no number", "fail"),
        ("bad", "measured", "pass"),
        ("bad", "left out", "skipped"),
        ("bad", "raises", "fail"),
        ("bad", "dies", "fail"),
        ("bad", "after that", "pass"),
        ("slow", "quick", "pass"),
        ("slow", "hangs", "skipped"),
        ("broken", "first", "pass"),
        ("broken", "(making checks)", "fail"),
        ("last", "fine", "pass"),
    ]
    remarks = {row.check: row.remark for row in rows}
    assert remarks["left out"] == "nothing to do here"
    assert remarks["raises"].endswith("last line")
    assert (remarks["dies"], remarks["hangs"]) == ("the process died", OUT_OF_TIME)
    assert "this part cannot be made" in remarks["(making checks)"]


def test_what_no_time_is_left_for_is_recorded(monkeypatch):
    monkeypatch.setattr(runner, "GRACE", 0.1)
    parts = [Part("slow", 1000, slow_checks), Part("second", 1, bad_checks), Part("third", 1, bad_checks)]
    rows = list(supervise(parts, SETTING, 2.0, method="fork"))
    assert statuses(rows)[0] == ("slow", "quick", "pass")
    assert [row.part for row in rows if row.status == "skipped"] == ["slow", "second", "third"]
    assert {row.remark for row in rows if row.status == "skipped"} == {OUT_OF_TIME}


def test_every_part_gets_its_seconds_or_its_share_of_what_is_left():
    parts = [Part("a", 30, bad_checks), Part("b", 10, bad_checks), Part("c", 20, bad_checks)]
    assert Clock(100.0).share(parts, 0, 0.0) == 30.0
    assert Clock(30.0).share(parts, 0, 0.0) == 15.0
    assert Clock(30.0).share(parts, 2, 25.0) == 30.0
    assert all(0 < part.seconds <= gpu.MOST_SECONDS for part in gpu.PARTS)
    assert gpu.SECONDS <= 540


def test_the_file_is_whole_after_every_row(tmp_path, capsys):
    out, record = tmp_path / "gpu.json", gpu.new_record(torch.device("cpu"))

    def rows():
        yield Row("part", "one", "pass", 1.5e-7, 1e-5, "relative", 0.25)
        assert [row[1] for row in read_record(out).rows] == ["one"]
        yield Row("part", "two", "fail", remark="Traceback\nValueError: no")
        assert [row[2] for row in json.loads(out.read_text())["rows"]] == ["pass", "fail"]
        yield Row("part", "three", "fail", float("inf"), 1.0)

    done = gpu.follow(rows(), record, out)
    assert json.loads(out.read_text())["rows"][0] == ["part", "one", "pass", 1.5e-7, 1e-5, "relative", 0.25, ""]
    stored = read_record(out)
    assert (stored.columns, stored.rows[2][3]) == (gpu.COLUMNS, "Infinity")
    assert stored.date
    assert stored.hardware
    assert "driver" in stored.software
    shown = capsys.readouterr().out
    assert "FAIL two: ValueError: no" in shown
    text = gpu.summary(done, [Part("part", 1, bad_checks)], 2.0)
    assert re.search(r"part +1 +2 +0 +0.2", text)
    assert text.endswith("2 of 3 FAILED, 2 s")
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_forgotten():
    source = inspect.getsource(transform_checks)
    public = {name for name in transforms.__all__ if inspect.isfunction(getattr(transforms, name))} - NOT_CHECKED
    assert {name for name in public if f"st.{name}(" not in source and f"st.{name}," not in source} == set()
    modules = {getattr(layers, name) for name in layers.__all__ if inspect.isclass(getattr(layers, name))}
    modules = {kind for kind in modules if issubclass(kind, torch.nn.Module)}
    built = [layer_checks.build(name)[0] for name in layer_checks.MODULES]
    assert modules - {type(part) for module in built for part in module.modules()} == set()
    entries = [*model_checks.SMALL.values(), *detection_checks.SMALL.values()]
    small = {catalog()[name].builder for name, _ in entries}
    assert {spec.builder for spec in catalog().values()} - small == set()
    functions = {name for name in layers.__all__ if inspect.isfunction(getattr(layers, name))} - NOT_CHECKED
    layer_source = inspect.getsource(layer_checks)
    assert {name for name in functions if f"layers.{name}" not in layer_source} == set()
    assert {f"loss {name}" for name in losses.LOSSES} - set(gpu.scores.LOSS_FUNCTIONS) == set()
    # Detection has no data inside a package; `detection_checks` looks at its losses and gradients.
    assert {name.split("/")[0] for name in training.RECIPES} == set(TASKS) - {"detection"}
    small = {name for name in list_recipes() if name.startswith("restoration/") and name.endswith("_s")}
    without_files = {name for name in small if "path" not in read_recipe(name)["data"]["args"]}
    assert without_files <= set(training.RECIPES)


def test_errors_are_relative_and_notice_what_is_no_number():
    one, two = torch.ones(3), torch.tensor([1.0, 1.0, 1.5])
    assert relative_error([two], [one]) == 0.5
    assert relative_error([1e-6 * one, one], [0 * one, one]) == pytest.approx(1e-3)  # next to nothing beside the other
    assert relative_error([two / 0], [one]) == float("inf")
    assert relative_error([torch.full((3,), float("nan"))], [one]) == float("inf")
    for other in (one[:2], one.double()):
        with pytest.raises(AssertionError, match="tensor 0"):
            relative_error([other], [one])


def test_results_of_the_suite(tmp_path):
    case = '<testcase classname="tests.a" name="{}">{}</testcase>'
    cases = [case.format("one", ""), case.format("two", "<failure/>"), case.format("three", "<skipped/>")]
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    (figure,) = suite.read_results(report)
    assert (figure.value, figure.limit) == (1, 0)
    assert figure.remark == "1 passed, 1 skipped; failed: tests.a.two"
    report.write_text(f"<testsuite>{cases[2]}</testsuite>")
    with pytest.raises(LeftOutError, match="1 tests were skipped"):
        suite.read_results(report)
    (tmp_path / "tests").mkdir()
    text = "import pytest\n\n@pytest.mark.gpu\ndef test_it():\n    assert {}\n"
    with pytest.raises(LeftOutError, match="no tests marked gpu"):
        suite.run_tests(tmp_path)
    for number in (0, 1):
        (tmp_path / "tests" / f"test_{number}.py").write_text(text.format(number))
    (figure,) = suite.run_tests(tmp_path)
    assert (figure.value, figure.remark.split(";")[0]) == (1, "1 passed, 0 skipped")


def test_what_cannot_be_checked_here_is_said(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for words, sentence in (
        (["--out", "x.json"], "no such CUDA device|sees 0 CUDA devices"),
        (["--device", "cpu", "--out", "x.json"], "add --quick"),
        (["--device", "cpu", "--quick"], "--out FILE.json is needed"),
    ):
        with pytest.raises(SystemExit):
            gpu.parse(words)
        assert re.search(sentence, capsys.readouterr().err)


@pytest.mark.slow
def test_every_part_runs(tmp_path):
    script = Path(gpu.__file__)
    parts = [part.name for part in gpu.PARTS if part.name != "suite"]  # pytest inside pytest: see above
    command = [sys.executable, str(script), "--device", "cpu", "--quick", "--out", "gpu.json", "--parts", *parts]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=560, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    record = read_record(tmp_path / "gpu.json")
    passed = {row[0] for row in record.rows if row[2] == "pass"}
    assert passed == set(parts)
    assert not [row for row in record.rows if row[2] == "fail"]
    assert record.command[0].startswith("python benchmarks/gpu.py --device cpu --quick --out gpu.json")
