import dataclasses

import pytest
import yaml

from subband.config import (
    RecipeConfig,
    build_recipe,
    find_recipe,
    flatten,
    load_recipe,
    merge,
    read_recipe,
    recipe_text,
)

MINIMAL = {"task": "video_prediction", "model": {"name": "wast"}, "data": {"name": "moving_digits"}}


def write(path, settings):
    path.write_text(yaml.safe_dump(settings))
    return path


def test_recipes_share_nothing_with_those_built_before():
    """Not with one that was changed afterwards, and not with one that was refused."""
    wanted = recipe_text(build_recipe(MINIMAL))
    changed = build_recipe(MINIMAL)
    changed.loss[0].args["channels"] = 1
    changed.loss.append(changed.loss[0])
    changed.stages.append(changed.loss[0])
    changed.model.args["img_size"] = changed.data.args["img_size"] = 64
    changed.optim.lr = changed.trainer.epochs = 7
    with pytest.raises(ValueError, match="lr"):
        build_recipe({**MINIMAL, "seed": 3, "optim": {"lr": "fast"}})
    assert recipe_text(build_recipe(MINIMAL)) == wanted


def test_a_resolved_recipe_reads_back_unchanged(tmp_path):
    recipe = build_recipe({**MINIMAL, "loss": [{"name": "mse"}, {"name": "l1", "weight": 0.5, "args": {}}]})
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe_text(recipe))
    assert load_recipe(path) == recipe
    assert isinstance(recipe.loss[1], type(recipe.loss[0]))
    assert recipe.optim.betas == (0.9, 0.999)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"optimm": {}}, "did you mean optim?"),
        ({"optim": {"learning_rate": 1}}, "unknown key 'optim.learning_rate'"),
        ({"trainer": {"epoch": 3}}, "did you mean epochs?"),
        ({"loss": [{"nme": "mse"}]}, "unknown key 'loss[0].nme'; did you mean name?"),
    ],
)
def test_an_unknown_key_names_the_closest_one(tmp_path, change, words):
    path = write(tmp_path / "r.yaml", {**MINIMAL, **change})
    with pytest.raises(ValueError, match="unknown key") as error:
        read_recipe(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "change", [{"optim": {"lr": "fast"}}, {"trainer": {"epochs": 1.5}}, {"optim": {"schedule": "linear"}}]
)
def test_a_wrong_type_is_refused(change):
    with pytest.raises(ValueError, match=r"Expected|expected|invalid"):
        build_recipe({**MINIMAL, **change})


def test_base_gives_what_the_recipe_leaves_out(tmp_path):
    write(tmp_path / "base.yaml", {**MINIMAL, "optim": {"lr": 0.5, "grad_clip": 1.0}})
    path = write(tmp_path / "r.yaml", {"base": str(tmp_path / "base.yaml"), "optim": {"lr": 0.25}})
    recipe = load_recipe(path, {"optim": {"grad_clip": 2.0}})
    assert (recipe.optim.lr, recipe.optim.grad_clip, recipe.model.name) == (0.25, 2.0, "wast")


def test_base_of_a_base_is_refused(tmp_path):
    write(tmp_path / "a.yaml", {"base": "x.yaml"})
    path = write(tmp_path / "b.yaml", {"base": str(tmp_path / "a.yaml")})
    with pytest.raises(ValueError, match="one level is the limit"):
        read_recipe(path)


def test_another_name_starts_with_its_own_arguments():
    below = {"model": {"name": "wast", "args": {"encoder_dim": 4}}}
    assert merge(below, {"model": {"name": "tau"}}) == {"model": {"name": "tau"}}
    assert merge(below, {"model": {"args": {"levels": 2}}})["model"]["args"] == {"encoder_dim": 4, "levels": 2}


def test_flatten_keeps_free_arguments_whole():
    assert flatten({"a": {"b": 1, "args": {"c": 2}}}) == {"a.b": 1, "a.args": {"c": 2}}
    assert flatten({"optim": {"lr_factors": {"alignment.": 0.25}}}) == {"optim.lr_factors": {"alignment.": 0.25}}


def test_unknown_recipe_names_close_ones():
    with pytest.raises(FileNotFoundError, match="wast_digits"):
        find_recipe("video_prediction/wast_digit")


@pytest.mark.parametrize("text", ["- 1", "a: [", "model: 3\ntask: x\ndata: {name: y}"])
def test_a_file_that_is_no_recipe_is_refused(tmp_path, text):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"r\.yaml"):
        read_recipe(path)


def test_every_field_explains_itself():
    import ast
    import inspect

    import subband.config

    for node in ast.parse(inspect.getsource(subband.config)).body:
        if isinstance(node, ast.ClassDef):
            body = node.body[1:]  # after the class docstring
            for field, text in zip(body[::2], body[1::2], strict=True):
                assert isinstance(field, ast.AnnAssign)
                assert isinstance(text.value, ast.Constant), f"{node.name}.{field.target.id} has no docstring line"
    assert dataclasses.is_dataclass(RecipeConfig)
