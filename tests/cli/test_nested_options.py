"""Options below the arguments of a data set change one value of a mapping, with its type."""

import pytest
import yaml

from subband.cli.main import main
from subband.cli.nested_options import take_nested
from subband.config import read_recipe

RECIPE = "restoration/ablation_ftdeblur"


def test_other_values_of_the_mapping_stay(capsys):
    words = ["--data.args.blur.speed", "16", "--data.args.blur.exposure=[0.2, 9e-1]", "--print-config"]
    assert main(["train", RECIPE, *words]) == 0
    blur = yaml.safe_load(capsys.readouterr().out)["data"]["args"]["blur"]
    assert blur == {**read_recipe(RECIPE)["data"]["args"]["blur"], "speed": 16, "exposure": [0.2, 0.9]}
    assert isinstance(blur["speed"], int)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data.args.blur.speed"], "--data.args.blur.speed needs a value"),
        (["--data.args.blur.speed", "--quiet"], "--data.args.blur.speed needs a value"),
        (["--data.args.blur.speed", "[1"], "--data.args.blur.speed: '[1' is not a YAML value"),
        (["--data.arg.blur.speed", "1"], "unknown option --data.arg.blur.speed; did you mean --data.args?"),
        (["--data.args.blur.sped", "1", "--data.args.num_train", "2"], "blur has no setting 'sped'"),
    ],
)
def test_what_is_wrong_is_said(words, message, capsys, tmp_path):
    assert main(["train", RECIPE, "--out", str(tmp_path / "run"), *words]) == 2
    assert message in capsys.readouterr().err


def test_of_a_command_without_such_arguments_all_words_are_left():
    words = ["run", "--data.args.blur.speed", "-1", "--out=x"]
    assert take_nested(words, ["--out"]) == (words, {})
    assert take_nested(words, ["--data.args"]) == (["run", "--out=x"], {"data.args": {"blur": {"speed": -1}}})
