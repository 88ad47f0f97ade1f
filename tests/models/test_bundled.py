"""The weights inside the package do what their card says."""

import pytest
import torch

import subband
from subband.config import build_recipe
from subband.models._checkpoint import BUNDLED_FOLDER, bundled_models
from subband.tasks.video_prediction import VideoPredictionTask


def test_there_is_a_default_model_of_the_predict_command():
    assert "wast_photos" in bundled_models()


@pytest.mark.parametrize("name", bundled_models())
def test_bundled_weights_are_small_and_documented(name):
    size = sum(path.stat().st_size for path in (BUNDLED_FOLDER / name).iterdir())
    assert size < 4 * 2**20
    metadata = subband.load_model(name).metadata
    assert {"recipe", "training", "scores", "environment"} <= set(metadata)
    assert {"seed", "steps", "train_seconds"} <= set(metadata["training"])
    assert {"date", "hardware", "commit", "command"} <= set(metadata["environment"])


def test_the_default_model_beats_persistence_on_photographs_it_never_saw():
    import yaml

    model = subband.load_model("wast_photos")
    recipe = build_recipe(yaml.safe_load(model.metadata["recipe"]))
    recipe.data.args["num_test"] = 16
    data = VideoPredictionTask.build_data(recipe)
    inputs, targets = data.test.batch(list(range(16)))
    with torch.inference_mode():
        prediction = model.predict(inputs, targets.shape[1])
    error = (prediction - targets).square().mean()
    persistence = (inputs[:, -1:] - targets).square().mean()
    assert error < 0.7 * persistence
