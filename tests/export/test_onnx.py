"""ONNX files: what they say, what they compute, and files that are none."""

import json

import pytest
import torch

from subband import create_model
from subband.export.onnx import OnnxFile, export_onnx, stored_facts, tensor_names


def test_files_that_are_no_graphs_are_named(tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "text.onnx").write_text("mine")
    with pytest.raises(ValueError, match=r"onnxruntime does not take text\.onnx: "):
        OnnxFile(tmp_path / "text.onnx")


def test_the_file_says_its_own_size():
    model = create_model("gfnet_ti", img_size=32)
    model.metadata = {"preprocessing": {"size": [32, 32], "crop_ratio": 0.9}, "classes": ["a", "b"], "seed": 3}
    facts = stored_facts(model, torch.zeros(1, 3, 64, 48))
    assert json.loads(facts["preprocessing"]) == {"size": [64, 48], "crop_ratio": 0.9}
    assert json.loads(facts["classes"]) == ["a", "b"]
    assert set(facts) == {"model", "subband_version", "preprocessing", "classes"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamic_batch", [False, True])
def test_the_file_computes_what_the_network_does(tmp_path, dynamic_batch):
    pytest.importorskip("onnxruntime")
    model = create_model("gfnet_ti", dims=(8,), depths=(1,), patch_size=4, img_size=16, num_classes=3).eval()
    path = tmp_path / "model.onnx"
    assert export_onnx(model, torch.rand(2, 3, 16, 16), path, dynamic_batch=dynamic_batch) < 1e-5
    file = OnnxFile(path)
    assert file.facts["model"] == "gfnet_ti"
    images = torch.rand(5 if dynamic_batch else 2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(file(images), model(images), rtol=1e-4, atol=1e-5)


def test_tensors_are_called_by_what_they_are():
    with torch.device("meta"):
        assert tensor_names(create_model("gfnet_ti")) == ("images", "logits")
        assert tensor_names(create_model("gfnet_ti", num_classes=0)) == ("images", "features")
        assert tensor_names(create_model("persistence")) == ("frames", "prediction")
