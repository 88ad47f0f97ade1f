"""Time and memory of the networks for image generation.

`training` compares a step of a Wavelet-VAE with one of the ordinary autoencoder of as many parameters: forward,
backward and Adam, on the same images. `sampling` measures what drawing images takes. `reconstruct` takes one photograph
of several sizes through a network, in a process of its own for every size: seconds, and what the process grows by at
most beyond network and photograph (Linux), or what the GPU's allocator holds. All weights are fresh ones.

usage: python benchmarks/generation.py training [--models wavelet_vae_s conv_vae_s] [--batch 8] [--out FILE]
       python benchmarks/generation.py sampling [--num 64] [--steps 50] [--compile] [--half] [--out FILE]
       python benchmarks/generation.py reconstruct [--models wavelet_vae_s] [--sizes 128x128 3840x2160] [--out FILE]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import subband
from records import Cell, add_out_argument, line, measured, rounded, write_record
from subband.predictors import ImageAutoencoder
from timing import describe_clock, shortest
from video_models import resident_mb

SIZES = ["128x128", "256x256", "512x512", "1024x1024", "2048x2048", "3840x2160"]  # width, height
PACKET = {"layout": "packet", "multipliers": ((1, 2, 3),), "attention": ((16, 8),)}  # 128 pixels, 45 million
# What is drawn, with its arguments; a diffusion at 32 pixels is that of CIFAR-10.
DRAWN: dict[str, tuple[str, dict[str, Any]]] = {
    "wavelet_vae_e, 128 pixels": ("wavelet_vae_e", {}),
    "conv_vae_e, 128 pixels": ("conv_vae_e", {}),
    "wavelet_diffusion, 32 pixels": ("wavelet_diffusion", {}),
    "wavelet_diffusion packet, 128 pixels": ("wavelet_diffusion", {"img_size": 128, **PACKET}),
}
TRAINING_COLUMNS = ["model", "parameters", "batch", "numbers", "ms a step", "of the last"]
SAMPLING_COLUMNS = ["model", "images", "steps", "numbers", "seconds", "seconds/image"]
RECONSTRUCT_COLUMNS = ["model", "pixels", "seconds", "peak MB", "bytes/pixel"]
RECONSTRUCT_NOTE = (
    "Photographs go through a Wavelet-VAE whole, the blocks of its convolutions in strips of 64 rows, which gives the "
    "numbers of the plain network within 1e-5."
)


def precision(device: torch.device, half: bool) -> Any:
    """The context of a forward pass."""
    return torch.autocast(device.type, torch.bfloat16) if half else nullcontext()


def numbers_of(options: argparse.Namespace) -> str:
    """In words how a network computes."""
    return ("bfloat16" if options.half else "float32") + (", compiled" if options.compile else "")


def build(name: str, options: argparse.Namespace, **args: Any) -> nn.Module:
    """A network with the same fresh weights every time."""
    torch.manual_seed(0)
    return subband.create_model(name, **args).to(options.device)


def training_step(name: str, options: argparse.Namespace) -> Callable[[], Tensor]:
    """A function that trains a network by one step."""
    model = build(name, options)
    optimizer = torch.optim.Adam(model.parameters(), 2e-4)
    images = model.example_input(batch=options.batch)[0].to(options.device)
    if options.compile:
        model.compile()

    def step() -> Tensor:
        optimizer.zero_grad()
        with precision(options.device, options.half):
            loss: Tensor = model(images).loss
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def training(options: argparse.Namespace) -> Iterator[list[Cell]]:
    """Rows of training steps; all networks take turns."""
    steps = {name: training_step(name, options) for name in options.models or ("wavelet_vae_s", "conv_vae_s")}
    best = shortest(steps, options.rounds, options.device, warmups=1)
    *_, last = best.values()
    for name, milliseconds in best.items():
        parameters = sum(value.numel() for value in subband.create_model(name).parameters())
        ratio = rounded(milliseconds / last, 2)
        yield [name, parameters, options.batch, numbers_of(options), rounded(milliseconds, 1), ratio]


def sampling(options: argparse.Namespace) -> Iterator[list[Cell]]:
    """Rows of drawing images."""
    for title, (name, args) in DRAWN.items():
        if options.models and name not in options.models:
            continue
        model = build(name, options, **args).eval()
        is_diffusion = name == "wavelet_diffusion"
        if options.compile:
            for part in model.parts if is_diffusion else [model.refine or model] if "wavelet" in name else []:
                (part.net if is_diffusion else part).compile()
        given = {"steps": options.steps} if is_diffusion else {}

        def draw(model: Any = model, given: dict[str, int] = given) -> Tensor:
            with torch.inference_mode(), precision(options.device, options.half):
                result: Tensor = model.sample(options.num, **given)
            return result

        seconds = shortest({name: draw}, options.rounds, options.device, warmups=int(options.compile))[name] / 1e3
        steps = options.steps if is_diffusion else 1
        each = rounded(seconds / options.num, 3)
        yield [title, options.num, steps, numbers_of(options), rounded(seconds, 2), each]


def reconstruct_once(name: str, size: str, options: argparse.Namespace) -> tuple[float, float]:
    """Seconds and peak memory in MB of one photograph, in this process."""
    width, height = map(int, size.split("x"))
    coder = ImageAutoencoder(build(name, options), device=None)
    coder.reconstruct(torch.rand(3, 64, 64))
    photo = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))
    on_gpu = options.device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() / 2**20
    else:
        before = resident_mb("VmRSS")
    clock = time.thread_time if torch.get_num_threads() == 1 and not on_gpu else time.perf_counter
    began = clock()
    with precision(options.device, options.half):
        coder.reconstruct(photo)
    seconds = clock() - began
    peak = torch.cuda.max_memory_allocated() / 2**20 if on_gpu else resident_mb("VmHWM")
    return seconds, peak - before


def reconstruct(options: argparse.Namespace) -> Iterator[list[Cell]]:
    """Rows of photographs of several sizes."""
    for name in options.models or ("wavelet_vae_s", "wavelet_vae_e"):
        for size in options.sizes:
            command = [sys.executable, __file__, "reconstruct", "--models", name, "--sizes", size, "--here"]
            command += ["--threads", str(options.threads), "--device", str(options.device)]
            command += ["--half"] if options.half else []
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            seconds, megabytes = map(float, printed[-2:])
            width, height = map(int, size.split("x"))
            per_pixel = round(megabytes * 2**20 / (width * height))
            yield [name, f"{width} x {height}", rounded(seconds, 2), round(megabytes), per_pixel]


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("training", "sampling", "reconstruct"))
    parser.add_argument("--models", nargs="+", default=None, help="only these")
    parser.add_argument("--batch", type=int, default=8, help="images of a training step")
    parser.add_argument("--num", type=int, default=64, help="images that are drawn")
    parser.add_argument("--steps", type=int, default=50, help="of a diffusion, DDIM")
    parser.add_argument("--sizes", nargs="+", default=SIZES, help="of photographs, WIDTHxHEIGHT")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--half", action="store_true", help="bfloat16 in convolutions")
    parser.add_argument("--compile", action="store_true", help="compile the network; not for reconstruct")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    add_out_argument(parser)
    options = parser.parse_args()
    if options.compile and options.what == "reconstruct":
        parser.error("--compile does not go with reconstruct, whose strips are not compiled")
    return options


def main() -> None:
    """Measure, print, write."""
    options = parse()
    torch.set_num_threads(options.threads)
    if options.here:
        print(*reconstruct_once(options.models[0], options.sizes[0], options))
        return
    ways = {
        "training": (training, TRAINING_COLUMNS, "Training step of image generation"),
        "sampling": (sampling, SAMPLING_COLUMNS, "Drawing images"),
        "reconstruct": (reconstruct, RECONSTRUCT_COLUMNS, "Reconstruction of photographs"),
    }
    measure, columns, title = ways[options.what]
    is_wall = options.device.type == "cuda" and options.what == "reconstruct"
    notes = [f"Clock: {'wall time' if is_wall else describe_clock(options.device)}."] + (
        [RECONSTRUCT_NOTE] if options.what == "reconstruct" else []
    )
    record = partial(measured, title, columns, seeds=[0], notes=notes)
    print(line(columns), line(["---"] * len(columns)), sep="\n", flush=True)
    rows: list[list[Cell]] = []
    for row in measure(options):
        rows.append(row)
        print(line(row), flush=True)
        if options.out:
            write_record(record(rows), options.out, is_final=False)
    if options.out:
        write_record(record(rows), options.out)


if __name__ == "__main__":
    main()
