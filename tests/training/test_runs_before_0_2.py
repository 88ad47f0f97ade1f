"""Run folders, models and states to resume from that were written before the rooms of 0.2 (commit f0a7764)."""

import json
import shutil

import pytest
import torch

import subband
from subband.config import load_recipe
from subband.training.loop import evaluate, train
from subband.visual.report.page import write_report

TASKS = ("classification", "video_prediction")


def computed(row):
    return {name: value for name, value in row["metrics"].items() if value is not None}


@pytest.fixture(params=TASKS)
def old(request, golden):
    return golden / "before_0_2" / request.param


def test_an_old_run_scores_and_reports_as_it_did(old, tmp_path):
    recipe = load_recipe(old / "whole" / "config.yaml")
    known = json.loads((old / "whole" / "scores.json").read_text())["rows"][0]
    found = evaluate(recipe, old / "whole", tmp_path / "again")["rows"][0]
    assert computed(found) == pytest.approx(computed(known), rel=1e-5)
    assert subband.load_model(old / "whole").metadata["training"]["steps"] == known["steps"]
    page = write_report([old / "whole"], tmp_path / "page.html").read_text()
    assert "Scores" in page
    assert "Training" in page


def test_an_old_state_goes_on_with_the_losses_of_the_uninterrupted_run(old, tmp_path, losses):
    shutil.copytree(old / "part", tmp_path / "part")
    state = torch.load(tmp_path / "part" / "checkpoints" / "last.ckpt", weights_only=True)
    step = state["global_step"]
    scores = train(load_recipe(old / "part" / "config.yaml"), tmp_path / "part", resume=True, progress=False)
    whole, part = losses(old / "whole"), losses(tmp_path / "part")
    assert 0 < step < len(whole)
    assert part == pytest.approx(whole, rel=1e-5)
    known = json.loads((old / "whole" / "scores.json").read_text())["rows"][0]
    assert computed(scores["rows"][0]) == pytest.approx(computed(known), rel=1e-4)
