"""Training tasks: what a recipe's `task` names, and the one loop that trains them all."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subband.training.task import Task

# Adding a task: write its file, name it here.
TASKS = {
    "classification": "subband.tasks.classification.task:ClassificationTask",
    "video_prediction": "subband.tasks.video_prediction:VideoPredictionTask",
}


def task_class(name: str) -> type[Task]:
    """The task a recipe names.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in TASKS:
        close = difflib.get_close_matches(name, TASKS, n=1)
        raise ValueError(
            f"unknown task {name!r}; " + (f"did you mean {close[0]}?" if close else f"known: {', '.join(TASKS)}.")
        )
    module, attribute = TASKS[name].split(":")
    return getattr(importlib.import_module(module), attribute)
