"""Time, memory and difference of networks for pose against a plain translation of ViTPose's graph and transformers.

All run in one process, in turn, on the same weights and crops; the outputs must agree before anything is timed, the
ratio is that of the minima. On one CPU thread the clock is the time that the thread had a processor. With `--memory`,
peak memory is what a process of its own grows by in one run (Linux), or what the GPU's allocator holds at most.
transformers takes part where it is installed. FreqPose is ours alone; it is given clips of five frames.

usage: python benchmarks/pose.py [NETWORK ...] [--batch 1 8] [--rounds 3] [--memory] [--compile] [--out FILE]
       python benchmarks/pose.py vitpose_s:simple freqpose --device cuda --compile
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

import subband
from published.vitpose import NORM_EPS, PublishedViTPose
from records import Cell, Record, add_out_argument, describe_environment, line, measured, rounded, write_record
from restoration import LARGEST_DIFFERENCE, WAYS, has_fast_bfloat16
from subband.models.complexity import count_macs
from timing import describe_clock, shortest
from video_models import resident_mb

SIZE = (256, 192)
VITPOSES = [f"{size}:{head}" for size in ("vitpose_s", "vitpose_b") for head in ("classic", "simple")]
OURS_ALONE = ["freqpose", "freqpose_teacher", "freqpose_vitpose_s"]
PLAIN, TRANSFORMERS, OURS = "plain", "transformers", "ours"
PEERS = [PLAIN, TRANSFORMERS] if find_spec("transformers") else [PLAIN]
COLUMNS = ["network", "batch", "GMAC", "numbers", "difference", "plain ms", "transformers ms", "ours ms"]
COLUMNS += ["than plain", "than transformers", "crops or clips/s"]
MEMORY_COLUMNS = ["plain MB", "transformers MB", "ours MB"]
NOTES = [
    '"Plain" is the translation in `benchmarks/published/`, not the published code itself; "than" is how many times '
    "faster ours is. All have the same weights. In rows of bfloat16 (autocast, as `PosePredictor` has it with `half`) "
    'the others compute in bfloat16 as well; beside "compiled" they run as they are, in eager float32.',
    '"GMAC" is of one crop or clip, "difference" the largest one of our heatmaps from either other\'s, as a share of '
    "the largest value. A clip has five crops, of which the middle one gets its joints. FreqPose is ours, so it stands "
    "alone.",
]


def transformers_network(args: dict[str, Any], head: str) -> nn.Module:
    """ViTPose of transformers with random weights, and LayerNorms as those of the others."""
    from subband._torchvision import enable_fallback_kernels

    enable_fallback_kernels()
    import transformers

    backbone = transformers.VitPoseBackboneConfig(
        hidden_size=args["dim"],
        num_hidden_layers=args["depth"],
        num_attention_heads=args["num_heads"],
        image_size=list(SIZE),
        out_indices=[args["depth"]],
        layer_norm_eps=NORM_EPS,
    )
    config = transformers.VitPoseConfig(backbone_config=backbone, use_simple_decoder=head == "simple", num_labels=17)
    return transformers.VitPoseForPoseEstimation(config)


def networks(name: str) -> dict[str, nn.Module]:
    """Ours and the others with the same random weights, in evaluation."""
    torch.manual_seed(0)
    model, _, head = name.partition(":")
    if name in OURS_ALONE:
        return {OURS: subband.create_model(model).eval()}
    ours: Any = subband.create_model(model, head=head)
    blocks = ours.backbone.blocks
    args = {"dim": ours.backbone.num_features, "depth": len(blocks), "num_heads": blocks[0].attention.num_heads}
    found: dict[str, nn.Module] = {}
    if TRANSFORMERS in PEERS:
        theirs = found[TRANSFORMERS] = transformers_network(args, head)
        ours = subband.load_published(model, theirs.state_dict(), head=head, norm_eps=NORM_EPS)
    plain = found[PLAIN] = PublishedViTPose(**args, size=SIZE, head=head)
    plain.load_state_dict(subband.export_published(ours))
    return {who: network.eval() for who, network in {**found, OURS: ours}.items()}


def crops_of(name: str, batch: int, device: torch.device) -> Tensor:
    """Random crops `(B, 3, H, W)`, or clips of five `(B, 5, 3, H, W)`, as they are after normalization."""
    frames = (5,) if name in OURS_ALONE else ()
    return torch.randn((batch, *frames, 3, *SIZE), generator=torch.Generator().manual_seed(0)).to(device)


def runner(model: nn.Module, crops: Tensor, *, half: bool = False) -> Callable[[], Tensor]:
    """A function that gives the heatmaps once."""
    precision: Any = torch.autocast(crops.device.type, torch.bfloat16) if half else nullcontext()

    @torch.inference_mode()
    def run() -> Tensor:
        with precision:
            found = model(crops)
        heatmaps: Tensor = found if isinstance(found, Tensor) else found.heatmaps
        return heatmaps

    return run


def difference(runs: dict[str, Callable[[], Tensor]]) -> float | None:
    """Largest difference of our heatmaps from the others', as a share of the largest value; None without others.

    Raises:
        AssertionError: If it is more than `LARGEST_DIFFERENCE`.
    """
    ours = runs[OURS]()
    others = [run() for who, run in runs.items() if who != OURS]
    found = max((float((ours - other).abs().max() / other.abs().max()) for other in others), default=None)
    assert found is None or found <= LARGEST_DIFFERENCE, f"the outputs differ by {found:.2e}"
    return found


def peak_mb(name: str, who: str, batch: int, device: torch.device) -> float:
    """Most memory that one run takes beyond the weights and the crops, in this process."""
    run = runner(networks(name)[who].to(device), crops_of(name, batch, device))
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


def measured_apart(name: str, who: str, batch: int, options: argparse.Namespace) -> float:
    """`peak_mb` in a process of its own."""
    command = [sys.executable, __file__, name, "--memory-of", who, "--batch", str(batch)]
    command += ["--threads", str(options.threads), "--device", str(options.device)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def rows(name: str, batch: int, options: argparse.Namespace) -> Iterator[list[Cell]]:
    """Rows of the table for one network and batch size, one for each of `WAYS`."""
    device = options.device
    models = {who: model.to(device) for who, model in networks(name).items()}
    crops = crops_of(name, batch, device)
    single = {who: runner(model, crops) for who, model in models.items()}
    found, macs = difference(single), count_macs(models[OURS], crops[:1]).macs
    ways = [way for way in WAYS if options.compile or "compiled" not in way]
    ways = [way for way in ways if "bfloat16" not in way or has_fast_bfloat16(device)]
    calls: dict[tuple[str, str], Callable[[], Tensor]] = {(WAYS[0], who): run for who, run in single.items()}
    for way in ways[1:]:
        half = "bfloat16" in way
        if "compiled" in way:
            torch._dynamo.reset()
            compiled = networks(name)[OURS].to(device)
            compiled.compile()
            calls[way, OURS] = runner(compiled, crops, half=half)
        else:
            calls |= {(way, who): runner(model, crops, half=half) for who, model in models.items()}
    times = shortest(calls, options.rounds, device, warmups=options.warmups)
    for way in ways:
        is_first, own = way == WAYS[0], times[way, OURS]
        base = [times.get((way if "compiled" not in way else WAYS[0], who)) for who in (PLAIN, TRANSFORMERS)]
        cells: list[Cell] = [
            name,
            batch,
            rounded(macs / 1e9, 2),
            way,
            f"{found:.1e}" if is_first and found is not None else None,
            *(None if other is None else rounded(other, 1) for other in base),
            rounded(own, 1),
            *(None if other is None else rounded(other / own, 2) for other in base),
            rounded(1e3 * batch / own, 2),
        ]
        if options.memory:
            cells += [
                rounded(measured_apart(name, who, batch, options), 0) if is_first and who in models else None
                for who in (PLAIN, TRANSFORMERS, OURS)
            ]
        yield cells


def columns_of(options: argparse.Namespace) -> list[str]:
    """Headings of the table."""
    return COLUMNS + MEMORY_COLUMNS if options.memory else COLUMNS


def parse() -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    names = [*VITPOSES, *OURS_ALONE]
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"by default {', '.join(names)}")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warmups", type=int, default=0, help="runs before the first round")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--compile", action="store_true", help="also time ours under torch.compile")
    parser.add_argument("--memory", action="store_true", help="also take the peak memory, in processes of their own")
    parser.add_argument("--memory-of", choices=[PLAIN, TRANSFORMERS, OURS], help=argparse.SUPPRESS)
    add_out_argument(parser)
    options = parser.parse_args()
    if unknown := sorted(set(options.networks) - set(names)):
        parser.error(f"unknown network {unknown[0]}; choose from {', '.join(names)}")
    options.networks = options.networks or names
    return options


def record_of(results: list[list[Cell]], options: argparse.Namespace) -> Record:
    """The table with what was measured and how."""
    about = (
        f"Crops of {SIZE[0]} x {SIZE[1]} pixels (height x width); shortest of {options.rounds} interleaved rounds, "
        f"{describe_clock(options.device)}, on {options.device}."
    )
    if options.memory:
        about += " Memory is the growth of the process's peak in one run."
    software = f"transformers {version('transformers')}" if TRANSFORMERS in PEERS else ""
    title = "Pose against a plain translation of ViTPose's graph and against transformers"
    return measured(title, columns_of(options), results, seeds=[0], software=software, about=[about], notes=NOTES)


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    if options.memory_of:
        print(peak_mb(options.networks[0], options.memory_of, options.batch[0], options.device))
        return
    print(" | ".join(f"{key} {value}" for key, value in describe_environment().items()), end="\n\n")
    columns = columns_of(options)
    print(line(columns), "|---" * len(columns) + "|", sep="\n")
    results = []
    for name in options.networks:
        for batch in options.batch:
            for row in rows(name, batch, options):
                print(line(row), flush=True)
                results.append(row)
                if options.out is not None:  # compiling takes minutes: what is done is kept
                    write_record(record_of(results, options), options.out, is_final=False)
    if options.out is not None:
        write_record(record_of(results, options), options.out)


if __name__ == "__main__":
    main()
