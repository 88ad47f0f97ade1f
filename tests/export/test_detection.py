"""Detectors as ONNX files: the objects of the network at two sizes, in a fixed number of rows."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

import subband
from subband.cli.main import main
from subband.export.detection import export_detector
from subband.export.onnx import OnnxFile

GFNET = {"dims": (8, 8, 8, 8), "depths": (1, 1, 1, 1), "img_size": 64}


@pytest.fixture
def network(tiny_detector) -> Callable[..., Any]:
    """Builds a detector that finds nothing at places without pixels."""

    def build(**options: Any) -> Any:
        model = tiny_detector(**options)
        for head in model.heads.box_heads:
            torch.nn.init.constant_(head.classify.bias[3:], 3.0)
        model.metadata = {"classes": ["a", "b", "c"]}
        return model

    return build


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, (64, 128)),
        ({}, (128, 64)),
        (
            {
                "family": "cascade",
                "with_masks": False,
                "keep_empty": True,
                "backbone": "gfnet_h_ti",
                "backbone_args": GFNET,
            },
            (64, 64),
        ),
    ],
)
def test_objects_of_the_file_are_those_of_the_network(network, tmp_path, rng, options, size):
    model = network(**options)
    subband.save_model(model, tmp_path / "model", metadata=model.metadata)
    words = ["export", tmp_path / "model", "--height", size[0], "--width", size[1], "--out", tmp_path / "net.onnx"]
    assert main([str(word) for word in words]) == 0
    file = OnnxFile(tmp_path / "net.onnx")
    assert json.loads(file.facts["classes"]) == ["a", "b", "c"]
    other = torch.randn(1, 3, *size, generator=rng)  # the graph is not that of its example
    results = file.all_results(other)
    with torch.no_grad():
        (wanted,) = model(other)
    count = int((results[1] > 0).sum())
    assert count == len(wanted.boxes) > 5
    assert [len(part) for part in results] == [100] * (4 if model.with_masks else 3)
    assert results[2][:count].tolist() == wanted.labels.tolist()
    torch.testing.assert_close(results[0][:count], wanted.boxes, rtol=0, atol=0.02)
    torch.testing.assert_close(results[1][:count], wanted.scores, rtol=0, atol=1e-4)
    if wanted.mask_probs is not None:
        torch.testing.assert_close(results[3][:count], wanted.mask_probs, rtol=0, atol=5e-3)


def test_one_image_at_a_time(network, tmp_path):
    for images, is_dynamic in ((torch.zeros(2, 3, 64, 64), False), (torch.zeros(1, 3, 64, 64), True)):
        with pytest.raises(ValueError, match="one image at a time; leave out --batch and --dynamic-batch"):
            export_detector(network(), images, tmp_path / "net.onnx", dynamic_batch=is_dynamic)
