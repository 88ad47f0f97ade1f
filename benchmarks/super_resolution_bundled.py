"""The network for super-resolution inside the package, beside bicubic frames, on clips made small by BI.

Of every clip some frames from a third of its length on, reduced to a longer side of 640 pixels, are made small by
MATLAB's bicubic and enlarged four times, as `subband upscale` does it. Scores are those of the frames as bytes, RGB; no
border is cropped.

usage: python benchmarks/super_resolution_bundled.py CLIP... [--model MODEL] [--stills FOLDER] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import statistics
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from deblurring import as_bytes
from records import Cell, add_out_argument, line, measured, rounded, write_record
from subband import create_model
from subband.imaging import imresize
from subband.media import open_clip, write_image
from subband.metrics import RestorationMetrics
from subband.predictors import VideoRestorer

BUNDLED = "basicvsr_pp_clips"
SCALE, NUM_FRAMES, MAX_SIDE = 4, 8, 640
COLUMNS = ["clip", "bicubic dB", "gain dB", "SSIM", "gain in SSIM", "luma dB", "gain dB"]


def frames_of(path: Path) -> Tensor:
    """Frames `(T, 3, H, W)` of a clip in [0, 1], their sides multiples of the scale."""
    with open_clip(path) as reader:
        first = reader.count // 3 if reader.count > 2 * NUM_FRAMES else 0
        size = MAX_SIDE if max(reader.height, reader.width) > MAX_SIDE else None
        pixels = [frame.pixels.copy() for frame in islice(reader.stream(first, size), NUM_FRAMES)]
    frames = torch.stack([torch.from_numpy(frame).movedim(-1, 0) for frame in pixels]) / 255
    height, width = (side // SCALE * SCALE for side in frames.shape[-2:])
    return frames[..., :height, :width]


def small_frames(sharp: Tensor) -> Tensor:
    """Frames made small by BI, as bytes."""
    return torch.stack([as_bytes(imresize(frame, scale=1 / SCALE)) for frame in sharp])


def scores(frames: Tensor, sharp: Tensor) -> list[float]:
    """PSNR, SSIM and the PSNR of luma."""
    metrics = RestorationMetrics(names=("psnr", "ssim", "psnr_y"))
    metrics.update(frames[None], sharp[None], frames[None])
    found = metrics.compute()
    return [found[name] or 0.0 for name in metrics.names]


def main() -> None:
    """Enlarge all clips and write the table."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    parser.add_argument("--model", default=BUNDLED, help="run folder, model folder or bundled weights")
    parser.add_argument("--stills", type=Path, help="write a frame of every clip: bicubic, enlarged and sharp")
    add_out_argument(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    restorer, bicubic = VideoRestorer.load(options.model), VideoRestorer(create_model("bicubic", scale=SCALE))
    print(line(COLUMNS), line(["---"] * len(COLUMNS)), sep="\n", flush=True)
    rows: list[list[Cell]] = []
    figures = []
    for clip in options.clips:
        sharp = frames_of(clip)
        small = small_frames(sharp)
        base, ours = (as_bytes(way.restore(small)) for way in (bicubic, restorer))
        pairs = zip(scores(base, sharp), scores(ours, sharp), strict=True)
        figures.append([value for before, after in pairs for value in (before, after - before)])
        rows.append([clip.stem, *cells(figures[-1])])
        print(line(rows[-1]), flush=True)
        if options.stills is not None:
            options.stills.mkdir(parents=True, exist_ok=True)
            middle = len(sharp) // 2
            write_image(options.stills / f"{clip.stem}.png", torch.cat([base[middle], ours[middle], sharp[middle]], -1))
    rows.append(["mean", *cells([statistics.mean(column) for column in zip(*figures, strict=True)])])
    print(line(rows[-1]))
    if options.out is not None:
        about = [
            f"`{options.model}` beside bicubic frames: {NUM_FRAMES} frames of every clip, made small by BI, four times "
            "enlarged. PSNR and SSIM of RGB frames and the PSNR of luma, no border cropped, and what the network adds."
        ]
        title = "The bundled network for super-resolution"
        write_record(measured(title, COLUMNS, rows, about=about), options.out)


def cells(values: list[float]) -> list[Cell]:
    """Decibels with two digits after the point, SSIM with four."""
    return [rounded(value, 4 if place in (2, 3) else 2) for place, value in enumerate(values)]


if __name__ == "__main__":
    main()
