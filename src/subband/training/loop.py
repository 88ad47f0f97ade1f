"""One training loop for every task: build, fit, keep the best, score, write it all down."""

from __future__ import annotations

import csv
import json
import logging
import os
import shutil
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
    RichProgressBar,
)
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from torch import nn

from subband.config import RecipeConfig, TrainerConfig, recipe_text
from subband.data.loader import SampleLoader
from subband.device import pick_device
from subband.models.checkpoint import load_model, save_model
from subband.tasks import task_class
from subband.training.callbacks import AtomicCheckpointIO, SaveLast
from subband.training.evaluation import SCORES_FILE, write_evaluation
from subband.training.start import start_from

CONFIG_FILE = "config.yaml"
PRECISIONS: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
BETTER = {"val_loss": "min", "val_top1": "max"}


class RunFiles(NamedTuple):
    """Where things lie in a run folder."""

    folder: Path

    @property
    def last(self) -> Path:
        """State to resume from."""
        return self.folder / "checkpoints" / "last.ckpt"

    @property
    def best(self) -> Path:
        """State that `trainer.monitor` found best."""
        return self.folder / "checkpoints" / "best.ckpt"


class Loaders(LightningDataModule):
    """The loaders of a run.

    Args:
        recipe: Says the batch size and the device.
        data: Object with `train` and `val`.
    """

    def __init__(self, recipe: RecipeConfig, data: Any) -> None:
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
    if resume and not files.last.is_file():
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
        (files.folder / CONFIG_FILE).write_text(recipe_text(recipe))


def is_first_process() -> bool:
    """False in the processes that Lightning or torchrun starts beside the first."""
    # torchrun sets both, over all machines and on this one; Lightning's own launcher only the second.
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", 0))) == 0


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
            `scores.json` and `samples.npz`.
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
    check_machine(recipe)
    task_type = task_class(recipe.task)
    data = task_type.build_data(recipe)
    torch.manual_seed(recipe.seed)
    model = task_type.build_model(recipe, data.spec)
    if recipe.model.weights is not None and not resume:
        start_from(model, recipe.model.weights)
    task = task_type(recipe, model, data.spec)
    loaders = Loaders(recipe, data)
    trainer = build_trainer(recipe, files, progress, resume_command, history=_history(files) if resume else [])
    if not resume:  # now that nothing can be said against the recipe any more
        make_folder(files, recipe)
    started = time.perf_counter()
    trainer.fit(task, datamodule=loaders, ckpt_path=files.last if resume else None, weights_only=True)
    seconds = time.perf_counter() - started
    steps = trainer.global_step
    is_first = trainer.is_global_zero
    if torch.distributed.is_initialized():  # the first process goes on alone
        torch.distributed.destroy_process_group()
    if not is_first:
        return None
    _load_best(task, files)
    facts = {"train_seconds": None if resume else round(seconds, 1), "steps": steps, "seed": recipe.seed}
    scores = score(recipe, model.eval(), data, files.folder, facts)
    metadata = {
        **task_type.model_metadata(data.spec),
        "recipe": recipe_text(recipe),
        "training": facts,
        "scores": scores["rows"][0]["metrics"],
        "environment": scores["environment"],
    }
    save_model(model, files.folder / "model", metadata=metadata, overwrite=True)
    return scores


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
    model = load_model(source)
    data = task_class(recipe.task).build_data(recipe)
    metadata: Any = model.metadata
    facts = metadata.get("training", {})
    folder.mkdir(parents=True, exist_ok=True)
    return score(recipe, model, data, folder, facts, name=Path(source).resolve().name)


def build_trainer(
    recipe: RecipeConfig, files: RunFiles, progress: bool, resume_command: str, history: list[dict[str, Any]]
) -> Trainer:
    """Lightning's trainer for a recipe; `history` are the rows of `metrics.csv` to keep."""
    config = recipe.trainer
    _quieten_lightning()
    return Trainer(
        accelerator=pick_training_device(config).type,
        devices=config.num_devices,
        num_nodes=config.num_nodes,
        strategy=config.strategy,
        precision=PRECISIONS[config.precision],
        max_epochs=config.epochs,
        accumulate_grad_batches=config.accumulate,
        gradient_clip_val=recipe.optim.grad_clip,
        check_val_every_n_epoch=config.val_every_epochs,
        log_every_n_steps=config.log_every_steps,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # SampleLoader shards over processes itself
        logger=_loggers(config, files.folder, history),
        callbacks=_callbacks(recipe, files, progress, resume_command),
        plugins=[AtomicCheckpointIO()],
        enable_progress_bar=progress,
        enable_model_summary=False,
        default_root_dir=files.folder,
    )


def pick_training_device(config: TrainerConfig) -> torch.device:
    """The device that `trainer.device` means on this machine; one that is named need not be there."""
    return pick_device("auto") if config.device == "auto" else torch.device(config.device)


def check_machine(recipe: RecipeConfig) -> None:
    """Refuse a recipe made for more GPUs than this machine has, and gradient clipping where Lightning has none.

    Raises:
        ValueError: Saying which settings give the same batches on the GPUs there are.
    """
    config = recipe.trainer
    if config.strategy.startswith("fsdp") and recipe.optim.grad_clip is not None:
        raise ValueError("trainer.strategy fsdp cannot clip the norm of gradients; set --optim.grad_clip null.")
    if pick_training_device(config).type != "cuda" or config.num_devices <= torch.cuda.device_count():
        return
    count = torch.cuda.device_count()
    if count == 0:
        raise ValueError(
            "trainer.device is cuda, but PyTorch finds no CUDA device; use --trainer.device cpu --trainer.num_devices 1."
        )
    accumulate = -(-config.accumulate * config.num_devices // count)
    raise ValueError(
        f"trainer.num_devices is {config.num_devices}, but this machine has {count} GPU{'s' * (count > 1)}; use "
        f"--trainer.num_devices {count} --trainer.accumulate {accumulate} for batches of the same size."
    )


def finished_scores(folder: str | Path) -> dict[str, Any] | None:
    """Contents of `scores.json` of a run that has ended; None if there is no such run."""
    path = Path(folder) / SCORES_FILE
    return json.loads(path.read_text()) if path.is_file() else None


def _callbacks(recipe: RecipeConfig, files: RunFiles, progress: bool, resume_command: str) -> list[Callback]:
    config = recipe.trainer
    best = ModelCheckpoint(
        files.best.parent,
        "best",
        monitor=config.monitor,
        mode=BETTER[config.monitor],
        save_last=True,
        enable_version_counter=False,
        auto_insert_metric_name=False,
    )
    callbacks: list[Callback] = [
        best,
        LearningRateMonitor("step"),
    ]
    if config.ema_decay is not None:
        callbacks.append(EMAWeightAveraging(decay=config.ema_decay))
    if config.early_stop is not None:
        callbacks.append(EarlyStopping(config.monitor, mode=BETTER[config.monitor], patience=config.early_stop))
    if progress:
        callbacks.append(RichProgressBar())
    # Last, so that what it saves includes what the others did in this step.
    return [*callbacks, SaveLast(files.last, config.checkpoint_every_steps, resume_command)]


def _loggers(config: TrainerConfig, folder: Path, history: list[dict[str, Any]]) -> list[Logger]:
    table = CSVLogger(folder, name=None, version="", flush_logs_every_n_steps=1)
    if history:
        table.experiment.metrics.extend(history)  # Lightning starts the file anew; this keeps what is still true
    loggers: list[Logger] = [table]
    if config.tensorboard:
        loggers.append(TensorBoardLogger(folder, name=None, version="tensorboard"))
    return loggers


def _history(files: RunFiles) -> list[dict[str, Any]]:
    """Rows of `metrics.csv` from before the state that training goes on from."""
    path = files.folder / "metrics.csv"
    if not is_first_process() or not path.is_file():
        return []
    step = torch.load(files.last, map_location="cpu", weights_only=True)["global_step"]
    with open(path, newline="") as file:
        rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
    return [row for row in rows if int(row["step"]) < step]


def _load_best(task: nn.Module, files: RunFiles) -> None:
    source = files.best if files.best.is_file() else files.last
    task.load_state_dict(torch.load(source, map_location="cpu", weights_only=True)["state_dict"])


def _quieten_lightning() -> None:
    # Lightning prints hints and an advertisement on every start; its warnings about workers do not fit SampleLoader.
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
