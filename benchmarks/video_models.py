"""Time and memory of the video-prediction models against plain translations of their published graphs.

Both run in one process, in turn, on the same weights and input; the ratio is that of the minima. Peak memory of a
training step is what the process grows by, at its peak, each in a process of its own (Linux).

usage: python benchmarks/video_models.py [MODEL ...] [--threads 1] [--repeats 5] [--batch 1] [--compile] [--out FILE]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

import subband
from published.simvp import SimVPModel
from published.wast import PublishedWaST
from published.wsfvit_video import WSFViTVideo
from records import Cell, add_out_argument, describe_environment, line, measured, rounded, write_record

IN_SHAPE = (10, 1, 64, 64)
MMNIST = {"hid_S": 64, "hid_T": 512, "N_S": 4, "N_T": 8}
PUBLISHED: dict[str, Callable[[], nn.Module]] = {
    "wast": lambda: PublishedWaST(IN_SHAPE, 20, (2, 8, 2)),
    "simvp_gsta": lambda: SimVPModel(IN_SHAPE, **MMNIST, model_type="gsta"),
    "tau": lambda: SimVPModel(IN_SHAPE, **MMNIST, model_type="tau"),
    "simvp_incepu": lambda: SimVPModel(IN_SHAPE, **MMNIST, model_type="incepu"),
    "wsfvit_video": lambda: WSFViTVideo(IN_SHAPE),
}


def forward(model: nn.Module, frames: Tensor) -> Callable[[], None]:
    """One forward pass in eval mode."""

    @torch.inference_mode()
    def run() -> None:
        model(frames)

    model.eval()
    return run


def train_step(model: nn.Module, frames: Tensor) -> Callable[[], None]:
    """Forward and backward in training mode."""

    def run() -> None:
        model.zero_grad()
        model(frames).square().mean().backward()

    model.train()
    return run


NOTE = (
    '"Plain" is the translation in `benchmarks/published/` (same weights, same numbers), not the published code itself.'
)
MODES = {"forward": forward, "train": train_step}


def interleaved(runs: list[Callable[[], None]], repeats: int) -> list[float]:
    """Shortest time of each, in milliseconds, run in turn after one warm-up."""
    best = [float("inf")] * len(runs)
    for turn in range(repeats + 1):
        for index, run in enumerate(runs):
            started = time.perf_counter()
            run()
            if turn:
                best[index] = min(best[index], 1e3 * (time.perf_counter() - started))
    return best


def build(name: str) -> tuple[nn.Module, nn.Module]:
    """The published graph and ours with the same random weights."""
    torch.manual_seed(0)
    theirs = PUBLISHED[name]()
    return theirs, subband.load_published(name, theirs.state_dict())


def growth_mb(name: str, which: str, threads: int, batch: int) -> float:
    """Growth of the resident peak over two training steps."""
    torch.set_num_threads(threads)
    model = dict(zip(("plain", "ours"), build(name), strict=True))[which]
    frames = torch.rand(batch, *IN_SHAPE)
    before = resident_mb("VmRSS")
    step = train_step(model, frames)
    step()
    step()
    return resident_mb("VmHWM") - before


def resident_mb(field: str) -> float:
    """Resident memory of this process now (`VmRSS`) or at its peak (`VmHWM`); Linux only."""
    # Not getrusage: its peak starts at that of the process which started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def measured_apart(name: str, which: str, options: argparse.Namespace) -> float:
    """`growth_mb` in a process of its own."""
    command = [sys.executable, __file__, name, "--memory-of", which]
    command += ["--threads", str(options.threads), "--batch", str(options.batch)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def rows(name: str, options: argparse.Namespace) -> Iterator[list[Cell]]:
    """Rows of the table for one model."""
    theirs, ours = build(name)
    frames = torch.rand(options.batch, *IN_SHAPE)
    for mode, prepare in MODES.items():
        runs = [prepare(theirs, frames), prepare(ours, frames)]
        if options.compile:
            torch._dynamo.reset()
            compiled = subband.load_published(name, theirs.state_dict())
            compiled.compile()
            runs.append(prepare(compiled, frames))
        base, *others = interleaved(runs, options.repeats)
        yield [name, mode, rounded(base, 0), *(cell for v in others for cell in (rounded(v, 0), rounded(base / v, 2)))]
    published, mine = (measured_apart(name, which, options) for which in ("plain", "ours"))
    memory: list[Cell] = [name, "train, peak MB", rounded(published, 0), rounded(mine, 0), rounded(published / mine, 2)]
    yield memory + [None] * (2 if options.compile else 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(PUBLISHED))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="also time ours under torch.compile")
    parser.add_argument("--memory-of", choices=["plain", "ours"], help=argparse.SUPPRESS)
    add_out_argument(parser)
    options = parser.parse_args()
    if options.memory_of:
        print(growth_mb(options.models[0], options.memory_of, options.threads, options.batch))
        return
    torch.set_num_threads(options.threads)
    print(" | ".join(f"{key} {value}" for key, value in describe_environment().items()), end="\n\n")
    columns = ["model", "mode", "plain ms", "ours ms", "times faster"]
    columns += ["compiled ms", "times faster"] if options.compile else []
    print(line(columns), "|---" * len(columns) + "|", sep="\n")
    results = []
    for name in options.models or PUBLISHED:
        for row in rows(name, options):
            print(line(row), flush=True)
            results.append(row)
    if options.out is not None:
        title = "Video models against plain translations of their published graphs"
        about = f"Batch {options.batch}, 10 x 1 x 64 x 64; shortest of {options.repeats} interleaved runs, wall time."
        memory = "For memory, the growth of the process's peak in MB."
        write_record(
            measured(title, columns, results, seeds=[0], about=[f"{about} {memory}"], notes=[NOTE]), options.out
        )


if __name__ == "__main__":
    main()
