"""Experiments on the bound: priors, families of posteriors, and rate against distortion."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from subband.media.images import write_image
from subband.metrics.image import psnr
from subband.models.generation.pyramid import PyramidTransform
from subband.tasks.generation.drawing import draw
from subband.tasks.generation.experiments.experiment import (
    DRAWN,
    Check,
    Experiment,
    Row,
    Rows,
    Trained,
    baselines,
    images_of,
    mean_of,
)
from subband.tasks.generation.experiments.plan import Plan
from subband.tasks.generation.experiments.shrinkage import LEARNED, model_args
from subband.tasks.generation.networks import as_input
from subband.tasks.generation.scores import DrawnScores
from subband.training.comparison import Entry
from subband.training.evaluation import as_bytes
from subband.visual.experiments import Bars, Lines
from subband.visual.grids import image_grid

__all__ = ["POSTERIOR", "PRIORS", "RATE_DISTORTION", "threshold_coder"]

# Priors of a network of the paper, fitted after training.
EXPOST: dict[str, dict[str, Any]] = {"factorised": {}, "mixture": {}, "conditional": {}}
EXPOST["diffusion"] = {"diffusion": {"base_dims": (32,), "multipliers": ((1, 2),), "attention": ((),), "dropout": 0.0}}
TOY = "rectangle_images"
WORTH = 0.2  # bits/dim that a conditional prior is worth on images of rectangles
SHOWN = 64
POSTERIORS = ("auto", "gauss", "laplace", "gauss_shared")
SLACK = 0.01  # bits/dim that a choice may lose by chance
TARGETS = (0.25, 0.5, 1.0, 2.0, 4.0)
STEPS = (0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56)  # of the coder beside them, in units of images in [-1, 1]


# priors


def _prior_entries(plan: Plan) -> list[Entry]:
    toy: dict[str, Any] = {} if plan.full else {"data": {"name": TOY, "args": {"img_size": 16, "num_train": 3200}}}
    entries = [
        plan.entry(f"{kind}", f"elbo_{kind}", "elbo", model_args(prior=kind, decoder="pure"))
        for kind in ("factorised", "conditional")
    ]
    if toy and plan.data is None and plan.path is None:
        entries += [
            plan.entry(f"rectangles: {kind}", f"toy_{kind}", "elbo", model_args(prior=kind, decoder="pure"), toy)
            for kind in ("factorised", "conditional")
        ]
    return [*entries, plan.entry("paper's objective", "paper", "paper", model_args(decoder="pure"), LEARNED)]


def _prior_rows(trained: Trained) -> list[Row]:
    if trained.model.mode == "elbo":
        _draw_grid(trained, "samples", draw(trained.model, SHOWN))
        return [trained.metrics]
    return [trained.metrics, *(_expost_row(trained, kind) for kind in EXPOST)]


def _expost_row(trained: Trained, kind: str) -> Row:
    """What a network of the paper's objective draws once a prior was fitted to its coefficients."""
    model = trained.model
    batches = [as_input(model, images) for images in images_of(trained.data.train, 2048)]
    generator = torch.Generator().manual_seed(trained.recipe.seed)
    model.fit_expost_prior(batches, kind, epochs=trained.recipe.trainer.epochs, generator=generator, **EXPOST[kind])
    drawn = draw(model, max(len(trained.data.test), SHOWN))
    _draw_grid(trained, f"samples_{kind}", drawn[:SHOWN])
    scores = DrawnScores(trained.data.spec, torch.device("cpu"))
    for images in images_of(trained.data.test):
        scores.add(images, is_real=True)
    scores.add(drawn[: len(trained.data.test)], is_real=False)
    distances = {name: value for name, value in scores.compute().items() if value is not None}
    return {"setting": f"paper's objective, {kind} prior fitted afterwards", **distances}


def _draw_grid(trained: Trained, name: str, images: Tensor) -> None:
    grid = torch.from_numpy(image_grid(as_bytes(images)))
    write_image(trained.folder / f"{name}.png", grid.movedim(-1, 0).float() / 255, overwrite=True)


def _prior_checks(rows: Rows) -> list[Check]:
    checks = []
    for prefix, name, worth in (("", "photographs", 0.0), ("rectangles: ", "rectangles", WORTH)):
        one, other = (mean_of(rows, "bits_per_dim", setting=prefix + kind) for kind in ("factorised", "conditional"))
        if not math.isnan(one):
            text = f"on {name} a conditional prior has {one - other:.3f} bits/dim less than a factorised one"
            checks.append(
                Check(f"{text}, {other:.3f} against {one:.3f}; expected above {worth:g}", one - other > worth)
            )
    return checks


PRIORS = Experiment(
    title="The prior: independent details, details given what is coarser, and priors fitted after training",
    entries=_prior_entries,
    columns={
        "bits_per_dim": ("bits/dim", 3),
        "rate": ("rate bpp", 3),
        "psnr": ("PSNR dB", 2),
        **DRAWN,
    },
    picture=lambda rows: Bars(
        [(row["setting"], row["bits_per_dim"]) for row in rows if "bits_per_dim" in row], "bits/dim"
    ),
    measure=_prior_rows,
    reference=baselines,
    checks=_prior_checks,
)


# posterior


def _posterior_entries(plan: Plan) -> list[Entry]:
    return [plan.entry(family, family, "elbo", model_args(posterior=family, decoder="pure")) for family in POSTERIORS]


@torch.inference_mode()
def _posterior_rows(trained: Trained) -> list[Row]:
    model, sums, count = trained.model, dict[str, float](), 0
    for number, images in enumerate(trained.test_inputs()):
        bits = model.rate_bits(images, generator=torch.Generator(trained.device).manual_seed(number))
        pixels = images.shape[-2] * images.shape[-1]
        for name, value in bits.items():
            sums[f"rate_{name}"] = sums.get(f"rate_{name}", 0.0) + value / pixels * len(images)
        count += len(images)
    flags = model.is_laplace.tolist() if model.family == "auto" else []
    chosen = {f"laplace_{model.levels - place}": flag for place, flag in enumerate(flags)}
    sigma = model.objective.noise().item()
    return [{**trained.metrics, "sigma_x": sigma, **{name: value / count for name, value in sums.items()}, **chosen}]


def _posterior_checks(rows: Rows) -> list[Check]:
    auto, gauss, laplace = (mean_of(rows, "bits_per_dim", setting=name) for name in POSTERIORS[:3])
    text = f"auto is as good as the better pure family: {auto:.3f} against {gauss:.3f} and {laplace:.3f} bits/dim"
    return [Check(text, auto <= min(gauss, laplace) + SLACK)]


POSTERIOR = Experiment(
    title="The family of the posterior",
    entries=_posterior_entries,
    columns={
        "bits_per_dim": ("bits/dim", 3),
        "rate": ("rate bpp", 3),
        "rate_approx": ("approximation bpp", 3),
        "rate_level_2": ("level 2 bpp", 3),
        "rate_level_1": ("level 1 bpp", 3),
        "sigma_x": ("sigma_x", 4),
        "psnr": ("PSNR dB", 2),
        **DRAWN,
    },
    picture=lambda rows: Bars(
        [(row["setting"], row["bits_per_dim"]) for row in rows if "bits_per_dim" in row], "bits/dim"
    ),
    measure=_posterior_rows,
    reference=baselines,
    checks=_posterior_checks,
)


# rate_distortion


def threshold_coder(images: Tensor, step: float, levels: int) -> tuple[float, float]:
    """What coding the large Haar coefficients of images costs, by the entropy of each band.

    Coefficients are rounded towards 0 to multiples of a step, so those below it vanish (a hard threshold), and put back
    into the middle of their interval. A band of a level, all colors and images together, is one source without memory.

    Args:
        images: `(B, C, H, W)` in [0, 1].
        step: Step for images in [-1, 1].
        levels: J.

    Returns:
        Bits per pixel, and the mean PSNR in dB.

    Example:
        >>> rate, quality = threshold_coder(torch.rand(2, 1, 8, 8), 0.1, 2)
        >>> coarse = threshold_coder(torch.rand(2, 1, 8, 8), 1.0, 2)
        >>> coarse[0] < rate, coarse[1] < quality
        (True, True)
    """
    transform = PyramidTransform(levels=levels).to(images.device)
    pyramid = transform.analyze(2 * images - 1)
    numbers = pyramid.map(lambda band: (band / step).trunc())
    bands = [numbers.approx, *(band for detail in numbers.details for band in detail.chunk(3, 1))]
    bits = sum(_entropy(band) * band.numel() for band in bands)
    decoded = transform(numbers.map(lambda band: step * (band + 0.5 * band.sign())))
    quality = psnr(((decoded + 1) / 2).clamp(0, 1), images).mean().item()
    return bits / (len(images) * images.shape[-2] * images.shape[-1]), quality


def _entropy(numbers: Tensor) -> float:
    """Bits per number of a source without memory."""
    shares = numbers.unique(return_counts=True)[1].double() / numbers.numel()
    return -(shares * shares.log2()).sum().item()


def _rate_entries(plan: Plan) -> list[Entry]:
    values = TARGETS if plan.values is None else plan.values
    if min(values) <= 0:
        raise ValueError(f"--values of rate_distortion must be positive bits per pixel, got {min(values):g}.")
    loss = {"loss": [{"name": "objective"}]}  # the rate steers the weight of the divergence, no warm-up
    fixed = {"learn_sigma": False, "sigma_x": 0.1}
    trainer = {"trainer": {"monitor": "val_loss"}}
    return [
        plan.entry(
            f"Wavelet-VAE, target {value:g} bpp",
            f"target_{value:g}",
            "elbo",
            model_args(rate_target=float(value), decoder="pure", **fixed),
            loss,
            trainer,
        )
        for value in values
    ]


def _rate_rows(trained: Trained) -> list[Row]:
    target = trained.recipe.model.args["rate_target"]
    return [{"curve": "Wavelet-VAE", "target": target, "beta": trained.model.objective.beta.item(), **trained.metrics}]


def _coder_rows(trained: Trained) -> list[Row]:
    images = torch.cat(list(images_of(trained.data.test)))
    return [*_coded(images, trained.model.levels), *baselines(trained)]


def _coded(images: Tensor, levels: int) -> Iterator[Row]:
    for step in STEPS:
        rate, quality = threshold_coder(images, step, levels)
        yield {"setting": f"hard threshold, step {step}", "curve": "hard threshold", "rate": rate, "psnr": quality}


def _rate_checks(rows: Rows) -> list[Check]:
    own = sorted((row for row in rows if "target" in row), key=lambda row: row["target"])
    rates = [mean_of(own, "rate", target=target) for target in dict.fromkeys(row["target"] for row in own)]
    quality = [mean_of(own, "psnr", target=target) for target in dict.fromkeys(row["target"] for row in own)]
    said = ", ".join(f"{rate:.2f} bpp {value:.2f} dB" for rate, value in zip(rates, quality, strict=True))
    return [Check(f"more rate gives more quality: {said}", quality == sorted(quality) and rates == sorted(rates))]


def _rate_picture(rows: Rows) -> Lines:
    own = [row for row in rows if "curve" in row]
    curves = {
        name: [(row["rate"], row["psnr"]) for row in own if row["curve"] == name]
        for name in ("Wavelet-VAE", "hard threshold")
    }
    return Lines({"": curves}, "rate, bits per pixel", "PSNR, dB")


RATE_DISTORTION = Experiment(
    title="Rate against distortion, beside a coder that keeps large coefficients",
    entries=_rate_entries,
    columns={"rate": ("rate bpp", 3), "psnr": ("PSNR dB", 2), "ssim": ("SSIM", 3), "beta": ("beta", 3), **DRAWN},
    picture=_rate_picture,
    measure=_rate_rows,
    reference=_coder_rows,
    checks=_rate_checks,
    grid=True,
)
