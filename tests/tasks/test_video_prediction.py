import pytest
import torch

from subband.losses import harm_loss
from subband.tasks.video_prediction import VideoPredictionTask
from subband.training.loop import train


def test_harm_compares_predictions_with_the_last_frame(tiny):
    recipe = tiny(loss=[{"name": "mse"}, {"name": "harm", "weight": 2.0, "args": {"eps": 1e-4}}])
    data = VideoPredictionTask.build_data(recipe)
    task = VideoPredictionTask(recipe, VideoPredictionTask.build_model(recipe, data.spec), data.spec)
    task.model.eval()
    inputs, targets = data.train.batch([0, 1])
    prediction = task.model.predict(inputs, data.spec.out_frames)
    wanted = 2 * harm_loss(prediction, targets, inputs[:, -1:].expand_as(targets), eps=1e-4)
    terms = task.losses((inputs, targets), "model").terms
    torch.testing.assert_close(terms["harm"], wanted)
    assert terms["harm"] > 0
    torch.testing.assert_close(terms["mse"], torch.nn.functional.mse_loss(prediction, targets))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ([{"name": "mse"}, {"name": "mse"}], "loss 'mse' is named twice"),
        ([{"name": "harm", "args": {"eps": 0}}], "eps of loss 'harm' must be a positive number, got 0"),
        ([{"name": "harm", "args": {"k": 2}}], "loss 'harm' has no argument 'k'; it takes eps"),
    ],
)
def test_what_does_not_fit_is_said_before_training(loss, message, tiny, tmp_path):
    with pytest.raises((ValueError, TypeError), match=message):
        train(tiny(loss=loss), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
