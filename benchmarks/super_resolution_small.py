"""Small networks for super-resolution against each other: equal parameters, an equal time of training, unseen clips.

Every network is trained by its recipe `restoration/NAME_s` with every seed, then enlarges held-out clips once, as
`subband upscale` does; see super_resolution_bundled.py for how clips are made small and scored.

usage: python benchmarks/super_resolution_small.py --videos FOLDER [--clips CLIP ...] [--seeds 0 1]
           [--runs runs/super_resolution] [--train-only] [--out FILE.json]

FOLDER holds videos to train on: train/, val/ and test/. CLIPS are those of its test/ by default. Runs that are finished
are not trained again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from records import add_out_argument, line, measured, write_record
from subband import create_model
from subband.predictors import VideoRestorer
from super_resolution_bundled import SCALE, as_bytes, frames_of, scores, small_frames
from trained import base_row, gain_row, train_recipe

NETWORKS = ("basicvsr_pp_s", "mfpi_s")


def train_all(seeds: Sequence[int], runs: Path, videos: Path) -> None:
    """Train what is missing."""
    for seed in seeds:
        for name in NETWORKS:
            folder = runs / f"{name}_seed{seed}"
            train_recipe(f"restoration/{name}", folder, seed, ["--data.args.path", str(videos)])


def enlarged_scores(restorer: VideoRestorer, clips: Sequence[tuple[Tensor, Tensor]]) -> list[list[float]]:
    """PSNR, SSIM and luma PSNR of every pair of a small and a sharp clip."""
    return [scores(as_bytes(restorer.restore(small)), sharp) for small, sharp in clips]


def main() -> None:
    """Train, enlarge and write the table."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--clips", type=Path, nargs="+", metavar="CLIP")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--runs", type=Path, default=Path("runs/super_resolution"))
    parser.add_argument("--train-only", action="store_true", help="score nothing yet")
    add_out_argument(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    train_all(options.seeds, options.runs, options.videos)
    if options.train_only:
        return
    paths = options.clips or sorted((options.videos / "test").iterdir())
    clips = [(small_frames(sharp), sharp) for sharp in map(frames_of, paths)]
    base = enlarged_scores(VideoRestorer(create_model("bicubic", scale=SCALE)), clips)
    columns = ["network", "parameters", "CPU minutes", *(path.stem for path in paths), "mean dB", "SSIM"]
    rows = [base_row("bicubic, PSNR and SSIM", base)]
    print(line(columns), line(["---"] * len(columns)), line(rows[0]), sep="\n", flush=True)
    for name in NETWORKS:
        folders = [options.runs / f"{name}_seed{seed}" for seed in options.seeds]
        rows.append(gain_row(name, folders, lambda restorer: enlarged_scores(restorer, clips), base))
        print(line(rows[-1]), flush=True)
    if options.out is not None:
        about = [
            f"Gain in PSNR (dB, RGB) and SSIM over bicubic frames of {len(clips)} clips that no network has seen, "
            f"mean and standard deviation over {len(options.seeds)} seed(s); first those of the bicubic frames."
        ]
        title = "Small networks for super-resolution"
        write_record(measured(title, columns, rows, seeds=options.seeds, about=about), options.out)


if __name__ == "__main__":
    main()
