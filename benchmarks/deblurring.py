"""Small networks for deblurring against each other: equal parameters, an equal time of training, clips never seen.

Every network is trained by its recipe `restoration/NAME_s` with every seed, then restores held-out clips once, as
`subband deblur` does. PSNR and SSIM are those of the frames as bytes; a gain is against the blurred frames.

usage: python benchmarks/deblurring.py --pairs FOLDER [--photos FOLDER] [--seeds 0 1] [--runs runs/deblurring]
           [--train-only] [--out FILE.json]

FOLDER of pairs: what `subband synthesize-blur` writes, blur/CLIP beside sharp/CLIP. Photographs to train on: with
train/, val/ and test/ inside; scikit-image's by default. Runs that are finished are not trained again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from records import add_out_argument, line, measured, write_record
from subband.media import list_images, read_image
from subband.metrics import RestorationMetrics
from subband.predictors import VideoRestorer
from trained import base_row, gain_row, train_recipe

NETWORKS = ("residual_unet_s", "motion_unet_s", "estrnn_s", "ftdeblur_s", "vd_diff_s")


def train_all(seeds: Sequence[int], runs: Path, photos: Path | None) -> None:
    """Train what is missing."""
    data = [] if photos is None else ["--data.args.path", str(photos), "--data.args.in_memory", "true"]
    for seed in seeds:
        for name in NETWORKS:
            train_recipe(f"restoration/{name}", runs / f"{name}_seed{seed}", seed, data)


def scores_of(restorer: VideoRestorer | None, pairs: Path, clips: Sequence[str]) -> list[tuple[float, float]]:
    """PSNR and SSIM of every clip; of the blurred frames as they are without a network."""
    scores = []
    for clip in clips:
        blurred, sharp = (frames_of(pairs / side / clip) for side in ("blur", "sharp"))
        restored = blurred if restorer is None else restorer.restore(blurred)
        metrics = RestorationMetrics(names=("psnr", "ssim"))
        metrics.update(as_bytes(restored)[None], sharp[None], blurred[None])
        values = metrics.compute()
        scores.append((values["psnr"], values["ssim"]))
    return scores


def frames_of(folder: Path) -> Tensor:
    """`(T, 3, H, W)` in [0, 1]."""
    return torch.stack([read_image(path).pixels for path in list_images(folder)])


def as_bytes(frames: Tensor) -> Tensor:
    """What is left when frames are stored."""
    return (255 * frames.clamp(0, 1)).round() / 255


def clips_of(pairs: Path) -> list[str]:
    """Names of the clips in a folder of pairs."""
    return sorted(path.name for path in (pairs / "blur").iterdir())


def main() -> None:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--runs", type=Path, default=Path("runs/deblurring"))
    parser.add_argument("--train-only", action="store_true", help="score nothing yet")
    add_out_argument(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    train_all(options.seeds, options.runs, options.photos)
    if options.train_only:
        return
    clips = clips_of(options.pairs)
    before = scores_of(None, options.pairs, clips)
    columns = ["network", "parameters", "CPU minutes", *clips, "mean dB", "SSIM"]
    rows = [base_row("blurred, PSNR and SSIM", before)]
    print(line(columns), line(["---"] * len(columns)), line(rows[0]), sep="\n", flush=True)
    for name in NETWORKS:
        folders = [options.runs / f"{name}_seed{seed}" for seed in options.seeds]
        rows.append(gain_row(name, folders, lambda restorer: scores_of(restorer, options.pairs, clips), before))
        print(line(rows[-1]), flush=True)
    if options.out is not None:
        about = [
            f"Gain in PSNR (dB) and SSIM over the blurred frames of {len(clips)} clips that no network has seen, mean "
            f"and standard deviation over {len(options.seeds)} seed(s); the first row has the figures of the blurred "
            "frames themselves."
        ]
        write_record(
            measured("Small networks for deblurring", columns, rows, seeds=options.seeds, about=about), options.out
        )


if __name__ == "__main__":
    main()
