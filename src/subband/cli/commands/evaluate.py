"""Score a trained model, and the task's baselines, on the test set of a recipe or on a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from subband.cli.evaluation import add_recipe_arguments, evaluation_recipe
from subband.cli.robustness import check_robustness, measure_robustness
from subband.cli.scores import show_scores
from subband.training.run_files import CONFIG_FILE

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

EXAMPLES = """examples:
  subband evaluate runs/wast
  subband evaluate runs/wast --recipe my_test.yaml --out runs/wast_on_mine
  subband convert mmnist_tau.pth --model tau_mmnist --out tau
  subband evaluate tau --recipe video_prediction/tau_mmnist --out runs/tau
  subband evaluate models/wsfvit_p0 --data.args.path imagenet --out runs/wsfvit_p0
  subband evaluate runs/digits --robustness --radii 0.1 0.2 0.4 0.8 --qualities 5 20 80
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("model", type=str, help="Run folder, model folder, or name of bundled weights.")
    parser.add_argument("--out", type=str, default=None, help="Folder for scores.json; the run folder by default.")
    add_recipe_arguments(parser)
    parser.add_argument(
        "--robustness",
        action="store_true",
        help="Also score a classifier on low-passed, high-passed and JPEG-coded images; writes robustness.json, .csv "
        "and .png.",
    )
    parser.add_argument(
        "--radii", type=float, nargs="+", default=None, help="Radii of the filters; 1 is the Nyquist frequency."
    )
    parser.add_argument("--qualities", type=int, nargs="+", default=None, help="JPEG qualities, 1 to 100.")


def run(args: Namespace) -> None:
    """Evaluate and print the tables."""
    from subband.training.loop import evaluate

    strengths = {name: args[name] for name in ("radii", "qualities") if args[name] is not None}
    if strengths and not args.robustness:
        raise ValueError(f"--{next(iter(strengths))} goes with --robustness.")
    recipe = evaluation_recipe(args)
    source = Path(args.model)
    if args.out is None and not source.is_dir():
        raise ValueError(f"{args.model} is no folder to write into; name one with --out.")
    is_other_data = bool(args.recipe or args.data.name or args.data.args)
    if args.out is None and is_other_data and (source / CONFIG_FILE).is_file():
        raise ValueError(f"{source} keeps the scores of its own test set; name a folder for others with --out.")
    if args.robustness:
        check_robustness(recipe, strengths)
    folder = Path(args.out or source)
    scores = evaluate(recipe, args.model, folder)
    show_scores(scores)
    print(f"scores: {folder / 'scores.json'}")
    if args.robustness:
        measure_robustness(recipe, args.model, folder, scores, strengths)
