import math

import pytest
import torch
from timm.scheduler import CosineLRScheduler, StepLRScheduler
from torch import nn

from subband.config import DropPathConfig, OptimConfig
from subband.training.schedule import build_optimizer, build_schedule, drop_path_rate, rate_at


def rates(config, num_steps, steps_per_epoch=1.0):
    optimizer = build_optimizer(nn.Linear(2, 2), config)
    schedule = build_schedule(optimizer, config, num_steps, steps_per_epoch)
    seen = []
    for _ in range(num_steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def test_onecycle_starts_peaks_and_ends_where_published():
    seen = rates(OptimConfig(lr=1e-3), 100)
    assert seen[0] == pytest.approx(1e-3 / 25)
    assert max(seen) == pytest.approx(1e-3, rel=1e-3)
    assert seen.index(max(seen)) == pytest.approx(29, abs=1)
    assert seen[-1] == pytest.approx(1e-3 / 25 / 1e4, rel=1e-3)


def test_cosine_with_warmup_follows_its_formula():
    config = OptimConfig(lr=1e-2, schedule="cosine", warmup_epochs=2, warmup_lr=1e-4, min_lr=1e-5)
    seen = rates(config, 100, steps_per_epoch=5)
    assert seen[0] == pytest.approx(1e-4)
    assert seen[5] == pytest.approx(1e-4 + (1e-2 - 1e-4) * 0.5)
    for step in (10, 50, 99):
        cosine = 0.5 * (1 + math.cos(math.pi * step / 100))
        assert seen[step] == pytest.approx(1e-5 + (1e-2 - 1e-5) * cosine)


def timm_rates(kind, num_epochs, **arguments):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=3e-3)
    schedule = kind(optimizer, **arguments)
    seen = []
    for epoch in range(num_epochs):
        seen.append(optimizer.param_groups[0]["lr"])
        schedule.step(epoch + 1)
    return seen


@pytest.mark.parametrize(("warmup_epochs", "min_lr"), [(30, 1e-5), (5, 3e-3), (0, 1e-5)])
def test_cosine_by_epochs_has_the_rates_of_timm(warmup_epochs, min_lr):
    settings = {"warmup_epochs": warmup_epochs, "warmup_lr": 1e-6, "min_lr": min_lr}
    config = OptimConfig(lr=3e-3, schedule="cosine", per_epoch=True, **settings)
    seen = rates(config, 300 * 7, steps_per_epoch=7)
    wanted = timm_rates(
        CosineLRScheduler, 300, t_initial=300, lr_min=min_lr, warmup_t=warmup_epochs, warmup_lr_init=1e-6
    )
    assert seen[::7] == pytest.approx(wanted, rel=1e-9)
    assert all(len(set(seen[start : start + 7])) == 1 for start in range(0, len(seen), 7))


def test_falling_in_steps_has_the_rates_of_timm():
    config = OptimConfig(lr=3e-3, schedule="steps", step_epochs=30, step_factor=0.1, warmup_epochs=5, warmup_lr=1e-4)
    seen = rates(config, 90 * 3, steps_per_epoch=3)
    falls = {"decay_t": 30, "decay_rate": 0.1, "warmup_t": 5, "warmup_lr_init": 1e-4, "warmup_prefix": False}
    wanted = timm_rates(StepLRScheduler, 90, **falls)
    assert seen[::3] == pytest.approx(wanted, rel=1e-9)
    assert seen[16:90] == pytest.approx([3e-3] * 74)  # from the end of the warm-up to the last step of epoch 29
    assert seen[4] == pytest.approx(1e-4 + (3e-3 - 1e-4) * 4 / 15)


def test_vectors_are_not_decayed():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    groups = build_optimizer(model, OptimConfig(name="adamw", weight_decay=0.1)).param_groups
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.1, 1), (0.0, 3)]
    assert isinstance(build_optimizer(model, OptimConfig(name="adamw")), torch.optim.AdamW)


@pytest.mark.parametrize(
    ("config", "epoch", "expected"),
    [
        (DropPathConfig(), 3, None),
        (DropPathConfig(rate=0.2), 3, 0.2),
        (DropPathConfig(rate=0.25, mode="late", cutoff_epochs=20), 19.99, 0.0),
        (DropPathConfig(rate=0.25, mode="late", cutoff_epochs=20), 20, 0.25),
        (DropPathConfig(rate=0.2, mode="early", cutoff_epochs=10), 9.5, 0.2),
        (DropPathConfig(rate=0.2, mode="early", cutoff_epochs=10, ramp=True), 2.5, 0.15),
        (DropPathConfig(rate=0.2, mode="early", cutoff_epochs=10), 10, 0.0),
    ],
)
def test_stochastic_depth_schedule(config, epoch, expected):
    assert drop_path_rate(config, epoch) == (None if expected is None else pytest.approx(expected))


def test_the_rate_falls_where_a_list_says_so():
    config = OptimConfig(lr=1.0, schedule="steps", step_epochs=[27, 33], step_factor=0.1)
    rates = [rate_at(config, epoch, 36) for epoch in (0, 26.9, 27, 32.9, 33, 36)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_what_a_model_exempts_does_not_decay():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.table = nn.Linear(2, 3), nn.Parameter(torch.ones(4, 4))

        def no_weight_decay(self):
            return {"table"}

    model = Model()
    decayed, others = build_optimizer(model, OptimConfig(name="sgd", lr=0.1, weight_decay=0.5)).param_groups
    assert [len(p) for p in decayed["params"]] == [3]
    assert decayed["params"][0] is model.layer.weight
    assert {id(p) for p in others["params"]} == {id(model.layer.bias), id(model.table)}
    assert (decayed["weight_decay"], others["weight_decay"], decayed["momentum"]) == (0.5, 0.0, 0.9)


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "constant"])
def test_parts_may_have_a_rate_of_their_own(schedule):
    """The longest beginning of a name decides; every schedule keeps the ratio."""
    model = nn.ModuleDict({"slow": nn.Linear(2, 2), "slower": nn.Linear(2, 2), "other": nn.Linear(2, 2)})
    config = OptimConfig(lr=0.1, schedule=schedule, weight_decay=0.5, lr_factors={"slow": 0.25, "slower": 0.1})
    optimizer = build_optimizer(model, config)
    plan = build_schedule(optimizer, config, 10, 5)
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    assert len(groups) == 6
    for _ in range(5):
        rates = {name: groups[id(part.weight)]["lr"] for name, part in model.items()}
        assert rates["slow"] == pytest.approx(0.25 * rates["other"])
        assert rates["slower"] == pytest.approx(0.1 * rates["other"])
        optimizer.step()
        plan.step()
    assert groups[id(model["slow"].weight)]["weight_decay"] == 0.5
    assert groups[id(model["slow"].bias)]["weight_decay"] == 0
    with pytest.raises(ValueError, match=r"optim.lr_factors has 'align', but no parameter that is trained begins so"):
        build_optimizer(model, OptimConfig(lr_factors={"align": 0.25}))
