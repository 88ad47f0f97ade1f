"""Experiments on what a prior of coefficients is good for besides drawing: noise, and missing resolution."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from subband.imaging.denoise import denoise_wavelet
from subband.metrics.generation import ReconstructionScores
from subband.tasks.generation.experiments.experiment import (
    Check,
    Experiment,
    Row,
    Rows,
    Trained,
    images_of,
    kept,
    mean_of,
)
from subband.tasks.generation.experiments.plan import Plan
from subband.tasks.generation.experiments.shrinkage import model_args
from subband.training.comparison import Entry
from subband.visual.experiments import Lines

__all__ = ["COLUMNS", "DENOISE", "SR", "curves", "gaussian_blur", "prior_entry", "scores_of"]

NOISES = (0.05, 0.1, 0.2)  # standard deviations, images in [0, 1]
FACTORS = (2, 4)
BLURS = (0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.3, 1.7)  # widths of the filter that is compared, in pixels
LEVELS = (1, 2, 3)  # of the shrinkage that is compared
BLUR, SHRINKAGES = "Gaussian blur", ("BayesShrink, haar", "BayesShrink, db2, 4 shifts")
TEST_IMAGES = 128
# The encoder makes no difference to either; that of the transform trains fastest.
PRIOR_ONLY: dict[str, Any] = {"encoder": "analytic", "decoder": "pure", "posterior": "gauss"}
COLUMNS = {"psnr": ("PSNR dB", 2), "ssim": ("SSIM", 3)}

Method = Callable[[Tensor], Tensor]


def prior_entry(plan: Plan, kind: str, *changes: dict[str, Any]) -> Entry:
    """A network with a likelihood of which only the prior matters."""
    size = plan.sized("elbo", 32, levels=3)
    return plan.entry(f"{kind} prior", kind, "elbo", size, model_args(prior=kind, **PRIOR_ONLY), *changes)


def restored_rows(methods: dict[str, Method], damaged: Tensor, clean: Tensor, **facts: Any) -> list[Row]:
    """PSNR and SSIM of what methods make of damaged images.

    Args:
        methods: From damaged images to restored ones in [0, 1], by name.
        damaged: What they are given.
        clean: What they should find, `(B, C, H, W)` in [0, 1].
        facts: More keys of every row.
    """
    return [{"setting": name, **facts, **scores_of(method(damaged), clean)} for name, method in methods.items()]


def scores_of(found: Tensor, clean: Tensor) -> dict[str, float]:
    """PSNR and SSIM of images `(B, C, H, W)` in [0, 1]."""
    scores = ReconstructionScores()
    scores.update(found, clean)
    return kept(scores.compute())


def curves(rows: Rows, key: str) -> dict[str, list[tuple[float, float]]]:
    """PSNR over a key, by setting."""
    names = dict.fromkeys(row["setting"] for row in rows)
    return {name: [(row[key], row["psnr"]) for row in rows if row["setting"] == name] for name in names}


# denoise


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Images blurred by a Gaussian, borders repeated.

    Args:
        images: `(B, C, H, W)`.
        sigma: Standard deviation in pixels.

    Example:
        >>> gaussian_blur(torch.ones(1, 2, 5, 5), 1.0).allclose(torch.ones(()))
        True
    """
    radius = math.ceil(3 * sigma)
    taps = (
        torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype).div(sigma).square().mul(-0.5).exp()
    )
    taps = (taps / taps.sum()).expand(images.shape[1], 1, 1, -1)
    padded = F.pad(images, (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, taps, groups=len(taps)), taps.mT, groups=len(taps))


def _denoise_entries(plan: Plan) -> list[Entry]:
    _noises(plan)
    return [prior_entry(plan, kind) for kind in ("conditional", "factorised")]


def _noises(plan: Plan) -> tuple[float, ...]:
    values = NOISES if plan.values is None else plan.values
    if min(values) <= 0:
        raise ValueError(f"--values of denoise must be positive standard deviations, got {min(values):g}.")
    return values


def _noisy(trained: Trained, sigma: float) -> tuple[Tensor, Tensor]:
    """Test images with the same noise for every method, and without."""
    clean = torch.cat(list(images_of(trained.data.test, TEST_IMAGES))).to(trained.device)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return clean + sigma * noise.to(clean.device), clean


def _denoise_rows(trained: Trained) -> list[Row]:
    label = f"Wavelet-VAE, {'conditional' if trained.model.prior.is_conditional else 'factorised'} prior"
    rows = []
    for sigma in _noises(trained.plan):
        noisy, clean = _noisy(trained, sigma)
        found = (trained.model.denoise(2 * noisy - 1, 2 * sigma) + 1) / 2
        rows.append({"setting": label, "sigma": sigma, **scores_of(found, clean)})
    return rows


def _denoise_reference(trained: Trained) -> list[Row]:
    """Filters without training, each with the parameter that is best for these very images."""
    rows = []
    for sigma in _noises(trained.plan):
        noisy, clean = _noisy(trained, sigma)
        filters: dict[str, list[Method]] = {
            "noisy": [lambda x: x],
            BLUR: [functools.partial(gaussian_blur, sigma=width) for width in BLURS],
            SHRINKAGES[0]: [_shrunk(sigma, level, "haar", 0) for level in LEVELS],
            SHRINKAGES[1]: [_shrunk(sigma, level, "db2", 1) for level in LEVELS],
        }
        best = {name: _best(some, noisy, clean) for name, some in filters.items()}
        rows += restored_rows(best, noisy, clean, sigma=sigma)
    return rows


def _shrunk(sigma: float, level: int, wavelet: str, shifts: int) -> Method:
    options: dict[str, Any] = {"wavelet": wavelet, "level": level, "cycle_spins": shifts}
    return functools.partial(denoise_wavelet, sigma=sigma, **options)


def _best(methods: list[Method], damaged: Tensor, clean: Tensor) -> Method:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "level")  # of a wavelet that is long for so small images
        return min(methods, key=lambda method: (method(damaged) - clean).square().mean().item())


def _denoise_checks(rows: Rows) -> list[Check]:
    checks = []
    for sigma in sorted({row["sigma"] for row in rows}):
        own = mean_of(rows, "psnr", setting="Wavelet-VAE, conditional prior", sigma=sigma)
        for rival in SHRINKAGES:
            other = mean_of(rows, "psnr", setting=rival, sigma=sigma)
            text = f"at noise {sigma:g} the conditional prior beats {rival}: {own:.2f} against {other:.2f} dB"
            checks.append(Check(text, own > other))
    return checks


DENOISE = Experiment(
    title="White noise removed by the mean under the prior, and by shrinkage",
    entries=_denoise_entries,
    columns=COLUMNS,
    picture=lambda rows: Lines({"": curves(rows, "sigma")}, "noise, standard deviation", "PSNR, dB"),
    measure=_denoise_rows,
    reference=_denoise_reference,
    checks=_denoise_checks,
    grid=True,
    by=("setting", "sigma"),
)


# sr


def _sr_entries(plan: Plan) -> list[Entry]:
    entry = prior_entry(plan, "conditional")
    most = entry.changes["model"]["args"].get("levels", plan.levels("elbo"))
    able = [2**level for level in range(1, most + 1)]
    for value in _factors(plan):
        if value not in able:
            raise ValueError(f"--values of sr must be of {', '.join(map(str, able))}, got {value:g}.")
    return [entry]


def _factors(plan: Plan) -> tuple[float, ...]:
    return FACTORS if plan.values is None else plan.values


def _small(trained: Trained, factor: float) -> tuple[Tensor, Tensor]:
    """Test images averaged over blocks, and themselves."""
    clean = torch.cat(list(images_of(trained.data.test, TEST_IMAGES))).to(trained.device)
    return F.avg_pool2d(clean, int(factor)), clean


def _sr_rows(trained: Trained) -> list[Row]:
    rows: list[Row] = []
    for factor in _factors(trained.plan):
        small, clean = _small(trained, factor)
        for name, temperature in (("Wavelet-VAE, centers", 0.0), ("Wavelet-VAE, drawn", 1.0)):
            generator = torch.Generator(trained.device).manual_seed(0)
            options: dict[str, Any] = {"temperature": temperature, "generator": generator}
            large = (trained.model.super_resolve(2 * small - 1, int(math.log2(factor)), **options) + 1) / 2
            error = (F.avg_pool2d(large, int(factor)) - small).abs().max().item()
            facts = {"setting": name, "factor": int(factor), "inconsistency": error}
            rows.append({**facts, **scores_of(large, clean)})
    return rows


def _sr_reference(trained: Trained) -> list[Row]:
    rows = []
    for factor in _factors(trained.plan):
        size = int(factor)
        methods: dict[str, Method] = {
            "bicubic": functools.partial(F.interpolate, scale_factor=size, mode="bicubic", align_corners=False),
            "pyramid: no details": functools.partial(F.interpolate, scale_factor=size),
        }
        rows += restored_rows(methods, *_small(trained, factor), factor=size)
    return rows


def _sr_checks(rows: Rows) -> list[Check]:
    checks = []
    for factor in sorted({row["factor"] for row in rows}):
        own, other = (
            mean_of(rows, "psnr", setting=name, factor=factor) for name in ("Wavelet-VAE, centers", "bicubic")
        )
        checks.append(Check(f"x{factor}: better than bicubic, {own:.2f} against {other:.2f} dB", own > other))
        error = max(row["inconsistency"] for row in rows if row["factor"] == factor and "inconsistency" in row)
        checks.append(Check(f"x{factor}: averages over blocks are the pixels given, to {error:.1e}", error < 1e-5))
    return checks


SR = Experiment(
    title="Resolution from the conditional prior, and from interpolation",
    entries=_sr_entries,
    columns=COLUMNS,
    picture=lambda rows: Lines({"": curves(rows, "factor")}, "factor", "PSNR, dB"),
    measure=_sr_rows,
    reference=_sr_reference,
    checks=_sr_checks,
    grid=True,
    by=("setting", "factor"),
)
