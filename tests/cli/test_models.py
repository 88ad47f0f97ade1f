"""`subband models`."""

import json
import subprocess
import sys

import pytest
import torch

from subband import create_model, list_models, load_model
from subband.cli.main import main
from subband.models._complexity import count_parameters


def listed(capsys: pytest.CaptureFixture, *words: str) -> list[dict]:
    assert main(["models", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_lists_every_model(capsys):
    rows = listed(capsys)
    assert [row["name"] for row in rows] == list_models()
    assert all(row["paper"] and row["task"] for row in rows)


def test_parameter_counts_are_those_of_real_networks(capsys):
    (row,) = listed(capsys, "tau_taxibj")
    assert row["parameters"] == count_parameters(create_model("tau_taxibj")) == 9_545_442
    assert row["loads_published"]
    (row,) = listed(capsys, "persistence")
    assert row["parameters"] == 0
    assert not row["loads_published"]


def test_published_parameter_counts(capsys):
    counts = {row["name"]: row["parameters"] for row in listed(capsys)}
    expected = {
        "simvp_gsta": 46_769_665,
        "simvp_incepu": 57_946_113,
        "tau": 44_656_001,
        "wast": 28_183_141 - 4_000,  # without the published layer scales that nothing reads
        "wsfvit_video": 37_571_249,
    }
    assert {name: counts[name] for name in expected} == expected


def test_every_model_is_built_on_the_meta_device():
    with torch.device("meta"):
        for name in list_models():
            assert all(p.is_meta for p in create_model(name).parameters()), name


def test_bundled_weights_are_named_and_load(capsys):
    rows = listed(capsys)
    for weights in [weights for row in rows for weights in row["bundled"]]:
        model = load_model(weights)
        (row,) = (row for row in rows if weights in row["bundled"])
        assert model.model_config["name"] == row["name"]


def test_table_and_pattern(capsys):
    assert main(["models", "simvp*"]) == 0
    out = capsys.readouterr().out
    assert "46,769,665" in out
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
