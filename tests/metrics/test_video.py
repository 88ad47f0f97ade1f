"""Scores over a test set: OpenSTL's published figures, streaming, missing scores, several processes."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from fill import make_input
from torch import Tensor

from subband.data import ClipSpec
from subband.metrics import frames, video
from subband.metrics.descriptors import VIDEO_METRICS
from subband.metrics.video import FrameMetric, FramePair, FrameSSIM, VideoPredictionMetrics

SHAPE = [2, 3, 2, 32, 32]
ALWAYS = ("mse", "mae", "rmse")


def clip_spec(**changes: object) -> ClipSpec:
    return ClipSpec(**{"in_frames": 1, "out_frames": 3, "channels": 2, "height": 32, "width": 32, **changes})


@pytest.fixture
def clips() -> tuple[Tensor, Tensor]:
    return make_input("openstl_metrics.pred", SHAPE) * 1.2 - 0.1, make_input("openstl_metrics.true", SHAPE)


@pytest.fixture
def published(golden: Path) -> dict[str, float]:
    stored = np.load(golden / "video_prediction" / "openstl_metrics.npz")
    return {name: stored[name].item() for name in stored}


def score(spec: ClipSpec, pred: Tensor, target: Tensor) -> dict[str, float | None]:
    metrics = VideoPredictionMetrics(spec)
    for p, t in zip(pred, target, strict=True):
        metrics.update(p[None], t[None])
    return metrics.compute()


def sizes(metrics: VideoPredictionMetrics) -> dict[str, dict[str, int]]:
    return {
        name: {state: value.numel() for state, value in states.items()} for name, states in metrics.metric_state.items()
    }


def test_published_scores(clips: tuple, published: dict[str, float]) -> None:
    scores = score(clip_spec(), *clips)
    for name in (*ALWAYS, "psnr", "snr"):
        assert scores[name] == pytest.approx(published[name], rel=1e-5)
    assert scores["ssim_openstl"] == pytest.approx(published["ssim"], rel=1e-5)
    assert scores["ssim"] == pytest.approx(published["ssim_data_range1"], rel=1e-5)
    assert scores["psnr_legacy_uint8"] == pytest.approx(28.16, abs=5e-3)
    assert scores["lpips"] is None


def test_published_scores_of_standardized_frames(clips: tuple, published: dict[str, float]) -> None:
    scores = score(clip_spec(mean=(0.25, 0.25), std=(0.5, 0.5)), *clips)
    for ours, theirs in {"mse": "mse", "mae": "mae", "psnr": "psnr", "ssim_openstl": "ssim"}.items():
        assert scores[ours] == pytest.approx(published[f"{theirs}_denorm"], rel=1e-5)


def test_published_scores_of_fields(clips: tuple, published: dict[str, float]) -> None:
    scores = score(clip_spec(data_range=None), *clips)
    for name in ALWAYS:
        assert scores[name] == pytest.approx(published[f"{name}_spatial_norm"], rel=1e-5)


def test_published_scores_of_channel_groups(clips: tuple, published: dict[str, float]) -> None:
    scores = score(clip_spec(data_range=None, channel_groups={"a": (0,), "b": (1,)}), *clips)
    for name in ALWAYS:
        for group in ("", "_a", "_b"):
            assert scores[name + group] == pytest.approx(published[f"{name}{group}_groups"], rel=1e-5)


def test_scores_without_meaning_are_none(clips: tuple) -> None:
    image_scores = ("psnr", "snr", "ssim", "ssim_openstl", "psnr_legacy_uint8", "lpips")
    for data_range in (None, (-1.0, 1.0)):
        metrics = VideoPredictionMetrics(clip_spec(data_range=data_range))
        metrics.update(*clips)
        scores = metrics.compute()
        assert [scores[name] for name in image_scores] == [None] * len(image_scores)
        assert sorted(metrics.per_frame()) == ["mae", "mse"]
    tiny = score(clip_spec(height=6), *(x[..., :6, :] for x in clips))
    assert [name for name in image_scores if tiny[name] is None] == ["ssim", "ssim_openstl", "lpips"]


def test_only_fields_are_normalized_by_their_size(clips: tuple) -> None:
    """A declared range other than [0, 1] takes away PSNR and SSIM, but the errors stay OpenSTL's sums."""
    assert score(clip_spec(data_range=(-1.0, 1.0)), *clips)["mse"] == score(clip_spec(), *clips)["mse"]


def test_per_frame_curves_average_to_the_scores(clips: tuple) -> None:
    metrics = VideoPredictionMetrics(clip_spec())
    metrics.update(*clips)
    scores, curves = metrics.compute(), metrics.per_frame()
    assert sorted(curves) == ["mae", "mse", "psnr", "ssim"]
    for name, curve in curves.items():
        assert len(curve) == 3
        assert np.mean(curve) == pytest.approx(scores[name], rel=1e-6)
    pred, target = clips
    expected = (pred - target).square().sum((2, 3, 4)).mean(0)
    np.testing.assert_allclose(curves["mse"], expected.numpy(), rtol=1e-5)


def test_memory_is_constant_and_reset_forgets(clips: tuple) -> None:
    metrics = VideoPredictionMetrics(clip_spec())
    metrics.update(*clips)
    before = sizes(metrics)
    first = metrics.compute()
    for _ in range(3):
        metrics.update(*clips)
    assert sizes(metrics) == before
    assert metrics.compute()["mse"] == pytest.approx(first["mse"], rel=1e-6)
    metrics.reset()
    metrics.update(*clips)
    assert metrics.compute() == first


ONE_BY_ONE = {
    "mse": video.FrameMSE,
    "mae": video.FrameMAE,
    "rmse": video.FrameRMSE,
    "psnr": video.FramePSNR,
    "snr": video.FrameSNR,
    "ssim": video.FrameSSIM,
    "ssim_openstl": video.FrameSSIMOpenSTL,
    "psnr_legacy_uint8": video.FramePSNRLegacyUint8,
}


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_a_metric_alone_gives_the_score_of_the_collection(name: str, clips: tuple) -> None:
    spec = clip_spec(mean=(0.25, 0.3), std=(0.5, 0.4), channel_groups={"a": (0,), "b": (1,)})
    metric, collection = ONE_BY_ONE[name](spec), VideoPredictionMetrics(spec)
    for p, t in zip(*clips, strict=True):
        metric.update(p[None], t[None])
        collection.update(p[None], t[None])
    scores = collection.compute()
    assert metric.compute().item() == scores[name]
    assert metric.per_frame().shape == (3,)
    if name in ("mse", "mae", "rmse"):
        assert {f"{name}_{group}": value.item() for group, value in metric.per_group().items()} == {
            f"{name}_{group}": scores[f"{name}_{group}"] for group in "ab"
        }


def test_direction_agrees_with_the_description() -> None:
    directions = {name: kind.higher_is_better for name, kind in (ONE_BY_ONE | {"lpips": video.FrameLPIPS}).items()}
    assert directions == {info.key: info.higher_is_better for info in VIDEO_METRICS}


def test_root_of_the_error_of_every_frame(clips: tuple) -> None:
    metric = video.FrameRMSE(clip_spec())
    metric.update(*clips)
    expected = (clips[0] - clips[1]).square().sum((2, 3, 4)).mean(0).sqrt()
    torch.testing.assert_close(metric.per_frame(), expected)


def test_what_metrics_share_is_computed_once(clips: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("denormalize", "error_sums"):
        own = getattr(frames, name)
        monkeypatch.setattr(frames, name, lambda *args, own=own, name=name: calls.append(name) or own(*args))
    VideoPredictionMetrics(clip_spec(mean=(0.0, 0.0), std=(1.0, 1.0))).update(*clips)
    assert sorted(calls) == ["denormalize", "denormalize", "error_sums"]


def test_collection_renames_and_values_of_one_batch(clips: tuple) -> None:
    metrics = VideoPredictionMetrics(clip_spec()).clone(prefix="val_")
    batch = metrics(*clips)
    assert batch["val_psnr"].item() == metrics.compute()["val_psnr"]


@pytest.mark.parametrize("kind", [kind for name, kind in ONE_BY_ONE.items() if name not in ("mse", "mae", "rmse")])
def test_image_metrics_refuse_other_ranges(kind: type[FrameMetric]) -> None:
    with pytest.raises(ValueError, match=rf"{kind.__name__} needs frames in \[0, 1\], but their data_range is None"):
        kind(clip_spec(data_range=None))


def test_metrics_alone_refuse_what_they_cannot_score(clips: tuple) -> None:
    with pytest.raises(ValueError, match="at least 7x7 pixels, got 6x32"):
        FrameSSIM(clip_spec(height=6))
    with pytest.raises(ValueError, match="gray or RGB frames, got 2 channels"):
        video.FrameLPIPS(clip_spec(), "nowhere.pth")
    metric = video.FramePSNR(clip_spec())
    for arguments in (clips[:1], (FramePair(*clips, clip_spec()), clips[1])):
        with pytest.raises(TypeError, match="pred and target, or a FramePair alone"):
            metric.update(*arguments)
    with pytest.raises(ValueError, match="no clip was added"):
        metric.compute()


def test_errors(clips: tuple) -> None:
    metrics = VideoPredictionMetrics(clip_spec())
    with pytest.raises(ValueError, match="no clip was added"):
        metrics.per_frame()
    with pytest.raises(ValueError, match=r"\(3, 2, 32, 32\) after the batch"):
        metrics.update(clips[0][:, :2], clips[1][:, :2])
    with pytest.raises(FileNotFoundError, match="lpips_weights: no file"):
        VideoPredictionMetrics(clip_spec(channels=3), lpips_weights="nowhere.pth")


def test_lpips_is_left_out_with_one_warning_where_the_package_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "alexnet.pth"
    torch.save({}, weights)
    monkeypatch.setitem(sys.modules, "lpips", None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        metrics = VideoPredictionMetrics(clip_spec(channels=1), lpips_weights=weights)
        for _ in range(2):
            metrics.update(torch.rand(1, 3, 1, 32, 32), torch.rand(1, 3, 1, 32, 32))
        assert metrics.compute()["lpips"] is None
    assert ["LPIPS is left out" in str(warning.message) for warning in caught] == [True]


def test_lpips_with_local_weights(tmp_path: Path) -> None:
    lpips = pytest.importorskip("lpips")
    from torchvision.models import alexnet

    state = alexnet(weights=None).state_dict()
    torch.save(state, tmp_path / "alexnet.pth")
    metrics = VideoPredictionMetrics(clip_spec(channels=1, height=64, width=64), lpips_weights=tmp_path / "alexnet.pth")
    pred, target = torch.rand(2, 2, 3, 1, 64, 64)
    metrics.update(pred, target)
    network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    network.net.load_state_dict(
        {key: state[f"features.{key.split('.', 1)[1]}"] for key in network.net.state_dict()}, strict=True
    )
    frames = (2 * x.flatten(0, 1).expand(-1, 3, -1, -1) - 1 for x in (pred, target))
    assert metrics.compute()["lpips"] == pytest.approx(network(*frames).mean().item(), rel=1e-5)
    torch.save({"features.0.weight": state["features.0.weight"]}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="does not hold torchvision's AlexNet"):
        VideoPredictionMetrics(clip_spec(channels=1), lpips_weights=tmp_path / "other.pth")


SHARE = """
import sys
import torch, subband
from subband.data import ClipSpec
from subband.metrics.video import VideoPredictionMetrics

folder, rank = sys.argv[1], int(sys.argv[2])
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
metrics = VideoPredictionMetrics(ClipSpec(in_frames=1, out_frames=3, channels=2, height=32, width=32))
own = slice(0, 3) if rank == 0 else slice(3, 5)  # uneven on purpose
metrics.update(*(clips[own] for clips in torch.load(f"{folder}/clips.pt", weights_only=True)))
torch.save({"scores": metrics.compute(), "curves": metrics.per_frame()}, f"{folder}/rank{rank}.pt")
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_give_the_scores_of_one(tmp_path: Path, rng: torch.Generator) -> None:
    pred, target = torch.rand(2, 5, 3, 2, 32, 32, generator=rng)
    torch.save((pred, target), tmp_path / "clips.pt")
    processes = [subprocess.Popen([sys.executable, "-c", SHARE, str(tmp_path), str(rank)]) for rank in (0, 1)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    single = VideoPredictionMetrics(clip_spec())
    single.update(pred, target)
    scores, curves = single.compute(), single.per_frame()
    for rank in (0, 1):
        result = torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)
        assert result["scores"].pop("lpips") is None
        assert result["scores"] == pytest.approx({k: v for k, v in scores.items() if k != "lpips"}, rel=1e-6)
        for name, curve in curves.items():
            assert result["curves"][name] == pytest.approx(curve, rel=1e-6)
