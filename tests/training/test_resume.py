"""What `last.ckpt` holds, and what going on with a run may change."""

import errno
import itertools
import os
import shutil
import warnings

import pytest
import torch
import yaml

from subband.config import load_recipe
from subband.files import FolderInUseError, leavings, new_path
from subband.tasks.video_prediction import VideoPredictionTask
from subband.training import loop
from subband.training.checkpoints import AveragedWeights, DivergenceError
from subband.training.loop import check_folder, make_folder, train
from subband.training.resume import read_state
from subband.training.run_files import RunFiles

STILL = {"lr": 0.0, "schedule": "constant"}


class PowerCutError(Exception):
    pass


@pytest.fixture
def power_cut():
    """The run dies in a training step, counted from 0, without any farewell."""

    def cut_at(step, recipe, folder, **options):
        original, calls = VideoPredictionTask.losses, itertools.count()

        def cut(self, batch, part):
            if next(calls) == step:
                raise PowerCutError
            return original(self, batch, part)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(VideoPredictionTask, "losses", cut)
            with pytest.raises(PowerCutError):
                train(recipe, folder, progress=False, **options)

    return cut_at


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_state_is_the_last_one_and_a_run_that_has_ended_is_left_alone(tmp_path, tiny, power_cut, losses):
    # Nothing changes by a rate of zero, and the first validation stays the best.
    model = {"name": "simvp_incepu", "args": {"hid_S": 4, "hid_T": 16, "N_S": 2, "N_T": 2}}
    recipe = tiny(model=model, drop_path={"rate": None}, optim=STILL, trainer={"epochs": 4, "early_stop": 3})
    files = RunFiles(tmp_path / "run")
    power_cut(13, recipe, files.folder)
    assert read_state(files)._replace(waited=0) == (3, 12, 0)
    assert torch.load(files.best, weights_only=True)["global_step"] == 4
    train(recipe, files.folder, resume=True, progress=False)
    assert len(losses(files.folder)) == 16
    before = contents(files.folder)
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"nothing to resume in .*run: it stopped early after epoch 4"):
            scores = train(recipe, files.folder, resume=True, progress=False)
    assert scores == loop.finished_scores(files.folder)
    assert contents(files.folder) == before
    # Weights and scores that are missing are made without training.
    (files.folder / "scores.json").unlink()
    shutil.rmtree(files.folder / "model")
    again = train(recipe, files.folder, resume=True, progress=False)
    assert again["rows"][0]["metrics"] == scores["rows"][0]["metrics"]
    assert files.last.read_bytes() == before[files.last]
    assert (files.folder / "model" / "model.safetensors").is_file()


@pytest.mark.slow
def test_every_schedule_can_be_prolonged(tmp_path, tiny, losses, table, recwarn):
    """The rest has the rates of a run that long from the start; a schedule without an end gives that very run."""

    def run(name, optim, epochs, **options):
        data = {"args": {"num_train": 4, "num_val": 2, "num_test": 2}}
        recipe = tiny(data=data, optim=optim, trainer={"epochs": epochs})
        train(recipe, tmp_path / name, progress=False, **options)
        return {
            int(row["step"]): float(row[key])
            for row in table(tmp_path / name)
            for key in row
            if key == "lr-Adam/pg1" and row[key]
        }

    for name, optim in {
        "constant": {"schedule": "constant"},
        "steps": {"schedule": "steps", "step_epochs": 1.0, "per_epoch": True},
        "cosine": {"schedule": "cosine"},
        "onecycle": {"schedule": "onecycle"},
    }.items():
        run("part", optim, 1, overwrite=True)
        recwarn.clear()
        rates, straight = run("part", optim, 2, resume=True), run("straight", optim, 2, overwrite=True)
        text = (tmp_path / "part" / "config.yaml").read_text()
        assert "# resumed after step 2: trainer.epochs 1 -> 2\n" in text
        assert yaml.safe_load(text)["trainer"]["epochs"] == 2
        said = [str(item.message) for item in recwarn.list]
        has_end = name in ("cosine", "onecycle")
        assert any("laid out anew over 2 epochs, not 1" in message for message in said) == has_end, (name, said)
        assert list(rates) == [0, 1, 2, 3]
        assert {step: rates[step] for step in (2, 3)} == pytest.approx({step: straight[step] for step in (2, 3)}), name
        assert (rates[1] != straight[1]) == has_end, name
        assert (losses(tmp_path / "part") == losses(tmp_path / "straight")) == (not has_end), name


def test_what_would_make_another_run_is_refused(tmp_path, tiny, power_cut):
    run = tmp_path / "run"
    power_cut(9, tiny(), run)
    before = contents(run)
    cases = [
        ({"optim": {"lr": 0.5}}, r"optim.lr was 0.001 and is 0.5: take that file as the recipe"),
        ({"data": {"batch_size": 4}}, r"data.batch_size was 2 and is 4"),
        ({"data": {"args": {"num_train": 12}}, "seed": 3}, r"data.args was .*, seed was 0 and is 3"),
        ({"trainer": {"ema_decay": 0.5}}, r"trainer.ema_decay was null and is 0.5"),
        ({"trainer": {"epochs": 1}}, r"trainer.epochs is 1, but the run in .*run has 2 epochs behind it"),
    ]
    for changes, words in cases:
        with pytest.raises(ValueError, match=words):
            train(tiny(**changes), run, resume=True, progress=False)
    assert contents(run) == before
    (run / "checkpoints" / "last.ckpt").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(ValueError, match=r"last.ckpt is damaged"):
        train(tiny(), run, resume=True, progress=False)


@pytest.mark.slow
def test_a_run_that_was_moved_keeps_its_best_weights_and_loses_the_leavings_of_a_kill(tmp_path, tiny, power_cut):
    recipe = tiny(optim={"lr": 0.05, "schedule": "constant"})
    train(recipe, tmp_path / "whole", progress=False)
    power_cut(9, recipe, tmp_path / "here")
    last = RunFiles(tmp_path / "here").last
    with new_path(last, overwrite=True) as aside:
        shutil.copy(last, aside)
    aside.write_bytes(b"half")  # as a kill leaves it
    (tmp_path / "here").rename(tmp_path / "there")
    train(recipe, tmp_path / "there", resume=True, progress=False)
    assert {path.name for path in (tmp_path / "there" / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    found = []
    for files in (RunFiles(tmp_path / "whole"), RunFiles(tmp_path / "there")):
        best, last = (torch.load(path, weights_only=True) for path in (files.best, files.last))
        (kept,) = (state for key, state in last["callbacks"].items() if key.startswith("ModelCheckpoint"))
        assert kept["best_model_path"] == str(files.best.resolve())
        found.append((best["global_step"], float(kept["best_model_score"])))
    assert found[0] == found[1]


@pytest.mark.slow
def test_stages_go_on_where_they_were(tmp_path, tiny, power_cut, losses):
    recipe = tiny(stages=[{"name": "first", "settings": {"trainer": {"epochs": 1}}}, {"name": "second"}])
    run = tmp_path / "run"
    power_cut(4, recipe, run)  # the first stage is done, the second has not made a step
    first = contents(run / "stages" / "first")
    train(recipe, run, resume=True, progress=False)
    assert contents(run / "stages" / "first") == first
    assert len(losses(run)) == 12
    assert len(yaml.safe_load((run / "config.yaml").read_text())["stages"]) == 2
    with pytest.warns(UserWarning, match="nothing to resume"):
        train(recipe, run, resume=True, progress=False)


def test_a_stage_can_be_prolonged_until_it_is_done(tmp_path, tiny, power_cut, losses):
    def staged(first, **changes):
        stages = [{"name": "first", "settings": {"trainer": {"epochs": first}}}, {"name": "second"}]
        data = {"args": {"num_train": 4, "num_val": 2, "num_test": 2}}
        return tiny(
            **{"data": data, "optim": {"schedule": "constant"}, "trainer": {"epochs": 1}, **changes}, stages=stages
        )

    run, first = tmp_path / "run", tmp_path / "run" / "stages" / "first"
    power_cut(3, staged(2), run)
    # Interrupted once more, the run goes on with the length that it was given, though the last stage has not begun.
    power_cut(2, staged(3), run, resume=True)
    text = (run / "config.yaml").read_text()
    assert "# resumed after step 2: trainer.epochs of stage first 2 -> 3\n" in text
    assert yaml.safe_load(text)["stages"][0]["settings"] == {"trainer": {"epochs": 3}}
    train(load_recipe(run / "config.yaml"), run, resume=True, progress=False)
    assert (len(losses(first)), len(losses(run))) == (6, 2)
    train(staged(3, trainer={"epochs": 2}), run, resume=True, progress=False)  # the last stage
    assert (len(losses(first)), len(losses(run))) == (6, 4)
    assert yaml.safe_load((run / "config.yaml").read_text())["trainer"]["epochs"] == 2
    before = contents(run)
    with pytest.raises(
        ValueError, match=r"trainer.epochs of stage first is 4, but the stage is done with its 3 epochs"
    ):
        train(staged(4, trainer={"epochs": 2}), run, resume=True, progress=False)
    # The recipe may be the run's own file, changed by hand.
    (run / "config.yaml").write_text(before[run / "config.yaml"].decode().replace(" epochs: 3\n", " epochs: 5\n"))
    with pytest.raises(ValueError, match=r"trainer.epochs of stage first is 5, but the stage is done"):
        train(load_recipe(run / "config.yaml"), run, resume=True, progress=False)
    (run / "config.yaml").write_bytes(before[run / "config.yaml"])
    other = load_recipe(run / "config.yaml")
    other.stages[0].settings["optim"] = {"lr": 0.5}
    with pytest.raises(ValueError, match=r"but optim.lr of stage first was 0.001 and is 0.5"):
        train(other, run, resume=True, progress=False)
    assert contents(run) == before


def test_a_length_that_no_stage_has_is_refused(tmp_path, tiny, power_cut):
    stages = [{"name": name, "settings": {"trainer": {"epochs": 1}}} for name in ("first", "second")]
    data = {"args": {"num_train": 4, "num_val": 2, "num_test": 2}}
    power_cut(1, tiny(data=data, stages=stages), tmp_path / "run")
    with pytest.raises(ValueError, match=r"trainer.epochs is 9, but every stage has its own"):
        train(tiny(data=data, stages=stages, trainer={"epochs": 9}), tmp_path / "run", resume=True, progress=False)


def test_nothing_that_has_diverged_is_saved(tmp_path, tiny):
    wild = {"optim": {"lr": 1e12, "schedule": "constant"}}
    cases = {
        "nothing": (wild | {"trainer": {"log_every_steps": 1000}}, "nothing had been saved yet"),
        "some": (wild | {"trainer": {"log_every_steps": 1000, "checkpoint_every_steps": 1}}, r"last.ckpt is intact"),
        "logged": (wild, "nothing had been saved yet"),
        "average": (wild | {"trainer": {"ema_decay": 0.9, "log_every_steps": 1000}}, "nothing had been saved yet"),
    }
    for name, (changes, words) in cases.items():
        with pytest.raises(DivergenceError, match=rf"{words}: lower optim.lr, set optim.grad_clip"):
            train(tiny(**changes), tmp_path / name, progress=False)
        assert not (tmp_path / name / "model").exists(), name
        for path in (tmp_path / name / "checkpoints").iterdir():
            state = torch.load(path, weights_only=True)["state_dict"]
            assert all(value.isfinite().all() for value in state.values()), path
    assert (tmp_path / "some" / "checkpoints" / "last.ckpt").is_file()


def test_a_full_disk_names_the_file_and_what_is_safe(tmp_path, tiny, monkeypatch):
    whole = os.fsync
    saved = itertools.count()

    def full_at(number, run):
        def fsync(descriptor):
            if leavings(RunFiles(run).last) and next(saved) == number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return whole(descriptor)

        return fsync

    monkeypatch.setattr(os, "fsync", full_at(0, tmp_path / "first"))
    with pytest.raises(
        OSError, match=r"last.ckpt: No space left on device; nothing had been saved yet; .*go on with: again"
    ):
        train(tiny(), tmp_path / "first", progress=False, resume_command="again")
    saved = itertools.count()
    monkeypatch.setattr(os, "fsync", full_at(1, tmp_path / "second"))
    with pytest.raises(OSError, match=r"No space left on device; .*last.ckpt is intact; .*go on with: again"):
        train(tiny(), tmp_path / "second", progress=False, resume_command="again")
    monkeypatch.undo()
    assert read_state(RunFiles(tmp_path / "second")).epochs == 1
    assert sorted(path.name for path in (tmp_path / "second" / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


def test_a_run_that_had_saved_nothing_goes_on_from_its_beginning(tmp_path, tiny, power_cut, losses):
    power_cut(1, tiny(), tmp_path / "run")
    with pytest.warns(UserWarning, match=r"nothing had been saved in .*run yet; the run starts from the beginning"):
        train(tiny(), tmp_path / "run", resume=True, progress=False)
    assert len(losses(tmp_path / "run")) == 12
    power_cut(1, tiny(), tmp_path / "other")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "nothing had been saved")  # what is refused starts nowhere
        with pytest.raises(ValueError, match=r"optim.lr was 0.001 and is 0.1"):
            train(tiny(optim={"lr": 0.1}), tmp_path / "other", resume=True, progress=False)
    # Killed before the first stage was there: of several stages only the first starts.
    stages = [{"name": "warm", "settings": {"trainer": {"epochs": 1}}}, {"name": "main"}]
    power_cut(1, tiny(stages=stages), tmp_path / "stages")
    with pytest.warns(UserWarning, match=r"starts from the beginning"):
        train(tiny(stages=stages), tmp_path / "stages", resume=True, progress=False)
    assert (tmp_path / "stages" / "scores.json").is_file()


def test_a_run_whose_removal_was_stopped_is_still_a_run(tmp_path, tiny, monkeypatch):
    folder = tmp_path / "run"
    make_folder(check_folder(folder, overwrite=False, resume=False), tiny())
    for name in ("a", "b"):
        (folder / name).mkdir()
    removed = []

    def stopped(path):
        if removed:
            raise KeyboardInterrupt
        removed.append(path)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", stopped)
        with pytest.raises(KeyboardInterrupt):
            make_folder(check_folder(folder, overwrite=True, resume=False), tiny())
    make_folder(check_folder(folder, overwrite=True, resume=False), tiny(optim={"lr": 0.1}))
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoints", "config.yaml"]
    assert "lr: 0.1" in (folder / "config.yaml").read_text()


def test_a_run_that_another_process_trains_is_left_alone(tmp_path, tiny, in_use, power_cut):
    recipe, run = tiny(trainer={"epochs": 1}), tmp_path / "run"
    said = r"run is in use by process \d+ of .*; wait until it has ended"
    with in_use(run):  # it has written nothing so far
        with pytest.raises(FolderInUseError, match=said):
            train(recipe, run, progress=False)
        assert not RunFiles(run).config.exists()
    power_cut(1, recipe, run)  # a lock that a killed process left is none
    before = contents(run)
    with in_use(run):
        for options in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(FolderInUseError, match=said):
                train(recipe, run, progress=False, **options)
        assert {path: before[path] for path in before if path.exists()} == before
    train(recipe, run, overwrite=True, progress=False)
    assert sorted(path.name for path in run.iterdir())[:2] == ["checkpoints", "config.yaml"]


def test_weights_are_saved_before_they_are_scored(tmp_path, tiny, monkeypatch):
    def fails(*args):
        raise ValueError("a clip is damaged.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VideoPredictionTask, "evaluate", fails)
        with pytest.raises(ValueError, match=r"are safe in .*model, but .*: a clip is damaged; then go on with: ag"):
            train(tiny(), tmp_path / "run", progress=False, resume_command="again")
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    assert train(tiny(), tmp_path / "run", resume=True, progress=False)["rows"][0]["steps"] == 12


def test_the_average_counts_as_the_network_does():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = torch.nn.BatchNorm1d(2)
            self.register_buffer("flag", torch.tensor([False, True]))
            self.register_buffer("mask", torch.tensor([0.1, float("-inf")]), persistent=False)

    net, average = Net(), AveragedWeights(0.9)
    average._average_model = torch.optim.swa_utils.AveragedModel(net, use_buffers=True, **average._kwargs)
    kept = net.norm.running_mean.clone()
    for step in range(14):
        net.norm(torch.randn(8, 2) + 3)
        net.flag.logical_not_()
        average._average_model.update_parameters(net)
        kept = net.norm.running_mean if step == 0 else 0.9 * kept + 0.1 * net.norm.running_mean
        kept = kept.clone()
    found = average._average_model.module
    assert found.norm.num_batches_tracked == 14
    assert torch.equal(found.flag, net.flag)
    assert torch.equal(found.mask, net.mask)
    torch.testing.assert_close(found.norm.running_mean, kept)
