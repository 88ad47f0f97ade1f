"""Where things lie in a run folder, and which process may write there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

CONFIG_FILE = "config.yaml"
LAST_FILE = "checkpoints/last.ckpt"
SCORES_FILE = "scores.json"
MODEL_FOLDER = "model"
STAGES_FOLDER = "stages"


class RunFiles(NamedTuple):
    """Where things lie in a run folder."""

    folder: Path

    @property
    def config(self) -> Path:
        """The resolved recipe."""
        return self.folder / CONFIG_FILE

    @property
    def last(self) -> Path:
        """State to resume from."""
        return self.folder / LAST_FILE

    @property
    def best(self) -> Path:
        """State that `trainer.monitor` found best."""
        return self.folder / "checkpoints" / "best.ckpt"

    def what_is_safe(self) -> str:
        """The part of a message that says what is not lost."""
        return f"{self.last} is intact" if self.last.is_file() else "nothing had been saved yet"

    def is_complete(self) -> bool:
        """Whether the weights are saved and scored."""
        return all((self.folder / name).is_file() for name in (f"{MODEL_FOLDER}/config.json", SCORES_FILE))

    def stage(self, name: str) -> RunFiles:
        """The run folder of a stage before the last."""
        return RunFiles(self.folder / STAGES_FOLDER / name)


def is_first_process() -> bool:
    """False in the processes that Lightning or torchrun starts beside the first."""
    # torchrun sets both, over all machines and on this one; Lightning's own launcher only the second.
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", 0))) == 0
