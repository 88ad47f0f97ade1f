"""Scores of restored clips: means over frames or clips, the gain, the bands, and what is not computed."""

import math

import pytest
import torch

from subband.metrics import RESTORATION_METRICS, RestorationMetrics, psnr, psnr_vddiff, ssim
from subband.transforms import dwt2, idwt2


@pytest.fixture
def clips(rng):
    """Two batches of other sizes and lengths: sharp and blurred."""
    sharp = [torch.rand(1, 3, 3, 16, 24, generator=rng), torch.rand(1, 2, 3, 20, 12, generator=rng)]
    return [(clip, 0.6 * clip + 0.2) for clip in sharp]


def test_means_over_frames_and_over_clips(clips):
    metrics = RestorationMetrics()
    frames, by_clip = [], []
    for sharp, blurred in clips:
        restored = 0.9 * sharp + 0.05
        metrics.update(restored, sharp, blurred)
        frames += list(zip(restored[0], sharp[0], blurred[0], strict=True))
        by_clip.append(psnr_vddiff(restored, sharp).mean())
    scores = metrics.compute()
    mean = sum(psnr(a, b).item() for a, b, _ in frames) / 5
    before = sum(psnr(c, b).item() for _, b, c in frames) / 5
    assert scores["psnr"] == pytest.approx(mean, rel=1e-5)
    assert scores["psnr_gain"] == pytest.approx(mean - before, rel=1e-4)
    assert scores["ssim"] == pytest.approx(sum(ssim(a, b).item() for a, b, _ in frames) / 5, rel=1e-5)
    assert scores["psnr_vddiff"] == pytest.approx(torch.stack(by_clip).mean().item(), rel=1e-5)
    assert scores["psnr_vddiff"] != pytest.approx(mean, abs=1e-3)
    assert scores["tof"] < 1
    assert scores["lpips"] is None
    assert set(scores) == {item.key for item in RESTORATION_METRICS}
    curve = metrics.per_frame()["psnr"]
    assert len(curve) == 3
    assert curve[2] == pytest.approx(psnr(*frames[2][:2]).item(), rel=1e-5)
    metrics.reset()
    with pytest.raises(ValueError, match="no clip was added"):
        metrics.compute()
    assert metrics.per_frame() == {}


def test_bands_tell_where_detail_is_back(clips):
    """Everything in hl, nothing in lh, and twice the error in hh."""
    sharp, blurred = clips[0]
    metrics = RestorationMetrics(names=())
    right, before = dwt2(sharp - 0.5), dwt2(blurred - 0.5)  # (B, T, C, 4, h, w): ll, hl, lh, hh
    mixed = before.clone()
    mixed[..., 1, :, :] = right[..., 1, :, :]
    mixed[..., 3, :, :] += before[..., 3, :, :] - right[..., 3, :, :]
    metrics.update(idwt2(mixed) + 0.5, sharp, blurred)
    scores = metrics.compute()
    assert scores["recovered_hl"] == pytest.approx(1, abs=0.05)
    assert scores["recovered_lh"] == pytest.approx(0, abs=0.05)
    assert scores["recovered_hh"] == pytest.approx(-3, abs=0.2)
    assert scores["psnr"] is None
    assert scores["psnr_gain"] is None


def test_the_input_itself_gains_nothing(clips):
    metrics = RestorationMetrics()
    for sharp, blurred in clips:
        metrics.update(blurred, sharp, blurred)
    scores = metrics.compute()
    assert scores["psnr_gain"] == 0
    assert [scores[f"recovered_{band}"] for band in ("lh", "hl", "hh")] == [0, 0, 0]


def test_what_cannot_be_computed_is_none_and_does_not_count(clips):
    sharp, blurred = (clip[:, :1, :, :6] for clip in clips[0])  # one frame, six rows
    metrics = RestorationMetrics()
    metrics.update(blurred, sharp, blurred)
    scores = metrics.compute()
    assert [name for name in scores if scores[name] is None] == ["ssim", "ssim_estrnn", "ssim_y", "tof", "lpips"]
    # A sharp input has an infinite score, and nothing can be gained.
    perfect = RestorationMetrics()
    perfect.update(sharp, sharp, sharp)
    scores = perfect.compute()
    assert scores["psnr"] == math.inf
    assert scores["psnr_gain"] is scores["recovered_hh"] is None


def test_errors(clips, tmp_path):
    sharp, blurred = clips[0]
    with pytest.raises(ValueError, match="alike, got"):
        RestorationMetrics().update(sharp[:, 1:], sharp, blurred)
    with pytest.raises(ValueError, match=r"names must be of psnr, .*, got mse"):
        RestorationMetrics(names=("mse",))
    with pytest.raises(FileNotFoundError, match="lpips_weights: no file"):
        RestorationMetrics(lpips_weights=tmp_path / "alexnet.pth")
