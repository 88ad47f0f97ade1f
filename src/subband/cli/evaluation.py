"""What `subband evaluate` measures on: a run's own recipe, a named one, or a folder of images, changed by options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.config import RecipeConfig, build_recipe, merge, read_recipe
from subband.models.model_folder import find_model_folder, read_card
from subband.models.registry import model_spec
from subband.tasks import TASKS, task_class
from subband.training.paths import find_paths
from subband.training.run_files import CONFIG_FILE

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

_WORKERS = min(4, os.cpu_count() or 1)  # decode the user's photographs


def add_recipe_arguments(parser: ArgumentParser) -> None:
    """Options that `evaluation_recipe` reads, named as in a recipe."""
    parser.add_argument(
        "--recipe", type=str, default=None, help="Recipe whose test set counts; the run's own by default."
    )
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or mps.")
    parser.add_argument("--data.name", type=str | None, default=None, help="Another data set of the task.")
    parser.add_argument(
        "--data.args",
        type=dict[str, Any],
        default={},
        help="Arguments of the data set; --data.args.path FOLDER alone scores a classifier or detector on your images.",
    )
    parser.add_argument("--data.batch_size", type=int | None, default=None, help="Samples at a time.")
    parser.add_argument("--data.num_workers", type=int | None, default=None, help="Processes that decode files.")
    parser.add_argument(
        "--evaluation.num_samples", type=int | None, default=None, help="Test samples that are stored for the report."
    )
    parser.add_argument(
        "--evaluation.lpips_weights", type=str | None, default=None, help="torchvision's AlexNet weights, for LPIPS."
    )
    parser.add_argument(
        "--evaluation.inception_weights",
        type=str | None,
        default=None,
        help="pt_inception-2015-12-05-6726825d.pth, for FID and KID.",
    )
    parser.add_argument(
        "--evaluation.bound_samples",
        type=int | None,
        default=None,
        help="Samples of every image for a tighter bound on its likelihood (generation).",
    )


def evaluation_recipe(args: Namespace) -> RecipeConfig:
    """The recipe in the options of a command: what the recipe file says, replaced by what the command line says.

    Images from a folder are prepared as the weights want it (what is stored beside them), as far as neither the recipe
    nor the command line says otherwise.

    Raises:
        FileNotFoundError: If the model has no recipe and no test set is named, or there is no such recipe or model.
        ValueError: If the settings do not fit together.
    """
    given = _given(args)
    own = Path(args.model) / CONFIG_FILE
    if args.recipe is not None or own.is_file():
        where = args.recipe or str(own)
        settings = read_recipe(where) if args.recipe else find_paths(read_recipe(where), own.parent)
    elif "data" in given:
        where = "the command line"
        settings = _folder_recipe(args.model)
    else:
        if Path(args.model).is_file():
            find_model_folder(args.model)  # says what the file is if it is none of ours
        raise FileNotFoundError(
            f"{args.model} holds no {CONFIG_FILE}; name the test set with --recipe, or a folder of images with "
            "--data.args.path."
        )
    settings = merge(_of_last_stage(settings), given)
    data, task = settings.get("data", {}), settings.get("task")
    if task in TASKS and data.get("name") == task_class(task).folder_dataset:
        data["args"] = {**task_class(task).folder_args(args.model, only_test=False), **(data.get("args") or {})}
    return build_recipe(settings, where)


def _of_last_stage(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by which a run with stages is scored, so that options go before those of its last stage."""
    *_, last = settings.get("stages") or [{}]
    return merge({**settings, "stages": []}, last.get("settings") or {})


def _given(args: Namespace) -> dict[str, Any]:
    """Settings on the command line, nested as in a recipe."""
    given: dict[str, Any] = {"trainer": {"device": args.device}}
    for group in ("data", "evaluation"):
        values = {key: value for key, value in args[group].as_dict().items() if value not in (None, {})}
        if values:
            given[group] = values
    if "batch_size" in given.get("data", {}):  # that of the command line goes before one for evaluation in the recipe
        given["evaluation"] = {**given.get("evaluation", {}), "batch_size": given["data"]["batch_size"]}
    return given


def _folder_recipe(source: str) -> dict[str, Any]:
    """Everything in a folder is a test sample of weights that were trained elsewhere."""
    name = read_card(find_model_folder(source))["name"]
    task = model_spec(name).task
    reader = task_class(task).folder_dataset
    if reader is None:
        raise ValueError(f"{source} is for {task}; name its test set with --recipe.")
    data = {"name": reader, "args": task_class(task).folder_args(source, only_test=True), "num_workers": _WORKERS}
    return {"task": task, "model": {"name": name}, "data": data}
