"""Generation of clips end to end: the Wavelet-VAE of clips trains, is killed and resumed, scored and shown."""

import numpy as np
import pytest
import torch

from subband.cli.main import main
from subband.config import build_recipe, merge
from subband.data import DATASETS, ClipSpec, VideoData
from subband.data.spec import Clips
from subband.metrics import VIDEO_GENERATION_METRICS, TemporalError
from subband.models import registry as models
from subband.models.checkpoint import load_model
from subband.models.generation.video_vae import WaveletVideoVAE
from subband.tasks.generation.baselines import KeptClipLevels
from subband.tasks.generation.clip_task import FiniteClips
from subband.training.loop import evaluate, train

SIDE = 16
TINY = {"levels": 2, "time_levels": 2, "widths": [8, 8, 8], "prior_width": 8, "prior_blocks": 1}
RECIPE = {
    "task": "video_generation",
    "model": {"name": "tiny_video_vae", "args": TINY},
    "data": {"name": "moving_squares", "batch_size": 4},
    "loss": [{"name": "objective"}],
    "optim": {"lr": 1e-3, "schedule": "constant", "grad_clip": 1.0},
    "trainer": {"device": "cpu", "epochs": 2, "log_every_steps": 1, "tensorboard": False},
    "evaluation": {"num_samples": 2},
}


class Squares(Clips):
    """A bright square that moves to the right, by index; clips in `broken` hold NaN."""

    def __init__(self, length, broken=(), data_range=(0.0, 1.0)):
        self.length, self.broken = length, broken
        self.spec = ClipSpec(in_frames=2, out_frames=2, channels=1, height=SIDE, width=SIDE, data_range=data_range)

    def __len__(self):
        return self.length

    def __getitem__(self, key):
        rng = np.random.default_rng(key)
        top, left = rng.integers(0, SIDE // 2, 2)
        clip = torch.full((4, 1, SIDE, SIDE), 0.1)
        for time in range(4):
            clip[time, :, top : top + 6, left + time : left + time + 6] = 0.9
        if key % self.length in self.broken:
            clip[3, 0, 5, 5] = float("nan")
        return clip[:2], clip[2:]


def moving_squares(*, broken: list | None = None, is_bounded: bool = True):
    splits = [Squares(count, broken or (), (0.0, 1.0) if is_bounded else None) for count in (8, 4, 6)]
    return VideoData(*splits, splits[0].spec)


@pytest.fixture
def tiny(monkeypatch):
    """A recipe that trains in a second; keyword arguments replace settings."""
    monkeypatch.setitem(DATASETS, "moving_squares", f"{__name__}:moving_squares")
    spec = models.ModelSpec(task="video_generation", network=WaveletVideoVAE, args={}, params=0, paper="this file")
    monkeypatch.setitem(models.catalog(), "tiny_video_vae", spec)
    return lambda **changes: build_recipe(merge(RECIPE, changes))


def test_the_error_in_time_is_that_of_differences_of_frames(rng):
    recon, target = (torch.rand(3, 5, 2, 6, 6, generator=rng) for _ in range(2))
    metric = TemporalError()
    metric.update(recon[:1], target[:1])
    metric.update(recon[1:], target[1:])
    error = (recon - target)[:, :4].double()
    changes, sums = (error[:, ::2] - error[:, 1::2]), (error[:, ::2] + error[:, 1::2])
    assert metric.compute().item() == pytest.approx(changes.square().mean().item() / 2, rel=1e-5)
    both = (changes.square().mean() + sums.square().mean()).item() / 4
    assert both == pytest.approx(error.square().mean().item())
    with pytest.raises(ValueError, match="with two frames at least"):
        metric.update(recon[:, :1], target[:, :1])
    metric.reset()
    with pytest.raises(ValueError, match="no clip was added"):
        metric.compute()


def test_kept_levels_are_means_over_space_and_time(rng):
    clip = torch.rand(1, 4, 1, 8, 8, generator=rng)
    recon = KeptClipLevels(1).reconstruct(clip)
    assert KeptClipLevels(1).coded_numbers(256) == 32
    assert recon[0, 2:, 0, 4:6, :2].unique().numel() == 1
    assert recon[0, 2, 0, 4, 0].item() == pytest.approx(clip[0, 2:, 0, 4:6, :2].mean().item(), abs=1e-6)


@pytest.mark.parametrize("args", [{"mode": "elbo"}, {"mode": "paper", "keep_levels": 2}])
def test_it_trains_and_is_scored(args, tiny, tmp_path):
    recipe = tiny(model={"name": "tiny_video_vae", "args": {**TINY, **args}}, trainer={"ema_decay": 0.9})
    first, *baselines, real = train(recipe, tmp_path / "run", progress=False)["rows"]
    assert [row["name"] for row in baselines] == ["pyramid: 1/8, coarse", "pyramid: 1/64, coarse"]
    found = first["metrics"]
    assert set(found) == {item.key for item in VIDEO_GENERATION_METRICS}
    missing = {name for name, value in found.items() if value is None}
    is_bound = args["mode"] == "elbo"
    assert missing == {"lpips", "fvd"} | (set() if is_bound else {"rate", "bits_per_dim", "fwd", "wsd"})
    assert found["coded"] == (1 if is_bound else 1 / 8)
    assert found["mse_signed"] == pytest.approx(4 * found["mse"])
    # the baselines, computed by hand
    clips = torch.stack([torch.cat(Squares(6)[index]) for index in range(6)])
    error = (KeptClipLevels(1).reconstruct(clips) - clips).square()
    assert baselines[0]["metrics"]["mse"] == pytest.approx(error.mean().item(), rel=1e-4)
    by_frame = -10 * error.mean((2, 3, 4)).log10()
    assert baselines[0]["metrics"]["psnr"] == pytest.approx(by_frame.mean().item(), rel=1e-4)
    assert min(value for value in real["metrics"].values()) > 0
    with np.load(tmp_path / "run" / "samples.npz") as samples:
        assert samples["prediction/run"].shape == samples["inputs"].shape == (2, 4, 1, SIDE, SIDE)
        assert ("drawn/run" in samples) == is_bound
        if is_bound:
            assert samples["drawn/run"].shape == (8, 4, 1, SIDE, SIDE)
    model = load_model(tmp_path / "run")
    assert (model.num_frames, model.img_size, model.in_chans) == (4, (SIDE, SIDE), 1)
    if is_bound:  # measured before the first step
        assert model.units().approx.item() != model.transform.unit


def test_a_run_that_was_killed_goes_on_as_if_it_had_not(tiny, tmp_path):
    whole = train(tiny(), tmp_path / "whole", progress=False)
    train(tiny(trainer={"epochs": 1}), tmp_path / "part", progress=False)
    part = train(tiny(), tmp_path / "part", progress=False, resume=True)
    assert part["rows"][0]["metrics"] == whole["rows"][0]["metrics"]


def test_commands_know_the_task(tiny, tmp_path, capsys):
    run = tmp_path / "run"
    scores = train(tiny(), run, progress=False)
    assert evaluate(tiny(), run, tmp_path / "again")["rows"][0]["metrics"] == scores["rows"][0]["metrics"]
    assert main(["evaluate", str(run), "--device", "cpu"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "moving_squares, test set: 6 clips, 4 frames of 16 x 16 pixels" in printed
    assert "FVD (needs an I3D network, which the package neither has nor reads)" in printed
    assert main(["report", str(run), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    for words in ("Drawn clips", "Reconstructions", "clips drawn by run", "Test clip 2, frame by frame", "MSE in time"):
        assert words in page
    assert page.count("data:image/apng") == 3  # drawn clips, two test clips
    assert "run codes as many numbers as a clip has" in page
    assert main(["info", str(run), "--device", "cpu", "--repeats", "1"]) == 0
    assert "1 x 4 x 1 x 16 x 16 (B T C H W)" in capsys.readouterr().out


def test_clips_with_nan_are_left_out_by_name(tiny, tmp_path):
    with pytest.warns(
        UserWarning, match=r"left out 1 of 8 samples.*clip 2 has values that are no numbers \(NaN or inf"
    ):
        scores = train(tiny(data={"args": {"broken": [2]}}), tmp_path / "run", progress=False)
    assert scores["data"]["clips"] == 5
    assert scores["rows"][0]["metrics"]["psnr"] > 0
    with pytest.raises(ValueError, match=r"too many samples cannot be read, among them: clip . has values"):
        train(tiny(data={"args": {"broken": list(range(8))}}), tmp_path / "none", progress=False)
    clips = FiniteClips(Squares(3, (1,)))
    assert torch.equal(torch.cat(clips[3]), torch.cat(Squares(3)[3]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"data": {"args": {"is_bounded": False}}},
            r"needs frames of 1 or 3 channels in \[0, 1\], the data has 1 in None",
        ),
        (
            {"model": {"args": {"num_frames": 8}}},
            r"tiny_video_vae is made for clips \(8, 1, 16, 16\), the data has \(4,",
        ),
        (
            {"model": {"args": {"time_levels": 1, "causal": True}}},
            r"1 \+ a multiple of 2 frames, got \(1, 4, 1, 16, 16\)",
        ),
        ({"model": {"name": "wavelet_vae_s"}}, r"model 'wavelet_vae_s' is for generation, the recipe for video_gener"),
        ({"loss": [{"name": "mse"}]}, r"loss must be objective"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(changes, message, tiny, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(tiny(**changes), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
