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
from subband.environment import describe_environment
from subband.models.registry import model_spec
from timing import describe_clock, shortest

DEFAULT = (
    "wsfvit_p0",
    "wsfvit_t",
    "wsfvit_b",
    "wsfvit_t_384",
    "gfnet_xs",
    "gfnet_h_ti",
    "dct_resnet50",
    "dct_mobilenetv2",
)
CHANNELS = 24  # of the networks on cosine coefficients, which are given coefficients, as published


def published(name: str) -> nn.Module:
    """The plain translation of a named network."""
    args = dict(model_spec(name).args)
    if name.startswith("wsfvit_"):
        side = subband.models.wsfvit.wsfvit.stage_windows(args.pop("img_size", 224), 224)[0][0]
        return PublishedWSFViT(**args, window=(side, side))
    if name.startswith("dct_"):
        return {"dct_resnet50": ResNetDCT, "dct_mobilenetv2": MobileNetV2DCT}[name](CHANNELS)
    if len(args["dims"]) == 1:
        return GFNet(args["dims"][0], args["depths"][0])
    return GFNetPyramid(args["dims"], args["depths"], layer_scale=args["layer_scale"])


def build(name: str, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """The published graph and ours with the same random weights."""
    torch.manual_seed(0)
    theirs = published(name)
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


MODES = {"forward": forward, "train": train_step}


def rows(name: str, batch: int, options: argparse.Namespace) -> Iterator[str]:
    """Lines of the table for one model and batch size."""
    device = torch.device(options.device)
    theirs, ours = build(name, device)
    images = torch.randn(batch, ours.in_chans, *ours.img_size, device=device)
    for mode in options.modes:
        prepare = MODES[mode]
        runs = {"published": prepare(theirs, images, options.amp), "ours": prepare(ours, images, options.amp)}
        if options.compile:
            torch._dynamo.reset()
            runs["compiled"] = prepare(torch.compile(build(name, device)[1]), images, options.amp)
        base, *others = shortest(runs, options.repeats, device).values()
        cells = " | ".join(f"{value:.1f} | {base / value:.2f}" for value in others)
        yield f"| {name} | {batch} | {mode} | {base:.1f} | {cells} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"by default {', '.join(DEFAULT)}")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--amp", action="store_true", help="bfloat16 autocast for all")
    parser.add_argument("--compile", action="store_true", help="also time ours under torch.compile")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(" | ".join(f"{key} {value}" for key, value in describe_environment().items()))
    print(f"clock: {describe_clock(torch.device(options.device))}")
    last = " compiled ms | times faster |" if options.compile else ""
    print(f"\n| model | batch | mode | published ms | ours ms | times faster |{last}")
    print("|---" * (8 if options.compile else 6) + "|")
    for name in options.models or DEFAULT:
        for batch in options.batch:
            for row in rows(name, batch, options):
                print(row, flush=True)


if __name__ == "__main__":
    main()
