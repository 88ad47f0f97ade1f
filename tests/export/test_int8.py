"""Integer files: which images they are calibrated on, and graphs that cannot be prepared."""

import pytest
import torch

from subband import create_model, load_model
from subband.data import build_data
from subband.export.int8 import _prepared, calibration_batches, calibration_inputs
from subband.media.images import write_image


@pytest.fixture
def digits(tmp_path):
    """Images of digits in folders, and images of the same kind that are not among them."""
    data = build_data("digits", {}, seed=0)
    prepare, folder = data.spec.preprocessing, tmp_path / "digits"
    for index in range(60):
        image, label = data.val[index]
        (folder / str(int(label))).mkdir(parents=True, exist_ok=True)
        write_image(folder / str(int(label)) / f"{index}.png", prepare.denormalize(image).clamp(0, 1))
    return folder, data.test


def test_batches_for_calibration_are_whole_and_from_all_over_the_folder(digits):
    folder, _ = digits
    batches = calibration_batches(lambda image: image, folder, batch=8, limit=30)
    assert [tuple(batch.shape) for batch in batches] == [(8, 3, 8, 8)] * 3
    everything = calibration_batches(lambda image: image, folder, batch=1, limit=1000)
    assert len(everything) == 60
    places = [next(i for i, other in enumerate(everything) if other[0].equal(image)) for image in torch.cat(batches)]
    assert places[0] == 0
    assert places[-1] > 50
    with pytest.raises(ValueError, match="holds 60 photographs, fewer than a batch of 61"):
        calibration_batches(lambda image: image, folder, batch=61, limit=1)


def test_graphs_that_cannot_be_prepared_are_taken_as_they_are(tmp_path, monkeypatch):
    shape_inference = pytest.importorskip("onnxruntime.quantization.shape_inference")

    def fail(*_):
        raise Exception("Incomplete symbolic shape inference")

    monkeypatch.setattr(shape_inference, "quant_pre_process", fail)
    assert _prepared(tmp_path / "float.onnx", tmp_path / "prepared.onnx") == tmp_path / "float.onnx"


def test_images_are_prepared_for_the_size_of_the_example(digits):
    pytest.importorskip("onnxruntime")
    folder, _ = digits
    batches = calibration_inputs(load_model("gfnet_digits"), folder, torch.zeros(4, 3, 16, 8), limit=9)
    assert [tuple(batch.shape) for batch in batches] == [(4, 3, 16, 8)] * 2
    with pytest.raises(TypeError, match="must be a classifier"):
        calibration_inputs(create_model("persistence"), folder, torch.zeros(1, 10, 1, 64, 64), limit=9)
