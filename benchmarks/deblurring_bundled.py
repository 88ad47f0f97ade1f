"""The network for deblurring inside the package, on clips it has never seen: what it gains, and what it spoils.

Every clip is restored twice, as `subband deblur` does it: blurred, and with its sharp frames only compressed, where the
best that can be done is nothing or a little. PSNR and SSIM are those of the frames as bytes.

usage: python benchmarks/deblurring_bundled.py --pairs FOLDER [--out FILE.json]

FOLDER of pairs: what `subband synthesize-blur` writes, blur/CLIP beside sharp/CLIP.
"""

from __future__ import annotations

import argparse
import io
import statistics
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from deblurring import as_bytes, clips_of, frames_of
from records import Cell, add_out_argument, line, measured, rounded, write_record
from subband.metrics import RestorationMetrics
from subband.predictors import VideoRestorer

BUNDLED = "motion_unet_clips"
QUALITY = 90  # of the compression, on libjpeg's scale
COLUMNS = ["clip", "blurred dB", "gain dB", "SSIM", "gain in SSIM", "compressed dB", "change dB"]


def compressed(frames: Tensor) -> Tensor:
    """Frames `(T, 3, H, W)` as JPEG gives them back."""
    found = []
    for frame in (frames * 255).round().byte().movedim(1, -1):
        buffer = io.BytesIO()
        Image.fromarray(frame.numpy()).save(buffer, "jpeg", quality=QUALITY)
        found.append(torch.from_numpy(np.array(Image.open(buffer))).movedim(-1, 0))
    return torch.stack(found) / 255


def change(restorer: VideoRestorer, degraded: Tensor, sharp: Tensor) -> tuple[float, float, float, float]:
    """PSNR of degraded frames and its gain, SSIM and its gain."""
    values = []
    for frames in (degraded, restorer.restore(degraded)):
        metrics = RestorationMetrics(names=("psnr", "ssim"))
        metrics.update(as_bytes(frames)[None], sharp[None], degraded[None])
        scores = metrics.compute()
        values.append((scores["psnr"], scores["ssim"]))
    (psnr, ssim), after = values
    return psnr, after[0] - psnr, ssim, after[1] - ssim


def main() -> None:
    """Restore all clips and write the table."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    parser.add_argument("--pairs", type=Path, required=True)
    add_out_argument(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    restorer = VideoRestorer.load(BUNDLED)
    print(line(COLUMNS), line(["---"] * len(COLUMNS)), sep="\n", flush=True)
    rows: list[list[Cell]] = []
    figures = []
    for clip in clips_of(options.pairs):
        blurred, sharp = (frames_of(options.pairs / side / clip) for side in ("blur", "sharp"))
        found = (*change(restorer, blurred, sharp), *change(restorer, compressed(sharp), sharp)[:2])
        figures.append(found)
        rows.append([clip, *cells(found)])
        print(line(rows[-1]), flush=True)
    rows.append(["mean", *cells([statistics.mean(column) for column in zip(*figures, strict=True)])])
    print(line(rows[-1]))
    if options.out is not None:
        about = [
            f"`{BUNDLED}` on clips that it has not seen, blurred, and sharp but compressed (JPEG, quality {QUALITY}): "
            "PSNR and SSIM against the sharp frames, and what the network adds."
        ]
        write_record(measured("The bundled network for deblurring", COLUMNS, rows, about=about), options.out)


def cells(values: tuple[float, ...] | list[float]) -> list[Cell]:
    """Decibels with two digits after the point, SSIM with four."""
    return [rounded(value, 4 if place in (2, 3) else 2) for place, value in enumerate(values)]


if __name__ == "__main__":
    main()
