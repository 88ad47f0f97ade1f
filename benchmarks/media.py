"""Frames per second of reading and writing 720p video, frame by frame, alone and as one job.

A clip of moving waves and noise is written, read back at full size and scaled, read by seeking, and sent through a
function that inverts its colors. Nothing is downloaded. Sound is not measured.

usage: python benchmarks/media.py [--frames 150] [--repeats 3] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from records import Cell, add_out_argument, describe_environment, line, measured, rounded, write_record
from subband.media import VideoReader, open_writer
from subband.predictors import stream_clip

HEIGHT, WIDTH = 720, 1280
FPS = 25
FAST = {"preset": "ultrafast", "crf": "20"}
FRAMES_A_JUMP = 5


def make_frames(count: int) -> list[np.ndarray]:
    """Waves that move over a little noise."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    noise = random.normal(0, 3, (HEIGHT, WIDTH, 3))
    frames = []
    for index in range(count):
        waves = np.sin((rows + 4 * index) / 37) + np.cos((columns - 6 * index) / 53)
        pixels = 128 + 50 * waves[..., None] * (1.0, 0.7, 0.4) + np.roll(noise, 7 * index, axis=1)
        frames.append(pixels.clip(0, 255).astype(np.uint8))
    return frames


def write(path: Path, frames: list[np.ndarray], options: dict[str, str] | None) -> int:
    with open_writer(path, fps=FPS, overwrite=True, options=options) as writer:
        for pixels in frames:
            writer.write(pixels)
    return len(frames)


def read(path: Path, size: int | None) -> int:
    with VideoReader(path) as reader:
        return sum(1 for _ in reader.stream(size=size))


def jump(path: Path) -> int:
    """Reads a few frames from each of many places, from the end to the start."""
    with VideoReader(path) as reader:
        starts = range(reader.info.num_frames - FRAMES_A_JUMP, 0, -2 * FRAMES_A_JUMP)
        return sum(1 for start in starts for _ in reader.frames(range(start, start + FRAMES_A_JUMP)))


def job(source: Path, target: Path) -> int:
    return stream_clip(source, target, lambda frames: 1 - frames, window=4, options=FAST, overwrite=True)


def best_rate(run: Callable[[], int], repeats: int) -> tuple[int, float]:
    """Number of frames and the best frames per second."""
    best, count = 0.0, 0
    for _ in range(repeats):
        started = time.perf_counter()
        count = run()
        best = max(best, count / (time.perf_counter() - started))
    return count, best


def measure(folder: Path, num_frames: int, repeats: int) -> Iterator[list[Cell]]:
    """One row for each kind of work."""
    frames, clip = make_frames(num_frames), folder / "clip.mp4"
    cases: dict[str, Callable[[], int]] = {
        "write H.264, quality 14": lambda: write(clip, frames, None),
        "write H.264, ultrafast": lambda: write(folder / "fast.mp4", frames, FAST),
        "read": lambda: read(clip, None),
        "read, scaled to 256 wide": lambda: read(clip, 256),
        f"seek, {FRAMES_A_JUMP} frames each": lambda: jump(clip),
        "read, invert, write ultrafast": lambda: job(clip, folder / "inverted.mp4"),
    }
    for name, run in cases.items():
        count, rate = best_rate(run, repeats)
        yield [name, count, rounded(rate, 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=3)
    add_out_argument(parser)
    options = parser.parse_args()
    columns = [f"{WIDTH} x {HEIGHT}", "frames", "frames per second"]
    print(" | ".join(f"{key} {value}" for key, value in describe_environment().items()))
    print(f"\n{line(columns)}\n|---|---|---|")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for row in measure(Path(folder), options.frames, options.repeats):
            print(line(row), flush=True)
            rows.append(row)
    if options.out is not None:
        about = ["A drawn clip of moving waves and noise at 25 frames per second; best of several runs."]
        write_record(measured("Reading and writing video", columns, rows, seeds=[0], about=about), options.out)


if __name__ == "__main__":
    main()
