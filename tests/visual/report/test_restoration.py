"""The report of restored video, from run folders made of moving blobs, blurred and sharpened copies of them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from subband.metrics import RestorationMetrics, SubbandEnergy
from subband.visual.colors import series_styles
from subband.visual.report.page import write_report
from subband.visual.report.restored_clips import clip_cards
from subband.visual.report.runs import Samples
from subband.visual.report.samples import merge_samples


def blobs(shift: float) -> np.ndarray:
    """`(2, 8, 3, 40, 48)` uint8: discs that move."""
    y, x = np.mgrid[:40, :48]
    frames = np.zeros((2, 8, 3, 40, 48))
    for clip, frame in np.ndindex(2, 8):
        for radius, speed in ((6, 1.0), (9, -0.5)):
            distance = np.hypot(y - 18 - clip, x - 24 - speed * (frame + shift))
            frames[clip, frame] += np.clip(radius - distance, 0, 1) * np.array([0.9, 0.4, 0.2])[:, None, None]
    return np.round(255 * frames.clip(0, 1)).astype(np.uint8)


def mixed(sharp: np.ndarray, share: float) -> np.ndarray:
    """A mean with neighboring pixels."""
    around = sum(np.roll(sharp.astype(float), step, -1) for step in (-2, -1, 0, 1, 2)) / 5
    return np.round(share * around + (1 - share) * sharp).astype(np.uint8)


def row(name: str, clips: np.ndarray, sharp: np.ndarray, degraded: np.ndarray) -> dict:
    metrics, energies = RestorationMetrics(), SubbandEnergy()
    tensors = [torch.from_numpy(array / 255).float() for array in (clips, sharp, degraded)]
    metrics.update(*tensors)
    energies.update(*tensors[:2])
    return {
        "name": name,
        "parameters": 0,
        "metrics": metrics.compute(),
        "per_frame": metrics.per_frame(),
        **energies.compute(),
    }


@pytest.fixture
def make_restored(tmp_path):
    def make(name: str, share: float, *, frames: int | None = 8) -> Path:
        sharp = blobs(0)
        degraded = mixed(sharp, 1.0)
        predictions = {name: mixed(sharp, share), "identity": degraded}
        facts = {"name": "blurred_photos", "split": "test", "clips": 2, "frames": frames, "height": 40, "width": 48}
        scores = {
            "task": "restoration",
            "data": {**facts, "past_frames": 0, "future_frames": 0},
            "rows": [row(key, clips, sharp, degraded) for key, clips in predictions.items()],
            "environment": {"date": "2026-11-21", "hardware": "a small machine"},
        }
        folder = tmp_path / name
        folder.mkdir()
        (folder / "scores.json").write_text(json.dumps(scores))
        arrays = {f"prediction/{key}": clips for key, clips in predictions.items()}
        np.savez_compressed(folder / "samples.npz", inputs=degraded, targets=sharp, **arrays)
        return folder

    return make


def text_of(page: Path) -> str:
    return re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8"))


def test_page_of_two_networks(make_restored, tmp_path):
    page = write_report([make_restored("good", 0.2), make_restored("poor", 0.9)], tmp_path / "page.html")
    words = text_of(page)
    gain = {
        name: json.loads((tmp_path / name / "scores.json").read_text())["rows"][0]["metrics"]["psnr_gain"]
        for name in ("good", "poor")
    }
    assert f"good {gain['good']:.2f} dB better, poor {gain['poor']:.2f} dB better" in words
    assert gain["good"] > gain["poor"] + 5
    for heading in ("Scores", "Restored clips", "Frame by frame", "Frequencies"):
        assert heading in words
    assert re.search(r"back with\s+good\s*: along the columns .*, along the rows .*, diagonal", words)
    assert not re.search(r"back with\s+identity", words)
    assert re.search(r"good\s+has \d+\s% of the sharp clips’ energy in hh, the degraded frames \d+\s%", words)
    assert "PSNR (VD-Diff)" in words
    assert "not computed" in words  # LPIPS
    html = page.read_text(encoding="utf-8")
    assert html.count("image/apng") >= 2
    assert 'src="http' not in html


def test_several_sizes_and_lengths(make_restored, tmp_path):
    words = text_of(write_report([make_restored("good", 0.2, frames=None)], tmp_path / "page.html"))
    assert re.search(r"Frames\s+several lengths", words)


def test_a_worse_network_is_called_so(make_restored, tmp_path):
    folder = make_restored("good", 0.2)
    scores = json.loads((folder / "scores.json").read_text())
    scores["rows"][0]["metrics"]["psnr_gain"] = -0.4
    (folder / "scores.json").write_text(json.dumps(scores))
    assert "good 0.40 dB worse" in text_of(write_report([folder], tmp_path / "page.html"))


def test_clips_show_degraded_restored_and_sharp_frames_in_that_order():
    sharp = blobs(0)
    samples = Samples(
        inputs=mixed(sharp, 1.0), targets=sharp, predictions={"unet": mixed(sharp, 0.2), "identity": mixed(sharp, 1.0)}
    )
    html = str(clip_cards(samples, series_styles(["unet", "identity"])))
    heads = re.findall(r'<div class="heads">(.*?)</div>', html, re.S)[0]
    assert re.search(r"degraded, \d+\.\d\d\sdB.*unet.*, \d+\.\d\d\sdB.*sharp", heads, re.S)
    assert "restored by unet" in html
    assert "identity" not in html


def test_runs_on_the_same_clips_share_their_images(make_restored):
    from subband.visual.report.runs import read_runs

    runs = read_runs([make_restored("good", 0.2), make_restored("poor", 0.9)])
    (merged,) = merge_samples(runs)
    assert list(merged.predictions) == ["good", "poor", "identity"]
