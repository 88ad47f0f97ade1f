"""The LightningModule all tasks share: optimizer, schedule, reproducible steps."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from subband.config import DropPathConfig, RecipeConfig
from subband.models.registry import model_spec
from subband.training.evaluation import Evaluation
from subband.training.options import check_options
from subband.training.schedule import build_optimizer, build_schedule, drop_path_rate


class DivergenceError(ValueError):
    """The loss is no longer a number."""


class Task(LightningModule, ABC):
    """One recipe's network and loss under Lightning.

    A task says how its data and network are built, what a loss is, and what is measured; everything else is here or
    in `subband.training.loop`.

    Args:
        recipe: The whole recipe.
        model: The network it names.
        spec: What the data promises.

    Raises:
        ValueError: If the recipe asks for what the task or the network does not have.
    """

    model: Any  # an nn.Module with the methods of its task
    monitors: ClassVar[tuple[str, ...]] = ("val_loss",)
    """What validation logs that may choose the best weights."""

    def __init__(self, recipe: RecipeConfig, model: nn.Module, spec: Any) -> None:
        super().__init__()
        if recipe.trainer.monitor not in self.monitors:
            raise ValueError(
                f"trainer.monitor must be {' or '.join(self.monitors)} for {recipe.task}, got {recipe.trainer.monitor}."
            )
        check_options(recipe)
        check_drop_path(recipe.drop_path, model)
        self.recipe = recipe
        self.model = model
        self.spec = spec

    @staticmethod
    @abstractmethod
    def build_data(recipe: RecipeConfig) -> Any:
        """Training, validation and test sets of a recipe: an object with `train`, `val`, `test` and `spec`."""

    @staticmethod
    @abstractmethod
    def build_model(recipe: RecipeConfig, spec: Any) -> nn.Module:
        """The recipe's network with fresh weights, shaped for the data."""

    @abstractmethod
    def loss_terms(self, batch: Any) -> dict[str, Tensor]:
        """Weighted terms of the training loss for one batch, by name; their sum is minimized."""

    @staticmethod
    @abstractmethod
    def evaluate(recipe: RecipeConfig, models: dict[str, Any], data: Any, device: torch.device) -> Evaluation:
        """Score networks on the test set."""

    @staticmethod
    @abstractmethod
    def baselines(spec: Any) -> dict[str, nn.Module]:
        """Networks without training that every table shows."""

    @staticmethod
    @abstractmethod
    def model_metadata(spec: Any) -> dict[str, Any]:
        """Facts a predictor needs beside the weights."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Sum of the loss terms; logs them."""
        terms = self.loss_terms(batch)
        loss = torch.stack(list(terms.values())).sum()
        if self.trainer.global_step % self.recipe.trainer.log_every_steps == 0 and not torch.isfinite(loss):
            names = ", ".join(f"{name} {value.item():.4g}" for name, value in terms.items())
            raise DivergenceError(
                f"the loss is not a number at step {self.trainer.global_step} ({names}); the last checkpoint is intact: "
                "lower optim.lr, set optim.grad_clip, or train with trainer.precision=32."
            )
        self.log("train_loss", loss.detach(), prog_bar=True)
        if len(terms) > 1:
            self.log_dict({f"train_{name}": value.detach() for name, value in terms.items()})
        return loss

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Make every random draw of a step a function of the step, so that a resumed run repeats it exactly."""
        total = self.trainer.num_training_batches
        step = self.current_epoch * int(total) + batch_idx
        torch.manual_seed((self.recipe.seed * 1_000_003 + step) * 1_009 + self.global_rank)
        if self.recipe.trainer.eval_mode:
            self.model.eval()  # here, as Lightning goes back to training mode after validation and on resuming
        rate = drop_path_rate(self.recipe.drop_path, self.current_epoch + batch_idx / total)
        if (
            rate is not None and self.recipe.drop_path.mode != "standard"
        ):  # a constant rate is an argument of the network
            self.model.set_drop_path_rate(rate)

    def on_fit_start(self) -> None:
        """Switch on the options that change how the network runs, not what it computes."""
        if self.recipe.trainer.grad_checkpointing:
            self.model.set_grad_checkpointing(True)
        if self.recipe.trainer.compile:
            self.compile_network()

    def compile_network(self) -> None:
        """Compile what `loss_terms` calls."""
        self.model.compile()

    def configure_optimizers(self) -> Any:
        """Optimizer, and its schedule per step."""
        optimizer = build_optimizer(self.model, self.recipe.optim)
        config = self.recipe.trainer
        # Not trainer.estimated_stepping_batches: asking for it sets up the loaders before a checkpoint is restored,
        # and Lightning then forgets to restore their position.
        loader = self.trainer.datamodule.train_dataloader()  # type: ignore[attr-defined]
        per_epoch = math.ceil(len(loader) / config.accumulate)
        schedule = build_schedule(optimizer, self.recipe.optim, config.epochs * per_epoch, per_epoch)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def check_drop_path(config: DropPathConfig, model: nn.Module) -> None:
    """Refuse a rate that shall change during training for a network that cannot change it.

    Raises:
        ValueError: If so.
    """
    if config.mode != "standard" and not hasattr(model, "set_drop_path_rate"):
        raise ValueError(f"drop_path.mode must be standard for {type(model).__name__}, got {config.mode}.")


def drop_path_argument(name: str, rate: float) -> dict[str, float]:
    """The argument that sets the stochastic depth of a named network.

    Raises:
        ValueError: If it has none.
    """
    known = inspect.signature(model_spec(name).builder).parameters
    for argument in ("drop_path_rate", "drop_path"):
        if argument in known:
            return {argument: rate}
    raise ValueError(f"drop_path.rate is set, but model {name!r} has no stochastic depth.")
