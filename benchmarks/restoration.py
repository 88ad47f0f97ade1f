"""Time and memory of the networks for video restoration against plain translations of their published graphs.

Both run in one process, in turn, on the same weights and clip; their outputs must agree, the ratio is that of the
minima. On one CPU thread the clock is the time that the thread had a processor. Peak memory is what a process of its
own grows by while it restores the clip once (Linux), or what the GPU's allocator holds at most. FTDeblur was never
published as code, so it stands alone.

usage: python benchmarks/restoration.py [MODEL ...] [--clips 5x256x256 ...] [--rounds 3] [--out FILE]
       python benchmarks/restoration.py vd_diff --device cuda --compile
       python benchmarks/restoration.py --command [--out FILE]     reading, network and encoding of `subband deblur`
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import subband
from published.estrnn import Model as PublishedESTRNN
from published.vd_diff import VDDiff as PublishedVDDiff
from records import Cell, Record, add_out_argument, describe_environment, line, measured, rounded, write_record
from timing import describe_clock, shortest
from video_models import resident_mb

LARGEST_DIFFERENCE = 1e-4  # of the largest output
CLIPS = ["6x64x64", "6x128x128", "6x256x256"]
ALONE = "ftdeblur"
# How ours are run; outside of float32 they are compared with the published graph in float32 all the same.
WAYS = ("float32", "bfloat16", "float32, compiled", "bfloat16, compiled")
PRIOR_DIM = 256  # of VD-Diff
COLORS = 3
COLUMNS = ["model", "clip", "numbers", "difference", "plain ms", "ours ms", "times faster", "frames/s"]
MEMORY_COLUMNS = ["plain MB/frame", "ours MB/frame", "ours/plain"]
NOTE = (
    '"Plain" is the translation in `benchmarks/published/` (same weights, float32), not the published code '
    'itself. "Difference" is the largest one of the outputs, as a share of the largest output. Frames per second are '
    "restored ones; of a clip of T frames, ESTRNN and FTDeblur restore T - 4, so that long clips are faster."
)
COMMAND_COLUMNS = ["model", "step", "seconds", "frames/s"]
COMMAND_CLIP = (30, 128, 192)  # T, H, W
COMMAND_MODELS = ("vd_diff_s", "estrnn_s")
COMMAND_NOTE = (
    "Reading, network and encoding alone, one after the other; then all three as `restore_clip` does it, side by side; "
    "then the whole command, with the start of Python and the loading of the packages. Threads of a codec count "
    "beside that of the network. Wall time."
)


def build(name: str) -> tuple[nn.Module | None, nn.Module]:
    """The published graph, where there is one, and ours with the same random weights."""
    torch.manual_seed(0)
    if name == ALONE:
        return None, subband.create_model(name).eval()
    theirs = PublishedVDDiff(3) if name == "vd_diff" else PublishedESTRNN()
    return theirs.eval(), subband.load_published(name, theirs.state_dict()).eval()


def clip_of(name: str, shape: str) -> tuple[Tensor, dict[str, Tensor]]:
    """A random clip `(1, T, 3, H, W)`, and what else the network takes."""
    num_frames, height, width = map(int, shape.split("x"))
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(1, num_frames, COLORS, height, width, generator=generator)
    if name != "vd_diff":
        return frames, {}
    return frames, {"noise": torch.randn(num_frames, PRIOR_DIM, generator=generator)}


def restoring(name: str, model: nn.Module, shape: str, device: torch.device, *, half: bool = False) -> Any:
    """A function that restores the clip once and gives the frames."""
    frames, options = clip_of(name, shape)
    frames, options = frames.to(device), {key: value.to(device) for key, value in options.items()}
    precision: Any = torch.autocast(device.type, torch.bfloat16) if half else nullcontext()

    @torch.inference_mode()
    def run() -> Tensor:
        with precision:
            result = model(frames, **options)
        return result[0] if isinstance(result, tuple) else result

    return run


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether products of bfloat16 numbers are an instruction of the device."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    facts = torch.cpu.get_capabilities()
    return any(facts.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def difference(restored: dict[str, Tensor]) -> float:
    """Largest difference of ours from the published output, as a share of the largest.

    Raises:
        AssertionError: If it is more than `LARGEST_DIFFERENCE`.
    """
    wanted, ours = (restored[who].float() for who in ("plain", WAYS[0]))
    found = float((wanted - ours).abs().max() / wanted.abs().max())
    assert found <= LARGEST_DIFFERENCE, f"the outputs differ by {found:.2e}"
    return found


def peak_mb(name: str, who: str, shape: str, device: torch.device) -> float:
    """Most memory that restoring the clip once takes beyond the weights and the clip, in this process."""
    model = dict(zip(("plain", "ours"), build(name), strict=True))[who]
    assert model is not None
    run = restoring(name, model.to(device), shape, device)
    if device.type == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    before = resident_mb("VmRSS")
    run()
    return resident_mb("VmHWM") - before


def measured_apart(name: str, who: str, shape: str, options: argparse.Namespace) -> float:
    """`peak_mb` of a frame, in a process of its own."""
    command = [sys.executable, __file__, name, "--clips", shape, "--memory-of", who]
    command += ["--threads", str(options.threads), "--device", str(options.device)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(printed) / int(shape.split("x")[0])


def runs_of(name: str, shape: str, device: torch.device, ways: Sequence[str]) -> dict[str, Callable[[], Tensor]]:
    """Functions that restore a clip: as published, where there is such a thing, and by ours in some ways of `WAYS`."""
    theirs, ours = build(name)
    runs: dict[str, Callable[[], Tensor]] = {}
    if theirs is not None:
        runs["plain"] = restoring(name, theirs.to(device), shape, device)
    for way in ways:
        model = ours.to(device)
        if "compiled" in way:
            model = build(name)[1].to(device)
            model.compile()
        runs[way] = restoring(name, model, shape, device, half="bfloat16" in way)
    return runs


def rows(name: str, shape: str, options: argparse.Namespace) -> Iterator[list[Cell]]:
    """Rows of the table for one model and clip, one for every way."""
    device = options.device
    ways = [way for way in WAYS if "bfloat16" not in way or has_fast_bfloat16(device)]
    runs = runs_of(name, shape, device, [way for way in ways if "compiled" not in way or options.compile])
    restored: dict[str, Tensor] = {}
    calls = {who: partial(keep, restored, who, run) for who, run in runs.items()}
    times = shortest(calls, options.rounds, device, warmups=options.warmups)
    base, num_frames = times.pop("plain", None), restored[WAYS[0]].shape[1]
    for way, took in times.items():
        is_first = way == WAYS[0]
        found = f"{difference(restored):.1e}" if is_first and base is not None else None
        cells: list[Cell] = [name, shape, way, found, None if base is None else rounded(base, 0), rounded(took, 0)]
        cells += [None if base is None else rounded(base / took, 2), rounded(1e3 * num_frames / took, 2)]
        yield cells + (memory_cells(name, shape, options) if is_first else [None] * len(MEMORY_COLUMNS))


def keep(restored: dict[str, Tensor], who: str, run: Callable[[], Tensor]) -> None:
    """Run, and keep what comes out, so that what is compared is what was timed."""
    restored[who] = run()


def memory_cells(name: str, shape: str, options: argparse.Namespace) -> list[Cell]:
    """Peak memory per frame of both and their ratio."""
    mine = measured_apart(name, "ours", shape, options)
    if name == ALONE:
        return [None, rounded(mine, 0), None]
    published = measured_apart(name, "plain", shape, options)
    return [rounded(published, 0), rounded(mine, 0), rounded(mine / published, 2)]


def command_rows(options: argparse.Namespace) -> Iterator[list[Cell]]:
    """Seconds of the parts of `subband deblur`, of all of them side by side, and of the command."""
    from subband.media import write_clip

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "clip.mp4"
        write_clip(source, moving_noise(*COMMAND_CLIP))
        for name in options.models or COMMAND_MODELS:
            torch.manual_seed(0)
            weights = Path(folder) / name
            subband.save_model(subband.create_model(name), weights)
            for step, seconds in shortest_walls(steps_of(source, weights), options.rounds).items():
                yield [name, step, rounded(seconds, 2), rounded(COMMAND_CLIP[0] / seconds, 1)]


def steps_of(source: Path, weights: Path) -> dict[str, Callable[[], object]]:
    """What `subband deblur` does to a clip, by step."""
    from subband.media import read_clip, write_clip
    from subband.predictors import VideoRestorer

    target = source.with_name("sharp.mp4")
    restorer = VideoRestorer.load(weights)
    clip = read_clip(source)
    words = [sys.executable, "-m", "subband.cli.main", "deblur", str(source), str(target)]
    words += ["--model", str(weights), "--overwrite", "--scene-cuts", "off"]
    return {
        "reading": lambda: read_clip(source),
        "network": lambda: restorer.restore(clip),
        "encoding": lambda: write_clip(target, clip, overwrite=True),
        "side by side": lambda: restorer.restore_clip(source, target, scene_cuts="off", overwrite=True),
        "command": lambda: subprocess.run(words, capture_output=True, check=True),
    }


def shortest_walls(steps: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Shortest wall time of each in seconds, in turn: they have several threads, or processes of their own."""
    best = dict.fromkeys(steps, float("inf"))
    for _ in range(rounds):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            best[name] = min(best[name], time.perf_counter() - started)
    return best


def moving_noise(num_frames: int, height: int, width: int) -> Tensor:
    """Smooth noise that moves by three pixels a frame, `(T, 3, H, W)` in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, COLORS, height // 8, (width + 3 * num_frames) // 8 + 1, generator=generator)
    scene = nn.functional.interpolate(coarse, scale_factor=8, mode="bicubic").clamp(0, 1)[0]
    return torch.stack([scene[:, :, 3 * place : 3 * place + width] for place in range(num_frames)])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["vd_diff", "estrnn", ALONE]
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"by default {', '.join(names)}")
    parser.add_argument("--clips", nargs="+", default=CLIPS, metavar="TxHxW", help="frames and size of clips")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warmups", type=int, default=0, help="runs before the first round")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--compile", action="store_true", help="also time ours under torch.compile")
    parser.add_argument("--command", action="store_true", help="time `subband deblur` instead")
    parser.add_argument("--memory-of", choices=["plain", "ours"], help=argparse.SUPPRESS)
    add_out_argument(parser)
    options = parser.parse_args()
    if not options.command:
        options.models = options.models or names
    return options


def record_of(results: list[list[Cell]], options: argparse.Namespace) -> Record:
    """The table with what was measured and how."""
    if options.command:
        size = "{} frames of {} x {}".format(*COMMAND_CLIP)
        about = f"Smooth moving noise, {size}, H.264; shortest of {options.rounds} rounds. {COMMAND_NOTE}"
        return measured("What `subband deblur` costs beside the network", COMMAND_COLUMNS, results, about=[about])
    clock = describe_clock(options.device)
    about = f"Batch 1, shortest of {options.rounds} interleaved rounds, {clock}, on {options.device}. "
    about += "Memory is the growth of the process's peak while a clip is restored, per frame given."
    notes = [NOTE]
    if not has_fast_bfloat16(options.device):
        notes.append("This processor has no instructions for bfloat16, so that was not measured.")
    title = "Video restoration against plain translations of the published graphs"
    return measured(title, COLUMNS + MEMORY_COLUMNS, results, seeds=[0], about=[about], notes=notes)


def all_rows(options: argparse.Namespace) -> Iterator[list[Cell]]:
    """Rows of the table that was asked for."""
    if options.command:
        yield from command_rows(options)
        return
    for name in options.models:
        for shape in options.clips:
            yield from rows(name, shape, options)


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    if options.memory_of:
        print(peak_mb(options.models[0], options.memory_of, options.clips[0], options.device))
        return
    print(" | ".join(f"{key} {value}" for key, value in describe_environment().items()), end="\n\n")
    columns = COMMAND_COLUMNS if options.command else COLUMNS + MEMORY_COLUMNS
    print(line(columns), "|---" * len(columns) + "|", sep="\n")
    results = []
    for row in all_rows(options):
        print(line(row), flush=True)
        results.append(row)
        if options.out is not None:  # large clips take minutes: what is done is kept
            write_record(record_of(results, options), options.out, is_final=False)
    if options.out is not None:
        write_record(record_of(results, options), options.out)


if __name__ == "__main__":
    main()
