"""From a folder of footage to a trained model, its scores, a report and a prediction, by commands alone."""

import json

import torch
import yaml

from subband.cli.main import main
from subband.config import list_recipes, load_recipe
from subband.media.video import probe, write_clip

SMALL = {
    "task": "video_prediction",
    "model": {"name": "simvp_gsta", "args": {"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2, "mlp_ratio": 1.0}},
    "data": {
        "name": "video_folder",
        "batch_size": 2,
        "args": {
            "path": "footage",
            "in_frames": 3,
            "out_frames": 3,
            "img_size": 16,
            "gray": True,
            "clips_per_video": 2,
        },
    },
    "trainer": {"epochs": 1, "device": "cpu"},
}


def make_footage(folder):
    folder.mkdir()
    for number in range(6):
        shift = torch.arange(12).reshape(-1, 1, 1, 1)
        ramp = torch.arange(24).reshape(1, 1, 1, -1)
        frames = 0.5 + 0.4 * torch.sin((ramp + (number + 1) * shift) / 4).expand(12, 3, 20, 24)
        write_clip(folder / f"clip{number}.mp4", frames, fps=10)


def test_every_recipe_passes_the_command_as_it_is(tmp_path, capsys):
    for name in list_recipes():
        assert main(["train", name, "--print-config"]) == 0, name
        file = tmp_path / "recipe.yaml"
        file.write_text(capsys.readouterr().out)
        assert load_recipe(file) == load_recipe(name), name


def test_footage_to_prediction(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_footage(tmp_path / "footage")
    (tmp_path / "footage" / "notes.txt").write_text("no video")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(SMALL))

    assert main(["train", "recipe.yaml", "--out", "run", "--quiet", "--optim.lr", "0.002"]) == 0, capsys.readouterr()
    shown = capsys.readouterr()
    assert "persistence" in shown.out
    assert "subband report run" in shown.out
    assert shown.err.count("\n") == 1
    assert shown.err.startswith("subband: warning: left out 1 of 7 files")
    assert "notes.txt" in shown.err
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["optim"]["lr"] == 0.002

    assert main(["evaluate", "run", "--out", "again", "--device", "cpu"]) == 0
    first, again = (json.loads((tmp_path / name / "scores.json").read_text()) for name in ("run", "again"))
    assert first["rows"][0]["metrics"] == again["rows"][0]["metrics"]

    assert main(["report", "run", "--out", "page.html"]) == 0
    assert "persistence" in (tmp_path / "page.html").read_text()

    assert main(["predict", "footage/clip0.mp4", "--model", "run", "--num-frames", "5", "--out", "future.mp4"]) == 0
    assert probe(tmp_path / "future.mp4").num_frames == 5

    capsys.readouterr()
    assert main(["train", "recipe.yaml", "--out", "run", "--quiet"]) == 2
    assert "run already holds a run; use --resume to go on, --overwrite to replace it" in capsys.readouterr().err


def test_an_unwritable_run_folder_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["train", "video_prediction/wast_digits", "--out", str(tmp_path / "file" / "run"), "--quiet"]) == 2
    assert "Not a directory" in capsys.readouterr().err


def test_an_option_that_every_stage_has_of_its_own_is_refused(tmp_path, capsys):
    stages = [{"name": name, "settings": {"trainer": {"epochs": 1}}} for name in ("first", "second")]
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({**SMALL, "stages": stages}))
    words = ["train", str(recipe), "--out", str(tmp_path / "run")]
    assert main([*words, "--trainer.epochs", "7"]) == 2
    assert f"trainer.epochs is 7, but every stage has its own; change that of a stage, in the stages of {recipe}" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "run").exists()
    assert main(["train", str(recipe), "--print-config", "--trainer.epochs", "1", "--optim.lr", "0.5"]) == 0


def test_missing_footage_is_named(tmp_path, capsys):
    words = ["train", "video_prediction/wast_footage", "--data.args.path", str(tmp_path / "none"), "--quiet"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    assert str(tmp_path / "none") in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
