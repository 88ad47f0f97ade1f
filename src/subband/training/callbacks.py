"""The state to resume from: saved when it is time, and when a signal asks training to end."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, NoReturn

from subband.extras import names_extra
from subband.signals import SignalHandlers, Stopped, exit_code, say
from subband.training.run_files import is_first_process

with names_extra("training needs"):
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.callbacks import Checkpoint


class TrainingInterrupted(Stopped):
    """Ctrl-C or SIGTERM during training; the message says how to go on."""


def interruption(number: int, message: str) -> TrainingInterrupted:
    """What a signal raises in this process, which says nothing and ends quietly where another one speaks.

    Args:
        number: Of the signal.
        message: What the user is told.
    """
    code = exit_code(number)
    if is_first_process():
        return TrainingInterrupted(message, code)
    # Lightning kills the first process when one that it has started itself ends with another code than 0.
    return TrainingInterrupted("", code if "RANK" in os.environ else 0)


class SaveLast(Checkpoint):
    """Saves `last.ckpt` after every validation, every so many steps, at the end, and when a signal ends training.

    Ctrl-C and SIGTERM are acknowledged at once and act when the present batch is done, in validation too; a second
    Ctrl-C ends the process as it is. Whatever was saved, training goes on from there as if it had never stopped.

    Args:
        path: The file.
        every_steps: Optimizer steps between saves, besides those after validation; None for no others.
        val_every_epochs: Epochs between validations.
        resume_command: What the message tells the user to type.
    """

    def __init__(self, path: Path, every_steps: int | None, val_every_epochs: int, resume_command: str) -> None:
        self.path = path
        self.every_steps = every_steps
        self.val_every_epochs = val_every_epochs
        self.resume_command = resume_command
        self._handlers: SignalHandlers | None = None
        self._launcher: Any = None
        self._saved_step = 0
        self._is_due = False  # at the end of this epoch
        self._is_before_validation = False
        self._has_stopped = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over the signals for as long as training runs."""
        self._launcher = trainer.strategy.launcher
        self._saved_step = _step(trainer)
        self._handlers = SignalHandlers(self._acknowledge, self._end_others).__enter__()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when it is time, between two optimizer steps; the last one of an epoch waits for the epoch to end."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches and not trainer.is_last_batch:
            return
        step = _step(trainer)
        is_due = self.every_steps is not None and step % self.every_steps == 0 and step != self._saved_step
        if trainer.is_last_batch:
            self._is_due = is_due
            return
        self._has_stopped = self._must_stop(trainer)
        if is_due or self._has_stopped:
            self._save(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Stop after a save that a signal has asked for; by now the step has been logged too."""
        if self._has_stopped:
            raise self._interruption(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop before a validation begins."""
        self._stop_in_validation(trainer)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stop within a validation."""
        self._stop_in_validation(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after a validation and at the end; by now the callbacks that judge the epoch have done so."""
        done = trainer.current_epoch + 1
        is_last = done == trainer.max_epochs or trainer.should_stop
        if self._must_stop(trainer):
            self._stop(trainer)
        if done % self.val_every_epochs == 0 or is_last or self._is_due:
            self._save(trainer)
        self._is_due = False

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Say in the state of a validation that has ended early that all of it is still to come."""
        if self._is_before_validation:
            # What Lightning takes for "the first batch had begun": it goes back and validates from there.
            progress = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
            begun = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
            progress.update(total=dict(begun), current=dict(begun), is_last_batch=False)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the signals back; one that came after the last save is for what follows."""
        if self._handlers is None:
            return
        late = None if self._has_stopped else self._handlers.received
        self._handlers.__exit__(None, None, None)
        self._handlers = None
        if late is not None:
            signal.raise_signal(late)

    def _stop_in_validation(self, trainer: Trainer) -> None:
        if trainer.sanity_checking or not self._must_stop(trainer):
            return
        self._is_before_validation = True
        self._stop(trainer)

    def _must_stop(self, trainer: Trainer) -> bool:
        """Whether a signal has come, to any of the processes."""
        here = self._handlers is not None and self._handlers.received is not None
        return trainer.strategy.reduce_boolean_decision(here, all=False) if trainer.world_size > 1 else here

    def _stop(self, trainer: Trainer) -> NoReturn:
        self._has_stopped = True
        self._save(trainer)
        raise self._interruption(trainer)

    def _interruption(self, trainer: Trainer) -> TrainingInterrupted:
        received = None if self._handlers is None else self._handlers.received
        message = f"stopped at step {_step(trainer)} and saved; go on with: {self.resume_command}"
        return interruption(received or signal.SIGTERM, message)

    def _save(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.path)
        self._saved_step = _step(trainer)

    def _acknowledge(self, number: int) -> None:
        if is_first_process():
            name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
            say(f"{name}: saving when this batch is done; a second Ctrl-C ends at once, with what was saved before.")

    def _end_others(self) -> None:
        if hasattr(self._launcher, "kill"):
            self._launcher.kill(signal.SIGKILL)


def _step(trainer: Trainer) -> int:
    """Training steps done; Lightning counts those of every optimizer."""
    return trainer.global_step // len(trainer.optimizers)
