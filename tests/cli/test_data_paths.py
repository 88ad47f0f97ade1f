"""Paths in recipes and on the command line are texts, whatever YAML makes of them."""

import pytest
import yaml

from subband.cli.main import main
from subband.config import build_recipe, stage_recipes

RECIPE = {
    "task": "classification",
    "model": {"name": "gfnet_ti"},
    "data": {"name": "image_folder", "args": {"img_size": 16}},
}


@pytest.fixture
def printed(tmp_path, capsys):
    """The settings that `train` prints for a recipe and options."""

    def read(recipe, *options):
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        assert main(["train", str(tmp_path / "recipe.yaml"), *options, "--print-config"]) == 0
        return yaml.safe_load(capsys.readouterr().out)

    return read


def test_a_path_may_be_called_anything_everywhere_in_a_recipe(printed, case):
    for name in ("2024", "null", "~", "#x", "&a", "a: b", "[x]"):
        settings = {"data": {"args": {"path": name}}, "model": {"weights": name}}
        stages = [{"name": "first", "settings": settings}, {"name": "second"}]
        model = {**RECIPE["model"], "weights": name, "teacher": name}
        data = {**RECIPE["data"], "args": {"path": name}}
        recipe = {**RECIPE, "model": model, "data": data, "stages": stages}
        with case(name):
            assert printed(recipe)["stages"][0]["settings"] == settings
            weights = [] if name == "null" else [f"--model.teacher={name}"]  # null is no weights there
            for found in (printed(recipe), printed(RECIPE, *weights, "--data.args.path", name)):
                assert found["data"]["args"]["path"] == name
                assert found["model"]["teacher"] == (name if weights or found["stages"] else None)
            first = stage_recipes(build_recipe(recipe))["first"]
            assert (first.data.args["path"], first.model.weights, first.model.teacher) == (name,) * 3


def test_arguments_given_as_a_whole_replace_the_path_of_the_recipe(printed):
    recipe = {
        **RECIPE,
        "data": {**RECIPE["data"], "args": {"path": "old"}},
        "model": {"name": "gfnet_ti", "weights": "w"},
    }
    assert printed(recipe, "--data.args", "{path: new}", "--model.weights=null")["data"]["args"] == {"path": "new"}
    assert printed(recipe, "--model.weights=null")["model"]["weights"] is None
    assert printed(recipe, "--data.args", "{path: new}", "--data.args.path", "newer")["data"]["args"]["path"] == "newer"


def test_a_number_for_a_path_is_refused_with_what_helps(tmp_path, capsys):
    assert main(["evaluate", "gfnet_digits", "--data.args", "{path: 2024}", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        "subband: error: argument 'path' of data set 'image_folder' must be str, got 2024; "
        "a text that looks like something else needs quotes\n"
    )


def test_weights_beside_those_of_the_recipe_are_given_ones(tmp_path, capsys):
    recipe = {**RECIPE, "model": {"name": "gfnet_ti", "weights": "old"}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert main(["train", str(tmp_path / "recipe.yaml"), "--resume", "--model.weights", "new"]) == 2
    assert "--model.weights is where a fresh run starts from" in capsys.readouterr().err
