"""Learning rate and stochastic depth as functions of training progress."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from subband.config import DropPathConfig, OptimConfig


def build_optimizer(model: nn.Module, config: OptimConfig) -> Optimizer:
    """Adam, AdamW or SGD; vectors (biases, norms) and what a model's `no_weight_decay` names never decay.

    Of the vectors, those decay that a model's `decayed_vectors` names, where it was published so.

    Raises:
        ValueError: If a factor of the rate is negative or for nothing that is trained.
    """
    exempt: set[str] = model.no_weight_decay() if hasattr(model, "no_weight_decay") else set()  # type: ignore[operator]
    decayed: set[str] = model.decayed_vectors() if hasattr(model, "decayed_vectors") else set()  # type: ignore[operator]
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    for start, factor in config.lr_factors.items():
        if factor < 0:
            raise ValueError(f"optim.lr_factors must not be negative, got {factor} for {start!r}.")
        if not any(name.startswith(start) for name in trained):
            raise ValueError(f"optim.lr_factors has {start!r}, but no parameter that is trained begins so.")
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in trained.items():
        # A group of those that decay and one of the others for every factor, whatever the decay: the state of a run
        # that is resumed has them in this order.
        decays = (parameter.ndim > 1 or name in decayed) and name not in exempt
        key = _lr_factor(name, config.lr_factors), decays
        groups.setdefault(key, []).append(parameter)
    ordered = sorted(groups.items(), key=lambda item: (-item[0][0], not item[0][1]))
    settings = [
        {"params": members, "lr": factor * config.lr, "weight_decay": config.weight_decay if decays else 0.0}
        for (factor, decays), members in ordered
    ]
    if config.name == "sgd":
        return SGD(settings, lr=config.lr, momentum=config.betas[0])
    kind = {"adam": Adam, "adamw": AdamW}[config.name]
    return kind(settings, lr=config.lr, betas=config.betas)


def _lr_factor(name: str, factors: Mapping[str, float]) -> float:
    """The factor of the longest beginning of a parameter's name, 1 if there is none."""
    fitting = [start for start in factors if name.startswith(start)]
    return factors[max(fitting, key=len)] if fitting else 1.0


def build_schedule(optimizer: Optimizer, config: OptimConfig, num_steps: int, steps_per_epoch: float) -> LRScheduler:
    """Learning rate per optimizer step.

    `onecycle` is PyTorch's with its defaults (from lr/25 up over 30 % of the steps, down to lr/250000; beta1 cycles
    0.95 to 0.85), which is what the published video-prediction code uses. `cosine` runs over the whole run, `steps`
    falls after every `step_epochs` or after each of them; the linear warm-up replaces the beginning of both. With
    `per_epoch` they have the rate of an epoch's beginning throughout it, as timm's training script.

    Args:
        optimizer: Optimizer whose rate is set.
        config: Rates and lengths.
        num_steps: Optimizer steps of the whole run.
        steps_per_epoch: Optimizer steps of one epoch.
    """
    if config.schedule == "onecycle":
        highest = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, max_lr=highest, total_steps=max(num_steps, 2))
    num_epochs = num_steps / steps_per_epoch

    def factor(step: int) -> float:
        epoch = step / steps_per_epoch
        return rate_at(config, math.floor(epoch) if config.per_epoch else epoch, num_epochs) / config.lr

    # A rate of zero has no factor; every schedule of it is constant.
    return LambdaLR(optimizer, factor if config.lr else lambda step: 1.0)


def forget_length(state: dict[str, Any]) -> None:
    """Take out of the saved state of a schedule how long it is: a resumed run has the length that its recipe says."""
    for key in ("total_steps", "_schedule_phases"):
        state.pop(key, None)


def set_rates(schedule: LRScheduler) -> None:
    """Give the optimizer the rates of a schedule at the step where it is; the same again where nothing has changed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch expects the question inside of step() only
        rates = schedule.get_lr()
    for group, rate in zip(schedule.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate


def rate_at(config: OptimConfig, epoch: float, num_epochs: float) -> float:
    """Learning rate of the schedules `cosine`, `steps` and `constant` at a point of training.

    Args:
        config: Rates and lengths.
        epoch: Epochs done, with fraction.
        num_epochs: Epochs of the whole run.
    """
    if config.schedule == "constant":
        return config.lr
    if epoch < config.warmup_epochs:
        return config.warmup_lr + (config.lr - config.warmup_lr) * epoch / config.warmup_epochs
    if config.schedule == "steps":
        return config.lr * config.step_factor ** _falls(config.step_epochs, epoch)
    cosine = 0.5 * (1 + math.cos(math.pi * min(epoch / num_epochs, 1.0)))
    return config.min_lr + (config.lr - config.min_lr) * cosine


def _falls(step_epochs: float | list[float], epoch: float) -> int:
    """How often the rate has fallen."""
    if isinstance(step_epochs, list):
        return sum(epoch >= end for end in step_epochs)
    return math.floor(epoch / step_epochs)


def drop_path_rate(config: DropPathConfig, epoch: float) -> float | None:
    """Rate of the deepest block at a point of training (WaST: off early, on late).

    Args:
        config: Mode and cut-off.
        epoch: Epochs done, with fraction.

    Returns:
        The rate, or None when the recipe leaves it to the model.
    """
    if config.rate is None or config.mode == "standard":
        return config.rate
    is_before = epoch < config.cutoff_epochs
    if config.mode == "late":
        return 0.0 if is_before else config.rate
    if not is_before:
        return 0.0
    return config.rate * (1 - epoch / config.cutoff_epochs) if config.ramp else config.rate
