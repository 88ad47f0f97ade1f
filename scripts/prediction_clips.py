"""Make the clips that the video predictor inside the package was finished on (recipe wast_clips).

Real videos at several rates, so that things move at many speeds, and photographs before a camera that moves or stands
still, with and without noise, all compressed as videos are. Takes some three minutes of one CPU core.

usage: python scripts/prediction_clips.py VIDEOS VALIDATION OUT

VIDEOS and VALIDATION are folders of videos; OUT gets train/, val/ and test/, the latter the same as val/.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from subband.data import ClipSpec
from subband.data.video.moving_photos import TRAIN_PHOTOS, MovingPhotos, tile_size
from subband.data.video.photo_tiles import cut_tiles, read_photos
from subband.media import open_clip, read_clip, write_clip

SIDE = 144  # pixels, the shorter side
STRIDES = (1, 2, 3)
NUM_PHOTO_CLIPS, PHOTO_FRAMES, SPEED = 24, 32, 4.0
MIN_FRAMES = 24


def write_real(video: Path, folder: Path, strides: Sequence[int]) -> None:
    """The video reduced, with every frame, every second one and so on, as far as it is long enough."""
    with open_clip(video) as reader:
        scale = SIDE / min(reader.height, reader.width)
        size = (round(reader.height * scale / 2) * 2, round(reader.width * scale / 2) * 2)
        for stride in strides:
            if reader.count // stride >= MIN_FRAMES:
                frames = read_clip(reader, 0, reader.count // stride, stride, size)
                write_clip(folder / f"{video.stem}_{stride}.mp4", frames, fps=25)


def write_photos(folder: Path) -> None:
    """Clips of photographs: the camera stands still in half of them."""
    spec = ClipSpec(in_frames=4, out_frames=PHOTO_FRAMES - 4, channels=3, height=SIDE, width=SIDE)
    tiles = cut_tiles(read_photos(TRAIN_PHOTOS, gray=False), tile_size(spec, SPEED))
    clips = MovingPhotos(tiles, spec, length=NUM_PHOTO_CLIPS, speed=SPEED, seed=0, still_share=0.5, noise=0.02)
    for key in range(NUM_PHOTO_CLIPS):
        write_clip(folder / f"photo_{key:02d}.mp4", torch.cat(clips[key]), fps=25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path)
    parser.add_argument("validation", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    for split, source, strides in (("train", options.videos, STRIDES), ("val", options.validation, STRIDES[:1])):
        (options.out / split).mkdir(parents=True)
        for video in sorted(source.iterdir()):
            write_real(video, options.out / split, strides)
    write_photos(options.out / "train")
    shutil.copytree(options.out / "val", options.out / "test")


if __name__ == "__main__":
    main()
