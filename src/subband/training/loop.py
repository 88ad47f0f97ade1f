"""One training loop for every task: build, fit, keep the best, score, write it all down."""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningDataModule
from torch import nn

from subband.config import RecipeConfig, recipe_text, stage_recipes
from subband.data.loader import SampleLoader
from subband.files import write_atomically
from subband.models.checkpoint import CONFIG_FILE as MODEL_CARD
from subband.models.checkpoint import load_model, save_model
from subband.tasks import task_class
from subband.training.evaluation import SCORES_FILE, write_evaluation
from subband.training.module import TrainingModule
from subband.training.run_files import CONFIG_FILE, MODEL_FOLDER, STAGES_FOLDER, RunFiles, is_first_process
from subband.training.start import start_from
from subband.training.task import Task
from subband.training.trainer import build_trainer, check_machine, pick_training_device, read_history


class Loaders(LightningDataModule):
    """The loaders of a run.

    Args:
        recipe: Says the batch size and the device.
        data: Object with `train` and `val`.
        collate: Makes a batch of samples.
    """

    def __init__(self, recipe: RecipeConfig, data: Any, collate: Callable[[Sequence[Any]], Any]) -> None:
        super().__init__()
        self._loaders = {
            is_train: SampleLoader(
                dataset,
                recipe.data.batch_size,
                shuffle=is_train,
                drop_last=is_train,
                seed=recipe.seed,
                num_workers=recipe.data.num_workers,
                device=pick_training_device(recipe.trainer),
                collate=collate,
            )
            for is_train, dataset in ((True, data.train), (False, data.val))
        }

    def train_dataloader(self) -> SampleLoader:
        """Shuffled, without the incomplete last batch."""
        return self._loaders[True]

    def val_dataloader(self) -> SampleLoader:
        """Every validation sample, in order."""
        return self._loaders[False]


def check_folder(folder: Path, *, overwrite: bool, resume: bool) -> RunFiles:
    """Refuse a folder before any work is done for it.

    Raises:
        FileExistsError: If something is there and neither `overwrite` nor `resume` is set, or `overwrite` is set and
            what is there is no run.
        FileNotFoundError: If `resume` is set and there is nothing to resume.
        ValueError: If both are set.
    """
    files = RunFiles(folder)
    if overwrite and resume:
        raise ValueError("--resume goes on with a run and --overwrite replaces it; use one of them.")
    if not is_first_process():
        return files
    if resume and not (files.last.is_file() or (folder / STAGES_FOLDER).is_dir()):
        raise FileNotFoundError(f"nothing to resume: {files.last} does not exist.")
    is_taken = folder.is_dir() and any(folder.iterdir())
    if is_taken and overwrite and not (folder / CONFIG_FILE).is_file():
        raise FileExistsError(f"{folder} is no run folder (it has no {CONFIG_FILE}), so --overwrite leaves it alone.")
    if is_taken and not (resume or overwrite):
        raise FileExistsError(f"{folder} already holds a run; use --resume to go on, --overwrite to replace it.")
    return files


def make_folder(files: RunFiles, recipe: RecipeConfig) -> None:
    """A fresh run folder with the resolved recipe in it."""
    if is_first_process():
        if files.folder.exists():
            shutil.rmtree(files.folder)
        files.last.parent.mkdir(parents=True)
        write_atomically(files.config, recipe_text(recipe).encode())


def train(
    recipe: RecipeConfig,
    folder: str | Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    progress: bool = True,
    resume_command: str = "train(..., resume=True)",
) -> dict[str, Any] | None:
    """Train by a recipe, keep the best weights, score them on the test set.

    Args:
        recipe: The resolved recipe.
        folder: Run folder to make; afterwards it holds `config.yaml`, `metrics.csv`, `checkpoints/`, `model/`,
            `scores.json` and `samples.npz`. Stages before the last one are run folders inside `stages/`.
        overwrite: Replace an existing run.
        resume: Go on with the run in `folder`; gives the losses an uninterrupted run would have given.
        progress: Show a progress bar.
        resume_command: What to tell the user after Ctrl-C.

    Returns:
        The contents of `scores.json`; None in processes other than the first.

    Raises:
        FileExistsError: If the folder holds a run.
        ValueError: If the recipe does not fit together or wants more GPUs than there are, or the loss becomes NaN.
    """
    files = check_folder(Path(folder), overwrite=overwrite, resume=resume)
    stages = stage_recipes(recipe)
    for stage in stages.values():
        check_machine(stage)
    if len(stages) > 1:
        _check_stages(stages)
    prepare = None if resume else lambda: make_folder(files, recipe)
    *earlier, last = stages
    previous: nn.Module | None = None
    for name in earlier:
        own = files.stage(name)
        if not (resume and (own.folder / MODEL_FOLDER / MODEL_CARD).is_file()):
            run = _Run(stages[name], own, progress, resume_command)
            run.fit(previous, prepare=prepare, resume=resume and own.last.is_file())
            _wait_for(own.folder / MODEL_FOLDER / MODEL_CARD)
            prepare = None
        previous = load_model(own.folder)
    run = _Run(stages[last], files, progress, resume_command)
    return run.fit(previous, prepare=prepare, resume=resume and (not earlier or files.last.is_file()))


def _check_stages(stages: Mapping[str, RecipeConfig]) -> None:
    """Refuse now what would otherwise show after hours, when a later stage begins.

    Raises:
        ValueError: Naming the stage whose recipe does not fit together.
    """
    for name, recipe in stages.items():
        task_type = task_class(recipe.task)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # each stage says its own when it begins
                spec = task_type.build_data(recipe).spec
                task_type(recipe, task_type.build_model(recipe, spec), spec)
        except (ValueError, TypeError) as error:
            raise type(error)(f"stage {name}: {error}") from None


class _Run(NamedTuple):
    """One training: a recipe without stages, or one stage of several."""

    recipe: RecipeConfig
    files: RunFiles
    progress: bool
    resume_command: str

    def fit(
        self, previous: nn.Module | None, *, prepare: Callable[[], None] | None, resume: bool
    ) -> dict[str, Any] | None:
        """Train, save the best weights, score them.

        Args:
            previous: Network of the stage before.
            prepare: Called once nothing can be said against the recipe any more, before the first file is written.
            resume: Go on from `last.ckpt`.

        Returns:
            The contents of `scores.json`; None in processes other than the first.
        """
        recipe, files = self.recipe, self.files
        data, task = self._build(previous, resume)
        loaders = Loaders(recipe, data, task.collate)
        history = read_history(files) if resume else []
        trainer = build_trainer(task, files, self.progress, self.resume_command, history=history)
        if prepare is not None:
            prepare()
        if is_first_process():
            files.last.parent.mkdir(parents=True, exist_ok=True)
            if not files.config.exists():
                write_atomically(files.config, recipe_text(recipe).encode())
        module = TrainingModule(task)
        started = time.perf_counter()
        trainer.fit(module, datamodule=loaders, ckpt_path=files.last if resume else None, weights_only=True)
        seconds = time.perf_counter() - started
        steps = module.steps
        is_first = trainer.is_global_zero
        if torch.distributed.is_initialized():  # the first process goes on alone
            torch.distributed.destroy_process_group()
        if not is_first:
            return None
        _load_best(module, files)
        facts = {"train_seconds": None if resume else round(seconds, 1), "steps": steps, "seed": recipe.seed}
        return self._finish(task, data, facts)

    def _build(self, previous: nn.Module | None, resume: bool) -> tuple[Any, Task]:
        """The data, and the task with its network: fresh, or with the weights the recipe or the last stage gives it."""
        recipe = self.recipe
        task_type = task_class(recipe.task)
        data = task_type.build_data(recipe)
        torch.manual_seed(recipe.seed)
        model = task_type.build_model(recipe, data.spec)
        if not resume and previous is not None:
            task_type.start_stage(model, previous)
        elif not resume and recipe.model.weights is not None:
            start_from(model, recipe.model.weights)
        task = task_type(recipe, model, data.spec)
        task.teacher = task_type.build_teacher(recipe, previous)
        return data, task

    def _finish(self, task: Task, data: Any, facts: dict[str, Any]) -> dict[str, Any]:
        recipe, folder = self.recipe, self.files.folder
        scores = score(recipe, task.model.eval(), data, folder, facts)
        metadata = {
            **task.model_metadata(data.spec),
            "recipe": recipe_text(recipe),
            "training": facts,
            "scores": scores["rows"][0]["metrics"],
            "environment": scores["environment"],
        }
        save_model(task.model, folder / MODEL_FOLDER, metadata=metadata, overwrite=True)
        return scores


def _wait_for(path: Path) -> None:
    """Hold the other processes until the first has saved the weights that the next stage starts from."""
    while not (is_first_process() or path.is_file()):
        time.sleep(0.1)


def score(
    recipe: RecipeConfig, model: nn.Module, data: Any, folder: Path, facts: dict[str, Any], name: str | None = None
) -> dict[str, Any]:
    """Score one network and the task's baselines on the test set; writes `scores.json` and `samples.npz`."""
    task_type = task_class(recipe.task)
    device = pick_training_device(recipe.trainer)
    name = name or folder.resolve().name
    models = {name: model, **task_type.baselines(data.spec)}
    evaluation = task_type.evaluate(recipe, {key: net.to(device).eval() for key, net in models.items()}, data, device)
    rows: dict[str, dict[str, Any]] = {
        key: {"parameters": sum(p.numel() for p in net.parameters())} for key, net in models.items()
    }
    rows[name] = {"model": recipe.model.name, **rows[name], **facts}
    scores = write_evaluation(folder, recipe.task, evaluation, rows)
    model.cpu()
    return scores


def evaluate(recipe: RecipeConfig, source: str | Path, folder: Path) -> dict[str, Any]:
    """Score saved weights on the test set of a recipe.

    Args:
        recipe: Says the data and how it is measured.
        source: Whatever `subband.load_model` takes.
        folder: Where `scores.json` and `samples.npz` go.
    """
    recipe = list(stage_recipes(recipe).values())[-1]
    model = load_model(source)
    data = task_class(recipe.task).build_data(recipe)
    metadata: Any = model.metadata
    facts = metadata.get("training", {})
    folder.mkdir(parents=True, exist_ok=True)
    return score(recipe, model, data, folder, facts, name=Path(source).resolve().name)


def finished_scores(folder: str | Path) -> dict[str, Any] | None:
    """Contents of `scores.json` of a run that has ended; None if there is no such run."""
    path = Path(folder) / SCORES_FILE
    return json.loads(path.read_text()) if path.is_file() else None


def _load_best(module: nn.Module, files: RunFiles) -> None:
    source = files.best if files.best.is_file() else files.last
    module.load_state_dict(torch.load(source, map_location="cpu", weights_only=True)["state_dict"])
