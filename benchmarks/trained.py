"""Train networks against each other with `subband benchmark`, and keep the table as a file of results.

usage: python benchmarks/trained.py ablation-wast --runs runs/ablation --out FILE.json [--seeds 0 1 2] [OPTION ...]
       python benchmarks/trained.py ablation-deblurring --runs runs/ablation_deblurring --out FILE.json
       python benchmarks/trained.py ablation-pose --runs runs/ablation_pose --out FILE.json
       python benchmarks/trained.py classifiers --runs runs/classifiers --out FILE.json --path cifar-10-batches-py

Further words and options go to `subband benchmark`, such as `vd_diff` for one of two families. Runs that are finished
are not trained again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from records import Cell, add_out_argument, measured, rounded, write_record
from subband.cli.main import main as subband_command
from subband.predictors import VideoRestorer

Scores: TypeAlias = Sequence[Sequence[float]]

CPU_SECONDS = "cpu_seconds.json"
IN_CPU_MINUTES = ("ablation-pose",)  # whose runs keep their processor time
TITLES = {
    "ablation-wast": "Ablation of WaST",
    "ablation-deblurring": "Ablation of VD-Diff and FTDeblur",
    "ablation-mfpi": "Ablation of MFPI",
    "ablation-pose": "Ablation of FreqPose",
    "classifiers": "Classifiers at one budget",
}
# Heading, key, factor, digits after the point.
COLUMNS = {
    "ablation-wast": [("MSE", "mse", 1, 2), ("MAE", "mae", 1, 2), ("PSNR dB", "psnr", 1, 2), ("SSIM", "ssim", 1, 4)],
    "ablation-deblurring": [("PSNR dB", "psnr", 1, 2), ("gain dB", "psnr_gain", 1, 2), ("SSIM", "ssim", 1, 4)],
    "ablation-mfpi": [("PSNR dB", "psnr", 1, 2), ("gain dB", "psnr_gain", 1, 3), ("SSIM", "ssim", 1, 4)],
    "ablation-pose": [
        ("PCK@0.1 %", "pck_strict", 100, 2),
        ("occluded joints %", "pck_strict_occluded", 100, 2),
        ("OKS AP %", "ap", 100, 1),
        ("jitter px", "jitter", 1, 2),
    ],
    "classifiers": [("top-1 %", "top1", 100, 2), ("cross-entropy", "cross_entropy", 1, 3)],
}


def rows_of(what: str, runs: Path, seeds: Sequence[int]) -> list[list[Cell]]:
    """Mean and standard deviation of every network over the seeds that it was trained with."""
    names = sorted(folder.name.removesuffix(f"_seed{seeds[0]}") for folder in runs.glob(f"*_seed{seeds[0]}"))
    table: list[list[Cell]] = []
    for name in names:
        folders = [runs / f"{name}_seed{seed}" for seed in seeds if (runs / f"{name}_seed{seed}/scores.json").is_file()]
        scores: list[dict[str, Any]] = [
            json.loads((folder / "scores.json").read_text("utf-8"))["rows"][0] for folder in folders
        ]
        cells = [
            spread([factor * row["metrics"][key] for row in scores], digits) for _, key, factor, digits in COLUMNS[what]
        ]
        facts: list[Cell] = [len(folders), scores[0]["steps"]] if what in IN_CPU_MINUTES else []
        table.append([name, scores[0]["parameters"], *facts, *cells, time_taken(what, folders, scores)])
    return table


def time_taken(what: str, folders: Sequence[Path], scores: Sequence[dict[str, Any]]) -> str | None:
    """Time of the trainings, None where it is not known, as of runs that were stopped."""
    if what in IN_CPU_MINUTES:
        return cpu_minutes(folders)
    seconds = [row["train_seconds"] for row in scores]
    return None if None in seconds else spread(seconds, 0)


def train_recipe(recipe: str, folder: Path, seed: int, options: Sequence[str]) -> None:
    """Train a recipe on the CPU unless that is finished; the processor time of a run that was stopped counts on."""
    if (folder / "scores.json").is_file():
        return
    started = time.process_time()
    words = ["train", recipe, "--out", str(folder), "--seed", str(seed), "--trainer.device", "cpu", *options]
    code = subband_command([*words, *(["--resume"] if folder.exists() else [])])
    record = folder / CPU_SECONDS
    before = json.loads(record.read_text()) if record.is_file() else 0.0
    if folder.is_dir():
        record.write_text(json.dumps(before + time.process_time() - started))
    if code:
        raise SystemExit(code)


def cpu_minutes(folders: Sequence[Path]) -> str | None:
    """Processor time of the trainings, None where it is not known."""
    files = [folder / CPU_SECONDS for folder in folders]
    return spread([json.loads(file.read_text()) / 60 for file in files], 1) if all(map(Path.is_file, files)) else None


def gain_row(
    name: str, folders: Sequence[Path], score: Callable[[VideoRestorer], Scores], before: Scores
) -> list[Cell]:
    """Gains of a network for restoration: on every clip, in the mean, and in SSIM, over the seeds.

    Args:
        name: What the row is called.
        folders: A finished run for each seed.
        score: PSNR, SSIM and whatever else of every clip, of one restorer.
        before: The same without a network.
    """
    restorers = [VideoRestorer.load(folder) for folder in folders]
    pairs = [list(zip(score(restorer), before, strict=True)) for restorer in restorers]
    gains = [[new[0] - old[0] for new, old in clips] for clips in pairs]
    return [
        name,
        sum(parameter.numel() for parameter in restorers[0].model.parameters()),
        cpu_minutes(folders),
        *(spread(list(column), 2) for column in zip(*gains, strict=True)),
        spread([statistics.mean(values) for values in gains], 2),
        spread([statistics.mean(new[1] - old[1] for new, old in clips) for clips in pairs], 4),
    ]


def base_row(name: str, before: Scores) -> list[Cell]:
    """The row of `gain_row` of what is restored by no network: PSNR and SSIM themselves."""
    psnr, ssim = ([scores[place] for scores in before] for place in range(2))
    means = [rounded(statistics.mean(psnr), 2), rounded(statistics.mean(ssim), 4)]
    return [name, 0, None, *(rounded(value, 2) for value in psnr), *means]


def spread(values: list[float], digits: int) -> str:
    """Mean and sample standard deviation."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def main() -> None:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    parser.add_argument("what", choices=list(TITLES))
    parser.add_argument("--runs", type=Path, required=True, help="folder of the run folders, of this benchmark alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add_out_argument(parser)
    options, others = parser.parse_known_args()
    seeds = [str(seed) for seed in options.seeds]
    code = subband_command(["benchmark", options.what, *others, "--out", str(options.runs), "--seeds", *seeds])
    if code:
        raise SystemExit(code)
    if options.out is not None:
        facts, last = (["seeds", "steps"], "CPU min") if options.what in IN_CPU_MINUTES else ([], "train s")
        columns = ["model", "parameters", *facts, *(heading for heading, *_ in COLUMNS[options.what]), last]
        rows = rows_of(options.what, options.runs, options.seeds)
        about = [f"Mean and standard deviation over {len(seeds)} seed(s); every network at the same budget."]
        write_record(measured(TITLES[options.what], columns, rows, seeds=options.seeds, about=about), options.out)


if __name__ == "__main__":
    main()
