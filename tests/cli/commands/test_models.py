"""`subband models`."""

import json
import subprocess
import sys

import pytest
import torch

from subband import create_model, list_models, load_model
from subband.cli.commands.models import model_rows
from subband.cli.main import main
from subband.models.complexity import count_parameters
from subband.models.model_folder import bundled_models


@pytest.fixture(scope="module")
def rows() -> dict[str, dict]:
    return {row["name"]: row for row in model_rows()}


def listed(capsys: pytest.CaptureFixture, *words: str) -> list[dict]:
    assert main(["models", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_lists_the_models(capsys, rows):
    assert listed(capsys, "tau*") == [row for name, row in rows.items() if name.startswith("tau")]
    assert listed(capsys, "tau*", "--task", "video_prediction") == listed(capsys, "tau*")


def test_every_model_is_listed(rows):
    assert list(rows) == list_models()
    assert all(row["paper"] and row["task"] for row in rows.values())


def test_parameter_counts_are_those_of_real_networks(rows):
    assert rows["tau_taxibj"]["parameters"] == count_parameters(create_model("tau_taxibj")) == 9_545_442
    assert rows["tau_taxibj"]["loads_published"]
    assert rows["persistence"]["parameters"] == 0
    assert not rows["persistence"]["loads_published"]


def test_published_parameter_counts(rows):
    expected = {
        "simvp_gsta": 46_769_665,
        "simvp_incepu": 57_946_113,
        "tau": 44_656_001,
        "wast": 28_183_141 - 4_000,  # without the published layer scales that nothing reads
        "wsfvit_video": 37_571_249,
    }
    assert {name: rows[name]["parameters"] for name in expected} == expected


def test_models_are_built_on_the_meta_device():
    with torch.device("meta"):
        for name in ("persistence", "simvp_gsta", "simvp_incepu", "tau", "wast", "wast_seed", "wsfvit_video"):
            assert all(parameter.is_meta for parameter in create_model(name).parameters()), name


def test_bundled_weights_load_as_the_model_they_stand_beside(rows):
    assert sorted(weights for row in rows.values() for weights in row["bundled"]) == bundled_models()
    for name, row in rows.items():
        for weights in row["bundled"]:
            assert load_model(weights).model_config["name"] == name


def test_table_and_pattern(capsys):
    assert main(["models", "simvp_gsta"]) == 0
    out = capsys.readouterr().out
    assert "46,769,665" in out
    assert "[1] Tan et al." in out
    assert "wast" not in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["zebra*"], "no model matches 'zebra*'"), (["--task", "cooking"], "--task must be one of")],
)
def test_mistakes_are_one_sentence(capsys, words, sentence):
    assert main(["models", *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.splitlines()) == 1


@pytest.mark.slow
def test_in_a_process_of_its_own():
    command = [sys.executable, "-m", "subband.cli.main", "models", "tau*"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert "44,656,001" in result.stdout
    assert result.stderr == ""
