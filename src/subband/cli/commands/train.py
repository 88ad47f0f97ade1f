"""Train a model by a recipe: a name inside the package or a YAML file. Every setting can be changed by an option."""

from __future__ import annotations

import dataclasses
import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.cli.option_rules import Needs, check_alone
from subband.cli.scores import show_scores
from subband.config import (
    RecipeConfig,
    build_recipe,
    find_recipe,
    flatten,
    list_recipes,
    read_recipe,
    recipe_text,
)
from subband.files import shown
from subband.training.paths import find_paths
from subband.training.run_files import CONFIG_FILE

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace


EXAMPLES = """examples:
  subband train video_prediction/wast_digits --out runs/wast
  subband train video_prediction/wast_digits --optim.lr 3e-4 --trainer.epochs 5 --print-config
  subband train video_prediction/wast_footage --data.args.path my_videos --out runs/mine
  subband train classification/gfnet_digits --out runs/digits
  subband train runs/wast/config.yaml --out runs/wast --resume
"""


OPTION_RULES = (
    *(
        Needs(
            option, lambda args: not args.print_config, "has no effect with --print-config, which trains nothing", True
        )
        for option in ("--out", "--overwrite", "--resume", "--quiet")
    ),
    Needs(
        "--model.weights",
        lambda args: not args.resume,
        "is where a fresh run starts from, but --resume goes on with a run; use one of them",
    ),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command, and every field of a recipe."""
    parser.add_argument("recipe", type=str, help="Recipe name (see `subband train --list`) or YAML file.")
    parser.add_argument("--out", type=str, default=None, help="Run folder to make; runs/NAME by default.")
    parser.add_argument("--overwrite", action="store_true", help="Replace an existing run folder.")
    parser.add_argument("--resume", action="store_true", help="Go on with the run in --out.")
    parser.add_argument("--quiet", action="store_true", help="No progress bar.")
    parser.add_argument("--print-config", action="store_true", help="Print the resolved settings and stop.")
    parser.add_argument("--list", action="store_true", help="List the recipes and stop.")
    parser.add_class_arguments(RecipeConfig, nested_key=None)


def defaults(words: list[str]) -> dict[str, Any]:
    """Settings of the recipe that the first word names; they become the defaults of the options."""
    if "--list" in words:
        check_alone("--list", words, "lists the recipes and stops")
        print("\n".join(list_recipes()))
        raise SystemExit(0)
    if {"-h", "--help"} & set(words):
        return {}
    if not words or words[0].startswith("-"):
        raise ValueError("name a recipe first, for example: subband train video_prediction/wast_digits")
    return flatten(_stored_settings(words[0]))


def run(args: Namespace) -> None:
    """Train, then print the scores and where everything lies."""
    recipe = recipe_from(args)
    if args.print_config:
        print(recipe_text(recipe), end="")
        return
    from subband.training.loop import train

    folder = Path(args.out or Path("runs") / Path(args.recipe).stem)
    command = shlex.join(["subband", "train", str(folder / CONFIG_FILE), "--out", str(folder), "--resume"])
    scores = train(
        recipe,
        folder,
        overwrite=args.overwrite,
        resume=args.resume,
        progress=not args.quiet,
        resume_command=command,
    )
    if scores is not None:
        show_scores(scores)
        print(f"run folder: {shown(folder)}")
        print(f"report:     {shown(shlex.join(['subband', 'report', str(folder)]))}")


def recipe_from(args: Namespace) -> RecipeConfig:
    """The resolved recipe in the options of a command.

    Raises:
        ValueError: If an option changes nothing, because every stage of the recipe has a value of its own.
    """
    from subband.training.options import check_changes

    settings = args.as_dict()
    names = [field.name for field in dataclasses.fields(RecipeConfig)]
    recipe = build_recipe({name: settings[name] for name in names}, args.recipe)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said when they became the defaults
        before = build_recipe(_stored_settings(args.recipe), args.recipe)
    check_changes(before, recipe, args.recipe)
    return recipe


def _stored_settings(source: str) -> dict[str, Any]:
    """What a recipe file says, the paths of a run's own being looked for."""
    settings, file = read_recipe(source), find_recipe(source)
    return find_paths(settings, file.parent) if file.name == CONFIG_FILE else settings
