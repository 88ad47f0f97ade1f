"""What is saved during training: the best weights, their running average, and nothing that is not a number."""

from __future__ import annotations

import io
import math
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from subband.extras import names_extra
from subband.files import write_atomically
from subband.training.run_files import RunFiles

with names_extra("training needs"):
    from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging


class DivergenceError(ValueError):
    """The loss or the weights are no longer numbers."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints aside and renames them: a full disk or a kill leaves the previous one intact."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Serialize in memory, then replace the file in one step."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a file, whatever its name; Lightning's own takes one that begins with http for an address."""
        with open(path, "rb") as file:
            return torch.load(file, map_location=map_location, weights_only=weights_only)


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best weights as `best.ckpt`; a run folder that was moved keeps its best score.

    Args:
        path: The file.
        monitor: What chooses.
        mode: Whether its `min` or `max` is best.
    """

    def __init__(self, path: Path, monitor: str, mode: str) -> None:
        super().__init__(
            path.parent,
            path.stem,
            monitor=monitor,
            mode=mode,
            enable_version_counter=False,
            auto_insert_metric_name=False,
        )

    @property
    def state_key(self) -> str:
        """The name of its state in a checkpoint, that of Lightning's class, which wrote the first ones."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best score, with the file where the run folder is now."""
        here = Path(str(self.dirpath))
        moved = dict(state_dict, dirpath=self.dirpath)
        for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
            if state_dict.get(key):
                moved[key] = str(here / Path(state_dict[key]).name)
        scores = state_dict.get("best_k_models", {})
        moved["best_k_models"] = {str(here / Path(path).name): score for path, score in scores.items()}
        super().load_state_dict(moved)


class AveragedWeights(WeightAveraging):
    """Keeps an exponential moving average of weights and running statistics, which is validated and saved.

    Numbers that count or say yes or no are those of the trained network: there is no mean of them.

    Args:
        decay: Share of the average that a step keeps.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(avg_fn=partial(_moving_average, decay))
        self._is_swapped = False

    @property
    def state_key(self) -> str:
        """The name of its state in a checkpoint, that of Lightning's class, which wrote the first ones."""
        return "EMAWeightAveraging"

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Store both; in the middle of a validation they are swapped back first, in the tensors to be saved too."""
        if self._is_swapped:
            self._swap_models(pl_module)
        super().on_save_checkpoint(trainer, pl_module, checkpoint)

    def _swap_models(self, pl_module: LightningModule) -> None:
        super()._swap_models(pl_module)
        self._is_swapped = not self._is_swapped


class FiniteWeights(Callback):
    """Ends training before weights that are not numbers are saved or chosen as the best.

    Args:
        monitor: What chooses the best weights.
        mode: Whether its `min` or `max` is best.
        files: Says what had been saved.
    """

    def __init__(self, monitor: str, mode: str, files: RunFiles) -> None:
        self.monitor, self.mode, self.files = monitor, mode, files
        self._watched: set[str] = set()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Note what is finite at the start; a mask of infinities is meant so."""
        state = pl_module.state_dict()
        self._watched = {name for name, value in state.items() if bool(value.isfinite().all())}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the number that chooses the best weights.

        Raises:
            DivergenceError: If it is none, or infinitely bad.
        """
        value = float(trainer.callback_metrics[self.monitor])
        if math.isnan(value) or value == (math.inf if self.mode == "min" else -math.inf):
            raise self._error(pl_module, f"{self.monitor} is {value:g}")

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Look at all weights and the newest loss, with one answer from the device.

        Raises:
            DivergenceError: If one of them is not finite.
        """
        tensors = {
            name: value
            for state in ("current_model_state", "state_dict")
            for name, value in checkpoint.get(state, {}).items()
            if name in self._watched
        }
        newest = getattr(pl_module, "newest_loss", None)
        # With 16-bit floats a loss may overflow now and then; the scaler passes over the step.
        if newest is not None and getattr(trainer.precision_plugin, "scaler", None) is None:
            tensors["the loss"] = newest
        if not tensors:
            return
        finite = [value.isfinite().all() for value in tensors.values()]
        if not torch.stack([flag.to(finite[0].device) for flag in finite]).all():
            names = [name for name, flag in zip(tensors, finite, strict=True) if not flag]
            raise self._error(pl_module, f"not finite: {', '.join(names[:3])}{', ...' * (len(names) > 3)}")

    def _error(self, pl_module: LightningModule, what: str) -> DivergenceError:
        return divergence(f"training has diverged at step {pl_module.steps} ({what})", self.files)


def divergence(what: str, files: RunFiles) -> DivergenceError:
    """The error of a training that leads nowhere any more: what is still good, and what helps.

    Args:
        what: What is wrong, and since when.
        files: Says what had been saved.
    """
    return DivergenceError(
        f"{what}; {files.what_is_safe()}: lower optim.lr, set optim.grad_clip, or train with trainer.precision=32."
    )


def _moving_average(decay: float, average: Tensor, current: Tensor, _: Any) -> Tensor:
    if not (current.is_floating_point() or current.is_complex()):
        return current
    # What does not change is not rounded either: fixed filters stay as they are, however many steps there are.
    return torch.where(average == current, current, decay * average + (1 - decay) * current)
