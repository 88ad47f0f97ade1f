"""Experiments of image generation on the command line: options, rows as they come, the table at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jsonargparse import Namespace

__all__ = ["EXPERIMENTS", "GRIDS", "run_and_show"]

# The keys of `subband.tasks.generation.experiments.catalogue.EXPERIMENTS`, which takes seconds to import.
EXPERIMENTS: tuple[str, ...] = (
    *("table1", "s_ablation", "lambda", "levels", "wavelets", "priors", "posterior", "rate_distortion"),
    *("denoise", "sr", "mri"),
)
GRIDS = ("lambda", "levels", "rate_distortion", "denoise", "sr", "mri")  # those that --values go with


def run_and_show(args: Namespace) -> None:
    """Run the experiment that the options name.

    Args:
        args: Those of `subband benchmark`.
    """
    from subband.tasks.generation.experiments import catalogue, report
    from subband.tasks.generation.experiments.experiment import run_experiment
    from subband.tasks.generation.experiments.plan import Plan

    plan = Plan(
        full=args.full,
        device=args.device,
        epochs=args.epochs,
        size=args.size,
        images=args.images,
        data=args.data,
        path=args.path,
        values=None if args["values"] is None else tuple(args["values"]),  # a namespace has a method of that name
    )
    experiment, out = catalogue.EXPERIMENTS[args.what], Path(args.out or f"runs/{args.what}")
    result = run_experiment(
        args.what,
        experiment,
        plan,
        args.seeds,
        out,
        announce=lambda text: print(text, flush=True),
        tell=lambda row: print(json.dumps(row), flush=True),
    )
    print(f"\n{report.write_result(experiment, result, out)}\n")
    print(f"rows, table and plot: {out}")
