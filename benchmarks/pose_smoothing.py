"""What the 1 Euro filter does to the joints of drawn videos: how steady they are with and without, and how exact.

Every video is looked at frame by frame, the whole frame being the person, as `subband pose` does, once as the network
finds the joints and once as `--smooth` sends them through the filter. The videos are those by which `drawn_figures`
tests; the filter depends on how many frames there are in a second.

usage: python benchmarks/pose_smoothing.py --weights RUN [RUN ...] [--videos 40] [--length 32] [--fps 25] [--out FILE]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from records import Cell, add_out_argument, line, measured, rounded, write_record
from subband.data import build_data
from subband.metrics import JointScores, TrackJitter
from subband.predictors import PosePredictor
from subband.predictors.pose.following import PoseFollower

COLUMNS = (
    "network",
    "joints",
    "PCK@0.1 (%)",
    "PCK@0.2 (%)",
    "PCK@0.1 occluded (%)",
    "jitter (px)",
    "jitter occluded (px)",
)
SCORES = ("pck_strict", "pck", "pck_strict_occluded", "jitter", "jitter_occluded")


class Video(NamedTuple):
    """A drawn video with its truth.

    Attributes:
        frames: `(T, 3, H, W)` in [0, 1].
        joints: x and y in pixels, `(T, K, 2)`.
        visible: COCO's visibility, `(T, K)`.
        sides: Longer side of the box around the joints, `(T,)`.
    """

    frames: Tensor
    joints: Tensor
    visible: Tensor
    sides: Tensor


def drawn_videos(count: int, length: int, size: Sequence[int]) -> Iterator[Video]:
    """Test videos, each frame being a sample of its own."""
    args = {"num_train": 1, "num_val": 1, "num_test": count, "frames": 1, "scored_frames": length}
    data: Any = build_data("drawn_figures", {**args, "img_size": list(size)}, 0)
    for first in range(0, len(data.test), length):
        samples = [data.test[first + place] for place in range(length)]
        yield Video(
            data.spec.denormalize(torch.cat([one.frames for one in samples])).clamp(0, 1),
            torch.stack([one.joints for one in samples]),
            torch.stack([one.visible for one in samples]),
            torch.tensor([max(one.truth.box[2:]) for one in samples]),
        )


def scores(predictor: PosePredictor, videos: Sequence[Video], fps: float, *, smooth: bool) -> list[float | None]:
    """What `SCORES` names, of joints as they are found or smoothed."""
    exact, steady = JointScores(len(predictor.joint_set.names)), TrackJitter()
    for video in videos:
        follow = PoseFollower(predictor.joint_set, smooth=smooth)
        found = predictor.find_in_clip(video.frames)
        joints = torch.stack([follow(one, number / fps).joints[0] for number, one in enumerate(found)])
        exact.update(joints, video.joints, video.visible, video.sides)
        steady.update(joints, video.joints, video.visible)
    values = exact.compute() | steady.compute()
    return [values[name] for name in SCORES]


def row(network: str, joints: str, values: Sequence[float | None]) -> list[Cell]:
    """Shares in percent, jitter in pixels."""
    factors = [100 if "pck" in key else 1 for key in SCORES]
    numbers = (
        None if value is None else rounded(factor * value, 2) for value, factor in zip(values, factors, strict=True)
    )
    return [network, joints, *numbers]


def main() -> None:
    """Score both and write the table."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style, allow_abbrev=False)
    what = "run folders, or bundled weights, trained on drawn figures"
    parser.add_argument("--weights", required=True, nargs="+", metavar="RUN", help=what)
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--length", type=int, default=32, help="frames of a video, at least 3")
    parser.add_argument("--fps", type=float, default=25.0)
    add_out_argument(parser)
    options = parser.parse_args()
    if options.length < 3 or options.fps <= 0:
        parser.error("--length must be at least 3, and --fps positive.")
    torch.set_num_threads(1)
    print(line(COLUMNS), line(["---"] * len(COLUMNS)), sep="\n", flush=True)
    rows = []
    for weights in options.weights:
        predictor = PosePredictor.load(weights)
        videos = list(drawn_videos(options.videos, options.length, predictor.preprocessing.size))
        for name, smooth in (("as they are found", False), ("through the 1 Euro filter", True)):
            found = scores(predictor, videos, options.fps, smooth=smooth)
            rows.append(row(str(predictor.model.model_config["name"]), name, found))
            print(line(rows[-1]), flush=True)
    if options.out is not None:
        about = [
            f"{options.videos} drawn test videos of {options.length} frames, {options.fps:g} frames in a second, "
            "the frame as the box. Jitter is the mean length of the second "
            "difference of a joint's error."
        ]
        write_record(measured("Smoothing of poses", list(COLUMNS), rows, about=about), options.out)


if __name__ == "__main__":
    main()
