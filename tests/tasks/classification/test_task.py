"""Training and scoring of classifiers, on a slice of scikit-learn's digits."""

import itertools
import json

import numpy as np
import pytest
import torch
from timm.data.mixup import mixup_target
from timm.loss import SoftTargetCrossEntropy
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix

import subband
from subband.config import LossTerm, build_recipe, merge
from subband.tasks.classification.mixing import mix_images
from subband.tasks.classification.task import ClassificationTask, loss_options, scores, top_hits
from subband.training.loop import evaluate, train
from subband.training.module import TrainingModule

GATED = {
    "model": {
        "name": "dct_resnet50",
        "args": {"channels": 192, "gated": True, "depths": [1, 1, 1, 1], "width": 2, "img_size": 16},
    },
    "data": {"args": {"img_size": 16}},
    "drop_path": {"rate": None},
}
TINY = {
    "task": "classification",
    "model": {"name": "gfnet_ti", "args": {"dims": [16], "depths": [2], "patch_size": 2, "mlp_ratio": 2.0}},
    "data": {"name": "digits", "batch_size": 256},
    "loss": [{"name": "cross_entropy", "args": {"label_smoothing": 0.1, "mixup": 0.8, "cutmix": 1.0}}],
    "optim": {"name": "adamw", "lr": 3e-3, "weight_decay": 0.05, "schedule": "cosine"},
    "drop_path": {"rate": 0.1},
    "trainer": {"epochs": 2, "device": "cpu", "log_every_steps": 1, "tensorboard": False},
    "evaluation": {"num_samples": 3},
}


@pytest.fixture
def tiny_classifier():
    return lambda **changes: build_recipe(merge(TINY, changes))


def test_a_run_learns_and_its_weights_score_the_same_again(tmp_path, tiny_classifier):
    plain = [{"name": "cross_entropy", "args": {}}]
    recipe = tiny_classifier(loss=plain, data={"batch_size": 32}, optim={"lr": 1e-2}, trainer={"epochs": 4})
    row = train(recipe, tmp_path / "run", progress=False)["rows"][0]
    assert row["metrics"]["top1"] > 0.4
    assert row["metrics"]["top5"] > 0.8
    assert set(row["per_class"]) == set("0123456789")
    again = evaluate(recipe, tmp_path / "run", tmp_path / "again")["rows"][0]
    assert again["metrics"] == row["metrics"]
    model = subband.load_model(tmp_path / "run")
    assert model.metadata["classes"] == list("0123456789")
    assert model.metadata["preprocessing"]["size"] == [8, 8]
    samples = np.load(tmp_path / "run" / "samples.npz")
    assert samples["inputs"].shape == (3, 3, 8, 8)
    assert samples["prediction/run"].sum(1) == pytest.approx(1, abs=1e-5)
    labels = ClassificationTask.build_data(recipe).test.labels
    assert samples["targets"].tolist() == [labels[0], labels[len(labels) // 3], labels[2 * len(labels) // 3]]
    mistaken = samples["mistakes/run/prediction"]
    assert len(mistaken) == len(samples["mistakes/run/inputs"]) == 3
    assert (mistaken.argmax(1) != samples["mistakes/run/targets"]).all()
    assert (np.diff(mistaken.max(1)) <= 0).all()


def test_a_resumed_run_has_the_losses_of_an_uninterrupted_one(tmp_path, tiny_classifier, losses, monkeypatch):
    recipe = tiny_classifier(trainer={"epochs": 3, "ema_decay": 0.9, "checkpoint_every_steps": 2})
    train(recipe, tmp_path / "whole", progress=False)
    original = ClassificationTask.losses
    done = itertools.count()

    def cut(self, batch, part):
        if next(done) == 7:
            raise KeyError("power cut")
        return original(self, batch, part)

    monkeypatch.setattr(ClassificationTask, "losses", cut)
    with pytest.raises(KeyError, match=r"power cut"):
        train(recipe, tmp_path / "part", progress=False)
    monkeypatch.undo()
    train(recipe, tmp_path / "part", resume=True, progress=False)
    assert losses(tmp_path / "part") == losses(tmp_path / "whole")
    first, second = (json.loads((tmp_path / name / "scores.json").read_text()) for name in ("whole", "part"))
    assert first["rows"][0]["metrics"] == second["rows"][0]["metrics"]


def test_bf16_and_gradient_checkpointing_run(tmp_path, tiny_classifier):
    recipe = tiny_classifier(trainer={"epochs": 1, "precision": "bf16", "grad_checkpointing": True})
    assert train(recipe, tmp_path / "run", progress=False)["rows"][0]["metrics"]["cross_entropy"] < 3


@pytest.mark.slow
def test_compiled_training_has_the_losses_of_eager(tmp_path, tiny_classifier, losses):
    changes = {"drop_path": {"rate": 0.0}, "model": {"args": {"dims": [8], "depths": [1], "patch_size": 4}}}
    train(tiny_classifier(**changes, trainer={"epochs": 1}), tmp_path / "eager", progress=False)
    train(tiny_classifier(**changes, trainer={"epochs": 1, "compile": True}), tmp_path / "compiled", progress=False)
    eager, compiled = losses(tmp_path / "eager"), losses(tmp_path / "compiled")
    assert compiled == pytest.approx(eager, rel=1e-3)


def test_fine_tuning_on_other_classes_keeps_all_but_the_head(tmp_path, tiny_classifier):
    recipe = tiny_classifier(trainer={"epochs": 1})
    args = {**recipe.model.args, "img_size": (8, 8), "num_classes": 4}
    start = subband.create_model("gfnet_ti", **args)
    subband.save_model(start, tmp_path / "start")
    still = {"lr": 1e-12, "weight_decay": 0.0, "schedule": "constant"}
    recipe = tiny_classifier(model={"weights": str(tmp_path / "start")}, optim=still, trainer={"epochs": 1})
    train(recipe, tmp_path / "run", progress=False)
    tuned = subband.load_model(tmp_path / "run").state_dict()
    for name, value in start.state_dict().items():
        if not name.startswith("head."):
            torch.testing.assert_close(tuned[name], value, atol=1e-6, rtol=0)
    assert tuned["head.weight"].shape[0] == 10


def test_a_checkpoint_with_another_head_is_refused(tmp_path, tiny_classifier):
    recipe = tiny_classifier()
    subband.save_model(subband.create_model("gfnet_ti", **recipe.model.args, img_size=8, num_classes=4), tmp_path / "m")
    with pytest.raises(ValueError, match=r"m tells 4 classes apart, but the data has 10; fine-tune it"):
        evaluate(recipe, tmp_path / "m", tmp_path / "scores")


def test_a_checkpoint_of_other_classes_is_refused(tmp_path, tiny_classifier):
    recipe = tiny_classifier()
    model = subband.create_model("gfnet_ti", **recipe.model.args, img_size=8, num_classes=10)
    subband.save_model(model, tmp_path / "m", metadata={"classes": list("abcdefghij")})
    with pytest.raises(ValueError, match=r"trained with other classes than the data has: 'a', not '0'"):
        evaluate(recipe, tmp_path / "m", tmp_path / "scores")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": [{"name": "mse"}]}, r"loss must be cross_entropy, with gate beside it.*, got mse"),
        ({"loss": [{"name": "gate"}]}, r"loss must be cross_entropy, with gate beside it.*, got gate"),
        (
            {"loss": [{"name": "cross_entropy"}, {"name": "gate"}]},
            r"gate is for networks with a gate, which gfnet_ti has",
        ),
        (
            {"loss": [{"name": "cross_entropy"}, {"name": "gate", "args": {"a": 1}}]},
            r"gate has no argument 'a'; it takes a",
        ),
        ({"loss": [{"name": "cross_entropy", "args": {"smooth": 1}}]}, r"cross_entropy has no argument 'smooth'"),
        ({"loss": [{"name": "cross_entropy", "args": {"label_smoothing": 1}}]}, r"must lie in \[0, 1\), got 1"),
        ({"model": {"args": {"num_classes": 7}}}, r"num_classes is 7, but the data has 10 classes"),
        ({"model": {"name": "tau", "args": {}}}, r"model 'tau' is for video_prediction"),
        ({"drop_path": {"mode": "late", "rate": None}}, r"drop_path.mode has no effect without drop_path.rate"),
        ({"model": {"name": "dct_resnet50", "args": {}}}, r"'dct_resnet50' has no stochastic depth"),
        ({"optim": {"schedule": "onecycle", "per_epoch": True}}, r"per_epoch is for optim.schedule cosine or steps"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(tmp_path, tiny_classifier, changes, message):
    with pytest.raises(ValueError, match=message):
        train(tiny_classifier(**changes), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_accuracy_is_that_of_torchmetrics(rng):
    logits, labels = torch.randn(200, 12, generator=rng), torch.randint(12, (200,), generator=rng)
    hits = top_hits(logits, labels)
    for name, k in (("top1", 1), ("top5", 5)):
        wanted = multiclass_accuracy(logits, labels, 12, average="micro", top_k=k)
        assert hits[name].float().mean().item() == pytest.approx(wanted.item())
    row = scores(logits, labels, tuple(map(str, range(12))))
    wanted = multiclass_accuracy(logits, labels, 12, average="none")
    assert list(row["per_class"].values()) == pytest.approx(wanted.tolist())
    assert row["confusion"] == multiclass_confusion_matrix(logits, labels, 12).tolist()


def test_many_classes_have_no_confusion_table():
    names = tuple(map(str, range(101)))
    assert "confusion" not in scores(torch.eye(101), torch.arange(101), names)
    assert "confusion" in scores(torch.eye(101)[:, :100], torch.arange(101).clamp(max=99), names[:100])


def test_the_loss_of_mixtures_is_that_of_soft_targets(rng):
    """timm, whose training script the published classifiers use, builds smoothed targets and mixes those."""
    images, labels = torch.rand(8, 3, 16, 16, generator=rng), torch.randint(12, (8,), generator=rng)
    logits = torch.randn(8, 12, generator=rng)

    class Task:
        options = loss_options(
            [LossTerm(name="cross_entropy", args={"label_smoothing": 0.1, "mixup": 0.8, "cutmix": 1.0})]
        )

        def _logits(self, images):
            return logits, None

    for seed in range(8):  # Mixup and CutMix
        torch.manual_seed(seed)
        loss = ClassificationTask.losses(Task(), (images, labels), "model").terms["cross_entropy"]
        torch.manual_seed(seed)
        share = mix_images(images, labels, mixup=0.8, cutmix=1.0)[2]
        wanted = SoftTargetCrossEntropy()(logits, mixup_target(labels, 12, lam=share, smoothing=0.1))
        assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)


@pytest.mark.parametrize("mode", ["early", "late"])
def test_stochastic_depth_may_change_during_training(tmp_path, tiny_classifier, monkeypatch, mode):
    seen = []
    original = ClassificationTask.losses

    def watch(self, batch, part):
        seen.append(self.model.levels[0][-1].drop_path.rate)
        return original(self, batch, part)

    monkeypatch.setattr(ClassificationTask, "losses", watch)
    recipe = tiny_classifier(drop_path={"rate": 0.25, "mode": mode, "cutoff_epochs": 1})
    train(recipe, tmp_path / "run", progress=False)
    first, second = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    assert (set(first), set(second)) == (({0.25}, {0.0}) if mode == "early" else ({0.0}, {0.25}))


@pytest.mark.parametrize(("monitor", "best"), [("val_top1", 1), ("val_loss", 0)])
def test_the_best_weights_are_those_that_the_monitor_says(tmp_path, tiny_classifier, monkeypatch, monitor, best):
    state = {"cut": True}

    def note(self):
        state["epoch"] = self.current_epoch
        if state["epoch"] == 2 and state["cut"]:
            raise KeyError("power cut")

    def validate(self, batch):
        epoch = state["epoch"]
        return {"top1": torch.tensor([0.2, 0.9, 0.5][epoch]), "loss": torch.tensor(float(epoch))}

    monkeypatch.setattr(ClassificationTask, "validate", validate)
    monkeypatch.setattr(TrainingModule, "on_train_epoch_start", note)
    recipe = tiny_classifier(trainer={"epochs": 3, "monitor": monitor})
    with pytest.raises(KeyError, match=r"power cut"):
        train(recipe, tmp_path / "run", progress=False)
    state["cut"] = False
    train(recipe, tmp_path / "run", resume=True, progress=False)  # knows what was best before
    assert torch.load(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)["epoch"] == best


def test_in_evaluation_mode_nothing_is_dropped(tmp_path, tiny_classifier, losses, monkeypatch):
    modes = []
    original = ClassificationTask.losses

    def watch(self, batch, part):
        modes.append(self.model.training or self.model.levels[0][0].drop_path.training)
        return original(self, batch, part)

    monkeypatch.setattr(ClassificationTask, "losses", watch)
    dropping = {"drop_path": {"rate": 0.9}, "trainer": {"eval_mode": True, "epochs": 2}}
    train(tiny_classifier(**dropping), tmp_path / "eval", progress=False)
    assert modes
    assert not any(modes)
    train(tiny_classifier(drop_path={"rate": 0.0}, trainer={"epochs": 2}), tmp_path / "plain", progress=False)
    assert losses(tmp_path / "eval") == losses(tmp_path / "plain")


def test_a_gate_is_paid_for_and_its_choice_is_scored(tmp_path, tiny_classifier, table):
    terms = [{"name": "cross_entropy"}, {"name": "gate", "weight": 20.0}]
    recipe = tiny_classifier(**GATED, loss=terms, optim={"lr": 3e-2})
    row = train(recipe, tmp_path / "run", progress=False)["rows"][0]
    assert len(row["kept_channels"]) == 192
    assert all(0 <= share <= 1 for share in row["kept_channels"])
    log = table(tmp_path / "run")
    kept = [float(line["train_kept"]) for line in log if line["train_kept"]]
    prices = [float(line["train_gate"]) for line in log if line["train_gate"]]
    assert prices == pytest.approx([20 * share for share in kept], rel=1e-5)
    assert kept[0] > 0.8
    assert kept[-1] < kept[0]
    again = evaluate(recipe, tmp_path / "run", tmp_path / "again")["rows"][0]
    assert again["kept_channels"] == row["kept_channels"]
    assert [float(line["val_kept"]) for line in log if line["val_kept"]][-1] == pytest.approx(
        np.mean(row["kept_channels"]), abs=0.1
    )


def test_a_gate_goes_through_torch_compile(tmp_path, tiny_classifier, monkeypatch):
    compiled = []

    def spy(function):  # that compiling works is tested with the models; here, that it is asked for
        compiled.append(function.__name__)
        return function

    monkeypatch.setattr(torch, "compile", spy)
    train(tiny_classifier(**GATED, trainer={"epochs": 1, "compile": True}), tmp_path / "run", progress=False)
    assert compiled == ["forward_gated"]


def test_a_gate_without_a_price_trains_too(tmp_path, tiny_classifier):
    recipe = tiny_classifier(**GATED, loss=[{"name": "cross_entropy"}], trainer={"epochs": 1, "ema_decay": 0.9})
    assert "kept_channels" in train(recipe, tmp_path / "run", progress=False)["rows"][0]


def test_the_network_knows_how_its_images_were_normalized(tiny_classifier):
    recipe = tiny_classifier(**GATED)
    spec = ClassificationTask.build_data(recipe).spec
    args = ClassificationTask.build_model(recipe, spec).model_config["args"]
    assert (args["mean"], args["std"]) == (spec.preprocessing.mean, spec.preprocessing.std)
    recipe.model.args["mean"] = [0.1, 0.2, 0.3]
    assert ClassificationTask.build_model(recipe, spec).model_config["args"]["mean"] == (0.1, 0.2, 0.3)
