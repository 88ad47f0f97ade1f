"""From a folder per class to a trained classifier and its scores, by commands alone."""

import json
import os
import signal

import pytest
import torch
import yaml

from subband.cli.main import main
from subband.media.images import write_image
from subband.tasks.classification.task import ClassificationTask

SMALL = {
    "task": "classification",
    "model": {"name": "gfnet_ti", "args": {"dims": [8], "depths": [1], "patch_size": 4}},
    "data": {"name": "image_folder", "batch_size": 4, "num_workers": 1, "args": {"path": "images", "img_size": 16}},
    "loss": [{"name": "cross_entropy"}],
    "optim": {"name": "adamw", "lr": 1e-2, "schedule": "constant"},
    "trainer": {"epochs": 4, "device": "cpu", "tensorboard": False},
}


def test_folder_to_scores(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, level in (("dark", 0.1), ("light", 0.9)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(12):
            write_image(tmp_path / "images" / name / f"{number}.png", torch.full((3, 20, 24), level + number / 200))
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL))
    assert main(["train", "small.yaml", "--out", "run", "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "images, test set: 4 images, 2 classes" in shown
    assert "subband report run" in shown
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert scores["rows"][0]["metrics"]["top1"] == 1.0
    assert scores["data"]["classes"] == ["dark", "light"]
    assert main(["evaluate", "run", "--out", "again"]) == 0
    assert "Top-1" in capsys.readouterr().out
    assert main(["report", "run", "again", "--out", "both.html"]) == 0
    page = (tmp_path / "both.html").read_text()
    assert "2 models on images" in page
    assert "100.00" in page
    again = json.loads((tmp_path / "again" / "scores.json").read_text())
    assert again["rows"][0]["metrics"] == scores["rows"][0]["metrics"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["2024", "a: b", "null", "http_x", os.fsdecode(b"caf\xe9 $x^2$\n")])
def test_folders_of_runs_and_data_bear_any_name(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    for number in range(16):
        folder = tmp_path / "data" / name / ("0", os.fsdecode(b"\xe9"))[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{number}.png", torch.full((3, 9, 9), number / 24))
    monkeypatch.chdir(tmp_path / "data")
    recipe = SMALL | {"trainer": SMALL["trainer"] | {"epochs": 1, "tensorboard": True}}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(recipe))
    run = os.path.join("..", name)
    assert main(["train", "../small.yaml", "--out", run, "--quiet", "--data.args.path", name]) == 0
    assert ("is no UTF-8, which TensorBoard needs" in capsys.readouterr().err) == name.startswith("caf")
    longer = ["train", os.path.join(run, "config.yaml"), "--out", run, "--resume", "--trainer.epochs", "2", "--quiet"]
    assert main(longer) == 0
    assert yaml.safe_load((tmp_path / name / "config.yaml").read_text())["data"]["args"]["path"] == os.path.abspath(
        name
    )
    assert main(["evaluate", run]) == 0
    assert main(["report", run, "--out", os.path.join("..", f"{name}.html")]) == 0
    assert main(["classify", os.path.join(name, "0"), "--model", run]) == 0


def test_data_with_other_classes_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number in range(24):
        folder = tmp_path / "images" / ("cat", "dog", "owl")[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{number}.png", torch.full((3, 9, 9), number / 24))
    recipe = SMALL | {"data": {"name": "image_folder", "args": {"path": "images", "img_size": 8}}}
    (tmp_path / "animals.yaml").write_text(yaml.safe_dump(recipe))
    assert main(["evaluate", "gfnet_digits", "--recipe", "animals.yaml", "--out", "scores"]) == 2
    error = capsys.readouterr().err
    assert "tells 10 classes apart, but the data has 3; fine-tune it on this data first" in error
    assert len(error.splitlines()) == 1
    assert not any(tmp_path.rglob("scores.json"))


def train_small(tmp_path, monkeypatch, out):
    for number in range(24):
        folder = tmp_path / "project" / "images" / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{number}.png", torch.rand(3, 20, 24))
    monkeypatch.chdir(tmp_path / "project")
    small = {**SMALL, "data": {**SMALL["data"], "num_workers": 0}, "trainer": {**SMALL["trainer"], "epochs": 1}}
    (tmp_path / "project" / "small.yaml").write_text(yaml.safe_dump(small))
    return main(["train", "small.yaml", "--out", out, "--quiet"])


def test_a_run_finds_its_data_from_another_folder(tmp_path, monkeypatch, capsys):
    assert train_small(tmp_path, monkeypatch, "runs/a") == 0
    project, run = tmp_path / "project", tmp_path / "project" / "runs" / "a"
    settings = yaml.safe_load((run / "config.yaml").read_text())
    assert settings["data"]["args"]["path"] == str(project / "images")
    assert str(tmp_path) not in (run / "model" / "config.json").read_text()  # weights are there to be passed on
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "project/runs/a", "--out", "again", "--device", "cpu"]) == 0
    resume = ["train", "project/runs/a/config.yaml", "--out", "project/runs/a", "--resume", "--quiet"]
    capsys.readouterr()
    assert main(resume) == 0
    assert "nothing to resume in project/runs/a: it has all of its 1 epochs" in capsys.readouterr().err
    assert main([*resume, "--trainer.epochs", "2"]) == 0
    assert yaml.safe_load((run / "config.yaml").read_text())["trainer"]["epochs"] == 2
    # A run of before stored what was given.
    settings["data"]["args"]["path"] = "images"
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    capsys.readouterr()
    assert main(["evaluate", "project/runs/a", "--out", "old", "--device", "cpu"]) == 0
    assert f"data.args.path of project/runs/a is images; taken from {project}" in capsys.readouterr().err
    # Data that has moved.
    (project / "images").rename(project / "pictures")
    assert main(["evaluate", "project/runs/a", "--out", "none"]) == 2
    error = capsys.readouterr().err
    assert "images, which project/runs/a/config.yaml names; if the data has moved, say where it is" in error
    assert error.count("\n") == 1


def test_a_cut_off_test_image_costs_neither_the_run_nor_the_scores(tmp_path, monkeypatch, capsys):
    images = tmp_path / "project" / "images"
    for split in ("train", "val"):
        for number in range(12):
            folder = images / split / ("cat", "dog")[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            write_image(folder / f"{number}.png", torch.rand(3, 20, 24))
    bad = images / "val" / "dog" / "3.png"
    bad.write_bytes(bad.read_bytes()[:300])
    monkeypatch.chdir(tmp_path / "project")
    (tmp_path / "project" / "small.yaml").write_text(
        yaml.safe_dump({**SMALL, "trainer": {"epochs": 1, "device": "cpu"}})
    )
    assert main(["train", "small.yaml", "--out", "run", "--quiet"]) == 0
    error = capsys.readouterr().err
    assert error.startswith(
        "subband: warning: left out 1 of 12 samples: images/val/dog/3.png cannot be read as an image"
    )
    assert error.count("\n") == 1
    assert json.loads((tmp_path / "project" / "run" / "scores.json").read_text())["data"]["images"] == 11


def test_a_signal_while_the_scores_are_measured_says_how_to_get_them(tmp_path, monkeypatch, capsys):
    measure = ClassificationTask.evaluate
    monkeypatch.setattr(ClassificationTask, "evaluate", lambda *args: signal.raise_signal(signal.SIGTERM))
    assert train_small(tmp_path, monkeypatch, "run") == 143
    command = "subband train run/config.yaml --out run --resume"
    assert capsys.readouterr().err == f"subband: interrupted; what was trained is saved, go on with: {command}\n"
    weights = tmp_path / "project" / "run" / "model" / "model.safetensors"
    before = weights.read_bytes()
    monkeypatch.setattr(ClassificationTask, "evaluate", measure)
    assert main(["train", "run/config.yaml", "--out", "run", "--resume", "--quiet"]) == 0
    assert (tmp_path / "project" / "run" / "scores.json").is_file()
    assert weights.read_bytes() == before
