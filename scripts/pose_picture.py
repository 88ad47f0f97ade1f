"""Draw the picture of `subband pose`: drawn figures in one video, with what the bundled network finds of them.

usage: python scripts/pose_picture.py [docs/images/pose.jpg]
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from subband.data import drawn_video
from subband.media import write_image
from subband.predictors import PosePredictor
from subband.visual.found_poses import draw_poses

NETWORK = "freqpose_figures"
FIGURES = (50_000, 50_001, 50_003)  # beyond what training, validation and test draw from
SIDE, MOMENTS = 192, (0, 4)


def figures() -> tuple[Tensor, list[list[float]]]:
    """Frames `(T, 3, H, W)` in [0, 1] of several figures beside each other, and a box around each."""
    videos = [drawn_video(number, range(-2, MOMENTS[-1] + 3), (SIDE, SIDE)).frames for number in FIGURES]
    boxes = [[SIDE * (place + 0.1), SIDE * 0.1, SIDE * (place + 0.9), SIDE * 0.9] for place in range(len(videos))]
    return torch.cat(videos, 3).float() / 255, boxes


def main(path: Path) -> None:
    frames, boxes = figures()
    predictor = PosePredictor.load(NETWORK, device="cpu")
    found = predictor.find_in_clip(frames, [boxes] * len(frames))
    rows = []
    for moment in MOMENTS:
        frame = (frames[moment + 2] * 255).byte()
        rows += [frame, draw_poses(frame, found[moment + 2])]
    write_image(path, torch.cat(rows, 1).float() / 255, overwrite=True)
    print(f"wrote {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/pose.jpg"))
