"""From a folder per class to a trained classifier and its scores, by commands alone."""

import json

import torch
import yaml

from subband.cli.main import main
from subband.media.images import write_image

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
