"""Training and scoring of classifiers, on a slice of scikit-learn's digits."""

import json

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix

import subband
from subband.config import build_recipe, merge
from subband.tasks.classification import ClassificationTask, scores, top_hits
from subband.tasks.training import evaluate, train

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


def test_a_resumed_run_has_the_losses_of_an_uninterrupted_one(tmp_path, tiny_classifier, losses, monkeypatch):
    recipe = tiny_classifier(trainer={"epochs": 3, "ema_decay": 0.9, "checkpoint_every_steps": 2})
    train(recipe, tmp_path / "whole", progress=False)
    original = ClassificationTask.loss_terms

    def cut(self, batch):
        if self.trainer.global_step == 7:
            raise KeyError("power cut")
        return original(self, batch)

    monkeypatch.setattr(ClassificationTask, "loss_terms", cut)
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
    changes = {"drop_path": {"rate": 0.0}}
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
        ({"loss": [{"name": "mse"}]}, r"loss must be one term, cross_entropy, got mse"),
        ({"loss": [{"name": "cross_entropy", "args": {"smooth": 1}}]}, r"cross_entropy has no argument 'smooth'"),
        ({"loss": [{"name": "cross_entropy", "args": {"label_smoothing": 1}}]}, r"must lie in \[0, 1\), got 1"),
        ({"model": {"args": {"num_classes": 7}}}, r"num_classes is 7, but the data has 10 classes"),
        ({"model": {"name": "tau", "args": {}}}, r"model 'tau' is for video_prediction"),
        ({"drop_path": {"mode": "late"}}, r"drop_path.mode must be standard for classification, got late"),
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
