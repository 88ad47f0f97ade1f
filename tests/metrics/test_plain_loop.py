"""A network is scored in a plain loop: a module, batches and metrics, no Lightning."""

import subprocess
import sys

import pytest

VIDEO = """
import sys
import torch
from torch import nn
from subband.data import ClipSpec
from subband.metrics.video import FramePSNR, VideoPredictionMetrics


class LastFrame(nn.Module):
    def forward(self, clip):
        return clip[:, -1:].expand(-1, 3, -1, -1, -1)


spec = ClipSpec(in_frames=2, out_frames=3, channels=1, height=16, width=16)
model, metrics, one = LastFrame().eval(), VideoPredictionMetrics(spec), FramePSNR(spec)
for batch in (2, 1):
    inputs = torch.full((batch, 2, 1, 16, 16), 0.5)
    prediction = model(inputs)
    metrics.update(prediction, prediction + 0.1)
    one.update(prediction, prediction + 0.1)
assert abs(metrics.compute()["psnr"] - 20) < 1e-4
assert abs(one.compute().item() - 20) < 1e-4
assert one.higher_is_better
"""

CLASSIFICATION = """
import sys
import torch
from torch import nn
from subband.metrics.classification import classification_metrics

model, metrics = nn.Sequential(nn.Flatten(), nn.Identity()).eval(), classification_metrics(8)
for batch in (8, 6):
    labels = torch.arange(batch)
    images = 9 * torch.eye(8)[(labels + (labels == 3).long()).remainder(8)].view(batch, 1, 2, 4)
    metrics.update(model(images), labels)
scores = metrics.compute()
assert scores["top1"].item() == 12 / 14
assert sorted(scores) == ["cross_entropy", "top1", "top5"]
"""


@pytest.mark.parametrize("code", [VIDEO, CLASSIFICATION], ids=["video", "classification"])
def test_scoring_works_without_lightning(code: str) -> None:
    check = "assert not {'lightning', 'pytorch_lightning'} & {*sys.modules}, 'Lightning was imported'"
    run = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
