"""A run may be stopped anywhere: it says so, keeps what it has done, and goes on as if nothing had happened."""

import itertools
import json
import signal

import pytest
import torch

from subband.tasks.video_prediction import VideoPredictionTask
from subband.training import checkpoints
from subband.training.callbacks import TrainingInterrupted
from subband.training.loop import train

pytestmark = pytest.mark.usefixtures("plain_signals")


@pytest.fixture
def at_call():
    """Do something in one call of a method of the task, counted from 0."""

    def set_up(method, number, action):
        original = getattr(VideoPredictionTask, method)
        calls = itertools.count()

        def watched(self, *args):
            if next(calls) == number:
                action()
            return original(self, *args)

        patch = pytest.MonkeyPatch()
        patch.setattr(VideoPredictionTask, method, watched)
        return patch

    return set_up


def same_run(case, folder, whole, losses, table):
    def validated(run):
        return {row["step"]: row["val_loss"] for row in table(run) if row.get("val_loss")}

    with case(folder.name):
        assert losses(folder) == losses(whole)
        assert validated(folder) == validated(whole)
        for name in ("best", "last"):
            found, wanted = (
                torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True) for run in (folder, whole)
            )
            assert found["global_step"] == wanted["global_step"], name
            for key, value in wanted["state_dict"].items():
                assert torch.equal(found["state_dict"][key], value), (name, key)
        scores = [json.loads((run / "scores.json").read_text())["rows"][0]["metrics"] for run in (folder, whole)]
        assert scores[0] == scores[1]


def check_stops(tmp_path, recipe, stops, losses, table, case, at_call, capsys):
    whole = tmp_path / "whole"
    train(recipe, whole, progress=False)
    for number, (method, call) in enumerate(stops):
        folder = tmp_path / f"{method}_{call}"
        kind = (signal.SIGTERM, signal.SIGINT)[number % 2]
        patch = at_call(method, call, lambda kind=kind: signal.raise_signal(kind))
        before = signal.getsignal(kind)
        with case(folder.name), pytest.raises(TrainingInterrupted, match=r"and saved; go on with: ") as stop:
            train(recipe, folder, progress=False)
        patch.undo()
        assert stop.value.code == 128 + kind
        assert signal.getsignal(kind) == before
        assert "saving when this batch is done" in capsys.readouterr().err
        train(recipe, folder, resume=True, progress=False)
        same_run(case, folder, whole, losses, table)


# An epoch has 4 training batches and 2 of validation; calls are counted from 0.
def test_a_signal_in_training_or_validation_saves_and_the_run_goes_on(
    tmp_path, tiny, losses, table, case, at_call, capsys
):
    recipe = tiny(trainer={"epochs": 2, "ema_decay": 0.5, "early_stop": 2})
    stops = [("losses", 1), ("validate", 0)]
    check_stops(tmp_path, recipe, stops, losses, table, case, at_call, capsys)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "stops"),
    [
        ({}, [("losses", 3), ("validate", 0), ("validate", 1), ("losses", 7), ("validate", 3)]),
        ({"val_every_epochs": 2, "accumulate": 2}, [("losses", 0), ("losses", 3), ("losses", 7), ("validate", 0)]),
        ({"ema_decay": 0.5, "early_stop": 2}, [("losses", 7), ("validate", 2), ("validate", 3)]),
        ({"val_every_epochs": 2, "checkpoint_every_steps": 4}, [("losses", 4), ("losses", 6)]),
    ],
    ids=["plain", "accumulate", "average", "every_steps"],
)
def test_a_signal_at_every_place(tmp_path, tiny, losses, table, case, at_call, capsys, settings, stops):
    recipe = tiny(trainer={"epochs": 2, **settings})
    check_stops(tmp_path, recipe, stops, losses, table, case, at_call, capsys)


def test_a_signal_between_stages_or_as_training_ends_says_how_to_go_on(tmp_path, tiny, losses, monkeypatch):
    recipe = tiny(
        data={"args": {"num_train": 4, "num_val": 2, "num_test": 2}},
        trainer={"epochs": 1},
        stages=[{"name": "first"}, {"name": "second"}],
    )
    train(recipe, tmp_path / "whole", progress=False)
    for name, owner, method, call in (
        ("scores", VideoPredictionTask, "evaluate", 0),  # of the first stage, while the run itself has no state yet
        ("last_save", checkpoints.AtomicCheckpointIO, "save_checkpoint", 1),  # beyond the last look at signals
    ):
        original, calls = getattr(owner, method), itertools.count()

        def watched(*args, original=original, calls=calls, call=call, **options):
            if next(calls) == call:
                signal.raise_signal(signal.SIGINT)
            return original(*args, **options)

        run = tmp_path / name
        monkeypatch.setattr(owner, method, staticmethod(watched) if method == "evaluate" else watched)
        with pytest.raises(TrainingInterrupted, match=r"what was trained is saved, go on with: train\(") as stop:
            train(recipe, run, progress=False)
        monkeypatch.undo()
        assert stop.value.code == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler  # Lightning would leave it ignored
        train(recipe, run, resume=True, progress=False)
        for stage in ("stages/first", "."):
            assert losses(run / stage) == losses(tmp_path / "whole" / stage)


def test_a_signal_before_anything_is_saved_is_said(tmp_path, tiny, monkeypatch):
    def build(recipe):
        try:
            signal.raise_signal(signal.SIGTERM)
        except BaseException:  # as extension modules do it while they are loaded
            raise ImportError("numpy failed to load") from None

    monkeypatch.setattr(VideoPredictionTask, "build_data", build)
    with pytest.raises(TrainingInterrupted, match=r"^interrupted before anything was saved\.$") as stop:
        train(tiny(), tmp_path / "run", progress=False)
    assert stop.value.code == 143
    assert not (tmp_path / "run").exists()
