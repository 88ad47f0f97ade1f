"""Measure the speed of models on this machine, or run the ablation of WaST over several seeds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from jsonargparse import ArgumentParser, Namespace
    from torch import nn

EXAMPLES = """examples:
  subband benchmark speed wast simvp_gsta tau --threads 1
  subband benchmark ablation-wast --seeds 0 1 2 --out runs/ablation
  subband benchmark ablation-wast --full --device cuda        (a GPU's work; data/ must hold Moving MNIST)
"""

ABLATION = {
    "SimVP": "1_simvp",
    "+ time-frequency translator": "2_translator",
    "+ wavelet embedding": "3_wavelet",
    "+ high-frequency focal loss": "4_hffl",
}
METRICS = (("MSE", "mse", 2), ("MAE", "mae", 2), ("PSNR dB", "psnr", 2), ("SSIM", "ssim", 4))
SPEED_MODELS = ("wast", "simvp_gsta", "simvp_incepu", "tau", "wsfvit_video")


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("what", type=str, help="speed or ablation-wast.")
    parser.add_argument(
        "models", nargs="*", type=str, default=[], help="Models for speed; the video models by default."
    )
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or mps.")
    parser.add_argument("--batch-size", type=int, default=1, help="Clips at a time, for speed.")
    parser.add_argument("--repeats", type=int, default=5, help="Timed runs, for speed; the shortest counts.")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads, for speed; all by default.")
    parser.add_argument("--compile", action="store_true", help="Time compiled models, for speed.")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="Seeds of the ablation.")
    parser.add_argument("--full", action="store_true", help="The ablation at full size.")
    parser.add_argument("--out", type=str, default="runs/ablation_wast", help="Folder of the ablation's runs.")


def run(args: Namespace) -> None:
    """Run the chosen benchmark."""
    from subband.environment import describe_environment

    benchmarks: dict[str, Callable[[Namespace], None]] = {"speed": _speed, "ablation-wast": _ablation}
    if args.what not in benchmarks:
        raise ValueError(f"unknown benchmark {args.what!r}; known: {', '.join(benchmarks)}.")
    print(" | ".join(f"{key} {value}" for key, value in describe_environment().items()))
    benchmarks[args.what](args)


def _speed(args: Namespace) -> None:
    import torch

    import subband
    from subband.cli._common import open_table, pick_device, show_table

    if args.threads is not None:
        torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    headings = ["model", "parameters", "clip (T, C, H, W)", "forward ms", "training step ms"]
    table = open_table(headings, title=f"batch {args.batch_size} on {device}", right=headings[1:])
    for name in args.models or SPEED_MODELS:
        torch.manual_seed(0)
        model: Any = subband.create_model(name).to(device)
        if args.compile:
            model.compile()
        clip = torch.rand(args.batch_size, *model.in_shape, device=device)
        forward, step = (_shortest(work, args.repeats, device) for work in (_forward(model, clip), _step(model, clip)))
        parameters = sum(parameter.numel() for parameter in model.parameters())
        table.add_row(name, f"{parameters:,}", str(model.in_shape), f"{forward:.1f}", f"{step:.1f}")
    show_table(table)


def _forward(model: nn.Module, clip: torch.Tensor) -> Callable[[], None]:
    import torch

    @torch.inference_mode()
    def work() -> None:
        model.eval()(clip)

    return work


def _step(model: nn.Module, clip: torch.Tensor) -> Callable[[], None]:
    def work() -> None:
        model.train().zero_grad()
        model(clip).square().mean().backward()

    return work


def _shortest(work: Callable[[], None], repeats: int, device: torch.device) -> float:
    """Milliseconds of the shortest of several runs after a warm-up."""
    import torch

    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(1e3 * (time.perf_counter() - started))
    return min(times[1:])


def _ablation(args: Namespace) -> None:
    from subband.config import load_recipe
    from subband.tasks.training import finished_scores, train

    size = "full_" if args.full else ""
    rows: dict[str, list[dict]] = {}
    for label, name in ABLATION.items():
        for seed in args.seeds:
            folder = Path(args.out) / f"{size}{name}_seed{seed}"
            scores = finished_scores(folder)
            if scores is None:
                changes = {"seed": seed, "trainer": {"device": args.device}}
                recipe = load_recipe(f"video_prediction/ablation_wast_{size}{name}", changes)
                print(f"training {label}, seed {seed}", flush=True)
                resume = (folder / "checkpoints" / "last.ckpt").is_file()
                scores = train(recipe, folder, resume=resume, overwrite=not resume, progress=False)
            if scores is not None:
                rows.setdefault(label, []).append(scores["rows"][0])
    _show_ablation(rows, len(args.seeds))


def _show_ablation(rows: dict[str, list[dict]], num_seeds: int) -> None:
    from subband.cli._common import open_table, show_table

    headings = ["model", "parameters", *(heading for heading, _, _ in METRICS), "train s"]
    title = f"mean and standard deviation over {num_seeds} seeds"
    table = open_table(headings, title=title, right=headings[1:])
    for label, runs in rows.items():
        cells = [_spread([run["metrics"][key] for run in runs], digits) for _, key, digits in METRICS]
        seconds = [run["train_seconds"] for run in runs if run["train_seconds"] is not None]
        table.add_row(label, f"{runs[0]['parameters']:,}", *cells, _spread(seconds, 0))
    show_table(table)


def _spread(values: list[float], digits: int) -> str:
    if not values:
        return "-"
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.{digits}f} ± {deviation:.{digits}f}"
