"""How much faster Moving MNIST is as one tensor program than as the published loop over samples.

    python benchmarks/moving_mnist.py [--batch-size 16] [--device cpu] [--out FILE.json]

Both make float32 batches of inputs and targets from the same digits on one thread (the loop always on the CPU). The
runs alternate, and the fastest of each counts, because that is the one other processes disturbed least. On the CPU the
thread's own time is taken, on a GPU the time on the clock.

What the ratio can be on one CPU core is limited by the result: 20 frames of 64x64 are 328 kB, and merely filling that
much memory with zeros takes a twentieth to a fortieth of the loop's time.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from records import Cell, add_out_argument, describe_environment, measured, write_record
from subband.data import build_data


def published_sample(
    sprites: np.ndarray, draws: np.ndarray, *, num_frames: int, size: tuple[int, int] = (64, 64), speed: float = 0.1
) -> np.ndarray:
    """One sequence by the published rule, sprite by sprite and frame by frame: `(T, H, W)` uint8.

    `draws` holds x, y, angle and which sprite as numbers in [0, 1), `(K, 4)`.
    """
    frames = np.zeros((num_frames, *size), dtype=np.uint8)
    height, width = sprites.shape[1:]
    for x, y, angle, which in draws:
        velocity_y, velocity_x = np.sin(angle * (2 * np.pi)), np.cos(angle * (2 * np.pi))
        sprite = sprites[int(which * len(sprites))]
        for frame in range(num_frames):
            y += velocity_y * speed
            x += velocity_x * speed
            if x <= 0:
                x, velocity_x = 0.0, -velocity_x
            if x >= 1:
                x, velocity_x = 1.0, -velocity_x
            if y <= 0:
                y, velocity_y = 0.0, -velocity_y
            if y >= 1:
                y, velocity_y = 1.0, -velocity_y
            top, left = int((size[0] - height) * y), int((size[1] - width) * x)
            window = frames[frame, top : top + height, left : left + width]
            np.maximum(window, sprite, out=window)
    return frames


def published_batch(sprites: np.ndarray, generator: np.random.Generator, batch_size: int) -> tuple[Tensor, Tensor]:
    """What a data loader makes of the loop: ten input and ten target frames per sample, stacked."""
    samples = []
    for _ in range(batch_size):
        frames = published_sample(sprites, generator.random((2, 4)), num_frames=20)
        samples.append(torch.from_numpy(frames)[:, None].float() / 255)
    return torch.stack([sample[:10] for sample in samples]), torch.stack([sample[10:] for sample in samples])


def seconds(function: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Mean time of one call."""
    on_gpu = device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.thread_time
    wait = torch.cuda.synchronize if on_gpu else lambda: None
    function()
    wait()
    start = clock()
    for _ in range(repeats):
        function()
    wait()
    return (clock() - start) / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    add_out_argument(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(options.device)
    data = build_data("moving_digits", {}, seed=0).train
    sprites, generator, keys = data.sprites.numpy(), np.random.default_rng(0), list(range(options.batch_size))
    rates = {}
    frames = (options.batch_size, 20, 1, 64, 64)
    contenders = {
        "loop over samples": (lambda: published_batch(sprites, generator, options.batch_size), 3),
        "one tensor program": (lambda: data.batch(keys, device), 30),
        "zeros of that size": (lambda: torch.zeros(frames, device=device), 30),
    }
    for _ in range(15):
        for name, (function, repeats) in contenders.items():
            rate = options.batch_size / seconds(function, repeats, device)
            rates[name] = max(rate, rates.get(name, 0.0))
    for name, value in describe_environment().items():
        print(f"{name}: {value}")
    for name, rate in rates.items():
        print(f"{name}: {rate:,.0f} sequences of 20x64x64 per second")
    ratio = f"{rates['one tensor program'] / rates['loop over samples']:.1f}"
    print(f"ratio: {ratio}")
    if options.out is not None:
        rows: list[list[Cell]] = [[name, round(rate)] for name, rate in rates.items()]
        about = f"Batches of {options.batch_size}; the tensor program on {options.device}, the loop on one CPU thread."
        notes = [f"The tensor program is {ratio} times as fast as the loop."]
        columns = ["how", "sequences of 20 x 64 x 64 per second"]
        write_record(
            measured("Drawing Moving MNIST", columns, rows, seeds=[0], about=[about], notes=notes), options.out
        )


if __name__ == "__main__":
    main()
