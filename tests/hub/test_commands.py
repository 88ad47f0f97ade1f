"""The Hub on command lines: `subband push`, and `hf:user/name` where a model is asked for."""

import re
from pathlib import Path

import pytest
import torch

import subband
from subband.cli.main import main
from subband.media.images import write_image

REPOSITORY = "me/pets"


def refused(capsys, *words):
    assert main([str(word) for word in words]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    return line


@pytest.fixture
def run(model, tmp_path, monkeypatch):
    """A folder to work in, with a run that has a model, and a photograph."""
    monkeypatch.chdir(tmp_path)
    subband.save_model(model, "run/model", metadata={key: model.metadata[key] for key in ("classes", "scores")})
    write_image(tmp_path / "photo.png", torch.rand(3, 8, 8))
    return tmp_path / "run"


def test_a_trial_asks_nobody(hub, run, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_TOKEN")
    words = ["push", "run", REPOSITORY, "--license", "mit", "--dry-run"]
    assert main([*words, "--out", "shown"]) == 0
    out = capsys.readouterr().out
    assert "license: mit\nlibrary_name: subband" in out
    assert "model.safetensors: 8,492 bytes" in out
    assert out.endswith("written to shown; nothing was uploaded.\n")
    assert sorted(path.name for path in (run.parent / "shown").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    assert subband.load_model("shown").metadata["license"] == "mit"
    assert "shown is not empty" in refused(capsys, *words, "--out", "shown")
    assert main([*words, "--private"]) == 0
    said = capsys.readouterr()
    assert "--private has no effect with --dry-run" in said.err
    assert said.out.endswith("\nnothing was uploaded.\n")
    assert not hub.asked


def test_from_a_run_to_a_result(hub, run, capsys):
    assert main(["push", "run", REPOSITORY, "--license", "mit", "--private", "--revision", "v1"]) == 0
    name = capsys.readouterr().out.strip()
    assert name == f"hf:{REPOSITORY}@{hub.repositories[REPOSITORY].refs['v1']}"
    assert main(["classify", "photo.png", "--model", name, "--device", "cpu", "--out", "hub.csv"]) == 0
    assert main(["classify", "photo.png", "--model", "run", "--device", "cpu", "--out", "run.csv"]) == 0
    assert (run.parent / "hub.csv").read_text() == (run.parent / "run.csv").read_text()
    assert main(["info", f"hf:{REPOSITORY}@v1", "--repeats", "1"]) == 0
    assert "already holds README.md" in refused(
        capsys, "push", "run", REPOSITORY, "--license", "mit", "--revision", "v1"
    )


def test_what_does_not_go(hub, run, files, capsys):
    assert "under which licence" in refused(capsys, "push", "run", REPOSITORY)
    assert "no model at nothing" in refused(capsys, "push", "nothing", REPOSITORY, "--license", "mit")
    hub.put(REPOSITORY, files)
    source = f"hf:{REPOSITORY}"
    line = refused(capsys, "detect", "photo.png", "--model", source)
    assert "hf:me/pets is for classification, not a detector" in line
    line = refused(capsys, "classify", "photo.png", "--model", source, "--set", "num_classes=4")
    assert "--set changes a model name such as wast, but hf:me/pets holds weights" in line
    line = refused(capsys, "classify", "photo.png", "--model", source, "--checkpoint", "x.pth")
    assert "--checkpoint goes with a model name such as" in line
    line = refused(capsys, "evaluate", source, "--data.args.path", ".")
    assert "hf:me/pets is no folder to write into; name one with --out" in line
    assert "the Hub has no repository me/cats" in refused(capsys, "classify", "photo.png", "--model", "hf:me/cats")
    assert "names no repository of the Hub" in refused(capsys, "classify", "photo.png", "--model", "hf:pets")


def test_the_page_tells_the_truth(hub, files, capsys):
    commit = hub.put("user/name", files)
    hub.repositories["user/name"].refs["v1"] = commit
    page = Path(__file__).parents[2] / "docs" / "hub.md"
    (block,) = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    exec(compile(block, "hub.md", "exec"), {})
    assert capsys.readouterr().out.strip() == commit


def test_training_starts_from_the_hub(hub, files):
    from subband.training.start import start_from

    hub.put(REPOSITORY, files)
    model = subband.load_model(f"hf:{REPOSITORY}")
    fresh = subband.create_model("gfnet_ti", **model.model_config["args"])
    start_from(fresh, f"hf:{REPOSITORY}")
    pairs = zip(fresh.state_dict().values(), model.state_dict().values(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)
