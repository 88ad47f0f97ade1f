"""Experiments on the pyramid of a Wavelet-VAE: how many levels, and of which wavelet."""

from __future__ import annotations

import torch
from torch import Tensor

from subband.models.generation.pyramid import is_orthogonal
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
from subband.tasks.generation.experiments.shrinkage import FAST, model_args
from subband.training.comparison import Entry
from subband.visual.experiments import Bars, Lines

__all__ = ["LEVELS", "WAVELETS", "blockiness"]

MOST_LEVELS = 5
LARGEST_COVARIANCE = 1024  # numbers of an approximation of which a prior may have a full covariance
WIDTHS = (16, 24, 32, 32, 32, 32)
FIXED_NOISE = {"learn_sigma": False, "sigma_x": 0.05}  # so that rates are those of one quality
WAVELET_NAMES = ("haar", "db2", "db4", "sym4", "bior2.2", "bior4.4")
STRONG_PENALTY = 0.3


# levels


def _level_entries(plan: Plan) -> list[Entry]:
    side = plan.side("elbo")
    able = [j for j in range(1, MOST_LEVELS + 1) if side % 2**j == 0 and side >> j >= 1]
    values = able if plan.values is None else [int(value) for value in plan.values]
    for value in values:
        if value not in able:
            raise ValueError(f"--values of levels must lie within 1 and {able[-1]} for images of {side}, got {value}.")
    entries = []
    for level in values:
        args = {"encoder": "residual", "decoder": "pure", "levels": level}
        args |= {} if plan.full and level <= plan.levels("paper") else {"widths": list(WIDTHS[: level + 1])}
        label = f"{level} level" + "s" * (level > 1)
        entries.append(plan.entry(f"paper's objective, {label}", f"paper_{level}", "paper", model_args(**args)))
        if 3 * (side >> level) ** 2 <= LARGEST_COVARIANCE:
            own = model_args(**args, **FIXED_NOISE)
            entries.append(plan.entry(f"likelihood, {label}", f"elbo_{level}", "elbo", own))
    return entries


def _level_rows(trained: Trained) -> list[Row]:
    return [{"levels": trained.model.levels, "objective": trained.model.mode, **trained.metrics}]


def _level_checks(rows: Rows) -> list[Check]:
    paper = [row["mse"] for row in rows if row.get("objective") == "paper"]
    elbo = [row for row in rows if row.get("objective") == "elbo"]
    levels = sorted({row["levels"] for row in elbo})
    rates = [mean_of(elbo, "rate", levels=level) for level in levels]
    said = ", ".join(f"{rate:.3f}" for rate in rates)
    return [
        Check(
            f"under the paper's objective the squared error is near 0 at any depth, at most {max(paper):.6f}",
            max(paper) < 1e-3,
        ),
        Check(f"the rate at one likelihood falls with the levels {levels}: {said} bpp", rates[-1] <= rates[0]),
    ]


LEVELS = Experiment(
    title="The number of levels",
    entries=_level_entries,
    columns={
        "mse": ("MSE [0, 1]", 6),
        "psnr": ("PSNR dB", 2),
        "ssim": ("SSIM", 3),
        "rate": ("rate bpp", 3),
        "bits_per_dim": ("bits/dim", 3),
        **DRAWN,
    },
    picture=lambda rows: Lines(
        {"": {"likelihood": [(row["levels"], row["rate"]) for row in rows if "levels" in row and "rate" in row]}},
        "levels",
        "rate, bits per pixel",
    ),
    measure=_level_rows,
    reference=baselines,
    checks=_level_checks,
    grid=True,
)


# wavelets


def blockiness(images: Tensor, side: int) -> float:
    """How much larger squared steps between columns are at the borders of blocks than elsewhere: about 1 without any.

    Args:
        images: `(B, C, H, W)`, W more than one block.
        side: Side of the blocks.

    Example:
        >>> ramp = torch.arange(8.0).view(1, 1, 1, 8)
        >>> blockiness(ramp, 4), blockiness(ramp.floor_divide(4) + 0.1 * ramp, 4) > 10
        (1.0, True)
    """
    steps = images.diff(dim=-1).square().mean((0, 1, 2))
    is_border = torch.arange(1, images.shape[-1], device=images.device) % side == 0
    return (steps[is_border].mean() / steps[~is_border].mean()).item()


def _wavelet_entries(plan: Plan) -> list[Entry]:
    entries = []
    for wavelet in WAVELET_NAMES:
        args = {"encoder": "analytic", "decoder": "pure", "wavelet": wavelet}
        bound = model_args(**args, prior="factorised", posterior="gauss", **FIXED_NOISE)
        slug = wavelet.replace(".", "_")
        rate = {"optim": {"lr": 0.02}}
        sizes = {base: plan.sized(base, 32, levels=3) for base in ("paper", "elbo")}
        entries.append(plan.entry(f"likelihood, {wavelet}", f"elbo_{slug}", "elbo", sizes["elbo"], bound, rate))
        strong = model_args(**args, sparsity=STRONG_PENALTY, learn_noise=False)
        label = f"lambda = {STRONG_PENALTY}, {wavelet}"
        entries.append(plan.entry(label, f"paper_{slug}", "paper", sizes["paper"], strong, FAST))
    return entries


@torch.inference_mode()
def _wavelet_rows(trained: Trained) -> list[Row]:
    model = trained.model
    recon = torch.cat([model.reconstruct(images) for images in trained.test_inputs()])
    facts = {"wavelet": model.transform.wavelet, "objective": model.mode}
    return [{**facts, "blocks": blockiness(recon, 2**model.levels), **trained.metrics}]


def _wavelet_checks(rows: Rows) -> list[Check]:
    elbo, paper = ([row for row in rows if row.get("objective") == mode] for mode in ("elbo", "paper"))
    haar, blocks = mean_of(elbo, "rate", wavelet="haar"), mean_of(paper, "blocks", wavelet="haar")
    checks = []
    for name in WAVELET_NAMES[1:]:
        if is_orthogonal(name):
            rate, own = mean_of(elbo, "rate", wavelet=name), mean_of(paper, "blocks", wavelet=name)
            checks.append(Check(f"{name} costs less than haar: {rate:.3f} against {haar:.3f} bpp", rate < haar))
            text = f"{name} has fewer blocks than haar under a strong penalty: {own:.2f} against {blocks:.2f}"
            checks.append(Check(text, own < blocks))
    return checks


WAVELETS = Experiment(
    title="The wavelet: what it costs at one likelihood, and blocks under a strong penalty",
    entries=_wavelet_entries,
    columns={
        "psnr": ("PSNR dB", 2),
        "ssim": ("SSIM", 3),
        "rate": ("rate bpp", 3),
        "bits_per_dim": ("bits/dim", 3),
        "blocks": ("steps at block borders / elsewhere", 2),
        **DRAWN,
    },
    picture=lambda rows: Bars(
        [(row["wavelet"], row["rate"]) for row in rows if row.get("objective") == "elbo"], "rate, bits per pixel"
    ),
    measure=_wavelet_rows,
    reference=baselines,
    checks=_wavelet_checks,
)
