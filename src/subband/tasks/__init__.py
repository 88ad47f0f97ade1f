"""Training tasks: what a recipe's `task` names, and the one loop that trains them all."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, Any

from subband.models.registry import model_spec

if TYPE_CHECKING:
    from subband.models.arguments import Inputs
    from subband.training.task import Task

# Adding a task: write its file, name it here.
TASKS = {
    "classification": "subband.tasks.classification.task:ClassificationTask",
    "detection": "subband.tasks.detection.task:DetectionTask",
    "generation": "subband.tasks.generation.task:GenerationTask",
    "pose": "subband.tasks.pose.task:PoseTask",
    "restoration": "subband.tasks.restoration.task:RestorationTask",
    "video_generation": "subband.tasks.generation.clip_task:VideoGenerationTask",
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


def example_input(model: Any, *, batch: int = 1, height: int | None = None, width: int | None = None) -> Inputs:
    """What a network is called with, random, the same in every run: a tensor, or a tuple of arguments.

    The network is asked where its protocol says so, else its task.

    Args:
        model: Network made by this package.
        batch: Samples.
        height: H; that of training by default.
        width: W; that of training by default.

    Raises:
        ValueError: If a size is not positive.
    """
    if hasattr(model, "example_input"):
        return model.example_input(batch=batch, height=height, width=width)
    return task_of(model).example_input(model, batch=batch, height=height, width=width)


def input_axes(model: Any) -> str:
    """Axes of a network's first input, for example `B C H W`."""
    return model.input_axes if hasattr(model, "input_axes") else task_of(model).input_axes


def task_of(model: Any) -> type[Task]:
    """The task that a model is for.

    Raises:
        ValueError: If there is none.
    """
    return task_class(model_spec(model.model_config["name"]).task)
