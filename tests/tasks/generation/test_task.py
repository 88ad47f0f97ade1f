"""Image generation end to end: every network trains, is killed and resumed, scored and shown."""

import hashlib
import itertools
import json
import math
import sys

import numpy as np
import pytest
import torch

from subband.cli.main import main
from subband.config import build_recipe, merge
from subband.data import DATASETS, UnlabelledData, UnlabelledImages, UnlabelledSpec
from subband.metrics import GENERATION_METRICS, InceptionDistances, InceptionFeatures, inception
from subband.models import registry as models
from subband.models.checkpoint import load_model
from subband.models.generation.conv_vae import ConvVAE
from subband.models.generation.wavelet_diffusion import WaveletDiffusion
from subband.models.generation.wavelet_vae import WaveletVAE
from subband.tasks.generation.baselines import KeptLevels, LargestCoefficients
from subband.tasks.generation.drawing import draw
from subband.tasks.generation.inception import InceptionScores
from subband.tasks.generation.networks import as_images, as_input, bytes_with_noise, coded_numbers
from subband.tasks.generation.scores import DrawnScores, packet_levels
from subband.tasks.generation.task import GenerationTask
from subband.training.loop import evaluate, train

SIDE = 16
NETWORK_TYPES = {
    "tiny_wavelet_vae": WaveletVAE,
    "tiny_conv_vae": ConvVAE,
    "tiny_wavelet_diffusion": WaveletDiffusion,
}
WAVELET = {"levels": 2, "widths": [8, 8, 8], "blocks": 1, "prior_width": 8, "prior_blocks": 1}
WAVELET |= {"refine_width": 8, "refine_blocks": 1}
NETWORKS = {
    "paper": ("tiny_wavelet_vae", {**WAVELET, "mode": "paper"}),
    "elbo": ("tiny_wavelet_vae", {**WAVELET, "mode": "elbo"}),
    "factorised": ("tiny_wavelet_vae", {**WAVELET, "mode": "elbo", "prior": "factorised", "keep_levels": 2}),
    "conv": ("tiny_conv_vae", {"widths": [8, 8], "blocks": 1, "latent_dim": 4}),
    "diffusion": (
        "tiny_wavelet_diffusion",
        {"base_dims": [32], "multipliers": [[1]], "attention": [[]], "dropout": 0.0},
    ),
    "conv_elbo": ("tiny_conv_vae", {"widths": [8, 8], "blocks": 1, "latent_dim": 4, "objective": "elbo"}),
}
RECIPE = {
    "task": "generation",
    "data": {"name": "rectangles", "batch_size": 4},
    "loss": [{"name": "objective"}],
    "optim": {"lr": 1e-3, "schedule": "constant", "grad_clip": 1.0},
    "trainer": {"device": "cpu", "epochs": 2, "log_every_steps": 1, "tensorboard": False},
    "evaluation": {"num_samples": 3},
}


class Rectangles:
    """Bright rectangles on a dark ground, by index."""

    def __call__(self, index):
        rng = np.random.default_rng(index)
        top, left = rng.integers(0, SIDE // 2, 2)
        image = torch.full((3, SIDE, SIDE), 0.2)
        image[:, top : top + 8, left : left + 8] = torch.from_numpy(rng.random((3, 1, 1))).float()
        return image


def rectangles(*, num_test: int = 6):
    spec = UnlabelledSpec(channels=3, height=SIDE, width=SIDE)
    splits = (UnlabelledImages(Rectangles(), count, spec) for count in (8, 5, num_test))
    return UnlabelledData(*splits, spec)


@pytest.fixture
def tiny(monkeypatch):
    """A recipe that trains in a second; keyword arguments replace settings."""
    monkeypatch.setitem(DATASETS, "rectangles", f"{__name__}:rectangles")
    for name, network in NETWORK_TYPES.items():
        spec = models.ModelSpec(task="generation", network=network, args={}, params=0, paper="this file")
        monkeypatch.setitem(models.catalog(), name, spec)

    def build(network="elbo", **changes):
        name, args = NETWORKS[network]
        return build_recipe(merge({**RECIPE, "model": {"name": name, "args": args}}, changes))

    return build


DIFFUSION = {"base_dims": [32], "multipliers": [[1]], "attention": [[]], "dropout": 0.0}
SECOND = {"model": {"args": {"prior": "diffusion", "diffusion": DIFFUSION}}}
STAGES = [
    {"name": "first", "settings": {"model": {"args": {"prior": "conditional", "diffusion": None}}}},
    {"name": "second"},
]


@pytest.mark.parametrize("network", [name for name in NETWORKS if name != "diffusion"])
def test_every_network_trains_and_is_scored(network, tiny, tmp_path):
    scores = train(tiny(network, trainer={"ema_decay": 0.9}), tmp_path / "run", progress=False)
    trained, *baselines, real = scores["rows"]
    assert [row["name"] for row in baselines] == [
        "pyramid: 1/4, coarse",
        "pyramid: 1/16, coarse",
        "pyramid: 1/64, coarse",
        "pyramid: 1/16, largest",
    ]
    found = trained["metrics"]
    assert set(found) == {item.key for item in GENERATION_METRICS}
    assert 0 < found["mse"] < 1
    assert found["mse_signed"] == pytest.approx(4 * found["mse"])
    assert 0 < found["psnr"] < 60
    assert found["lpips"] is None
    assert (found["fwd"] is None) == (found["wsd"] is None) == (network == "paper")
    assert real["name"] == "real: two halves"
    assert min(real["metrics"].values()) > 0
    is_bound = "elbo" in network or network == "factorised"
    assert (found["bits_per_dim"] is not None) == is_bound
    assert (found["rate"] is None) == (network == "paper")
    expected = {"paper": 1, "elbo": 1, "factorised": 1 / 4, "conv": 4 / 768, "conv_elbo": 4 / 768}
    assert found["coded"] == pytest.approx(expected[network])
    assert [row["metrics"]["coded"] for row in baselines] == [1 / 4, 1 / 16, 1 / 64, 1 / 16]
    errors = [row["metrics"]["mse"] for row in baselines]
    assert errors[0] < errors[1] < errors[2]
    assert errors[3] < errors[1]  # the largest coefficients are the better ones
    with np.load(tmp_path / "run" / "samples.npz") as samples:
        assert samples["prediction/run"].shape == samples["inputs"].shape == (3, 3, SIDE, SIDE)
        assert ("drawn/run" in samples) == (network != "paper")
        assert ("maps/run" in samples) == (not network.startswith("conv"))


@pytest.mark.parametrize("network", ["elbo", "conv_elbo", "paper"])
def test_many_samples_bound_the_likelihood_more_tightly(network, tiny, tmp_path):
    recipe = tiny(network, trainer={"epochs": 1}, evaluation={"bound_samples": 8})
    found = train(recipe, tmp_path / "run", progress=False)["rows"][0]["metrics"]
    if network == "paper":
        assert found["bits_tight"] is None
        return
    assert 0 < found["bits_tight"] < found["bits_per_dim"]
    model = load_model(tmp_path / "run")
    images = torch.stack([rectangles().test[key] for key in range(6)])
    bound = model.importance_bound(as_input(model, images, torch.Generator().manual_seed(5)), 8)
    assert -bound.mean().item() / (768 * math.log(2)) + 7 == pytest.approx(found["bits_tight"], rel=0.05)


def test_diffusion_trains_and_draws_but_reconstructs_nothing(tiny, tmp_path):
    scores = train(tiny("diffusion"), tmp_path / "run", progress=False)
    found = scores["rows"][0]["metrics"]
    assert {name for name, value in found.items() if value is not None} == {"fwd", "wsd"}
    model = load_model(tmp_path / "run")
    assert model.parts[0].spread.std() > 0  # measured before the first step
    with np.load(tmp_path / "run" / "samples.npz") as samples:
        assert samples["drawn/run"].shape == (64, 3, SIDE, SIDE)
        assert "prediction/run" not in samples
    with pytest.raises(ValueError, match=r"WaveletDiffusion has no temperature; leave it at 1"):
        draw(model, 2, temperature=0.5)


def test_sizes_that_packets_do_not_divide_have_no_distance():
    spec = UnlabelledSpec(channels=1, height=9, width=9)
    scores = DrawnScores(spec, torch.device("cpu"))
    scores.add(torch.rand(3, 1, 9, 9), is_real=True)
    assert scores.compute() == {}
    assert [packet_levels(side, side) for side in (7, 8, 32, 512)] == [0, 1, 3, 4]


def test_distances_tell_drawn_images_from_real_ones():
    spec = UnlabelledSpec(channels=1, height=8, width=8)
    like, unlike = DrawnScores(spec, torch.device("cpu")), DrawnScores(spec, torch.device("cpu"))
    images = torch.rand(600, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for scores, drawn in ((like, images[300:]), (unlike, images[300:] / 2)):
        scores.add(images[:300], is_real=True)
        scores.add(drawn, is_real=False)
    near, far = like.compute(), unlike.compute()
    assert far["fwd"] > 5 * near["fwd"]
    assert far["wsd"] > 5 * near["wsd"]


def test_a_run_that_was_killed_goes_on_as_if_it_had_not(tiny, tmp_path, losses, monkeypatch):
    changes = {
        "loss": [{"name": "objective", "args": {"warmup_steps": 3}}],
        "trainer": {"ema_decay": 0.9, "checkpoint_every_steps": 1},
    }
    recipe = tiny("elbo", **changes)
    train(recipe, tmp_path / "whole", progress=False)
    calls, original = itertools.count(), GenerationTask.losses

    def cut(self, batch, part):
        if next(calls) == 3:
            raise KeyError("power cut")
        return original(self, batch, part)

    monkeypatch.setattr(GenerationTask, "losses", cut)
    with pytest.raises(KeyError, match=r"power cut"):
        train(recipe, tmp_path / "cut", progress=False)
    monkeypatch.setattr(GenerationTask, "losses", original)
    train(recipe, tmp_path / "cut", resume=True, progress=False)
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    whole, resumed = (load_model(tmp_path / name).state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_coefficients_are_measured_before_the_first_step_alone(tiny):
    recipe = tiny("elbo")
    data = GenerationTask.build_data(recipe)
    model = GenerationTask.build_model(recipe, data.spec)
    before = model.units.details.clone()
    GenerationTask(recipe, model, data.spec).prepare(data)
    images = torch.stack([data.train[key] for key in range(len(data.train))])
    spread = model.transform.analyze(2 * images - 1).details[0].std((0, 2, 3), correction=0)
    torch.testing.assert_close(model.units.details[0].flatten(), spread, rtol=0.05, atol=0.01)
    assert not torch.equal(model.units.details, before)
    paper = GenerationTask.build_model(tiny("paper"), data.spec)
    units = paper.units.details.clone()
    GenerationTask(tiny("paper"), paper, data.spec).prepare(data)
    assert torch.equal(paper.units.details, units)


def test_the_weight_of_the_divergence_is_warmed_up_or_steered(tiny):
    recipe = tiny("elbo", loss=[{"name": "objective", "args": {"warmup_steps": 2}}])
    data = GenerationTask.build_data(recipe)
    model = GenerationTask.build_model(recipe, data.spec)
    task, batch = GenerationTask(recipe, model, data.spec), torch.stack([data.train[key] for key in range(4)])
    task.prepare(data)
    weights = [model.objective.beta.item()]
    for _ in range(3):
        task.losses(batch, "model").terms["objective"].backward()
        weights.append(model.objective.beta.item())
    assert weights == pytest.approx([0.01, 0.505, 1, 1])
    steered = tiny("elbo", model={"args": {"rate_target": 1e-3}})
    model = GenerationTask.build_model(steered, data.spec)
    task = GenerationTask(steered, model, data.spec)
    task.losses(batch, "model").terms["objective"].backward()
    assert model.objective.beta > 1  # the rate is above its target
    for network, args in (("paper", {}), ("conv_elbo", {}), ("elbo", {"rate_target": 1.0})):
        wrong = tiny(network, loss=recipe_loss(2), model={"args": args})
        with pytest.raises(ValueError, match=r"warmup_steps of objective is for a Wavelet-VAE with mode='elbo'"):
            GenerationTask(wrong, GenerationTask.build_model(wrong, data.spec), data.spec)


def recipe_loss(steps):
    return [{"name": "objective", "args": {"warmup_steps": steps}}]


@pytest.mark.parametrize("as_stages", [True, False])
def test_a_second_stage_trains_the_diffusion_alone(as_stages, tiny, tmp_path, losses):
    settings = {"ema_decay": 0.5, "checkpoint_every_steps": 1}
    if as_stages:
        recipe, first = tiny("elbo", **SECOND, stages=STAGES, trainer=settings), tmp_path / "run" / "stages" / "first"
    else:
        first = tmp_path / "first"
        train(tiny("elbo", trainer=settings), first, progress=False)
        recipe = tiny("elbo", **merge(SECOND, {"model": {"weights": str(first)}}), trainer=settings)
    scores = train(recipe, tmp_path / "run", progress=False)
    start, end = (load_model(folder) for folder in (first, tmp_path / "run"))
    assert start.diffusion is None
    assert all(torch.equal(end.state_dict()[key], value) for key, value in start.state_dict().items())
    part = end.diffusion.parts[0]
    assert part.net.head[-1].bias.any()
    assert part.spread.std() > 0
    found, before = (s["rows"][0]["metrics"] for s in (scores, json.loads((first / "scores.json").read_text())))
    assert {name for name in found if found[name] == before[name]} == set(found) - {"fwd", "wsd"}
    assert len(losses(tmp_path / "run")) == 4
    seeds = [torch.Generator().manual_seed(1) for _ in range(2)]
    maps = end.diffusion.sample(2, generator=seeds[0])
    torch.testing.assert_close(end.sample(2, generator=seeds[1]), end.decode(end.transform.analyze(maps)))


def test_a_second_stage_that_was_killed_goes_on(tiny, tmp_path, losses, monkeypatch):
    recipe = tiny("elbo", **SECOND, stages=STAGES, trainer={"ema_decay": 0.9, "checkpoint_every_steps": 1})
    train(recipe, tmp_path / "whole", progress=False)
    calls, original = itertools.count(), GenerationTask.losses

    def cut(self, batch, part):
        if self.is_second_stage and next(calls) == 3:
            raise KeyError("power cut")
        return original(self, batch, part)

    monkeypatch.setattr(GenerationTask, "losses", cut)
    with pytest.raises(KeyError, match=r"power cut"):
        train(recipe, tmp_path / "cut", progress=False)
    monkeypatch.setattr(GenerationTask, "losses", original)
    train(recipe, tmp_path / "cut", resume=True, progress=False)
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    whole, resumed = (load_model(tmp_path / name).state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_weights_with_a_diffusion_are_trained_on(tiny, tmp_path):
    train(tiny("elbo", **SECOND, stages=STAGES), tmp_path / "run", progress=False)
    more = tiny("elbo", **merge(SECOND, {"model": {"weights": str(tmp_path / "run")}}), optim={"lr": 0.0})
    train(more, tmp_path / "more", progress=False)
    one, two = (load_model(tmp_path / name).state_dict() for name in ("run", "more"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_diffusion_of_an_autoencoder_that_knows_nothing_is_refused(tiny, tmp_path):
    with pytest.raises(ValueError, match=r"prior='diffusion' is trained on what a trained autoencoder codes"):
        train(tiny("elbo", **SECOND), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
    train(tiny("paper"), tmp_path / "paper", progress=False)
    wrong = tiny("elbo", **merge(SECOND, {"model": {"weights": str(tmp_path / "paper")}}))
    with pytest.raises(ValueError, match=r"is another autoencoder"):
        train(wrong, tmp_path / "run", progress=False)
    warm = tiny("elbo", **SECOND, stages=STAGES, loss=recipe_loss(2))
    with pytest.raises(ValueError, match=r"stage second: warmup_steps of objective is .* not for its diffusion"):
        train(warm, tmp_path / "run", progress=False)
    bits = tiny("elbo", **SECOND, stages=STAGES, trainer={"monitor": "val_bits_per_dim"})
    with pytest.raises(ValueError, match=r"trainer.monitor val_bits_per_dim is not measured on this data; use val_los"):
        train(bits, tmp_path / "run", progress=False)


def test_ranges_of_networks_and_back():
    images = torch.arange(256.0).view(1, 1, 16, 16) / 255
    noisy = bytes_with_noise(images, torch.Generator().manual_seed(0))
    assert torch.equal((128 * (noisy + 1)).floor(), 255 * images)
    assert -1 <= noisy.min() < noisy.max() < 1
    elbo = ConvVAE(in_chans=1, img_size=16, widths=(8, 8), blocks=1, objective="elbo")
    plain = ConvVAE(in_chans=1, img_size=16, widths=(8, 8), blocks=1)
    assert torch.equal(as_input(plain, images), 2 * images - 1)
    torch.testing.assert_close(as_images(plain, as_input(plain, images)), images)
    many = torch.stack([as_images(elbo, as_input(elbo, images)) for _ in range(400)]).mean(0)
    torch.testing.assert_close(many[..., 1:-1, :], images[..., 1:-1, :], rtol=0, atol=3e-4)


def test_the_transform_alone():
    images = torch.rand(2, 3, 16, 16)
    means = KeptLevels(2).reconstruct(images)
    torch.testing.assert_close(means[..., 0, 0], images[..., :4, :4].mean((-2, -1)))
    largest = LargestCoefficients(2, 4).reconstruct(images)
    kept = KeptLevels(2).transform.analyze(largest)
    count = sum((band[0].abs() > 1e-5).sum().item() for band in kept.details)
    assert count + kept.approx[0].numel() == 192 == LargestCoefficients(2, 4).coded_numbers(768)


def test_drawing_is_a_function_of_the_seed():
    model = ConvVAE(img_size=16, widths=(8, 8), blocks=1, latent_dim=4).eval()
    counts = []
    first, again, other = (draw(model, 5, seed=seed, batch_size=2, progress=counts.append) for seed in (0, 0, 1))
    assert counts == 3 * [2, 2, 1]
    assert first.shape == (5, 3, 16, 16)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert 0 <= first.min() <= first.max() <= 1


def test_numbers_of_a_code():
    small = {"img_size": 16, "levels": 2, "widths": (8, 8, 8), "blocks": 1}
    assert coded_numbers(WaveletVAE(**small)) == 768
    assert coded_numbers(WaveletVAE(**small, keep_levels=3)) == 48
    assert coded_numbers(WaveletVAE(**small, top_k=10)) == 58
    assert coded_numbers(WaveletVAE(**small, top_k=10_000)) == 768


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": [{"name": "mse"}]}, r"loss must be objective, which is the network's own, got mse"),
        ({"loss": [{"name": "objective", "args": {"beta": 1}}]}, r"objective has no argument 'beta'"),
        ({"loss": recipe_loss(-1)}, r"warmup_steps of objective must be a whole number"),
        ({"model": {"args": {"img_size": 32}}}, r"is made for images \(3, 32, 32\), the data has \(3, 16, 16\)"),
        ({"model": {"name": "gfnet_h_ti"}}, r"model 'gfnet_h_ti' is for classification, the recipe for generation"),
        ({"data": {"name": "moving_digits"}}, r"generation needs UnlabelledData, but the data set 'moving_digits' is"),
        ({"trainer": {"monitor": "val_ssim"}}, r"trainer.monitor must be val_loss or val_psnr or .*got val_ssim"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(changes, message, tiny, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(tiny("elbo", **changes), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_commands_know_the_task(tiny, tmp_path, capsys):
    recipe, run = tiny("elbo"), tmp_path / "run"
    scores = train(recipe, run, progress=False)
    again = evaluate(recipe, run, tmp_path / "again")
    assert json.loads((tmp_path / "again" / "scores.json").read_text())["rows"] == again["rows"]
    assert again["rows"][0]["metrics"] == scores["rows"][0]["metrics"]
    other = tmp_path / "other"
    train(tiny("conv"), other, progress=False)
    assert main(["evaluate", str(run), "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "rectangles, test set: 6 images, 16 x 16 pixels" in printed
    assert "not computed: LPIPS (needs evaluation.lpips_weights and the package lpips)" in printed
    assert main(["report", str(run), str(other), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    for words in ("Drawn images", "Reconstructions", "Coefficients", "drawn by run", "drawn by other"):
        assert words in page
    assert page.count("pyramid: 1/16, coarse") < 8
    assert "run codes as many numbers as an image has" in page
    assert main(["info", str(run), "--device", "cpu", "--repeats", "1"]) == 0
    assert "1 x 3 x 16 x 16 (B C H W)" in capsys.readouterr().out
    assert all(math.isfinite(value) for value in scores["rows"][0]["metrics"].values() if value is not None)


@pytest.mark.filterwarnings("ignore:.*images are few")
def test_distances_of_inception_features_where_there_is_a_file(tiny, tmp_path, monkeypatch, capsys):
    weights = tmp_path / "stand_in.pth"
    weights.write_bytes(b"no network")
    prefix = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    pooled = torch.nn.Sequential(torch.nn.AvgPool2d(100), torch.nn.Flatten())
    recipe = tiny("elbo", evaluation={"inception_weights": str(weights)})
    with pytest.raises(ValueError, match=r"inception_weights: .*stand_in.pth is neither pt_inception-"):
        train(recipe, tmp_path / "refused", progress=False)
    monkeypatch.setattr(inception, "_NETWORKS", {prefix: (lambda path: pooled, "")})
    first, *others, real = train(recipe, tmp_path / "run", progress=False)["rows"]
    found = first["metrics"]
    assert found["fid_tv"] is None
    assert {"fid", "kid", "rfid", "rkid"} <= {name for name, value in found.items() if value is not None}
    assert found["rfid"] != found["fid"]
    assert real["metrics"]["fid"] > 0
    assert all(row["metrics"]["fid"] is None and row["metrics"]["rfid"] >= 0 for row in others)
    # the distance of the drawn images, computed by hand
    drawn = draw(load_model(tmp_path / "run"), 64)[:6]
    metric = InceptionDistances(InceptionFeatures(weights))
    for images, is_real in ((torch.stack([Rectangles()(index) for index in range(6)]), True), (drawn, False)):
        metric.update(images, is_real=is_real)
    assert metric.compute()["fid"] == pytest.approx(found["fid"], rel=1e-4)
    monkeypatch.setattr(inception, "_NETWORKS", {prefix: (lambda path: pooled, "_tv")})
    assert main(["evaluate", str(tmp_path / "run"), "--device", "cpu"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "FID (needs evaluation.inception_weights and the package torch-fidelity)" in printed
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())["rows"][0]["metrics"]
    assert scores["fid"] is None
    assert scores["fid_tv"] == pytest.approx(found["fid"], rel=1e-4)


def test_without_the_package_a_warning_says_so(tmp_path, monkeypatch):
    weights = tmp_path / "stand_in.pth"
    weights.write_bytes(b"no network")
    prefix = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(inception, "_NETWORKS", {prefix: (inception._ported_network, "")})
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.warns(UserWarning, match=r"FID needs the package torch-fidelity: .*; FID and KID are left out"):
        assert InceptionScores(str(weights), ["run"], torch.device("cpu")).compute("run") == {}
