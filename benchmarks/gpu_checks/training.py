"""Three seeded steps of the small recipes of every task, on the CPU and on the device."""

from __future__ import annotations

import csv
import importlib.util
import math
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gpu_checks.check import Check, Figure, LeftOutError, Setting
from subband.config import RecipeConfig, load_recipe, stage_recipes

__all__ = ["RECIPES", "check_restorers", "checks"]

STEPS = 3
CLIPS = {"in_frames": 4, "out_frames": 4, "img_size": 32, "sprite_size": 14, "num_val": 16, "num_test": 16}
BLURRED = {"data": {"args": {"img_size": 32, "num_train": 4 * STEPS, "num_val": 4, "num_test": 4}}}
# Small recipes of every task, with as much data as three steps take.
RECIPES: dict[str, dict[str, Any]] = {
    "video_prediction/wast_digits": {"data": {"batch_size": 16, "args": {**CLIPS, "num_train": 16 * STEPS}}},
    "classification/gfnet_digits": {"data": {"batch_size": 320, "num_workers": 2}},
    # Noise that stays zero: no two devices draw the same.
    "generation/wavelet_vae_paper_photos": {
        "model": {"args": {"noise_init": 0.0, "noise_param": "raw"}},
        "data": {"batch_size": 4, "args": {"num_train": 4 * STEPS, "num_val": 4, "num_test": 4}},
    },
    "video_generation/wavelet_vae_digits": {
        "model": {"args": {"mode": "paper", "noise_init": 0.0, "noise_param": "raw"}},
        "loss": [{"name": "objective"}],
        "trainer": {"monitor": "val_loss"},
        "data": {"batch_size": 4, "args": {"num_train": 4 * STEPS, "num_val": 4, "num_test": 4}},
    },
    "pose/freqpose_figures": {"data": {"args": {"num_train": 8 * STEPS, "num_val": 8, "num_test": 8}}},
    "restoration/estrnn_s": BLURRED,
    "restoration/vd_diff_s": BLURRED,
    "restoration/ftdeblur_s": BLURRED,
    "restoration/motion_unet_s": BLURRED,
    "restoration/residual_unet_s": BLURRED,
}
RESTORERS = [name for name in RECIPES if name.startswith("restoration/")]
FIRST, LAST = 1e-4, 5e-3  # relative difference of the losses before the first step and after two
MIXED = 0.05  # the same in mixed precision
VARIANTS: dict[str, dict[str, Any]] = {"float32": {}, "bf16": {"precision": "bf16"}, "fp16": {"precision": "16"}}


def recipe_of(name: str, device: str, trainer: dict[str, Any]) -> RecipeConfig:
    """A recipe for one epoch; of several stages the first, since later ones draw noise, which no two devices share."""
    fixed = {"log_every_steps": 1, "device": device, "tensorboard": False}
    recipe = load_recipe(
        name,
        {
            **RECIPES[name],
            "optim": {"warmup_epochs": 0.0},
            "trainer": {**RECIPES[name].get("trainer", {}), **fixed, **trainer},
        },
    )
    first = next(iter(stage_recipes(recipe).values()))
    return replace(first, trainer=replace(first.trainer, epochs=1))


def losses(name: str, device: str, trainer: dict[str, Any]) -> list[float]:
    """Losses of the steps of a whole run: training, validation, scores, files.

    Raises:
        LeftOutError: If a package is missing.
    """
    for package in ("lightning", "torchmetrics", "sklearn", "skimage"):
        if importlib.util.find_spec(package) is None:
            raise LeftOutError(f"the package {package} is not installed")
    from subband.training.loop import train

    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        train(recipe_of(name, device, trainer), run, progress=False)
        with open(run / "metrics.csv", newline="") as file:
            found = [float(row["train_loss"]) for row in csv.DictReader(file) if row.get("train_loss")]
    return found[:STEPS]


def compare(name: str, variant: str, setting: Setting, expected: dict[str, list[float]]) -> list[Figure]:
    """Losses on the device against those on the CPU in float32."""
    if variant == "fp16" and setting.device.type == "cpu":
        raise LeftOutError("float16 training is for GPUs")
    if name not in expected:
        expected[name] = losses(name, "cpu", {})
    wanted, found = expected[name], losses(name, setting.device.type, VARIANTS[variant])
    assert len(found) == len(wanted) == STEPS, f"{len(found)} steps instead of {STEPS}"
    limits = (FIRST, LAST, LAST) if variant == "float32" else (MIXED,) * STEPS
    figures = []
    for step, (ours, theirs, limit) in enumerate(zip(found, wanted, limits, strict=True)):
        error = abs(ours - theirs) / abs(theirs) if math.isfinite(ours) else math.inf
        figures.append(Figure(error, limit, name=f"step {step}", remark=f"loss {ours:.6g}, on the CPU {theirs:.6g}"))
    return figures


def checks(setting: Setting) -> Iterator[Check]:
    """Video prediction, classification, pose, and generation of images and clips."""
    return checks_of([name for name in RECIPES if name not in RESTORERS], setting)


def check_restorers(setting: Setting) -> Iterator[Check]:
    """Video restoration."""
    return checks_of(RESTORERS, setting)


def checks_of(names: list[str], setting: Setting) -> Iterator[Check]:
    """Every recipe in float32, then in mixed precision."""
    expected: dict[str, list[float]] = {}
    for variant in list(VARIANTS)[: 1 if setting.is_quick else None]:
        for name in names[: 1 if setting.is_quick else None]:
            yield Check(f"{name}, {variant}", partial(compare, name, variant, setting, expected))
