"""Time of the classifiers against plain translations of their published graphs.

Both run in one process, in turn, on the same weights and images; the ratio is that of the minima. On one CPU thread the
clock is the time that the thread had a processor.

usage: python benchmarks/classification.py [MODEL ...] [--threads 1] [--repeats 5] [--batch 1 8] [--compile]
       python benchmarks/classification.py wsfvit_t --device cuda --amp --compile --batch 64
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

import subband
from published.dct import MobileNetV2DCT, ResNetDCT
from published.gfnet import GFNet, GFNetPyramid
from published.wsfvit import PublishedWSFViT
from records import Cell, add_out_argument, describe_environment, line, measured, rounded, write_record
from timing import describe_clock, shortest

CHANNELS = 24  # of the networks on cosine coefficients, which are given coefficients, as published
P0 = {"dims": (24, 48, 96, 192), "depths": (1, 1, 2, 1), "num_heads": (2, 4, 8, 16), "head_dim": 12, "stem_dim": 24}
TINY = {"dims": (64, 128, 256, 512), "depths": (1, 2, 3, 1), "head_dim": 32, "stem_dim": 32}
BASE = {"dims": (96, 192, 384, 768), "depths": (2, 2, 6, 2), "head_dim": 32, "stem_dim": 64}
FEW_HEADS, MANY_HEADS = (2, 4, 8, 16), (4, 8, 16, 32)
PUBLISHED: dict[str, Callable[[], nn.Module]] = {
    "wsfvit_p0": lambda: PublishedWSFViT(**P0),
    "wsfvit_t": lambda: PublishedWSFViT(**TINY, num_heads=FEW_HEADS),
    "wsfvit_b": lambda: PublishedWSFViT(**BASE, num_heads=MANY_HEADS),
    "wsfvit_t_384": lambda: PublishedWSFViT(**TINY, num_heads=MANY_HEADS, window=(12, 12)),
    "gfnet_xs": lambda: GFNet(384, 12),
    "gfnet_h_ti": lambda: GFNetPyramid((64, 128, 256, 512), (3, 3, 10, 3), layer_scale=1e-3),
    "dct_resnet50": lambda: ResNetDCT(CHANNELS),
    "dct_mobilenetv2": lambda: MobileNetV2DCT(CHANNELS),
}


def build(name: str, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """The published graph and ours with the same random weights."""
    torch.manual_seed(0)
    theirs = PUBLISHED[name]()
    options = {"channels": CHANNELS, "inputs": "coefficients"} if name.startswith("dct_") else {}
    return theirs.to(device), subband.load_published(name, theirs.state_dict(), **options).to(device)


def forward(model: nn.Module, images: Tensor, is_mixed: bool) -> Callable[[], None]:
    """One forward pass in eval mode."""

    def run() -> None:
        with torch.no_grad(), torch.autocast(images.device.type, torch.bfloat16, enabled=is_mixed):
            model(images)

    model.eval()
    return run


def train_step(model: nn.Module, images: Tensor, is_mixed: bool) -> Callable[[], None]:
    """Forward and backward in training mode."""

    def run() -> None:
        model.zero_grad()
        with torch.autocast(images.device.type, torch.bfloat16, enabled=is_mixed):
            loss = model(images).float().square().mean()
        loss.backward()

    model.train()
    return run


NOTE = (
    '"Plain" is the translation in `benchmarks/published/` (same weights, same numbers), not the published '
    'code itself. "Train" is a forward and a backward pass.'
)
MODES = {"forward": forward, "train": train_step}


def rows(name: str, batch: int, options: argparse.Namespace) -> Iterator[list[Cell]]:
    """Rows of the table for one model and batch size."""
    device = torch.device(options.device)
    theirs, ours = build(name, device)
    images = torch.randn(batch, ours.in_chans, *ours.img_size, device=device)
    for mode in options.modes:
        prepare = MODES[mode]
        runs = {"plain": prepare(theirs, images, options.amp), "ours": prepare(ours, images, options.amp)}
        if options.compile:
            torch._dynamo.reset()
            runs["compiled"] = prepare(torch.compile(build(name, device)[1]), images, options.amp)
        base, *others = shortest(runs, options.repeats, device).values()
        cells = [cell for value in others for cell in (rounded(value, 1), rounded(base / value, 2))]
        yield [name, batch, mode, rounded(base, 1), *cells]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"by default {', '.join(PUBLISHED)}")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--amp", action="store_true", help="bfloat16 autocast for all")
    parser.add_argument("--compile", action="store_true", help="also time ours under torch.compile")
    add_out_argument(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = describe_clock(torch.device(options.device))
    print(" | ".join(f"{key} {value}" for key, value in describe_environment().items()))
    print(f"clock: {clock}", end="\n\n")
    columns = ["model", "batch", "mode", "plain ms", "ours ms", "times faster"]
    columns += ["compiled ms", "times faster"] if options.compile else []
    print(line(columns), "|---" * len(columns) + "|", sep="\n")
    results = []
    for name in options.models or PUBLISHED:
        for batch in options.batch:
            for row in rows(name, batch, options):
                print(line(row), flush=True)
                results.append(row)
    if options.out is not None:
        title = "Classifiers against plain translations of their published graphs"
        numbers = "bfloat16 autocast" if options.amp else "float32"
        about = f"Shortest of {options.repeats} interleaved runs, {clock}, {numbers}, on {options.device}."
        write_record(measured(title, columns, results, seeds=[0], about=[about], notes=[NOTE]), options.out)


if __name__ == "__main__":
    main()
