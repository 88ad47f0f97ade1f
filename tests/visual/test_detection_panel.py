"""The image of one explained detection."""

import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from subband.data.detection.preprocessing import DetectionPreprocessing
from subband.explain.detection import DetectionDrop, DetectionExplanation
from subband.models.detection.results import Detections
from subband.visual.detection_panel import EVERYWHERE, INSIDE, detection_panel, draw_scores

PREPARE = DetectionPreprocessing(short_side=48, long_side=64)
COLOR = (0.2, 0.8, 0.4)


def explanation(level=1, **scores):
    names = [f"LL{level}", *(f"{band}{number}" for number in range(level, 0, -1) for band in ("LH", "HL", "HH"))]
    boxes = torch.tensor([[10.0, 8, 30, 40], [50, 30, 70, 60]])
    inputs = PREPARE.normalize(torch.tensor(COLOR)[:, None, None].expand(3, 48, 64))
    drops = [DetectionDrop(name, *scores.get(name, (0.8, 0.8))) for name in names]
    found = Detections(boxes, torch.tensor([0.9, 0.8]), torch.tensor([0, 1]), None)
    variants = dict.fromkeys(names, inputs)
    return DetectionExplanation(found=found, index=1, drops=drops, variants=variants), inputs


@pytest.mark.parametrize("level", [1, 5])
def test_the_photograph_its_object_and_the_scores_are_there(level):
    one, inputs = explanation(level)
    png = detection_panel(one, inputs, PREPARE, classes=("cat", "dog $x$"), name="photo.png", facts="net")
    image = np.array(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    assert image.shape[1] == 1893
    assert (image[[0, -1]] == 255).all(), "the paper is white"
    colors = set((image.reshape(-1, 3) @ (65536, 256, 1)).tolist())
    wanted = [int(color[1:], 16) for color in (EVERYWHERE, INSIDE)]
    assert {*wanted, 0x33CC66} <= colors


def test_bars_have_the_height_of_the_scores():
    axes = Figure().add_subplot()
    one, _ = explanation(LL1=(0.0, 0.5), HH1=(0.7, 0.85))
    draw_scores(axes, one)
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == pytest.approx([0.0, 0.8, 0.8, 0.7, 0.5, 0.8, 0.8, 0.85])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["LL1", "LH1", "HL1", "HH1"]
    assert axes.lines[0].get_ydata() == pytest.approx([0.8, 0.8])
    assert axes.get_ylim()[1] > 0.85
    assert one.decisive.name == "LL1"
