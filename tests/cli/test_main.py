import os
import subprocess
import sys
from pathlib import Path

import pytest

from subband.cli.main import COMMANDS, main


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(command, capsys):
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"usage: subband {command}" in text
    assert f"\n  subband {command}" in text, "an example on a line of its own"


def test_the_overview_names_every_command(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {command} " in text for command in COMMANDS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "unknown command 'trian'; did you mean train?"),
        (["train"], "name a recipe first"),
        (["train", "video_prediction/wast_digit"], "closest: video_prediction/wast_digits"),
        (["train", "video_prediction/wast_digits", "--optim.lrr", "3"], "did you mean --optim.lr?"),
        (["train", "video_prediction/wast_digits", "--optim.lr", "fast"], "optim.lr"),
        (["evaluate", "no_such_run"], "no_such_run holds no config.yaml"),
        (["benchmark", "sped"], "unknown benchmark 'sped'"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(words, message, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("subband: error: ")
    assert error.count("\n") == 1


def test_print_config_shows_the_resolved_recipe_and_does_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "video_prediction/wast_digits", "--optim.lr", "0.25", "--print-config"]) == 0
    assert "lr: 0.25" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_recipes_are_listed(capsys):
    assert main(["train", "--list"]) == 0
    assert "video_prediction/wast_digits" in capsys.readouterr().out.splitlines()


def test_the_version_in_a_process():
    command = [sys.executable, "-m", "subband.cli.main", "--version"]
    version = subprocess.run(command, capture_output=True, text=True, check=True)
    assert version.stdout.startswith("subband 0.")


def test_a_reader_that_leaves_early_gets_no_message():
    writer = subprocess.Popen(
        [sys.executable, "-m", "subband.cli.main", "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    writer.stdout.close()
    assert writer.stderr.read() == b""
    assert writer.wait(timeout=120) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written_is_one_sentence():
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    for words in (["--version"], ["info", "gfnet_digits"]):
        with open("/dev/full", "w") as full:
            command = [sys.executable, "-m", "subband.cli.main", *words]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment)
        assert (done.returncode, done.stderr) == (2, "subband: error: standard output: No space left on device.\n")
