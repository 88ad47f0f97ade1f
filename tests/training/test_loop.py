import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import subband
from subband.cli.main import main
from subband.config import build_recipe, recipe_text
from subband.data import build_data
from subband.data.spec import DamagedFileError
from subband.tasks.video_prediction import VideoPredictionTask
from subband.training import loop
from subband.training.checkpoints import DivergenceError
from subband.training.loop import evaluate, finished_scores, train
from subband.training.trainer import check_machine

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def start(tmp_path, recipe, *options):
    """`subband train` in a process of its own."""
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe_text(recipe))
    command = [sys.executable, "-m", "subband.cli.main", "train", str(path), "--quiet", *map(str, options)]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def test_a_run_leaves_everything_the_report_needs(tmp_path, tiny, losses):
    recipe = tiny(loss=[{"name": "mse"}, {"name": "differential_divergence", "weight": 0.1}])
    scores = train(recipe, tmp_path / "run", progress=False)
    names = {path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert names == {
        "config.yaml",
        "metrics.csv",
        "checkpoints/last.ckpt",
        "checkpoints/best.ckpt",
        "model/config.json",
        "model/model.safetensors",
        "scores.json",
        "samples.npz",
    }
    assert [row["name"] for row in scores["rows"]] == ["run", "persistence"]
    assert scores == json.loads((tmp_path / "run" / "scores.json").read_text())
    assert len(scores["rows"][0]["per_frame"]["mse"]) == 3
    assert len(losses(tmp_path / "run")) == 3 * 4
    samples = np.load(tmp_path / "run" / "samples.npz")
    assert samples["prediction/run"].shape == samples["targets"].shape == (2, 3, 1, 16, 16)
    model = subband.load_model(tmp_path / "run")
    assert model.metadata["training"]["steps"] == 12
    again = evaluate(recipe, tmp_path / "run", tmp_path / "again")
    assert again["rows"][0]["metrics"] == scores["rows"][0]["metrics"]
    assert scores["rows"][0]["metrics"]["lpips"] is None  # no weights given: missing, not replaced


def test_a_run_may_keep_no_samples(tmp_path, tiny):
    scores = train(tiny(evaluation={"num_samples": 0}, trainer={"epochs": 1}), tmp_path / "run", progress=False)
    assert scores["data"]["sequences"] == 4
    assert not np.load(tmp_path / "run" / "samples.npz").files
    assert main(["report", str(tmp_path / "run")]) == 0


def test_a_test_set_that_cannot_be_read_costs_no_training(tmp_path, tiny, monkeypatch):
    def damaged(self, key):
        raise DamagedFileError("clip.mp4 is damaged")

    def build(recipe):
        data = build_data(recipe.data.name, recipe.data.args, 0)
        data.test.__class__ = type("Damaged", (type(data.test),), {"__getitem__": damaged})
        return data

    monkeypatch.setattr(VideoPredictionTask, "build_data", build)
    with pytest.raises(ValueError, match=r"none of 4 test samples can be read: clip.mp4 is damaged"):
        train(tiny(), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_ema_early_stop_accumulation_and_clipping_run(tmp_path, tiny, losses):
    recipe = tiny(
        # A network without batch norm, whose running averages would move even when the weights stand still.
        model={"name": "simvp_incepu", "args": {"hid_S": 4, "hid_T": 16, "N_S": 2, "N_T": 2}},
        drop_path={"rate": None},
        optim={"lr": 0.0, "schedule": "constant", "grad_clip": 0.1},
        trainer={"ema_decay": 0.9, "early_stop": 1, "accumulate": 2, "grad_checkpointing": True},
    )
    scores = train(recipe, tmp_path / "run", progress=False)
    # With a learning rate of zero nothing improves after the first validation, so the second one ends the run.
    assert scores["rows"][0]["steps"] == 2 * 2


def test_resuming_a_killed_run_gives_the_losses_of_an_uninterrupted_one(tmp_path, tiny, losses):
    recipe = tiny(trainer={"epochs": 4, "ema_decay": 0.9, "checkpoint_every_steps": 3})
    train(recipe, tmp_path / "whole", progress=False)
    process = start(tmp_path, recipe, "--out", tmp_path / "killed")
    wait_for(tmp_path / "killed" / "checkpoints" / "last.ckpt", process)
    process.kill()
    process.wait()
    step = torch.load(tmp_path / "killed" / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert step < 16
    scores = train(recipe, tmp_path / "killed", resume=True, progress=False)
    whole, killed = losses(tmp_path / "whole"), losses(tmp_path / "killed")
    assert {at: killed[at] for at in range(step, 16)} == {at: whole[at] for at in range(step, 16)}
    expected = json.loads((tmp_path / "whole" / "scores.json").read_text())["rows"][0]["metrics"]
    assert scores["rows"][0]["metrics"] == expected


def test_resuming_from_any_step_repeats_the_losses(tmp_path, tiny, losses, case):
    train(tiny(), tmp_path / "whole", progress=False)
    for every in (1, 2, 3, 4):
        recipe, folder = tiny(trainer={"checkpoint_every_steps": every}), tmp_path / f"part{every}"
        interrupt_at(recipe, folder, step=5)
        train(recipe, folder, resume=True, progress=False)
        with case(every):
            assert losses(folder) == losses(tmp_path / "whole")


def interrupt_at(recipe, folder, step):
    """Train, and die at a step without any farewell, as after a power cut."""
    from subband.tasks.video_prediction import VideoPredictionTask

    class PowerCutError(Exception):
        pass

    original = VideoPredictionTask.losses
    done = itertools.count()

    def cut(self, batch, part):
        if next(done) == step:
            raise PowerCutError
        return original(self, batch, part)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VideoPredictionTask, "losses", cut)
        with pytest.raises(PowerCutError):
            train(recipe, folder, progress=False)


def test_a_loss_that_is_not_a_number_stops_the_run(tmp_path, tiny):
    recipe = tiny(optim={"lr": 1e30, "schedule": "constant"})
    with pytest.raises(DivergenceError, match=r"not a number at step .*lower optim.lr"):
        train(recipe, tmp_path / "run", progress=False)


def test_an_existing_run_is_never_replaced_unasked(tmp_path, tiny):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "precious.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="already holds a run; use --resume to go on, --overwrite"):
        train(tiny(), folder, progress=False)
    with pytest.raises(FileExistsError, match="no run folder"):
        train(tiny(), folder, overwrite=True, progress=False)
    with pytest.raises(ValueError, match="use one of them"):
        train(tiny(), folder, overwrite=True, resume=True, progress=False)
    assert (folder / "precious.txt").read_text() == "mine"


def test_nothing_to_resume_is_said(tmp_path, tiny):
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        train(tiny(), tmp_path / "run", resume=True, progress=False)


def test_model_and_data_must_agree(tmp_path, tiny):
    recipe = tiny(model={"args": {"in_shape": [4, 1, 16, 16]}})
    with pytest.raises(ValueError, match="T and C must agree"):
        train(recipe, tmp_path / "run", progress=False)


def test_stochastic_depth_of_a_model_without_it_is_refused(tmp_path, tiny):
    recipe = tiny(model={"name": "persistence", "args": {}})
    with pytest.raises(ValueError, match="no stochastic depth"):
        train(recipe, tmp_path / "run", progress=False)


@pytest.mark.slow
def test_two_processes_train_as_one_through_stages(tmp_path, tiny):
    stages = [{"name": "first", "settings": {"trainer": {"epochs": 1}}}, {"name": "second"}]

    def recipe(batch_size, **trainer):
        data, path = {"batch_size": batch_size}, {"rate": 0.0}
        return tiny(data=data, drop_path=path, trainer={"epochs": 2, **trainer}, stages=stages)

    process = start(tmp_path, recipe(2, num_devices=2, strategy="ddp"), "--out", tmp_path / "two")
    _, message = process.communicate(timeout=300)
    assert process.returncode == 0, message
    train(recipe(4), tmp_path / "one", progress=False)
    for stage, steps in (("stages/first", 2), (".", 4)):  # of 8 clips: two processes, two clips each
        two, one = (
            json.loads((tmp_path / name / stage / "scores.json").read_text())["rows"][0] for name in ("two", "one")
        )
        assert two["steps"] == one["steps"] == steps
        # Rank 0 logs the loss of its half, so the halves are compared through what training led to.
        assert two["metrics"]["mse"] == pytest.approx(one["metrics"]["mse"], rel=0.1)


@pytest.mark.slow
def test_two_processes_of_torchrun_learn_what_one_does(tmp_path):
    """A network without batch norms: the gradient of two halves of a batch is that of the whole."""

    def recipe(batch_size, **trainer):
        return build_recipe(
            {
                "task": "classification",
                "model": {"name": "gfnet_ti", "args": {"dims": [8], "depths": [1], "patch_size": 4}},
                "data": {"name": "digits", "batch_size": batch_size},
                "loss": [{"name": "cross_entropy", "args": {"label_smoothing": 0.1}}],
                "optim": {"name": "adamw", "lr": 3e-3, "schedule": "cosine", "per_epoch": True},
                "trainer": {"epochs": 2, "device": "cpu", "tensorboard": False, "ema_decay": 0.5, **trainer},
            }
        )

    path = tmp_path / "recipe.yaml"
    path.write_text(recipe_text(recipe(64, num_devices=2, monitor="val_top1")))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "subband.cli.main", "train", str(path), "--quiet", "--out", str(tmp_path / "two")]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    one = train(recipe(128, monitor="val_top1"), tmp_path / "one", progress=False)["rows"][0]
    two = json.loads((tmp_path / "two" / "scores.json").read_text())["rows"][0]
    assert two["steps"] == one["steps"]
    assert two["metrics"] == pytest.approx(one["metrics"], rel=1e-3)
    weights = [subband.load_model(tmp_path / name).state_dict() for name in ("one", "two")]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=1e-4, rtol=1e-3, msg=name)


def test_bf16_training_goes_through_torch_compile(tmp_path, tiny):
    recipe = tiny(trainer={"epochs": 1, "compile": True, "precision": "bf16"}, drop_path={"rate": 0.0})
    with torch.compiler.set_stance(
        "force_eager"
    ):  # that compiling works is tested with the models; here, that it is asked for
        scores = train(recipe, tmp_path / "run", progress=False)
    assert np.isfinite(scores["rows"][0]["metrics"]["mse"])


def test_training_starts_from_given_weights(tmp_path, tiny):
    still = {"lr": 0.0, "schedule": "constant"}
    first = train(tiny(drop_path={"rate": None}), tmp_path / "first", progress=False)
    model = {"weights": str(tmp_path / "first")}
    second = train(tiny(model=model, optim=still, drop_path={"rate": None}), tmp_path / "second", progress=False)
    weights = [subband.load_model(tmp_path / name).state_dict() for name in ("first", "second")]
    for name, parameter in subband.load_model(tmp_path / "first").named_parameters():
        assert torch.equal(weights[0][name], weights[1][name]), name
        assert parameter.requires_grad
    assert first["rows"][0]["steps"] == second["rows"][0]["steps"]
    other = {"weights": str(tmp_path / "first"), "args": {"hid_S": 6}}
    with pytest.raises(ValueError, match=r"do not fit the recipe's model: \d+ entries differ, first decoder"):
        train(tiny(model=other), tmp_path / "third", progress=False)


@pytest.mark.parametrize(
    ("count", "trainer", "words"),
    [
        (0, {}, r"finds no CUDA device; use --trainer.device cpu --trainer.num_devices 1"),
        (1, {}, r"has 1 GPU; use --trainer.num_devices 1 --trainer.accumulate 16 for batches of the same size"),
        (2, {}, r"has 2 GPUs; use --trainer.num_devices 2 --trainer.accumulate 8"),
        (8, {"strategy": "fsdp"}, r"fsdp cannot clip the norm of gradients; set --optim.grad_clip null"),
        (8, {}, None),
    ],
)
def test_a_recipe_for_other_machines_is_refused(tmp_path, tiny, monkeypatch, count, trainer, words):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    trainer = {"device": "cuda", "num_devices": 8, "accumulate": 2, **trainer}
    recipe = tiny(optim={"grad_clip": 1.0}, trainer=trainer)
    if words is None:
        check_machine(recipe)
        return
    with pytest.raises(ValueError, match=words):
        train(recipe, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_trained_leaves_no_folder(tmp_path, tiny):
    with pytest.raises(ValueError, match=r"8 samples are too few for a batch_size of 9"):
        train(tiny(data={"batch_size": 9}), tmp_path / "run", progress=False)
    with pytest.raises(ValueError, match=r"fsdp` requires a GPU"):
        train(tiny(trainer={"strategy": "fsdp"}), tmp_path / "run", progress=False)
    with pytest.raises(
        ValueError, match=r"monitor must be val_loss or val_mse or .* for video_prediction, got val_top1"
    ):
        train(tiny(trainer={"monitor": "val_top1"}), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_monitor_that_the_data_does_not_have_is_said(tmp_path, tiny):
    data = {"args": {"img_size": 6, "sprite_size": 3}}  # too small for the window of SSIM
    with pytest.raises(ValueError, match=r"monitor val_ssim is not measured on this data; use val_loss or val_mse or"):
        train(tiny(data=data, trainer={"monitor": "val_ssim"}), tmp_path / "run", progress=False)


def test_data_of_another_task_is_refused(tmp_path, tiny):
    with pytest.raises(ValueError, match=r"video_prediction needs VideoData, but the data set 'digits' is ImageData"):
        train(tiny(data={"name": "digits"}), tmp_path / "run", progress=False)


def test_a_teacher_that_nobody_asks_is_refused(tmp_path, tiny):
    with pytest.raises(ValueError, match=r"model.teacher is set, but no loss of video_prediction asks a teacher"):
        train(tiny(model={"teacher": "wast_photos"}), tmp_path / "run", progress=False)


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ([{"name": "a"}, {"name": "a"}], r"every stage needs a name of its own .*'a'"),
        ([{"name": "../a"}], r"every stage needs a name of its own that can name a folder, got '../a'"),
        ([{"name": "a", "settings": {"optim": {"rate": 1}}}], r"stage a: unknown key 'optim.rate'"),
        ([{"name": "a", "settings": {"task": "count"}}], r"stage a: a stage can change neither the task nor"),
        (
            [{"name": "a"}, {"name": "b", "settings": {"optim": {"schedule": "constant", "min_lr": 1.0}}}],
            r"stage b: optim.min_lr is for optim.schedule cosine, not for constant",
        ),
        ([{"name": "a", "epochs": 3}], r"unknown key 'stages\[0\].epochs'"),
    ],
)
def test_stages_that_do_not_fit_are_refused(tmp_path, tiny, stages, words):
    with pytest.raises(ValueError, match=words):
        train(tiny(stages=stages), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_seconds_of_a_run_are_those_of_all_its_stages(tmp_path, tiny, monkeypatch):
    clock = itertools.count(step=10)
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    stages = [{"name": name, "settings": {"trainer": {"epochs": 1}}} for name in ("first", "second", "third")]
    scores = train(tiny(stages=stages), tmp_path / "run", progress=False)
    first = finished_scores(tmp_path / "run" / "stages" / "first")
    assert (first["rows"][0]["train_seconds"], scores["rows"][0]["train_seconds"]) == (10, 30)
