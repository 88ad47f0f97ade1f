"""Every task under Lightning: optimizers, schedules, reproducible steps."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from subband.extras import names_extra
from subband.training.checkpoints import divergence
from subband.training.run_files import RunFiles
from subband.training.schedule import build_optimizer, build_schedule, drop_path_rate, forget_length, set_rates
from subband.training.task import Task

with names_extra("training needs"):
    from lightning.pytorch import LightningModule


class TrainingModule(LightningModule):
    """Trains and validates what a task says.

    With several parts (`Task.parts`), every step gives each of them a turn with an optimizer of its own, as adversarial
    training needs.

    Args:
        task: What to train.
        files: Where the run is.

    Attributes:
        newest_loss: Loss of the newest batch, without its graph.
    """

    def __init__(self, task: Task, files: RunFiles) -> None:
        super().__init__()
        self.task = task
        self.files = files
        self.newest_loss: Tensor | None = None
        self.recipe = task.recipe
        self.model = task.model
        self.part_names = list(task.parts())
        self.automatic_optimization = len(self.part_names) == 1
        self.metrics = task.running_metrics()
        self.helpers = task.helpers()
        self._validated: set[str] = set()
        if task.teacher is not None:
            self.teacher = task.teacher

    @property
    def steps(self) -> int:
        """Training steps done; Lightning counts those of every optimizer."""
        return self.trainer.global_step // len(self.part_names)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor | None:
        """One step of the only optimizer by Lightning, or of each of several by hand."""
        if self.automatic_optimization:
            return self._loss(batch, self.part_names[0])
        for name, optimizer in zip(self.part_names, self.optimizers(), strict=True):
            self.toggle_optimizer(optimizer)
            loss = self._loss(batch, name)
            optimizer.zero_grad()
            self.manual_backward(loss)
            if self.recipe.optim.grad_clip is not None:
                self.clip_gradients(optimizer, self.recipe.optim.grad_clip, gradient_clip_algorithm="norm")
            optimizer.step()
            self.untoggle_optimizer(optimizer)
        schedules: Any = self.lr_schedulers()
        for schedule in schedules:
            schedule.step()
        return None

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Make every random draw of a step a function of the step, so that a resumed run repeats it exactly."""
        total = self.trainer.num_training_batches
        step = self.current_epoch * int(total) + batch_idx
        torch.manual_seed((self.recipe.seed * 1_000_003 + step) * 1_009 + self.global_rank)
        if self.recipe.trainer.eval_mode:
            self.model.eval()  # here, as Lightning goes back to training mode after validation and on resuming
        if self.task.teacher is not None:
            self.teacher.eval()
        config = self.recipe.drop_path
        rate = drop_path_rate(config, self.current_epoch + batch_idx / total)
        if rate is not None and config.mode != "standard":  # a constant rate is an argument of the network
            self.model.set_drop_path_rate(rate)

    def on_fit_start(self) -> None:
        """Switch on the options that change how the network runs, not what it computes."""
        if self.recipe.trainer.grad_checkpointing:
            self.model.set_grad_checkpointing(True)
        if self.recipe.trainer.compile:
            self.task.compile_network()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the place in the schedules, not their length, which the recipe says."""
        for state in checkpoint["lr_schedulers"]:
            forget_length(state)

    def on_train_start(self) -> None:
        """Give the first step after a resumption the rate of the recipe's schedule."""
        for config in self.trainer.lr_scheduler_configs:
            set_rates(config.scheduler)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Log the means of the batch as `val_NAME`."""
        size = self.task.batch_size(batch)
        for name, value in self.task.validate(batch).items():
            self._validated.add(f"val_{name}")
            self.log(f"val_{name}", value, prog_bar=name in ("loss", "top1"), sync_dist=True, batch_size=size)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the whole validation set.

        Raises:
            ValueError: If what shall choose the best weights cannot be measured on this data.
        """
        scores = {f"val_{name}": value for name, value in self.task.validation_scores().items()}
        self._validated.update(scores)
        if self.recipe.trainer.monitor not in self._validated:
            names = " or ".join(name for name in self.task.monitors() if name in self._validated)
            raise ValueError(
                f"trainer.monitor {self.recipe.trainer.monitor} is not measured on this data; use {names}."
            )
        self.log_dict(scores)

    def configure_optimizers(self) -> Any:
        """An optimizer for every part, with its schedule per step."""
        trainer = self.recipe.trainer
        # Not trainer.estimated_stepping_batches: asking for it sets up the loaders before a checkpoint is restored,
        # and Lightning then forgets to restore their position.
        loader = self.trainer.datamodule.train_dataloader()  # type: ignore[attr-defined]
        per_epoch = math.ceil(len(loader) / trainer.accumulate)
        configured = []
        for name, part in self.task.parts().items():
            config = self.task.optim_config(name)
            optimizer = build_optimizer(part, config)
            schedule = build_schedule(optimizer, config, trainer.epochs * per_epoch, per_epoch)
            configured.append({"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}})
        return configured[0] if self.automatic_optimization else tuple(configured)

    def _loss(self, batch: Any, part: str) -> Tensor:
        """Sum of the loss terms of a part; logs them, under the part's name if it is one of several."""
        terms, logged = self.task.losses(batch, part)
        loss = torch.stack(list(terms.values())).sum()
        if self.steps % self.recipe.trainer.log_every_steps == 0 and not torch.isfinite(loss):
            names = ", ".join(f"{name} {value.item():.4g}" for name, value in terms.items())
            raise divergence(f"the loss is not a number at step {self.steps} ({names})", self.files)
        self.newest_loss = loss.detach()
        is_first = part == self.part_names[0]
        self.log("train_loss" if is_first else f"train_loss_{part}", loss.detach(), prog_bar=is_first)
        if len(terms) > 1:
            self.log_dict({f"train_{name}": value.detach() for name, value in terms.items()})
        self.log_dict({f"train_{name}": value.detach() for name, value in logged.items()})
        return loss
