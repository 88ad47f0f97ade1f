"""One training loop for every task: build, fit, keep the best, score, write it all down."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import torch
from torch import nn

from subband.config import RecipeConfig, recipe_text, stage_recipes
from subband.data.loader import check_readable
from subband.files import NO_SPACE, contents, folder_lock, shown, write_atomically
from subband.models.checkpoint import load_model, save_card, save_model
from subband.models.model_folder import CONFIG_FILE as MODEL_CARD
from subband.signals import SignalHandlers
from subband.tasks import task_class
from subband.training.callbacks import TrainingInterrupted, interruption
from subband.training.evaluation import SCORES_FILE, write_evaluation
from subband.training.loaders import Loaders
from subband.training.module import TrainingModule
from subband.training.options import check_evaluation
from subband.training.resume import (
    RunState,
    check_done_stage,
    check_length,
    check_settings,
    config_text,
    epochs_before,
    read_state,
    record_changes,
    remove_leavings,
)
from subband.training.run_files import CONFIG_FILE, LAST_FILE, MODEL_FOLDER, STAGES_FOLDER, RunFiles, is_first_process
from subband.training.task import Task
from subband.training.trainer import build_trainer, check_machine, pick_training_device, read_history
from subband.weight_files import read_checkpoint


def check_folder(folder: Path, *, overwrite: bool, resume: bool) -> RunFiles:
    """Refuse a folder before any work is done for it.

    Raises:
        FileExistsError: If something is there and neither `overwrite` nor `resume` is set, or `overwrite` is set and
            what is there is no run.
        FileNotFoundError: If `resume` is set and no run is there.
        ValueError: If both are set.
    """
    files = RunFiles(folder)
    if overwrite and resume:
        raise ValueError("--resume goes on with a run and --overwrite replaces it; use one of them.")
    if not is_first_process():
        return files
    if resume and not _has_state(files) and not files.config.is_file():
        raise FileNotFoundError(f"nothing to resume: {folder} holds no run.")
    is_taken = bool(contents(folder))
    if is_taken and overwrite and not (folder / CONFIG_FILE).is_file():
        raise FileExistsError(f"{folder} is no run folder (it has no {CONFIG_FILE}), so --overwrite leaves it alone.")
    if is_taken and not (resume or overwrite):
        raise FileExistsError(f"{folder} already holds a run; use --resume to go on, --overwrite to replace it.")
    return files


def _has_state(files: RunFiles) -> bool:
    """Whether there is anything to go on with."""
    return files.last.is_file() or any(files.folder.glob(f"{STAGES_FOLDER}/*/{LAST_FILE}"))


def make_folder(files: RunFiles, recipe: RecipeConfig) -> None:
    """A fresh run folder with the resolved recipe in it."""
    if is_first_process():
        files.folder.mkdir(parents=True, exist_ok=True)
        for old in contents(files.folder):
            if old != files.config:  # stays until it is replaced: it says that the folder is a run's, also after a kill
                shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
        write_atomically(files.config, config_text(recipe).encode())
        files.last.parent.mkdir()


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
        resume: Go on with the run in `folder`; gives the losses an uninterrupted run would have given. A run that has
            ended is left as it is, with a warning that says so.
        progress: Show a progress bar.
        resume_command: What to tell the user after Ctrl-C, SIGTERM, or when the disk is full.

    Returns:
        The contents of `scores.json`; None in processes other than the first.

    Raises:
        FileExistsError: If the folder holds a run.
        FolderInUseError: If another process trains in it.
        ValueError: If the recipe does not fit together or wants more GPUs than there are, training diverges, or a run
            is resumed with settings that would make it another one.
        TrainingInterrupted: After Ctrl-C or SIGTERM; the message says what is saved and how to go on.
        OSError: If the disk is full; the message says what is safe.
    """
    files = RunFiles(Path(folder))
    with folder_lock(files.folder) if is_first_process() else nullcontext():
        check_folder(files.folder, overwrite=overwrite, resume=resume)
        return _train_until_stopped(recipe, files, resume=resume, progress=progress, resume_command=resume_command)


def _train_until_stopped(
    recipe: RecipeConfig, files: RunFiles, *, resume: bool, progress: bool, resume_command: str
) -> dict[str, Any] | None:
    """Training in which a signal may come at any time."""

    def stop(number: int) -> NoReturn:
        if _has_state(files):
            raise interruption(number, f"interrupted; what was trained is saved, go on with: {resume_command}")
        raise interruption(number, "interrupted before anything was saved.")

    with SignalHandlers(stop) as handlers:  # before, between and after the parts of training that save by themselves
        try:
            return _train_stages(recipe, files, resume=resume, progress=progress, resume_command=resume_command)
        except BaseException as error:
            # A library may have turned what the signal raised into an error of its own.
            if handlers.received is None or isinstance(error, TrainingInterrupted):
                raise
            return stop(handlers.received)


def _train_stages(
    recipe: RecipeConfig, files: RunFiles, *, resume: bool, progress: bool, resume_command: str
) -> dict[str, Any] | None:
    """All stages of a recipe, or what is left of them."""
    stages = stage_recipes(recipe)
    if resume:
        check_settings(recipe, files)
        if is_first_process() and not _has_state(files):
            message = f"nothing had been saved in {files.folder} yet; the run starts from the beginning."
            warnings.warn(message, stacklevel=2)
    for stage in stages.values():
        check_machine(stage)
    if len(stages) > 1:
        _check_stages(stages)
    prepare = None if resume else lambda: make_folder(files, recipe)
    *earlier, last = stages
    if resume:
        for name in earlier:
            check_done_stage(name, stages[name], files.stage(name))
    previous: nn.Module | None = None
    for name in earlier:
        own = files.stage(name)
        if not (resume and own.is_complete()):
            run = _Run(stages[name], own, progress, resume_command, stages[name], (recipe, files))
            run.fit(previous, prepare=prepare, resume=resume and own.last.is_file())
            _wait_for(own.folder / MODEL_FOLDER / MODEL_CARD)
            prepare = None
        previous = load_model(own.folder)
    before = tuple(files.stage(name) for name in earlier)
    run = _Run(stages[last], files, progress, resume_command, recipe, earlier=before)
    return run.fit(previous, prepare=prepare, resume=resume and files.last.is_file())


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
            raise _like(error)(f"stage {name}: {error}") from None


class _Run(NamedTuple):
    """One training: a recipe without stages, or one stage of several."""

    recipe: RecipeConfig
    files: RunFiles
    progress: bool
    resume_command: str
    config: RecipeConfig  # what `config.yaml` holds: of the last stage the recipe with all of them
    whole: tuple[RecipeConfig, RunFiles] | None = None  # of an earlier stage the recipe with all of them, and its run
    earlier: tuple[RunFiles, ...] = ()  # of the last stage those before it

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
        try:
            state = read_state(self.files) if resume else None
            if state is None or state.end(self.recipe) is None:
                return self._train(previous, prepare, state)
            return self._end(previous, state)
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            place = error.filename or self.files.folder
            then = f"go on with: {self.resume_command}" if self.files.config.is_file() else "start again."
            remedy = "let it be written to" if error.errno == errno.EROFS else "make room"
            raise OSError(f"{place}: {error.strerror}; {self.files.what_is_safe()}; {remedy} and {then}") from error

    def _train(
        self, previous: nn.Module | None, prepare: Callable[[], None] | None, state: RunState | None
    ) -> dict[str, Any] | None:
        recipe, files = self.recipe, self.files
        if state is not None:
            check_length(recipe, files, state)
        data, task = self._build(previous, state is not None)
        loaders = Loaders(recipe, data, task.collate)
        for samples, name in ((data.val, "validation"), (data.test, "test")):
            check_readable(samples, name)
        history = read_history(files, state.steps) if state is not None else []
        trainer = build_trainer(task, files, self.progress, self.resume_command, history=history)
        if prepare is not None:
            prepare()
        if is_first_process():
            files.last.parent.mkdir(parents=True, exist_ok=True)
            self._note(state)
        module = TrainingModule(task, files)
        started = time.perf_counter()
        checkpoint = None if state is None else files.last
        trainer.fit(module, datamodule=loaders, ckpt_path=checkpoint, weights_only=True)
        seconds = time.perf_counter() - started
        steps = module.steps
        is_first = trainer.is_global_zero
        if torch.distributed.is_initialized():  # the first process goes on alone
            torch.distributed.destroy_process_group()
        if not is_first:
            return None
        _load_best(module, files)
        known = self._seconds(seconds) if state is None else None
        facts = {"train_seconds": known, "steps": steps, "seed": recipe.seed}
        return self._finish(task, data, facts)

    def _seconds(self, own: float) -> float | None:
        """Seconds of training with those of the stages before; None if one of them was interrupted."""
        for files in self.earlier:
            scores = finished_scores(files.folder)
            before = None if scores is None else scores["rows"][0]["train_seconds"]
            if before is None:
                return None
            own += before
        return round(own, 1)

    def _note(self, state: RunState | None) -> None:
        """Write down the settings of this part of the run, and say what a new length means."""
        before, now = epochs_before(self.files), self.recipe.trainer.epochs
        schedule, steps = self.recipe.optim.schedule, 0 if state is None else state.steps
        if state is not None:
            remove_leavings(self.files)
            # Scores of a run that was shorter are not those of the run that goes on now.
            (self.files.folder / SCORES_FILE).unlink(missing_ok=True)
        if state is not None and before not in (None, now) and schedule in ("onecycle", "cosine"):
            warnings.warn(
                f"optim.schedule {schedule} is laid out anew over {now} epochs, not {before}; the learning rate goes "
                f"on where the new one is after step {steps}.",
                stacklevel=2,
            )
        record_changes(self.config, self.files, steps)
        if self.whole is not None:  # now, not when the last stage begins: until then a run may be resumed again
            record_changes(*self.whole, steps)

    def _end(self, previous: nn.Module | None, state: RunState) -> dict[str, Any] | None:
        """What is left of a run that is trained: nothing, or what came after training."""
        recipe, files = self.recipe, self.files
        if not is_first_process():
            return None
        check_length(recipe, files, state)
        scores = finished_scores(files.folder)
        if scores is not None and files.is_complete():
            warnings.warn(f"nothing to resume in {files.folder}: {state.end(recipe)}.", stacklevel=2)
            return scores
        record_changes(self.config, files, state.steps)
        data, task = self._build(previous, is_resumed=True)
        _load_best(TrainingModule(task, files), files)
        return self._finish(task, data, {"train_seconds": None, "steps": state.steps, "seed": recipe.seed})

    def _build(self, previous: nn.Module | None, is_resumed: bool) -> tuple[Any, Task]:
        """The data, and the task with its network: fresh, or with the weights the recipe or the last stage gives it."""
        recipe = self.recipe
        task_type = task_class(recipe.task)
        data = task_type.build_data(recipe)
        torch.manual_seed(recipe.seed)
        model = task_type.build_model(recipe, data.spec)
        if not is_resumed and previous is not None:
            task_type.start_stage(model, previous)
        elif not is_resumed and recipe.model.weights is not None:
            task_type.start_weights(model, recipe.model.weights)
        task = task_type(recipe, model, data.spec)
        task.teacher = task_type.build_teacher(recipe, previous)
        if not is_resumed:
            is_fresh = previous is None and recipe.model.weights is None
            (task.prepare if is_fresh else task.prepare_trained)(data)
        return data, task

    def _finish(self, task: Task, data: Any, facts: dict[str, Any]) -> dict[str, Any]:
        """Save the weights, then score them: what is wrong with the test set costs no training."""
        recipe, folder = self.recipe, self.files.folder
        metadata = {**task.model_metadata(data.spec), "recipe": recipe_text(recipe), "training": facts}
        save_model(task.model.eval(), folder / MODEL_FOLDER, metadata=metadata, overwrite=True)
        try:
            scores = score(recipe, task.model, data, folder, facts)
        except (ValueError, TypeError) as error:
            raise _like(error)(
                f"the trained weights are safe in {folder / MODEL_FOLDER}, but could not be scored: "
                f"{str(error).rstrip('.')}; then go on with: {self.resume_command}"
            ) from error
        metadata |= {"scores": scores["rows"][0]["metrics"], "environment": scores["environment"]}
        save_card(task.model, folder / MODEL_FOLDER, metadata)
        return scores


def _like(error: Exception) -> type[Exception]:
    """A type for more words about an error; some types of Python's own cannot be made of words."""
    return TypeError if isinstance(error, TypeError) else ValueError


def _wait_for(path: Path) -> None:
    """Hold the other processes until the first has saved the weights that the next stage starts from."""
    parent = os.getppid()
    while not (is_first_process() or path.is_file()):
        if os.getppid() != parent:
            raise SystemExit(1)  # the first process has ended without them
        time.sleep(0.1)


def score(
    recipe: RecipeConfig, model: nn.Module, data: Any, folder: Path, facts: dict[str, Any], name: str | None = None
) -> dict[str, Any]:
    """Score one network and the task's baselines on the test set; writes `scores.json` and `samples.npz`."""
    task_type = task_class(recipe.task)
    device = pick_training_device(recipe.trainer)
    name = shown(name or folder.resolve().name)
    models = {name: model, **task_type.baselines(data.spec)}
    evaluation = task_type.evaluate(recipe, {key: net.to(device).eval() for key, net in models.items()}, data, device)
    rows: dict[str, dict[str, Any]] = {
        key: {"parameters": sum(p.numel() for p in net.parameters())} for key, net in models.items()
    }
    rows[name] = {"model": recipe.model.name, **rows[name], **facts}
    scores = write_evaluation(folder, recipe.task, evaluation, rows)
    model.cpu()
    return scores


def evaluate(
    recipe: RecipeConfig,
    source: str | Path,
    folder: Path,
    *,
    finish: Callable[[RecipeConfig, nn.Module, Any, dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Score saved weights on the test set of a recipe.

    Args:
        recipe: Says the data and how it is measured.
        source: Whatever `subband.load_model` takes.
        folder: Where `scores.json` and `samples.npz` go.
        finish: What else to do with them: it is given the recipe of the last stage, the network, the data and the
            scores.
    """
    recipe = list(stage_recipes(recipe).values())[-1]
    task_type = task_class(recipe.task)
    check_evaluation(recipe, task_type.metrics)
    model = load_model(source)
    data = task_type.build_data(recipe)
    metadata: Any = model.metadata
    facts = metadata.get("training", {})
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder} is read-only; name another folder for the scores.")
    scores = score(recipe, model, data, folder, facts, name=Path(source).resolve().name)
    if finish is not None:
        finish(recipe, model, data, scores)
    return scores


def finished_scores(folder: str | Path) -> dict[str, Any] | None:
    """Contents of `scores.json` of a run that has ended; None if there is no such run."""
    path = Path(folder) / SCORES_FILE
    return json.loads(path.read_text()) if path.is_file() else None


def _load_best(module: nn.Module, files: RunFiles) -> None:
    source = files.best if files.best.is_file() else files.last
    module.load_state_dict(read_checkpoint(source)["state_dict"])
