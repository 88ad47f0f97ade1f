"""Time, memory and boxes of detectors against a plain translation of their published graph and against torchvision's.

All run in one process, in turn, one image at a time; the ratio is that of the minima. On one CPU thread the clock is
the time that the thread had a processor. Memory is the growth of the process's peak, each network in a process of its
own (Linux). Weights are random, with louder scores than fresh ones so that there are objects and masks to be computed;
torchvision's network has others, and as many objects.

usage: python benchmarks/detection.py [--sizes 896x1120 480x640] [--threads 1] [--repeats 3] [--half]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import subband
from published.detection import PublishedMaskRCNN, roi_extract
from records import Cell, add_out_argument, describe_environment, line, measured, rounded, write_record
from subband.models.detection.regions import pool_regions
from timing import describe_clock, shortest
from video_models import resident_mb

MODEL = "wsfvit_t_maskrcnn"
NETWORKS = ("plain", "ours", "torchvision")
WINDOWED = 224  # what sides are filled up to multiples of
LOUD = 0.7  # standard deviation of the class weights, for 100 objects
Found = list[Tensor]


def image_of(size: str) -> Tensor:
    """A smooth random image `(1, 3, H, W)`, normalized."""
    height, width = map(int, size.split("x"))
    coarse = torch.randn(1, 3, height // 16, width // 16, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)


def filled(images: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    return F.pad(images, (0, -width % WINDOWED, 0, -height % WINDOWED))


def published() -> PublishedMaskRCNN:
    """The plain translation with random weights."""
    torch.manual_seed(0)
    model = PublishedMaskRCNN().eval()
    nn.init.normal_(model.roi_head.bbox_head.fc_cls.weight, std=LOUD)
    return model


def torchvision_network(size: tuple[int, int]) -> nn.Module:
    """torchvision's Mask R-CNN with a ResNet-50, for images as they are."""
    import torchvision

    from subband._torchvision import enable_fallback_kernels

    enable_fallback_kernels()
    torch.manual_seed(0)
    options = {"weights": None, "weights_backbone": None, "min_size": min(size), "max_size": max(size)}
    model = torchvision.models.detection.maskrcnn_resnet50_fpn(**options).eval()
    nn.init.normal_(model.roi_heads.box_predictor.cls_score.weight, std=LOUD)
    return model


def runner(which: str, images: Tensor, is_half: bool = False) -> Callable[[], Found]:
    """One network on an image; its boxes, scores, labels and mask probabilities."""
    size = (images.shape[-2], images.shape[-1])
    if which == "plain":
        plain = published()
        return lambda: plain(filled(images), size)
    if which == "ours":
        ours: Any = subband.load_published(MODEL, published().state_dict())

        def run() -> Found:
            with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
                return list(ours(images)[0])

        return run
    theirs = torchvision_network(size)

    def detect() -> Found:
        (found,) = theirs([images[0]])
        return [found["boxes"], found["scores"], found["labels"], found["masks"]]

    return detect


def parts(images: Tensor) -> dict[str, dict[str, Callable[[], object]]]:
    """The parts of both graphs, each on what the parts before it have given."""
    size = (images.shape[-2], images.shape[-1])
    plain, given = published(), filled(images)
    ours: Any = subband.load_published(MODEL, plain.state_dict())
    stages = ours.backbone(given)
    maps = ours.fpn(stages)
    scores, plain_scores = ours.rpn(maps), plain.rpn_head(maps)
    options = {"per_level": 1000, "total": 1000}
    boxes = ours.rpn.propose(scores, [size], **options)
    regions = pool_regions(maps[:4], boxes, ours.heads.strides, 7)
    logits, deltas = ours.heads.box_heads[0](regions)
    (found,) = ours.heads(maps, boxes, [size])
    box_head, mask_head = plain.roi_head.bbox_head, plain.roi_head.mask_head
    return {
        "backbone": {"plain": lambda: plain.backbone(given), "ours": lambda: ours.backbone(given)},
        "pyramid": {"plain": lambda: plain.neck(stages), "ours": lambda: ours.fpn(stages)},
        "region scores": {"plain": lambda: plain.rpn_head(maps), "ours": lambda: ours.rpn(maps)},
        "proposals": {
            "plain": lambda: plain.rpn_head.get_bboxes(plain_scores, size),
            "ours": lambda: ours.rpn.propose(scores, [size], **options),
        },
        "features of regions": {
            "plain": lambda: roi_extract(maps, boxes[0], 7),
            "ours": lambda: pool_regions(maps[:4], boxes, ours.heads.strides, 7),
        },
        "box head": {"plain": lambda: box_head(regions), "ours": lambda: ours.heads.box_heads[0](regions)},
        "detections": {
            "plain": lambda: box_head.get_bboxes(boxes[0], logits, deltas.flatten(1), size),
            "ours": lambda: ours.heads._select(boxes[0], deltas, logits.softmax(1)[:, :-1], size),
        },
        "masks": {
            "plain": lambda: mask_head(roi_extract(maps, found.boxes, 14)),
            "ours": lambda: ours.heads.mask_heads[0](pool_regions(maps[:4], [found.boxes], ours.heads.strides, 14)),
        },
    }


def agreement(found: Found, wanted: Found) -> tuple[int, float]:
    """How many objects both networks have found, and how far corners of these are apart at most, in pixels."""
    boxes, _, labels = found[:3]
    distances = torch.cdist(boxes, wanted[0], p=float("inf"))
    distances[labels[:, None] != wanted[2]] = float("inf")
    nearest = distances.min(1).values
    same = nearest[nearest < 0.5]
    return len(same), float(same.max()) if len(same) else float("nan")


def growth_mb(which: str, size: str) -> float:
    """Growth of the resident peak over one image."""
    images = image_of(size)
    run = runner(which, images)
    before = resident_mb("VmRSS")
    run()
    return resident_mb("VmHWM") - before


def measured_apart(which: str, size: str, threads: int) -> float:
    """`growth_mb` in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", which, "--sizes", size, "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    return float(done.stdout.split()[-1])


def rows(size: str, options: argparse.Namespace) -> Iterator[list[Cell]]:
    """Rows of the table for one size."""
    images, device = image_of(size), torch.device("cpu")
    runs = {which: runner(which, images) for which in NETWORKS}
    if options.half:
        runs["ours, bfloat16"] = runner("ours", images, is_half=True)
    results = {which: run() for which, run in runs.items()}
    times = shortest(runs, options.repeats, device, warmups=0)
    for which, milliseconds in times.items():
        memory = measured_apart(which, size, options.threads) if which in NETWORKS else None
        count, distance = agreement(results[which], results["plain"])
        is_same = which == "ours"
        yield [
            size,
            which,
            rounded(milliseconds, 0),
            rounded(1000 / milliseconds, 3),
            rounded(times["plain"] / milliseconds, 2),
            None if memory is None else rounded(memory, 0),
            len(results[which][0]),
            count if is_same else None,
            rounded(distance, 4) if is_same else None,
        ]
    for part, both in parts(images).items():
        found = shortest(both, options.repeats, device, warmups=0)
        base, own = found["plain"], found["ours"]
        yield [f"{size}, {part}", "plain", rounded(base, 1), None, rounded(1, 2), None, None, None, None]
        yield [f"{size}, {part}", "ours", rounded(own, 1), None, rounded(base / own, 2), None, None, None, None]


COLUMNS = [
    "height x width",
    "network",
    "ms",
    "images/s",
    "times faster than plain",
    "peak MB",
    "objects",
    "of them in both",
    "apart by px at most",
]
NOTES = [
    '"Plain" is the translation of Mask R-CNN T in `benchmarks/published/` (same weights), not the published '
    'code itself; "torchvision" is its `maskrcnn_resnet50_fpn`, which has another backbone and 44 M parameters beside '
    "42.6 M. Where torchvision's compiled operators do not load, all use the stand-ins of this package for them.",
    "Objects that are not in both are those whose scores or overlaps are equal but for rounding: the published code "
    "moves classes apart before overlapping boxes are removed, which rounds coordinates.",
]


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["896x1120", "480x640"], metavar="HxW")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--half", action="store_true", help="also time ours under bfloat16 autocast")
    parser.add_argument("--memory-of", choices=NETWORKS, help=argparse.SUPPRESS)
    add_out_argument(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.memory_of:
        print(growth_mb(options.memory_of, options.sizes[0]))
        return
    clock = describe_clock(torch.device("cpu"))
    print(" | ".join(f"{key} {value}" for key, value in describe_environment().items()))
    print(f"clock: {clock}", end="\n\n")
    print(line(COLUMNS), "|---" * len(COLUMNS) + "|", sep="\n")
    results = []
    for size in options.sizes:
        for row in rows(size, options):
            print(line(row), flush=True)
            results.append(row)
    if options.out is not None:
        title = "Detectors against a plain translation of their published graph and against torchvision"
        about = (
            f"Shortest of {options.repeats} interleaved run(s), {clock}, float32 but for the rows that say otherwise."
        )
        write_record(measured(title, COLUMNS, results, seeds=[0], about=[about], notes=NOTES), options.out)


if __name__ == "__main__":
    main()
