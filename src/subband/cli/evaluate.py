"""Score a trained model, and the task's baselines, on the test set of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

EXAMPLES = """examples:
  subband evaluate runs/wast
  subband evaluate runs/wast --recipe my_test.yaml --out runs/wast_on_mine
  subband convert mmnist_tau.pth --model tau_mmnist --out tau && subband evaluate tau --recipe video_prediction/tau_mmnist --out runs/tau
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("model", type=str, help="Run folder, model folder, or name of bundled weights.")
    parser.add_argument(
        "--recipe", type=str, default=None, help="Recipe whose test set counts; the run's own by default."
    )
    parser.add_argument("--out", type=str, default=None, help="Folder for scores.json; the run folder by default.")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or mps.")


def run(args: Namespace) -> None:
    """Evaluate and print the table."""
    from subband.cli._scores import show_scores
    from subband.config import load_recipe
    from subband.tasks.training import CONFIG_FILE, evaluate

    source = Path(args.model)
    recipe_file = args.recipe or source / CONFIG_FILE
    if args.recipe is None and not Path(recipe_file).is_file():
        raise FileNotFoundError(f"{args.model} holds no {CONFIG_FILE}; name the test set with --recipe.")
    if args.out is None and not source.is_dir():
        raise ValueError(f"{args.model} is no folder to write into; name one with --out.")
    recipe = load_recipe(recipe_file, {"trainer": {"device": args.device}})
    folder = Path(args.out or source)
    show_scores(evaluate(recipe, args.model, folder))
    print(f"scores: {folder / 'scores.json'}")
