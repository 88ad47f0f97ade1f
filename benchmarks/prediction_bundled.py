"""The network for video prediction inside the package, beside repeating the last frame, on clips.

For every clip the table of `subband predict CLIP --compare --num-frames 8 --max-side 128`: PSNR of frame 1, 4 and 8 and
the mean over 8, of the last frames of the clip or, with `--starts N`, the mean over N starts spread evenly over it.

usage: python benchmarks/prediction_bundled.py CLIP... [--starts N] [--model MODEL] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import torch

from records import Cell, add_out_argument, line, measured, rounded, write_record
from subband.media import open_clip, read_clip
from subband.media.frames import working_size
from subband.predictors import VideoPredictor

BUNDLED = "wast_photos"
NUM_FRAMES, MAX_SIDE, SHOWN = 8, 128, (1, 4, 8)
COLUMNS = [
    "clip",
    "starts",
    *(name for number in SHOWN for name in (f"frame {number}", f"frame {number}, repeated")),
    "mean",
    "mean, repeated",
    "gain",
]


def first_frames(count: int, wanted: int, num_starts: int) -> list[int]:
    """Where to start so that `wanted` frames follow: at the last possible frame, or evenly spread from the first on."""
    last = count - wanted
    if num_starts == 1:
        return [last]
    return sorted({round(place * last / (num_starts - 1)) for place in range(num_starts)})


def scores(predictor: VideoPredictor, path: Path, num_starts: int) -> tuple[int, list[float]]:
    """How many starts there were, and the decibels of a row, means over them."""
    wanted = predictor.num_context + NUM_FRAMES
    rows = []
    with open_clip(path) as reader:
        if reader.count < wanted:
            raise ValueError(f"{path} has {reader.count} frames, but {wanted} are needed.")
        size = working_size(reader.height, reader.width, MAX_SIDE)
        for first in first_frames(reader.count, wanted, num_starts):
            found = predictor.compare(read_clip(reader, first, wanted, size=size), NUM_FRAMES).per_frame
            ways = [found[way]["psnr"] for way in ("model", "persistence")]
            pairs = [[way[number - 1] for way in ways] for number in SHOWN]
            pairs.append([statistics.fmean(way) for way in ways])
            rows.append([value for pair in pairs for value in pair])
    means = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    return len(rows), [*means, means[-2] - means[-1]]


def main() -> None:
    """Compare all clips and write the table."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    parser.add_argument("--starts", type=int, default=1, help="how many places of every clip; 1 is its end")
    parser.add_argument("--model", default=BUNDLED, help="run folder, model folder or bundled weights")
    add_out_argument(parser)
    options = parser.parse_args()
    if options.starts < 1:
        parser.error(f"--starts must be at least 1, got {options.starts}.")
    torch.set_num_threads(1)
    predictor = VideoPredictor.load(options.model, max_side=MAX_SIDE)
    print(line(COLUMNS), line(["---"] * len(COLUMNS)), sep="\n", flush=True)
    rows: list[list[Cell]] = []
    figures = []
    for clip in options.clips:
        num_starts, values = scores(predictor, clip, options.starts)
        figures.append(values)
        rows.append([clip.stem, num_starts, *(rounded(value, 2) for value in values)])
        print(line(rows[-1]), flush=True)
    means = [statistics.fmean(column) for column in zip(*figures, strict=True)]
    rows.append(["mean", None, *(rounded(value, 2) for value in means)])
    print(line(rows[-1]))
    if options.out is not None:
        places = "the last frames of each" if options.starts == 1 else f"{options.starts} places spread over each"
        about = [
            f"Real clips, {places}, the longer side {MAX_SIDE} pixels: PSNR in dB of `{Path(options.model).name}` and "
            f"of repeating the last known frame, {NUM_FRAMES} frames ahead; gain is the difference of the means."
        ]
        write_record(measured("The bundled model on real clips", COLUMNS, rows, about=about), options.out)


if __name__ == "__main__":
    main()
