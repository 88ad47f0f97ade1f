"""Ctrl-C and SIGTERM end every command with a line and their exit code; what is finished stays."""

import importlib
import io
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml

from subband import imaging
from subband.cli import main as cli
from subband.cli.main import main
from subband.media.images import write_image
from subband.predictors.classification import ImageClassifier
from subband.signals import SignalHandlers, say

pytestmark = pytest.mark.usefixtures("plain_signals")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def test_a_signal_ends_a_command_over_a_folder_between_two_results(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        write_image(folder / f"{number}.png", torch.rand(1, 16, 16))
    original = imaging.denoise_wavelet
    for kind in (signal.SIGTERM, signal.SIGINT):
        handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
        done = []

        def work(*args, kind=kind, done=done, **options):
            if len(done) == 2:  # the first is the trial of the options
                signal.raise_signal(kind)
            done.append(None)
            return original(*args, **options)

        monkeypatch.setattr(imaging, "denoise_wavelet", work)
        out = tmp_path / kind.name
        capsys.readouterr()
        assert main(["denoise", str(folder), "--out", str(out)]) == 128 + kind
        assert [path.name for path in out.iterdir()] == ["0.png"]
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert error.startswith("subband: stopped" if kind == signal.SIGTERM else "subband: interrupted")
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers


def test_classes_of_the_photographs_that_are_done_are_written(tmp_path, monkeypatch, capsys):
    for number in range(6):
        (tmp_path / "photos").mkdir(exist_ok=True)
        write_image(tmp_path / "photos" / f"{number}.png", torch.rand(1, 8, 8))
    original, calls = ImageClassifier.prepare, []

    def prepare(self, pixels):
        calls.append(None)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGTERM)  # it is prepared in another thread than the main one
        return original(self, pixels)

    monkeypatch.setattr(ImageClassifier, "prepare", prepare)
    words = ["classify", str(tmp_path / "photos"), "--model", "gfnet_digits", "--batch-size", "1", "--top", "1"]
    code = main([*words, "--device", "cpu", "--out", str(tmp_path / "classes.csv")])
    error = capsys.readouterr().err
    assert code == 143, error
    count = int(re.fullmatch(r"subband: interrupted after (\d) of 6 photographs, which are done.\n", error)[1])
    rows = (tmp_path / "classes.csv").read_text().splitlines() if count else []
    assert len(rows) == (count + 1 if count else 0)


def test_a_signal_during_an_import_is_no_error_of_the_import(monkeypatch, capsys):
    def importing(name):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:  # as extension modules do it
            raise ImportError("numpy.core.multiarray failed to import") from None

    monkeypatch.setattr(cli.importlib, "import_module", importing)
    assert main(["models"]) == 130
    assert capsys.readouterr().err == "subband: interrupted; what was finished before is there.\n"
    assert importlib.import_module is importing


def test_ctrl_c_in_code_that_is_compiled_from_a_text(tmp_path):
    """Run as a module: of a script or a text, Python ends with the exit code in any case."""
    (tmp_path / "interrupted.py").write_text(
        "import subband.cli.main as cli\n"
        "cli._run = lambda *words: exec('import signal; signal.raise_signal(signal.SIGINT)')\n"
        "raise SystemExit(cli.main(['models']))\n"
    )
    command = [sys.executable, "-m", "interrupted"]
    ended = subprocess.run(command, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (130, "subband: interrupted; what was finished before is there.\n")


def test_a_second_ctrl_c_does_not_wait_and_a_second_sigterm_changes_nothing(monkeypatch):
    seen = []
    monkeypatch.setattr(os, "_exit", seen.append)
    with SignalHandlers(seen.append, lambda: seen.append("others")) as handlers:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.raise_signal(number)
    assert handlers.received == signal.SIGTERM
    assert seen == [signal.SIGTERM, "others", 130]


def test_a_signal_while_the_handlers_are_set_is_no_traceback(monkeypatch, capsys):
    original = SignalHandlers.__enter__

    def interrupted(self):
        original(self)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(SignalHandlers, "__enter__", interrupted)
    before = signal.getsignal(signal.SIGINT)
    try:
        assert main(["models"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "subband: interrupted; what was finished before is there.\n"


def test_a_handler_speaks_in_the_middle_of_another_line(tmp_path, monkeypatch):
    class Terminal(io.RawIOBase):
        def writable(self):
            return True

        def fileno(self):
            return file.fileno()

        def write(self, content):
            signal.raise_signal(signal.SIGTERM)
            return file.write(content)

    with open(tmp_path / "terminal", "wb", buffering=0) as file:
        stream = io.TextIOWrapper(io.BufferedWriter(Terminal()), "utf-8", line_buffering=True)
        monkeypatch.setattr(sys, "stderr", stream)
        with SignalHandlers(lambda number: say("a signal")):
            print("a line", file=sys.stderr)
        monkeypatch.undo()
    assert (tmp_path / "terminal").read_text() == "subband: a signal\na line\n"


def test_a_signal_that_is_ignored_stays_ignored(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        monkeypatch.setattr(cli, "_run", lambda *words: signal.raise_signal(signal.SIGINT) or 0)
        assert main(["models"]) == 0
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_ctrl_c_during_the_imports_of_a_command(tmp_path):
    """Each interrupt comes while the library of the given name is being loaded, or a little later."""
    command = [sys.executable, "-m", "subband.cli.main", "benchmark", "speed", "gfnet_ti"]
    for library, delay in (("libc10", 0.0), ("libtorch_cpu", 0.0), ("libtorch_cpu", 0.5), ("libtorch_cpu", 2.0)):
        process = subprocess.Popen(
            command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )
        with open(f"/proc/{process.pid}/maps") as maps:
            while library not in maps.read():
                maps.seek(0)
                assert process.poll() is None
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 130, (library, delay, error)
        assert error.startswith("subband: interrupted"), (library, delay)
        assert error.count("\n") == 1, (library, delay)


def alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


RECIPE = {
    "task": "classification",
    "model": {"name": "gfnet_ti", "args": {"dims": [8], "depths": [1], "patch_size": 4}},
    "data": {"name": "image_folder", "batch_size": 4, "num_workers": 2, "args": {"img_size": 16}},
    "loss": [{"name": "cross_entropy"}],
    "optim": {"name": "adamw", "schedule": "constant"},
    "trainer": {"epochs": 10_000, "device": "cpu", "tensorboard": False},
}


@pytest.fixture
def start(tmp_path):
    """Training on images that worker processes read, as the leader of a group of processes."""
    for number in range(24):
        folder = tmp_path / "images" / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{number}.png", torch.rand(3, 16, 16))

    def begin(name, *, launcher=("-m",), **trainer):
        data = {**RECIPE["data"], "args": {"img_size": 16, "path": str(tmp_path / "images")}}
        recipe = {**RECIPE, "data": data, "trainer": {**RECIPE["trainer"], **trainer}}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(recipe))
        words = ["train", str(tmp_path / f"{name}.yaml"), "--out", str(tmp_path / name), "--quiet"]
        process = subprocess.Popen(
            [sys.executable, *launcher, "subband.cli.main", *words],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while not (tmp_path / name / "checkpoints" / "last.ckpt").exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return process, tmp_path / name

    return begin


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "to_all"), [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, True)])
def test_training_with_worker_processes_is_stopped(start, kind, to_all):
    process, run = start("run")
    (os.killpg if to_all else os.kill)(process.pid, kind)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 128 + kind, error
    assert "Traceback" not in error
    lines = error.splitlines()
    assert "saving when this batch is done" in lines[0]
    assert f"saved; go on with: subband train {run / 'config.yaml'} --out {run} --resume" in lines[-1]
    assert len(lines) == 2
    deadline = time.monotonic() + 10
    while alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(process.pid)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["lightning", "torchrun"])
def test_two_processes_stop_together_and_go_on(start, launcher):
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")
    options = {"launcher": torchrun} if launcher == "torchrun" else {}
    process, run = start("run", num_devices=2, strategy="ddp", **options)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=120)
    assert error.count("saved; go on with: ") == 1, error
    assert "saving when this batch is done" in error
    if launcher == "lightning":
        assert process.returncode == 143, error
        assert "Traceback" not in error
    else:
        assert process.returncode != 0
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["global_step"] > 0
    deadline = time.monotonic() + 10
    while alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(process.pid)
