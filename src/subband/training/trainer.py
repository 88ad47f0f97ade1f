"""Lightning's trainer for a task, its callbacks and logs, and the machine a recipe asks for."""

from __future__ import annotations

import csv
import logging
import warnings
from pathlib import Path
from typing import Any

import torch

from subband.config import RecipeConfig, TrainerConfig
from subband.device import pick_device
from subband.extras import names_extra
from subband.files import is_utf8
from subband.training.callbacks import SaveLast
from subband.training.checkpoints import AtomicCheckpointIO, AveragedWeights, BestCheckpoint, FiniteWeights
from subband.training.run_files import RunFiles, is_first_process
from subband.training.task import Task

with names_extra("training needs"):
    from lightning.pytorch import Callback, Trainer
    from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, RichProgressBar
    from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

PRECISIONS: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def build_trainer(
    task: Task, files: RunFiles, progress: bool, resume_command: str, history: list[dict[str, Any]]
) -> Trainer:
    """Lightning's trainer for a task; `history` are the rows of `metrics.csv` to keep.

    Raises:
        ValueError: If several optimizers shall accumulate gradients.
    """
    recipe, config = task.recipe, task.recipe.trainer
    has_turns = len(task.parts()) > 1
    if has_turns and config.accumulate > 1:
        raise ValueError(f"trainer.accumulate must be 1 for {recipe.task}, which trains with several optimizers.")
    _quieten_lightning()
    return Trainer(
        accelerator=pick_training_device(config).type,
        devices=config.num_devices,
        num_nodes=config.num_nodes,
        strategy=config.strategy,
        precision=PRECISIONS[config.precision],
        max_epochs=config.epochs,
        accumulate_grad_batches=config.accumulate,
        gradient_clip_val=None if has_turns else recipe.optim.grad_clip,  # TrainingModule clips where it steps itself
        check_val_every_n_epoch=config.val_every_epochs,
        log_every_n_steps=config.log_every_steps,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # SampleLoader shards over processes itself
        logger=_loggers(config, files.folder, history),
        callbacks=_callbacks(task, files, progress, resume_command),
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
            "trainer.device is cuda, but PyTorch finds no CUDA device; "
            "use --trainer.device cpu --trainer.num_devices 1."
        )
    accumulate = -(-config.accumulate * config.num_devices // count)
    raise ValueError(
        f"trainer.num_devices is {config.num_devices}, but this machine has {count} GPU{'s' * (count > 1)}; use "
        f"--trainer.num_devices {count} --trainer.accumulate {accumulate} for batches of the same size."
    )


def _callbacks(task: Task, files: RunFiles, progress: bool, resume_command: str) -> list[Callback]:
    config = task.recipe.trainer
    better: Any = task.monitors()[config.monitor]
    callbacks: list[Callback] = [LearningRateMonitor("step")]
    if config.ema_decay is not None:
        callbacks.append(AveragedWeights(config.ema_decay))
    callbacks.append(FiniteWeights(config.monitor, better, files))
    if config.early_stop is not None:
        # FiniteWeights ends a run that has diverged, and an infinitely good score is none.
        callbacks.append(EarlyStopping(config.monitor, mode=better, patience=config.early_stop, check_finite=False))
    if progress:
        callbacks.append(RichProgressBar())
    # Last, so that what it saves includes what the others did in this step.
    last = SaveLast(files.last, config.checkpoint_every_steps, config.val_every_epochs, resume_command)
    return [*callbacks, BestCheckpoint(files.best, config.monitor, better), last]


def _loggers(config: TrainerConfig, folder: Path, history: list[dict[str, Any]]) -> list[Logger]:
    table = CSVLogger(folder, name=None, version="", flush_logs_every_n_steps=1)
    if history:
        table.experiment.metrics.extend(history)  # Lightning starts the file anew; this keeps what is still true
    loggers: list[Logger] = [table]
    if config.tensorboard and not is_utf8(folder):
        warnings.warn(
            f"trainer.tensorboard: {folder} is no UTF-8, which TensorBoard needs; only metrics.csv is written.",
            stacklevel=2,
        )
    elif config.tensorboard:
        loggers.append(TensorBoardLogger(folder, name=None, version="tensorboard"))
    return loggers


def read_history(files: RunFiles, step: int) -> list[dict[str, Any]]:
    """Rows of `metrics.csv` from before the step that training goes on from."""
    path = files.folder / "metrics.csv"
    if not is_first_process() or not path.is_file():
        return []
    with open(path, newline="") as file:
        rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
    return [row for row in rows if int(row["step"]) < step]


def _quieten_lightning() -> None:
    # Lightning prints hints and an advertisement on every start; its warnings about workers do not fit SampleLoader.
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
