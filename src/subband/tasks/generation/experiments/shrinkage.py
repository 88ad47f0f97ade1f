"""Experiments on the paper's objective: what its table, its noise and its penalty come to."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from subband.models.generation.distributions import best_scale_at_zero
from subband.tasks.generation.experiments.experiment import (
    DRAWN,
    Check,
    Experiment,
    Row,
    Rows,
    Trained,
    baselines,
    mean_of,
)
from subband.tasks.generation.experiments.plan import Plan
from subband.training.comparison import Entry
from subband.visual.experiments import Bars, Lines

__all__ = ["FAST", "LAMBDA", "LEARNED", "S_ABLATION", "TABLE1", "derived_threshold", "model_args", "noise_gap"]

TWICE = ", twice the steps"
NOISE = 0.1  # the fixed scale that the paper compares a learned one with
SMALL = 1e-3  # a coefficient below it counts as one that is not there
CLOSE = 0.05  # relative, of what is measured and what was derived
PENALTIES = (0.0, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
# For the few numbers of an analytic encoder, whose gradients shrink by orders of magnitude: Adam must forget the first.
FAST: dict[str, Any] = {"optim": {"lr": 0.05, "betas": [0.9, 0.95]}}
LEARNED: dict[str, Any] = {"optim": {"lr_factors": {"noise": 10}}}  # so that a short run shows where s goes


def derived_threshold(penalty: float, levels: int) -> float:
    """Where the paper's objective moves details to zero, in orthonormal coefficients of images in [-1, 1].

    The squared error is a mean over all numbers and the penalty one over details, which are a share `1 - 4^-J` of them:
    the optimum is soft thresholding with `tau = lambda / (2 (1 - 4^-J))`.

    Args:
        penalty: Weight of the penalty, lambda.
        levels: J.

    Example:
        >>> round(derived_threshold(0.2, 2), 6), round(derived_threshold(0.01, 3), 7)
        (0.106667, 0.0050794)
    """
    return penalty / (2 * (1 - 4.0**-levels))


@torch.inference_mode()
def noise_gap(trained: Trained) -> float:
    """What noise on the code adds to the squared error of the test images, in [-1, 1] and not clipped.

    Every noise is taken with both signs, which leaves nothing of its product with the error by chance.
    """
    model, total, count = trained.model, 0.0, 0
    for number, images in enumerate(trained.test_inputs()):
        clean = (model.reconstruct(images) - images).square()
        generator = torch.Generator(trained.device).manual_seed(number)
        noise = torch.randn(len(images), model.num_latents, generator=generator, device=images.device)
        for signed in (noise, -noise):
            noisy = (model(images, signed).recon - images).square()
            total += 0.5 * (noisy - clean).double().sum().item()
        count += images.numel()
    return total / count


def scores(trained: Trained) -> list[Row]:
    """The scores on the test set as they are."""
    return [trained.metrics]


def model_args(**args: Any) -> dict[str, Any]:
    """Settings of a recipe with these arguments of its network."""
    return {"model": {"args": args}}


# table1


def _table_entries(plan: Plan) -> list[Entry]:
    levels = plan.levels("paper")
    kept = [
        plan.entry(
            f"Wavelet-VAE, pure, 1/{4 ** (first - 1)} of the numbers",
            f"keep_{first}",
            "paper",
            model_args(decoder="pure", keep_levels=first),
            LEARNED,
        )
        for first in range(2, levels + 2)
    ]
    plain = {"trainer": {"monitor": "val_loss"}, **model_args(objective="mse")}
    return [
        plan.entry("Wavelet-VAE, pure", "pure", "paper", model_args(decoder="pure"), LEARNED),
        plan.entry("Wavelet-VAE, hybrid", "hybrid", "paper", model_args(decoder="hybrid"), LEARNED),
        *kept,
        plan.entry("conventional VAE", "conv", "conv", plain),
        plan.entry("conventional VAE, learned noise", "conv_elbo", "conv"),
        plan.entry("Wavelet-VAE with a likelihood", "elbo", "elbo"),
    ]


def _table_checks(rows: Rows) -> list[Check]:
    """The transform must not be worse than a network that codes as many numbers: the bar of every such table."""
    learned = [row for row in rows if str(row["setting"]).startswith("Wavelet-VAE, pure, 1/")]
    checks = []
    for name in dict.fromkeys(row["setting"] for row in learned):
        share = name.split()[2]
        found, bar = mean_of(rows, "psnr", setting=name), mean_of(rows, "psnr", setting=f"pyramid: {share}, coarse")
        if not math.isnan(bar):
            text = f"the coarse {share} of the transform is at least as good as what was learned, {bar:.2f} dB"
            checks.append(Check(f"{text} against {found:.2f}", bar >= found - 0.05))
    return checks


TABLE1 = Experiment(
    title="Reconstructions by networks, and by the transform alone",
    entries=_table_entries,
    columns={
        "coded": ("numbers coded, share", 4),
        "mse": ("MSE [0, 1]", 5),
        "mse_signed": ("MSE [-1, 1]", 5),
        "psnr": ("PSNR dB", 2),
        "ssim": ("SSIM", 3),
        "rate": ("rate bpp", 2),
        "bits_per_dim": ("bits/dim", 3),
        **DRAWN,
    },
    picture=lambda rows: Bars([(row["setting"], row["psnr"]) for row in rows if "psnr" in row], "PSNR, dB"),
    measure=scores,
    reference=baselines,
    checks=_table_checks,
)


# s_ablation


def _noise_entries(plan: Plan) -> list[Entry]:
    kinds: dict[str, dict[str, Any]] = {
        "one learned s": {"noise": "scalar"},
        "learned s per level": {"noise": "level"},
        f"fixed s = {NOISE}": {"learn_noise": False, "noise_init": NOISE},
        "fixed s = 0.05": {"learn_noise": False, "noise_init": 0.05},
        "s = 0": {"learn_noise": False, "noise_init": 0.0, "noise_param": "raw"},
    }
    entries = [
        plan.entry(
            f"{decoder}: {label}",
            f"{decoder}_{number}",
            "paper",
            model_args(decoder=decoder, **args),
            {} if "learn_noise" in args else LEARNED,
        )
        for decoder in ("pure", "hybrid")
        for number, (label, args) in enumerate(kinds.items())
    ]
    shared = {"encoder": "analytic", "decoder": "pure", "prior": "factorised", "posterior": "gauss_shared"}
    for sigma in (0.1, 0.05):
        args, rate = model_args(**shared, learn_sigma=False, sigma_x=sigma), {"optim": {"lr": 0.02}}
        label = f"likelihood, sigma_x = {sigma}"
        entries.append(plan.entry(label, f"elbo_{sigma}", "elbo", args, rate))
        entries.append(plan.entry(f"{label}{TWICE}", f"elbo_{sigma}_twice", "elbo", args, rate, longer=2))
    return entries


def _noise_rows(trained: Trained) -> list[Row]:
    model = trained.model
    if model.mode == "paper":
        return [{**trained.metrics, "gap": noise_gap(trained), **_scales(model)}]
    sigma = model.objective.noise()
    magnitudes = model.prior.details.log_scale.exp()
    levels = {}
    for place, (scale, magnitude) in enumerate(zip(model.noise().details, magnitudes, strict=True)):
        level = model.levels - place
        levels[f"least_{level}"] = best_scale_at_zero(sigma, magnitude).mean().item()
        levels[f"named_{level}"] = math.sqrt(math.pi / 2) * magnitude.mean().item()
        levels[f"s_{level}"] = scale.item()
    return [{**trained.metrics, "gap": noise_gap(trained), "sigma_x": sigma.item(), **_scales(model), **levels}]


def _scales(model: Any) -> dict[str, float]:
    """Noise of every level of details, 1 the finest."""
    return {f"s_{model.levels - place}": scale.item() for place, scale in enumerate(model.noise().details)}


def _noise_checks(rows: Rows) -> list[Check]:
    fixed = mean_of(rows, "gap", setting=f"pure: fixed s = {NOISE}")
    found = mean_of(rows, "s_1", setting="pure: one learned s")
    checks = [
        Check(
            f"noise fixed at {NOISE} adds {fixed:.5f} to the squared error of a pure decoder, derived {NOISE**2:.5f}",
            abs(fixed - NOISE**2) <= CLOSE * NOISE**2,
        ),
        Check(f"a learned s falls from {NOISE}, to {found:.4f}", found < NOISE),
    ]
    bound = [row for row in rows if "sigma_x" in row]
    for name in dict.fromkeys(row["setting"] for row in bound):
        own = [row for row in bound if row["setting"] == name]
        levels = sorted(int(key[6:]) for key in own[0] if key.startswith("least_"))
        text, holds = [], True
        for level in levels:
            low, s, high = (mean_of(own, key) for key in (f"least_{level}", f"s_{level}", "sigma_x"))
            named = mean_of(own, f"named_{level}")
            text.append(f"level {level}: {low:.4f} <= {s:.4f} <= {high:.4f} (b sqrt(pi / 2) = {named:.4f})")
            holds = holds and low * (1 - CLOSE) <= s <= high * (1 + CLOSE)
        checks.append(
            Check(f"{name}: s between its value for empty coefficients and sigma_x; {'; '.join(text)}", holds)
        )
    for name in dict.fromkeys(row["setting"] for row in bound if not row["setting"].endswith(TWICE)):
        once, twice = mean_of(bound, "s_1", setting=name), mean_of(bound, "s_1", setting=f"{name}{TWICE}")
        text_of = f"{name}: s does not depend on the number of steps, {once:.4f} and {twice:.4f}"
        checks.append(Check(text_of, abs(once - twice) <= CLOSE * once))
    return checks


S_ABLATION = Experiment(
    title="The noise scale s: learned, by level, fixed; under the paper's objective and under a likelihood",
    entries=_noise_entries,
    columns={
        "s_1": ("s, finest level", 4),
        "s_2": ("s, level 2", 4),
        "mse_signed": ("MSE [-1, 1]", 5),
        "gap": ("more with noise", 5),
        "psnr": ("PSNR dB", 2),
        "bits_per_dim": ("bits/dim", 3),
        **DRAWN,
    },
    picture=lambda rows: Bars([(row["setting"], row["s_1"]) for row in rows if "s_1" in row], "s of the finest level"),
    measure=_noise_rows,
    reference=baselines,
    checks=_noise_checks,
)


# lambda


def _penalty_entries(plan: Plan) -> list[Entry]:
    values = PENALTIES if plan.values is None else plan.values
    if min(values) < 0:
        raise ValueError(f"--values of lambda must not be negative, got {min(values):g}.")
    silent = {"learn_noise": False, "noise_init": 0.0, "noise_param": "raw"}
    return [
        plan.entry(
            f"lambda = {value:g}",
            f"lambda_{value:g}",
            "paper",
            plan.sized("paper", 32, levels=3),
            model_args(encoder="analytic", decoder="pure", sparsity=float(value), **silent),
            FAST,
        )
        for value in values
    ]


@torch.inference_mode()
def _penalty_rows(trained: Trained) -> list[Row]:
    model = trained.model
    thresholds: Tensor = model.encoder.log_threshold.exp()
    small = total = 0
    for images in trained.test_inputs():
        for detail in model.encode(images).mean.details:
            small, total = small + int((detail.abs() < SMALL).sum()), total + detail.numel()
    penalty = trained.recipe.model.args["sparsity"]
    found = {"threshold": thresholds.median().item(), "least": thresholds.min().item()}
    found |= {"largest": thresholds.max().item(), "tau": derived_threshold(penalty, model.levels)}
    return [{"lambda": penalty, **found, "sparsity": small / total, **trained.metrics}]


def _penalty_checks(rows: Rows) -> list[Check]:
    own = sorted((row for row in rows if "lambda" in row), key=lambda row: row["lambda"])
    checks = []
    for value in dict.fromkeys(row["lambda"] for row in own):
        found, tau = (mean_of(own, key, **{"lambda": value}) for key in ("threshold", "tau"))
        if tau:
            checks.append(
                Check(f"lambda = {value:g}: threshold {found:.5f}, derived {tau:.5f}", abs(found - tau) <= CLOSE * tau)
            )
    for key, name in (("sparsity", "the share of empty details"), ("mse", "the squared error")):
        values = [mean_of(own, key, **{"lambda": value}) for value in dict.fromkeys(row["lambda"] for row in own)]
        checks.append(Check(f"{name} grows with lambda", values == sorted(values)))
    return checks


def _penalty_picture(rows: Rows) -> Lines:
    own = [row for row in rows if row.get("lambda")]
    points = {
        name: [(math.log10(row["lambda"]), math.log10(max(row[key], 1e-6))) for row in own]
        for name, key in (("measured", "threshold"), ("derived", "tau"))
    }
    return Lines({"": points}, "log10 of lambda", "log10 of the threshold")


LAMBDA = Experiment(
    title="The penalty is soft thresholding: where the threshold comes to lie",
    entries=_penalty_entries,
    columns={
        "tau": ("threshold, derived", 5),
        "threshold": ("threshold, median of bands", 5),
        "least": ("least", 5),
        "largest": ("largest", 5),
        "sparsity": ("details below 0.001", 3),
        "mse": ("MSE [0, 1]", 6),
        "psnr": ("PSNR dB", 2),
        "ssim": ("SSIM", 3),
        **DRAWN,
    },
    picture=_penalty_picture,
    measure=_penalty_rows,
    reference=baselines,
    checks=_penalty_checks,
    grid=True,
)
