"""Options of a recipe that have no effect with the others chosen: said before training, never passed over in silence.

`RULES` is the list of options that others switch off. An option counts as given when its value is not the default.
Where the run is the same without it, there is a warning; where the user would get another run than asked, an error.
Lengths that end after the run are warned about, too: that is what a short trial of a long recipe looks like.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import yaml

from subband.config import (
    DropPathConfig,
    OptimConfig,
    RecipeConfig,
    TrainerConfig,
    build_recipe,
    recipe_text,
    stage_recipes,
)
from subband.device import pick_device
from subband.metrics.descriptors import MetricInfo

__all__ = ["RULES", "OptionRule", "check_changes", "check_evaluation", "check_options"]

SECTIONS = {"optim": OptimConfig, "drop_path": DropPathConfig, "trainer": TrainerConfig}
UNSET, SET = "unset", "set"
_COUNTS = (  # of TrainerConfig
    "epochs",
    "num_devices",
    "num_nodes",
    "accumulate",
    "val_every_epochs",
    "early_stop",
    "checkpoint_every_steps",
    "log_every_steps",
)
_INDEX = re.compile(r"(\w+)\[(\d+)\]")


@dataclass(frozen=True, kw_only=True)
class OptionRule:
    """When an option has an effect.

    Attributes:
        option: Dotted name, `optim.betas[1]` for one of several numbers.
        selector: Dotted name of the option that decides.
        works_with: Values of the selector with which the option has an effect. A selector without a list of values has
            two cases, `unset` (the default) and `set`.
        harmless_with: Values with which it has none, but the run is the one that was asked for.
        value: The only value of the option that the rule is about; None for all but the default.
    """

    option: str
    selector: str
    works_with: tuple[str, ...]
    harmless_with: tuple[str, ...] = ()
    value: str | None = None

    def is_given(self, recipe: RecipeConfig) -> bool:
        """Whether the recipe gives the option a value that the rule is about."""
        value = _value(recipe, self.option)
        return value != default_of(self.option) if self.value is None else value == self.value

    def message(self, recipe: RecipeConfig) -> str:
        """What is wrong, in one sentence."""
        case = case_of(recipe, self.selector)
        given = self.option if self.value is None else f"{self.option} {self.value}"
        default = default_of(self.option)
        keep = f"leave it at {_text(default)}"
        if case == UNSET:
            return f"{given} has no effect without {self.selector}; {keep}, or set {self.selector}."
        if case == SET:
            return f"{given} has no effect while {self.selector} is {_text(_value(recipe, self.selector))}; {keep}."
        return f"{given} is for {self.selector} {' or '.join(self.works_with)}, not for {case}; {keep}."


RULES = (
    OptionRule(option="optim.warmup_epochs", selector="optim.schedule", works_with=("cosine", "steps")),
    OptionRule(
        option="optim.warmup_lr",
        selector="optim.schedule",
        works_with=("cosine", "steps"),
        harmless_with=("constant", "onecycle"),
    ),
    OptionRule(option="optim.warmup_lr", selector="optim.warmup_epochs", works_with=(SET,), harmless_with=(UNSET,)),
    OptionRule(option="optim.min_lr", selector="optim.schedule", works_with=("cosine",)),
    OptionRule(option="optim.step_epochs", selector="optim.schedule", works_with=("steps",)),
    OptionRule(option="optim.step_factor", selector="optim.schedule", works_with=("steps",)),
    OptionRule(
        option="optim.per_epoch",
        selector="optim.schedule",
        works_with=("cosine", "steps"),
        harmless_with=("constant",),
    ),
    # One cycle moves this number itself, from 0.95 to 0.85 and back.
    OptionRule(option="optim.betas[0]", selector="optim.schedule", works_with=("cosine", "steps", "constant")),
    OptionRule(option="optim.betas[1]", selector="optim.name", works_with=("adam", "adamw"), harmless_with=("sgd",)),
    OptionRule(option="drop_path.mode", selector="drop_path.rate", works_with=(SET,)),
    OptionRule(option="drop_path.cutoff_epochs", selector="drop_path.mode", works_with=("early", "late")),
    OptionRule(option="drop_path.ramp", selector="drop_path.mode", works_with=("early",)),
    OptionRule(option="drop_path.rate", selector="trainer.eval_mode", works_with=(UNSET,), harmless_with=(SET,)),
    # On the CPU Lightning would compute with bf16 instead.
    OptionRule(option="trainer.precision", value="16", selector="trainer.device", works_with=("cuda", "mps")),
)


def check_options(recipe: RecipeConfig) -> None:
    """Say which options of a recipe have no effect with the others; refuse lengths and factors out of their range.

    Warns about options without which the run is the same.

    Raises:
        ValueError: If the run would be another one than the recipe asks for.
    """
    optim = recipe.optim
    for name in _COUNTS:
        value = getattr(recipe.trainer, name)
        if value is not None and value < 1:
            raise ValueError(f"trainer.{name} must be at least 1, got {value}.")
    steps = optim.step_epochs if isinstance(optim.step_epochs, list) else [optim.step_epochs]
    if min(steps, default=0) <= 0 or optim.step_factor <= 0:
        raise ValueError(
            f"optim.step_epochs and step_factor must be positive, got {optim.step_epochs} and {optim.step_factor}."
        )
    idle = [rule for rule in RULES if rule.is_given(recipe) and not _works(rule, recipe)]
    for rule in idle:
        if case_of(recipe, rule.selector) not in rule.harmless_with:
            raise ValueError(rule.message(recipe))
    for option in dict.fromkeys(rule.option for rule in idle):  # one sentence an option is enough
        warnings.warn(next(rule for rule in idle if rule.option == option).message(recipe), stacklevel=2)
    for sentence in _beyond_the_end(recipe):
        warnings.warn(sentence, stacklevel=2)


def check_evaluation(recipe: RecipeConfig, metrics: Iterable[MetricInfo]) -> None:
    """Refuse sizes out of range and weights that are not there; warn about weights of a metric the task does not have.

    Args:
        recipe: The recipe.
        metrics: Metrics of its task.

    Raises:
        ValueError: If so: better said now than after the training.
    """
    config = recipe.evaluation
    if config.num_samples < 0:
        raise ValueError(f"evaluation.num_samples must not be negative, got {config.num_samples}.")
    if config.batch_size is not None and config.batch_size < 1:
        raise ValueError(f"evaluation.batch_size must be at least 1, got {config.batch_size}.")
    if config.bound_samples < 1:
        raise ValueError(f"evaluation.bound_samples must be at least 1, got {config.bound_samples}.")
    known = {item.key for item in metrics}
    for option, key in (("lpips_weights", "lpips"), ("inception_weights", "fid")):
        weights = getattr(config, option)
        if weights is None:
            continue
        if not Path(weights).is_file():
            raise ValueError(f"evaluation.{option}: no file {weights}.")
        if key not in known:
            warnings.warn(
                f"evaluation.{option} has no effect for {recipe.task}, which has no {key.upper()}; leave it at null.",
                stacklevel=2,
            )
    if config.bound_samples > 1 and "bits_tight" not in known:
        warnings.warn(
            f"evaluation.bound_samples has no effect for {recipe.task}, which bounds no likelihood; leave it at 1.",
            stacklevel=2,
        )


def check_changes(before: RecipeConfig, recipe: RecipeConfig, where: str) -> None:
    """Refuse a changed setting that changes no stage, because every one has a value of its own for it.

    Args:
        before: The recipe without the changes.
        recipe: The recipe with them.
        where: What the recipe is called.

    Raises:
        ValueError: Naming the setting.
    """
    if not recipe.stages:
        return
    old, new = (yaml.safe_load(recipe_text(item)) for item in (before, recipe))
    known, stages = dict(_leaves(old)), stage_recipes(recipe)
    for path, value in _leaves(new):
        is_changed = path[0] != "stages" and (path not in known or known[path] != value)
        if is_changed and stage_recipes(build_recipe(_put_back(new, path, known), where)) == stages:
            raise ValueError(
                f"{'.'.join(path)} is {_text(value)}, but every stage has its own; change that of a stage, in the "
                f"stages of {where}."
            )


def _leaves(settings: dict[str, Any], *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Single settings, with the keys that lead to them."""
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, *path, key)
        else:
            yield (*path, key), value


def _put_back(settings: dict[str, Any], path: tuple[str, ...], known: dict[tuple[str, ...], Any]) -> dict[str, Any]:
    """Settings in which a single one is what it was, if it was there."""
    changed = place = copy.deepcopy(settings)
    for key in path[:-1]:
        place = place[key]
    if path in known:
        place[path[-1]] = known[path]
    else:
        del place[path[-1]]
    return changed


def cases_of(selector: str) -> tuple[str, ...]:
    """All cases of a selector: its values where they are listed, else `unset` and `set`."""
    if selector == "trainer.device":
        return ("cpu", "cuda", "mps")  # what auto can mean
    section, name = selector.split(".")
    kind: Any = get_type_hints(SECTIONS[section])[name]
    is_listed = getattr(kind, "__origin__", None) is Literal
    return get_args(kind) if is_listed else (UNSET, SET)


def case_of(recipe: RecipeConfig, selector: str) -> str:
    """The case of a selector that a recipe has; `auto` as a device is the one of this machine."""
    value = _value(recipe, selector)
    if selector == "trainer.device":
        return pick_device("auto").type if value == "auto" else value
    if cases_of(selector) == (UNSET, SET):
        return UNSET if value == default_of(selector) else SET
    return value


def default_of(option: str) -> Any:
    """The value of an option that nobody has given."""
    section, name = option.split(".")
    return _member(SECTIONS[section](), name)


def _beyond_the_end(recipe: RecipeConfig) -> Iterator[str]:
    """What is said about lengths that the run does not reach."""
    optim, drop_path, trainer = recipe.optim, recipe.drop_path, recipe.trainer
    end = f"the run has trainer.epochs {trainer.epochs}"
    if optim.schedule in ("cosine", "steps") and optim.warmup_epochs >= trainer.epochs:
        yield f"optim.warmup_epochs is {optim.warmup_epochs:g} and {end}: all of it is warm-up."
    first = min(optim.step_epochs) if isinstance(optim.step_epochs, list) else optim.step_epochs
    if optim.schedule == "steps" and first >= trainer.epochs:
        yield f"optim.step_epochs is {first:g} and {end}: the rate never falls."
    if drop_path.mode != "standard" and drop_path.cutoff_epochs >= trainer.epochs:
        yield f"drop_path.cutoff_epochs is {drop_path.cutoff_epochs} and {end}: mode {drop_path.mode} never switches."
    if trainer.early_stop is not None and trainer.early_stop >= trainer.epochs // trainer.val_every_epochs:
        yield f"trainer.early_stop is {trainer.early_stop} and {end}: there are too few validations to stop after."
    if trainer.val_every_epochs > trainer.epochs:
        yield f"trainer.val_every_epochs is {trainer.val_every_epochs} and {end}: the last weights count as the best."


def _works(rule: OptionRule, recipe: RecipeConfig) -> bool:
    return case_of(recipe, rule.selector) in rule.works_with


def _value(recipe: RecipeConfig, option: str) -> Any:
    section, name = option.split(".")
    return _member(getattr(recipe, section), name)


def _text(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _member(config: Any, name: str) -> Any:
    match = _INDEX.fullmatch(name)
    return getattr(config, match[1])[int(match[2])] if match else getattr(config, name)
