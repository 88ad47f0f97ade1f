"""The stand-ins for torchvision's compiled operators, and what importing the package does to torchvision."""

import importlib.util
import math
import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from subband._torchvision import _loads_compiled_library, nms, register_fallback_ops, roi_align


def run_python(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.slow
def test_torchvision_lightning_and_torchmetrics_import_after_subband():
    code = """
import sys, subband
assert "torch" not in sys.modules
assert "torchvision" not in sys.modules
import torchmetrics, torchvision, lightning
import torchvision.models.detection
print("imported")
"""
    assert run_python(code) == "imported"


@pytest.mark.slow
def test_torchvision_operators_run_and_agree_with_ours():
    code = """
import torch, subband, torchvision
from subband._torchvision import enable_fallback_kernels, nms, roi_align
from subband.layers.deform_conv import deform_conv2d
enable_fallback_kernels()
enable_fallback_kernels()
torch.manual_seed(0)
boxes = torch.rand(50, 2) * 20
boxes = torch.cat([boxes, boxes + 1 + torch.rand(50, 2) * 10], 1)
scores = torch.rand(50)
assert torchvision.ops.nms(boxes, scores, 0.3).equal(nms(boxes, scores, 0.3))
x = torch.rand(2, 4, 16, 16)
rois = torch.cat([torch.arange(50)[:, None] % 2, boxes], 1)
torch.testing.assert_close(
    torchvision.ops.roi_align(x, rois, (3, 2), 0.5, 2, True), roi_align(x, rois, 0.5, 3, 2, 2, True))
offset, mask = torch.randn(2, 36, 14, 14), torch.rand(2, 18, 14, 14)
weight, bias = torch.randn(6, 4, 3, 3), torch.rand(6)
torch.testing.assert_close(
    torchvision.ops.deform_conv2d(x, offset, weight, bias, mask=mask),
    deform_conv2d(x, offset, weight, bias=bias, mask=mask),
    rtol=1e-4, atol=1e-4)
print("agree")
"""
    assert run_python(code) == "agree"


def test_nothing_is_defined_when_torchvision_is_already_imported(monkeypatch):
    monkeypatch.setattr("subband._torchvision._library", None)
    monkeypatch.setitem(sys.modules, "torchvision", object())
    register_fallback_ops()
    assert sys.modules["subband._torchvision"]._library is None


def test_nothing_is_defined_without_torchvision(monkeypatch):
    monkeypatch.setattr("subband._torchvision._library", None)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    register_fallback_ops()
    assert sys.modules["subband._torchvision"]._library is None


def test_a_library_that_cannot_be_opened_counts_as_missing(tmp_path):
    assert not _loads_compiled_library(tmp_path)
    (tmp_path / "_C.so").write_bytes(b"not a library")
    assert not _loads_compiled_library(tmp_path)


def brute_force_nms(boxes: Tensor, scores: Tensor, threshold: float) -> list[int]:
    def overlap(a: list[float], b: list[float]) -> float:
        width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
        height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
        union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
        return width * height / union

    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: -scores[i].item()):
        if all(overlap(boxes[index].tolist(), boxes[other].tolist()) <= threshold for other in kept):
            kept.append(index)
    return kept


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_nms_matches_brute_force(rng, threshold):
    corners = torch.rand(300, 2, generator=rng, dtype=torch.float64) * 40
    boxes = torch.cat([corners, corners + 1 + 15 * torch.rand(300, 2, generator=rng, dtype=torch.float64)], dim=1)
    scores = torch.rand(300, generator=rng, dtype=torch.float64)
    assert nms(boxes, scores, threshold).tolist() == brute_force_nms(boxes, scores, threshold)


def test_nms_edge_cases():
    empty = nms(torch.empty(0, 4), torch.empty(0), 0.5)
    assert empty.dtype == torch.int64
    assert empty.shape == (0,)
    box = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    assert nms(box.repeat(3, 1), torch.tensor([0.5, 0.5, 0.5]), 0.5).tolist() == [0], "equal scores keep their order"
    halves = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.0]])
    assert nms(halves, torch.tensor([0.1, 0.9]), 0.5).tolist() == [1, 0], "exactly at the threshold is kept"
    assert nms(torch.zeros(2, 4), torch.tensor([0.1, 0.9]), 0.5).tolist() == [1, 0], "boxes without area are kept"
    with pytest.raises(ValueError, match="boxes"):
        nms(torch.zeros(2, 5), torch.zeros(2), 0.5)


def naive_roi_align(
    x: Tensor, rois: Tensor, scale: float, pooled: tuple[int, int], ratio: int, aligned: bool
) -> Tensor:
    """Every sample of every bin by the four-neighbor rule, in Python floats."""
    height, width = x.shape[-2:]
    out = x.new_zeros(len(rois), x.shape[1], *pooled)

    def read(image: Tensor, row: float, column: float) -> Tensor:
        if not (-1 <= row <= height and -1 <= column <= width):
            return image.new_zeros(image.shape[0])
        row, column = min(max(row, 0.0), height - 1.0), min(max(column, 0.0), width - 1.0)
        top, left = int(row), int(column)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        down, across = row - top, column - left
        upper = image[:, top, left] * (1 - across) + image[:, top, right] * across
        lower = image[:, bottom, left] * (1 - across) + image[:, bottom, right] * across
        return upper * (1 - down) + lower * down

    for k, (index, *corners) in enumerate(rois.tolist()):
        left, top, right, bottom = (c * scale - (0.5 if aligned else 0.0) for c in corners)
        sizes = [bottom - top, right - left]
        if not aligned:
            sizes = [max(size, 1.0) for size in sizes]
        grid = [ratio if ratio > 0 else math.ceil(size / p) for size, p in zip(sizes, pooled, strict=True)]
        if 0 in grid:
            continue  # a box without area has no samples
        for i in range(pooled[0]):
            for j in range(pooled[1]):
                rows = [top + (i + (s + 0.5) / grid[0]) * sizes[0] / pooled[0] for s in range(grid[0])]
                columns = [left + (j + (s + 0.5) / grid[1]) * sizes[1] / pooled[1] for s in range(grid[1])]
                samples = [read(x[int(index)], row, column) for row in rows for column in columns]
                out[k, :, i, j] = torch.stack(samples).mean(0)
    return out


ROIS = [
    [0, 1.0, 2.0, 9.0, 11.0],
    [1, 0.3, 0.2, 3.7, 20.5],
    [1, -6.0, -3.0, 5.0, 8.0],  # reaches beyond the map: far samples are zero, near ones read the border
    [0, 10.0, 9.0, 30.0, 13.0],
    [0, 4.2, 4.4, 4.6, 4.5],  # smaller than a pixel
    [1, 3.0, 2.0, 3.0, 9.0],  # without width
]


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [2, 3, -1])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_roi_align_matches_the_sampling_rule(rng, aligned, ratio, scale):
    x = torch.rand(2, 3, 12, 10, generator=rng, dtype=torch.float64)
    rois = torch.tensor(ROIS, dtype=torch.float64)
    ours = roi_align(x, rois, scale, 3, 2, ratio, aligned)
    torch.testing.assert_close(ours, naive_roi_align(x, rois, scale, (3, 2), ratio, aligned), rtol=0, atol=1e-12)


def test_roi_align_gradients(rng):
    x = torch.rand(2, 2, 6, 5, generator=rng, dtype=torch.float64, requires_grad=True)
    rois = torch.tensor([[1, 0.5, 1.0, 4.0, 4.4], [0, -3.0, 0.0, 3.2, 9.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: roi_align(x, rois, 0.9, 2, 3, -1, True), x)


def test_roi_align_without_boxes_stays_in_the_graph():
    x = torch.rand(1, 2, 4, 4, requires_grad=True)
    out = roi_align(x, torch.empty(0, 5), 1.0, 3, 2, 2, False)
    assert out.shape == (0, 2, 3, 2)
    out.sum().backward()
    assert x.grad.eq(0).all()


def test_roi_align_keeps_half_precision():
    x = torch.rand(1, 2, 8, 8).bfloat16()
    rois = torch.tensor([[0, 1.0, 1.0, 6.0, 5.0]]).bfloat16()
    out = roi_align(x, rois, 1.0, 2, 2, 2, True)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), roi_align(x.float(), rois.float(), 1.0, 2, 2, 2, True), rtol=0, atol=4e-3)


def test_whole_image_box_with_one_sample_per_pixel_is_average_pooling(rng):
    x = torch.rand(1, 2, 8, 8, generator=rng)
    out = roi_align(x, torch.tensor([[0, 0.0, 0.0, 8.0, 8.0]]), 1.0, 2, 2, 4, True)
    torch.testing.assert_close(out, F.avg_pool2d(x, 4), rtol=0, atol=1e-6)
