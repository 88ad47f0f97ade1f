"""A small detector of ours beside torchvision's Faster R-CNN of equal size: both from fresh weights, an equal time.

Ours is trained by its recipe `detection/wsfvit_p0_fasterrcnn_s`. torchvision's is a MobileNetV3 with a feature pyramid
of 64 channels (and group norms, since a batch is two images), which sees the same images, mirrored at random alike,
with the same optimizer, rate, schedule and running average of the weights, for as much processor time; of both the best
weights on the validation images are kept. Scores are COCO's, of the test images, once.

usage: python benchmarks/detection_small.py --images FOLDER [--epochs 11] [--seeds 0 1] [--runs runs/detection_small]
           [--train-only] [--out FILE.json]

FOLDER is what `detection_folder` reads. Runs that are finished are not trained again.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from records import Cell, add_out_argument, line, measured, write_record
from subband import load_model
from subband._torchvision import enable_fallback_kernels
from subband.data import build_data
from subband.metrics import AveragePrecision, ImageDetections, TrueObjects
from trained import CPU_SECONDS, cpu_minutes, spread, train_recipe

OURS, RIVAL = "wsfvit_p0_fasterrcnn_s", "torchvision_fasterrcnn"
RECIPE = f"detection/{OURS}"
SIDES = {"short_side": 240, "long_side": 320}
BATCH, RATE, WEIGHT_DECAY, CLIP, EMA_DECAY = 2, 1e-3, 0.05, 10.0, 0.99  # those of the recipe
WARMUP, CHECKS = 1 / 24, 8  # share of the time, and how often the weights are tried on the validation images
MIN_SCORE = 0.05
SCORES = ("ap50", "ap", "ap_small", "ap_medium", "ap_large")


def rival(num_classes: int) -> nn.Module:
    """torchvision's Faster R-CNN, for normalized images as they are."""
    from torchvision.models import mobilenet_v3_large
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.backbone_utils import BackboneWithFPN
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead

    enable_fallback_kernels()
    features = mobilenet_v3_large(weights=None, norm_layer=partial(nn.GroupNorm, 8)).features
    stages = {"3": "0", "6": "1", "12": "2", "16": "3"}  # maps 4, 8, 16 and 32 times smaller than the image
    backbone = BackboneWithFPN(features, stages, in_channels_list=[24, 40, 112, 960], out_channels=64)
    return FasterRCNN(
        backbone,
        box_head=TwoMLPHead(64 * 7 * 7, 256),
        box_predictor=FastRCNNPredictor(256, num_classes + 1),
        min_size=SIDES["short_side"],
        max_size=SIDES["long_side"],
        image_mean=[0.0] * 3,
        image_std=[1.0] * 3,
        box_score_thresh=MIN_SCORE,
    )


def batches(train: Any, seed: int) -> Iterator[list[Any]]:
    """Shuffled epochs without end; the key of a sample names its epoch, too."""
    generator = torch.Generator().manual_seed(seed)
    epoch = 0
    while True:
        order = torch.randperm(len(train), generator=generator).tolist()
        for first in range(0, len(order) - BATCH + 1, BATCH):
            yield [train[epoch * len(train) + index] for index in order[first : first + BATCH]]
        epoch += 1


def train_rival(data: Any, folder: Path, seed: int, seconds: float) -> None:
    """Train for an amount of processor time; the best weights on the validation images go to the folder."""
    if (folder / CPU_SECONDS).is_file():
        return
    torch.manual_seed(seed)
    model = rival(len(data.spec.classes)).train()
    average = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    started, best, checks = time.process_time(), -1.0, 0
    for step, batch in enumerate(batches(data.train, seed)):
        done = (time.process_time() - started) / seconds
        if done >= min(1.0, (checks + 1) / CHECKS):
            checks += 1
            found = scores_of(average.eval(), data.val)["ap50"]
            print(
                f"{folder.name}: step {step}, {min(done, 1):.0%} of the time, validation AP50 {found:.3f}", flush=True
            )
            if found > best:
                best = found
                folder.mkdir(parents=True, exist_ok=True)
                torch.save(average.state_dict(), folder / "weights.pt")
        if done >= 1:
            break
        rate = RATE * min(1.0, done / WARMUP + 0.01) * (1 + math.cos(math.pi * done)) / 2
        for group in optimizer.param_groups:
            group["lr"] = rate
        targets = [{"boxes": one.objects.boxes, "labels": one.objects.labels + 1} for one in batch]
        optimizer.zero_grad()
        sum(model([one.image for one in batch], targets).values()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        follow(average, model)
    (folder / CPU_SECONDS).write_text(json.dumps(time.process_time() - started))


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module) -> None:
    """Move the running average a step towards the weights."""
    for mean, value in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - EMA_DECAY)
        else:
            mean.copy_(value)


@torch.inference_mode()
def scores_of(model: nn.Module, images: Any) -> dict[str, Any]:
    """COCO's scores in pixels of the files, of either network."""
    from torchvision.models.detection import FasterRCNN

    metric = AveragePrecision(with_masks=False)
    for index in range(len(images)):
        image, _, truth = images[index]
        if isinstance(model, FasterRCNN):
            (theirs,) = model([image])
            boxes, scores, labels = theirs["boxes"], theirs["scores"], theirs["labels"] - 1
        else:
            boxes, scores, labels, _ = model(image[None])[0]
        scale = boxes.new_tensor([truth.size[1] / image.shape[-1], truth.size[0] / image.shape[-2]]).repeat(2)
        found = ImageDetections(boxes * scale, scores, labels, None)
        true = TrueObjects(truth.objects.boxes, truth.objects.labels, truth.areas, truth.is_crowd, None)
        metric.update([found], [true])
    return metric.compute()


def row_of(name: str, models: Sequence[nn.Module], folders: Sequence[Path], images: Any) -> list[Cell]:
    """Scores in percent, mean and standard deviation over the seeds."""
    scores = [scores_of(model.eval(), images) for model in models]
    size = sum(parameter.numel() for parameter in models[0].parameters())
    return [
        name,
        size,
        cpu_minutes(folders),
        *(spread([100 * one[key] for one in scores], 1) for key in SCORES),
    ]


def main() -> None:
    """Train both and write the table."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=11)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--runs", type=Path, default=Path("runs/detection_small"))
    parser.add_argument("--train-only", action="store_true", help="score nothing yet")
    add_out_argument(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folders = {name: [options.runs / f"{name}_seed{seed}" for seed in options.seeds] for name in (OURS, RIVAL)}
    more = ["--data.args.path", str(options.images), "--trainer.epochs", str(options.epochs)]
    for ours, theirs, seed in zip(*folders.values(), options.seeds, strict=True):
        train_recipe(RECIPE, ours, seed, more)
        data = build_data("detection_folder", {"path": str(options.images), **SIDES}, seed)
        train_rival(data, theirs, seed, json.loads((ours / CPU_SECONDS).read_text()))
    if options.train_only:
        return
    rivals = []
    for folder in folders[RIVAL]:
        rivals.append(rival(len(data.spec.classes)))
        rivals[-1].load_state_dict(torch.load(folder / "weights.pt", weights_only=True))
    columns = ["network", "parameters", "CPU minutes", "AP50 %", "AP %", "small", "medium", "large"]
    rows = [
        row_of(OURS, [load_model(folder) for folder in folders[OURS]], folders[OURS], data.test),
        row_of("torchvision, MobileNetV3", rivals, folders[RIVAL], data.test),
    ]
    print(*map(line, [columns, ["---"] * len(columns), *rows]), sep="\n")
    if options.out is not None:
        about = [
            f"COCO's box scores of {len(data.test)} test images, mean and standard deviation over {len(options.seeds)} "
            f"seed(s); {len(data.train)} images to train on, {len(data.val)} to choose the weights, from fresh weights."
        ]
        write_record(measured("Small detectors", columns, rows, seeds=options.seeds, about=about), options.out)


if __name__ == "__main__":
    main()
