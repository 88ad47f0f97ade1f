"""Time and memory of BasicVSR++ (four times) against a plain translation of its published graph.

Both run in one process, in turn, on the same weights and clip; their outputs must agree, the ratio is that of the
minima. On one CPU thread the clock is the time that the thread had a processor. Peak memory is what a process of its
own grows by while it enlarges the clip once (Linux), or what the GPU's allocator holds at most.

usage: python benchmarks/super_resolution.py [--size 180x320] [--frames 5] [--repeats 3] [--threads 1] [--out FILE]
       python benchmarks/super_resolution.py --device cuda --half
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import subband
from published.basicvsr_pp import BasicVSRPlusPlusNet
from records import Cell, Record, add_out_argument, describe_environment, line, measured, rounded, write_record
from restoration import WAYS, difference, has_fast_bfloat16, keep
from timing import describe_clock, shortest
from video_models import resident_mb

MODEL = "basicvsr_pp"
FLOAT, HALF = WAYS[:2]
SPREAD = 0.02  # of the random weights that are zeros before a training
COLORS = 3
COLUMNS = ["network", "numbers", "ms", "frames/s", "times faster", "difference", "peak MB", "of plain"]
NOTE = (
    '"Plain" is the translation in `benchmarks/published/` (same weights, float32), not the published code '
    "itself, whose deformable convolution is compiled; both have it in operations of PyTorch. "
    '"Difference" is the largest one of the outputs, as a share of the largest output.'
)


def published() -> nn.Module:
    """The plain translation with random weights, none of them zeros."""
    torch.manual_seed(0)
    model = BasicVSRPlusPlusNet()
    for align in model.deform_align.values():
        nn.init.normal_(align.conv_offset[-1].weight, std=SPREAD)
    return model.eval()


def network(which: str, device: torch.device) -> nn.Module:
    """The plain translation or ours, with the same weights."""
    plain = published()
    return (plain if which == "plain" else subband.load_published(MODEL, plain.state_dict()).eval()).to(device)


def clip_of(options: argparse.Namespace) -> Tensor:
    """Smooth moving noise, `(1, T, 3, H, W)` in [0, 1]."""
    height, width = map(int, options.size.split("x"))
    sides = [side // 8 + 2 for side in (height, width + 2 * options.frames)]
    coarse = torch.rand(1, COLORS, *sides, generator=torch.Generator().manual_seed(0))
    scene = nn.functional.interpolate(coarse, scale_factor=8, mode="bicubic").clamp(0, 1)
    places = range(0, 2 * options.frames, 2)
    return torch.stack([scene[..., :height, place : place + width] for place in places], 1).to(options.device)


def enlarging(model: nn.Module, clip: Tensor, *, half: bool = False) -> Callable[[], Tensor]:
    """A function that enlarges the clip once."""
    precision: Any = torch.autocast(clip.device.type, torch.bfloat16) if half else nullcontext()

    @torch.inference_mode()
    def run() -> Tensor:
        with precision:
            enlarged: Tensor = model(clip)
        return enlarged

    return run


def peak_mb(which: str, options: argparse.Namespace) -> float:
    """Most memory that enlarging the clip once takes beyond the weights and the clip, in this process."""
    run = enlarging(network(which, options.device), clip_of(options))
    if options.device.type == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    before = resident_mb("VmRSS")
    run()
    return resident_mb("VmHWM") - before


def measured_apart(which: str, options: argparse.Namespace) -> float:
    """`peak_mb` in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", which, "--size", options.size, "--frames", str(options.frames)]
    command += ["--threads", str(options.threads), "--device", str(options.device)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def rows(options: argparse.Namespace) -> Iterator[list[Cell]]:
    """Rows of the table: the published graph, then ours."""
    clip, device = clip_of(options), options.device
    runs = {"plain": enlarging(network("plain", device), clip)}
    for way in (FLOAT, HALF) if options.half else (FLOAT,):
        runs[way] = enlarging(network("ours", device), clip, half=way == HALF)
    enlarged: dict[str, Tensor] = {}
    calls = {who: partial(keep, enlarged, who, run) for who, run in runs.items()}
    times = shortest(calls, options.repeats, device, warmups=options.warmups)
    memory = {who: measured_apart(who, options) for who in ("plain", "ours")}
    for who, took in times.items():
        is_first = who == FLOAT
        held = memory["plain"] if who == "plain" else memory["ours"] if is_first else None
        yield [
            "plain" if who == "plain" else MODEL,
            FLOAT if who == "plain" else who,
            rounded(took, 0),
            rounded(1e3 * options.frames / took, 3),
            rounded(times["plain"] / took, 2),
            f"{difference(enlarged):.1e}" if is_first else None,
            None if held is None else rounded(held, 0),
            None if held is None else rounded(held / memory["plain"], 2),
        ]


def parse() -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    parser.add_argument("--size", default="180x320", metavar="HxW", help="of the small frames")
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--warmups", type=int, default=0, help="runs before the first repeat")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--half", action="store_true", help="also time ours under bfloat16 autocast")
    parser.add_argument("--memory-of", choices=["plain", "ours"], help=argparse.SUPPRESS)
    add_out_argument(parser)
    return parser.parse_args()


def record_of(results: list[list[Cell]], options: argparse.Namespace) -> Record:
    """The table with what was measured and how."""
    about = (
        f"{options.frames} frames of {options.size} pixels (height x width), four times enlarged, batch 1; shortest of "
        f"{options.repeats} interleaved rounds, {describe_clock(options.device)}, on {options.device}. Memory is the "
        "growth of the process's peak while the clip is enlarged once."
    )
    notes = [NOTE]
    if options.half and not has_fast_bfloat16(options.device):
        notes.append("This processor has no instructions for bfloat16.")
    title = "Video super-resolution against a plain translation of the published graph"
    return measured(title, COLUMNS, results, seeds=[0], about=[about], notes=notes)


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    if options.memory_of:
        print(peak_mb(options.memory_of, options))
        return
    print(" | ".join(f"{key} {value}" for key, value in describe_environment().items()), end="\n\n")
    print(line(COLUMNS), "|---" * len(COLUMNS) + "|", sep="\n")
    results = []
    for row in rows(options):
        print(line(row), flush=True)
        results.append(row)
    if options.out is not None:
        write_record(record_of(results, options), options.out)


if __name__ == "__main__":
    main()
