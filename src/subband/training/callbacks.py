"""Callbacks and plug-ins of the training loop."""

from __future__ import annotations

import io
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer

from subband.files import write_atomically


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints aside and renames them: a full disk or a kill leaves the previous one intact."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Serialize in memory, then replace the file in one step."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_atomically(path, buffer.getvalue())
        except OSError as error:
            raise OSError(
                f"cannot write {path} ({error.strerror}); the previous checkpoint there is intact."
            ) from error


class SaveLast(Callback):
    """Saves `last.ckpt` every so many optimizer steps and when Ctrl-C is pressed; then training ends at once.

    Args:
        path: The file.
        every_steps: Optimizer steps between saves; None saves on Ctrl-C only.
        resume_command: What the message tells the user to type.
    """

    def __init__(self, path: Path, every_steps: int | None, resume_command: str) -> None:
        self.path = path
        self.every_steps = every_steps
        self.resume_command = resume_command
        self._is_interrupted = False
        self._previous: Any = None
        self._saved_step = -1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over Ctrl-C for as long as training runs."""
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._on_interrupt)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when it is time; leave after a save that Ctrl-C asked for."""
        step = trainer.global_step // len(trainer.optimizers)
        is_due = self.every_steps is not None and step % self.every_steps == 0 and step != self._saved_step
        if is_due or self._is_interrupted:
            trainer.save_checkpoint(self.path)
            self._saved_step = step
        if self._is_interrupted:
            raise TrainingInterrupted(f"interrupted at step {step} and saved; go on with: {self.resume_command}")

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give Ctrl-C back."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._is_interrupted:  # a second Ctrl-C does not wait for the step to end
            raise TrainingInterrupted("interrupted twice; the last saved state is " + str(self.path))
        self._is_interrupted = True


class TrainingInterrupted(BaseException):
    """Ctrl-C during training; the message says how to go on. Not an Exception, so that nothing swallows it."""
