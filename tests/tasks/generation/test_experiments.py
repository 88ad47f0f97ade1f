"""What experiments measure, checked against what was derived, and how they keep their rows."""

import itertools
import json
import math

import pytest
import torch
from scipy.ndimage import gaussian_filter

from subband.cli.experiments import EXPERIMENTS as NAMES
from subband.cli.experiments import GRIDS
from subband.cli.main import main
from subband.data.images.rectangle_images import rectangle_images
from subband.models.generation.pyramid import PyramidTransform
from subband.models.generation.wavelet_vae import WaveletVAE
from subband.tasks.generation.experiments import mri
from subband.tasks.generation.experiments.applications import gaussian_blur
from subband.tasks.generation.experiments.catalogue import EXPERIMENTS
from subband.tasks.generation.experiments.experiment import Trained, mean_of
from subband.tasks.generation.experiments.likelihoods import threshold_coder
from subband.tasks.generation.experiments.plan import Plan
from subband.tasks.generation.experiments.pyramids import blockiness
from subband.tasks.generation.experiments.report import markdown_table
from subband.tasks.generation.experiments.shrinkage import NOISE, derived_threshold, noise_gap
from subband.training.comparison import mean_and_spread

TINY = ["--seeds", "0", "--epochs", "1", "--device", "cpu", "--images", "32"]
ONE_VALUE = {"lambda": "0.1", "levels": "2", "rate_distortion": "1", "denoise": "0.1", "sr": "2", "mri": "4"}
# What one of the settings is called, and a value that every row of a trained network has.
SHOWN = {
    "table1": ("Wavelet-VAE, pure, 1/4 of the numbers", "mse"),
    "s_ablation": ("hybrid: learned s per level", "gap"),
    "lambda": ("lambda = 0.1", "threshold"),
    "levels": ("likelihood, 2 levels", "levels"),
    "wavelets": ("lambda = 0.3, bior4.4", "blocks"),
    "priors": ("rectangles: conditional", "psnr"),
    "posterior": ("gauss_shared", "rate_level_1"),
    "rate_distortion": ("Wavelet-VAE, target 1 bpp", "beta"),
    "denoise": ("Wavelet-VAE, factorised prior", "psnr"),
    "sr": ("Wavelet-VAE, drawn", "inconsistency"),
    "mri": ("Wavelet-VAE prior", "ssim"),
}
UNTRAINED = {"denoise": "BayesShrink, haar", "sr": "bicubic", "mri": "sparse wavelets, haar"}
LONG = ("table1", "s_ablation", "wavelets", "mri")


def test_the_command_knows_every_experiment():
    assert tuple(EXPERIMENTS) == NAMES
    assert tuple(name for name, item in EXPERIMENTS.items() if item.grid) == GRIDS


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in NAMES])
def test_an_experiment_runs_and_writes_rows_a_table_and_a_plot(name, tmp_path, capsys):
    pytest.importorskip("skimage")
    grid = ["--values", ONE_VALUE[name]] if name in ONE_VALUE else []
    size = ["--size", "16"] if name in ("mri", "denoise", "sr", "lambda", "wavelets") else []
    assert main(["benchmark", name, *TINY, *grid, *size, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    rows = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    kept = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert sorted(map(str, rows)) == sorted(map(str, kept))
    assert {row["experiment"] for row in rows} == {name}
    setting, key = SHOWN[name]
    own = [row for row in rows if row["setting"] == setting]
    assert own
    assert all(row["seed"] == 0 and math.isfinite(row[key]) for row in own)
    settings = {row["setting"] for row in rows}
    if name in UNTRAINED:
        assert UNTRAINED[name] in settings
    else:  # the transform alone, and two halves of the real images, beside every table of reconstructions
        assert {"pyramid: 1/4, coarse", "pyramid: 1/16, largest", "real: two halves"} <= settings
    table = (tmp_path / "table.md").read_text()
    assert table.startswith(f"# {EXPERIMENTS[name].title}\n")
    assert all(f"| {setting} |" in table for setting in settings)
    assert "holds: " in table or "does NOT hold: " in table
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    if name == "s_ablation":
        assert "\nholds: noise fixed at 0.1 adds 0.0" in table
    if name == "sr":
        assert "\nholds: x2: averages over blocks are the pixels given" in table
    if name == "priors":
        assert sorted(path.name for path in (tmp_path / "paper_seed0").glob("samples_*.png")) == [
            f"samples_{kind}.png" for kind in ("conditional", "diffusion", "factorised", "mixture")
        ]


def test_thresholds_come_to_lie_where_derived_and_finished_rows_stay(tmp_path, capsys):
    words = ["benchmark", "lambda", "--data", "rectangle_images", "--images", "640", "--size", "16", "--epochs", "6"]
    words += ["--device", "cpu", "--out", str(tmp_path), "--seeds"]
    assert main([*words[:-1], "--values", "0", "0.1", "--seeds", "0"]) == 0
    first = capsys.readouterr().out
    tau = derived_threshold(0.1, 3)
    assert tau == pytest.approx(0.0507937, abs=1e-6)
    row = next(json.loads(line) for line in first.splitlines() if line.startswith("{") and '"lambda": 0.1' in line)
    assert row["tau"] == pytest.approx(tau)
    assert row["threshold"] == pytest.approx(tau, rel=0.05)
    assert "\nholds: lambda = 0.1: threshold" in first
    for text in ("the share of empty details grows", "the squared error grows"):
        assert f"\nholds: {text} with lambda" in first

    stamp = (tmp_path / "lambda_0.1_seed0" / "rows.json").stat().st_mtime_ns
    before = (tmp_path / "rows.jsonl").read_text()
    assert main([*words[:-1], "--values", "0", "0.1", "--seeds", "0"]) == 0
    again = capsys.readouterr().out
    assert not [line for line in again.splitlines() if line.startswith(("{", "training"))]
    assert (tmp_path / "rows.jsonl").read_text() == before
    assert (tmp_path / "lambda_0.1_seed0" / "rows.json").stat().st_mtime_ns == stamp
    assert main([*words, "0", "1", "--values", "0.1"]) == 0
    more = capsys.readouterr().out
    assert [line for line in more.splitlines() if line.startswith("training")] == ["training lambda = 0.1, seed 1"]
    assert [json.loads(line)["seed"] for line in more.splitlines() if line.startswith("{")] == [1]
    assert "±" in more
    assert main([*words, "0", "--values", "0.1", "--size", "8"]) == 2
    assert "holds a run with other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["lambda", "--values", "0.1", "-1"], "--values of lambda must not be negative, got -1."),
        (["levels", "--values", "9"], "--values of levels must lie within 1 and 4 for images of 16, got 9."),
        (["rate_distortion", "--values", "0"], "--values of rate_distortion must be positive bits per pixel, got 0."),
        (["denoise", "--values", "-0.1"], "--values of denoise must be positive standard deviations, got -0.1."),
        (["sr", "--values", "3"], "--values of sr must be of 2, 4, 8, got 3."),
        (["mri", "--values", "1"], "--values of mri must be accelerations above 1, got 1."),
        (["mri", "--data", "cifar10_images", "--path", "x"], "mri is for gray images: --data photo_patches"),
        (["table1", "--data", "unlabelled_folder"], "--data unlabelled_folder needs --path, where it lies."),
        (["table1", "--epochs", "0"], "--epochs must be positive, got 0."),
        (["table1", "--data", "digit_images", "--images", "9"], "--images goes with photo_patches and rectangle_im"),
        (["table1", "--values", "1"], "--values goes with the benchmarks lambda, levels"),
        (["table2"], "unknown benchmark 'table2'; known: speed, "),
    ],
)
def test_bad_words_are_one_sentence(words, sentence, tmp_path, capsys):
    assert main(["benchmark", *words, "--out", str(tmp_path / "out")]) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert len(shown.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_data_that_is_not_there(tmp_path, capsys):
    for words in (["--full"], ["--data", "unlabelled_folder", "--path", str(tmp_path / "none")]):
        assert main(["benchmark", "posterior", *words, "--device", "cpu", "--out", str(tmp_path / "out")]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_fixed_noise_costs_its_square(rng):
    """With a linear decoder, whatever the error of the reconstruction."""
    data = rectangle_images(num_test=64)
    args = {"in_chans": 1, "img_size": 16, "levels": 2, "decoder": "pure", "learn_noise": False}
    for scale, encoder in ((NOISE, {"encoder": "analytic"}), (0.05, {"widths": (8, 8, 8), "blocks": 1})):
        model = WaveletVAE(**args, **encoder, noise_init=scale).eval()
        trained = Trained(model, data, None, {}, None, Plan())
        assert noise_gap(trained) == pytest.approx(scale**2, rel=0.05)
        assert noise_gap(trained) == noise_gap(trained)


def test_a_table_shows_means_and_spreads():
    rows = [
        {"setting": "a | b", "psnr": 30.0},
        {"setting": "a | b", "psnr": 32.0},
        {"setting": "c", "mse": 0.5},
    ]
    table = markdown_table(EXPERIMENTS["table1"], rows).splitlines()
    assert table[0] == "| setting | MSE [0, 1] | PSNR dB |"
    assert table[2:] == [f"| a \\| b | - | {mean_and_spread([30.0, 32.0], 2)} |", "| c | 0.50000 | - |"]
    assert mean_of(rows, "psnr", setting="a | b") == 31.0
    assert math.isnan(mean_of(rows, "psnr", setting="c"))


def test_the_entropy_of_a_coder():
    """Four pixels make one approximation and three details: here -2 or 2, and zeros."""
    images = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    rate, quality = threshold_coder(images, 0.5, 1)
    assert rate == pytest.approx(1 / 4)  # one bit for one coefficient of four pixels
    assert quality == math.inf  # 2 is 4 steps, decoded as 4.5, clipped
    rate, quality = threshold_coder(images, 3.0, 1)
    assert rate == 0
    assert quality == pytest.approx(20 * math.log10(2))  # all gray


def test_blocks_and_blurs(rng):
    images = torch.rand(2, 3, 16, 16, generator=rng)
    assert blockiness(torch.arange(64.0).expand(1, 1, 4, 64), 8) == pytest.approx(1)
    assert blockiness(images.repeat_interleave(4, -1) + 0.01 * torch.rand(2, 3, 16, 64, generator=rng), 4) > 100
    expected = gaussian_filter(images.double().numpy(), (0, 0, 1.3, 1.3), mode="nearest", radius=(0, 0, 4, 4))
    torch.testing.assert_close(gaussian_blur(images.double(), 1.3), torch.from_numpy(expected))


@pytest.mark.parametrize(("kind", "side"), list(itertools.product(mri.KINDS, (32, 64))))
def test_masks_measure_the_middle_and_as_many_lines_as_wanted(kind, side):
    generator = torch.Generator().manual_seed(0)
    for acceleration in (4, 8):
        mask = mri.line_mask(kind, side, acceleration, generator)
        assert mask.unique().tolist() == [0, 1]
        assert mask.sum() == side // acceleration
        assert mask[0] == 1
        assert mask[1] + mask[-1] >= 1
    assert mri.line_mask(kind, side, 1, generator).sum() == side


def test_random_lines_lie_near_the_middle():
    generator = torch.Generator().manual_seed(0)
    masks = torch.stack([mri.line_mask("random", 64, 4, generator) for _ in range(200)])
    near, far = masks[:, 4:12].mean(), masks[:, 24:32].mean()
    assert near > 5 * far > 0


def test_reconstructions_from_fourier_coefficients(rng):
    images = torch.stack([rectangle_images().test[index] for index in range(4)]) * 2 - 1
    whole = torch.ones(16)
    torch.testing.assert_close(mri.zero_filled(mri.sampled(images, whole)), images, rtol=0, atol=1e-5)
    # Coefficients here and there, few of them high: what sparse reconstruction is for.
    mask = (torch.rand(16, 16, generator=rng) < 0.6).float()
    mask[0, 0] = 1
    measured = mri.sampled(images, mask)
    error = (mri.zero_filled(measured) - images).square().mean()
    sparse = mri.sparse_wavelets(measured, mask, 0.01, PyramidTransform(levels=2))
    assert (sparse - images).square().mean() < 0.5 * error
    torch.testing.assert_close(
        mri.sparse_wavelets(mri.sampled(images, whole), whole, 0.0, PyramidTransform(levels=2)),
        images,
        rtol=0,
        atol=1e-4,
    )
    nothing = mri.plug_in_prior(measured, mask, lambda x, sigma: 0 * x, 0.01, 2)
    torch.testing.assert_close(nothing, mri.zero_filled(measured), rtol=0, atol=1e-5)
    noises = []

    def oracle(x, sigma):
        shift = len(noises) % 4, 5 * len(noises) % 4
        noises.append(sigma)
        return images.roll(shift, (-2, -1))

    torch.testing.assert_close(mri.plug_in_prior(measured, mask, oracle, 0.01, 2), images, rtol=0, atol=1e-5)
    assert noises == sorted(noises, reverse=True)
    assert (noises[0], noises[-1]) == (pytest.approx(0.5), pytest.approx(0.01))
