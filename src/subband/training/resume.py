"""Going on with a run: how far it has come, and which settings may be others than those it began with."""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple

import torch
import yaml

from subband.config import (
    PATH_ARGUMENTS,
    RecipeConfig,
    StageConfig,
    build_recipe,
    flatten,
    read_recipe,
    recipe_text,
    stage_recipes,
)
from subband.files import leavings, utf8_path, write_atomically
from subband.training.options import check_changes
from subband.training.paths import absolute_paths
from subband.training.run_files import RunFiles

__all__ = [
    "RunState",
    "changed_settings",
    "check_done_stage",
    "check_length",
    "check_settings",
    "config_text",
    "epochs_before",
    "read_state",
    "record_changes",
    "remove_leavings",
]

# What may change between two parts of a run: lengths, where and how fast, what is written. With any other setting
# of its own the rest of a run would not be the rest of that run.
FREE = {"data.num_workers"} | {
    f"evaluation.{name}"
    for name in ("batch_size", "num_samples", "lpips_weights", "inception_weights", "bound_samples")
}
FREE |= {
    f"trainer.{name}"
    for name in (
        "epochs",
        "device",
        "strategy",
        "precision",
        "compile",
        "grad_checkpointing",
        "early_stop",
        "val_every_epochs",
        "checkpoint_every_steps",
        "log_every_steps",
        "tensorboard",
    )
}
_MAX_NAMED = 3
_OF_STAGE = " of stage "


class RunState(NamedTuple):
    """How far a run has come.

    Attributes:
        epochs: Epochs that are done, validation included.
        steps: Training steps that are done.
        waited: Validations in a row that were no better than the best one; 0 without early stopping.
    """

    epochs: int
    steps: int
    waited: int

    def end(self, recipe: RecipeConfig) -> str | None:
        """Why there is nothing left to train, in words; None if there is something."""
        patience = recipe.trainer.early_stop
        if patience is not None and self.waited >= patience:
            return f"it stopped early after epoch {self.epochs} (trainer.early_stop is {patience})"
        if self.epochs >= recipe.trainer.epochs:
            return f"it has all of its {self.epochs} epochs"
        return None


def read_state(files: RunFiles) -> RunState:
    """How far the run has come whose `last.ckpt` is there.

    Raises:
        ValueError: If the file cannot be read.
    """
    try:
        # Mapped, not read: the weights stay on the disk.
        with utf8_path(files.last) as path:
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        epochs = state["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
        steps = state["global_step"] // len(state["optimizer_states"])
        stopping = [value for key, value in state["callbacks"].items() if key.startswith("EarlyStopping")]
    except (RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"{files.last} is damaged or no state of a run: {' '.join(str(error).split())}") from None
    return RunState(epochs, steps, max((int(value["wait_count"]) for value in stopping), default=0))


def check_settings(recipe: RecipeConfig, files: RunFiles) -> None:
    """Refuse to go on with a run by settings that would make it another one.

    Args:
        recipe: The settings now.
        files: The run, with the settings before.

    Raises:
        ValueError: Naming the settings and both values.
    """
    different = changed_settings(recipe, files)
    changed = {key: values for key, values in different.items() if key.partition(_OF_STAGE)[0] not in FREE}
    if changed:
        named = [f"{key} was {_text(old)} and is {_text(new)}" for key, (old, new) in changed.items()]
        listed = ", ".join(named[:_MAX_NAMED]) + ", ..." * (len(named) > _MAX_NAMED)
        raise ValueError(
            f"a run goes on with the settings of its {files.config}, but {listed}: take that file as the recipe, or "
            "train anew in another folder, with model.weights to start from this run."
        )
    if different:
        before, now = (
            build_recipe(absolute_paths(settings)) for settings in (read_recipe(files.config), _settings(recipe))
        )
        check_changes(before, now, str(files.config))


def check_done_stage(name: str, recipe: RecipeConfig, files: RunFiles) -> None:
    """Refuse another length of a stage that is done: the stages after it start from its network.

    Args:
        name: Of the stage.
        recipe: Its settings now.
        files: Its run.

    Raises:
        ValueError: If so.
    """
    before, now = epochs_before(files), recipe.trainer.epochs
    if files.is_complete() and before not in (None, now):
        raise ValueError(
            f"trainer.epochs of stage {name} is {now}, but the stage is done with its {before} epochs, and what comes "
            "after starts from its network: give other lengths to stages that are not done, in the settings of each, "
            "or train anew in another folder."
        )


def epochs_before(files: RunFiles) -> int | None:
    """Length of a run, or of its last stage, by its `config.yaml`; None if it has none yet."""
    if not files.config.is_file():
        return None
    before = build_recipe(read_recipe(files.config), str(files.config))
    return list(stage_recipes(before).values())[-1].trainer.epochs


def check_length(recipe: RecipeConfig, files: RunFiles, state: RunState) -> None:
    """Refuse to make a run shorter than it is.

    Raises:
        ValueError: If so.
    """
    if recipe.trainer.epochs < state.epochs:
        raise ValueError(
            f"trainer.epochs is {recipe.trainer.epochs}, but the run in {files.folder} has {state.epochs} epochs "
            "behind it; a run cannot be made shorter than it is."
        )


def changed_settings(recipe: RecipeConfig, files: RunFiles, *, with_paths: bool = False) -> dict[str, tuple[Any, Any]]:
    """Settings that differ from those in a run's `config.yaml`: before and now, by dotted name.

    Args:
        recipe: The settings now.
        files: The run.
        with_paths: Whether paths of data count, which may have moved.
    """
    if not files.config.is_file():
        return {}
    before = build_recipe(read_recipe(files.config), str(files.config))
    old, new = (_flat(item, with_paths) for item in (before, recipe))
    changed = {key: (old[key], value) for key, value in new.items() if old[key] != value}
    if "stages" in changed and [stage.name for stage in before.stages] == [stage.name for stage in recipe.stages]:
        del changed["stages"]
        changed |= _changed_stages(before, recipe, with_paths)
    return changed


def _changed_stages(before: RecipeConfig, recipe: RecipeConfig, with_paths: bool) -> dict[str, tuple[Any, Any]]:
    """Settings of single stages that differ, for two recipes with stages of the same names."""
    changed = {}
    resolved = [[_flat(item, with_paths) for item in stage_recipes(whole).values()] for whole in (before, recipe)]
    for first, second, old, new in zip(before.stages, recipe.stages, *resolved, strict=True):
        for key in sorted(_own_settings(first) | _own_settings(second)):
            if old[key] != new[key]:
                changed[f"{key}{_OF_STAGE}{second.name}"] = (old[key], new[key])
    return changed


def _own_settings(stage: StageConfig) -> set[str]:
    """Dotted names of what a stage does not have from the whole recipe."""
    return set(flatten(stage.settings))


def _flat(recipe: RecipeConfig, with_paths: bool) -> dict[str, Any]:
    flat = flatten(absolute_paths(_settings(recipe)))
    return flat if with_paths else _without_paths(flat)


def record_changes(recipe: RecipeConfig, files: RunFiles, step: int) -> None:
    """Write the settings that a run goes on with into its `config.yaml`; comments at the top say what was before.

    Args:
        recipe: The settings.
        files: The run.
        step: Training steps that were done before.
    """
    changed = changed_settings(recipe, files)
    text = config_text(recipe)
    if not files.config.is_file():
        write_atomically(files.config, text.encode())
        return
    stored = files.config.read_text()
    comments = [line for line in stored.splitlines() if line.startswith("#")]
    if changed:
        named = ", ".join(f"{key} {_text(old)} -> {_text(new)}" for key, (old, new) in changed.items())
        comments.append(f"# resumed after step {step}: {named}")
    text = "".join(f"{line}\n" for line in comments) + text
    if text != stored:
        write_atomically(files.config, text.encode())


def config_text(recipe: RecipeConfig) -> str:
    """A recipe as the `config.yaml` of a run holds it: with absolute paths."""
    return yaml.safe_dump(absolute_paths(_settings(recipe)), sort_keys=False)


def _settings(recipe: RecipeConfig) -> dict[str, Any]:
    return yaml.safe_load(recipe_text(recipe))


def _without_paths(flat: dict[str, Any]) -> dict[str, Any]:
    args = {key: value for key, value in flat["data.args"].items() if key not in PATH_ARGUMENTS}
    return {**flat, "data.args": args}


def _text(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1_000_000).removesuffix("\n").removesuffix("\n...")


def remove_leavings(files: RunFiles) -> None:
    """Remove what a kill in the middle of writing has left beside the checkpoints."""
    for path in (files.last, files.best):
        for leaving in leavings(path):
            leaving.unlink(missing_ok=True)
