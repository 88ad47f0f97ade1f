"""Predict the next frames of a clip: a video file, an animated GIF or a folder of images."""

from __future__ import annotations

import time
import warnings
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from subband.cli.options import open_table, refuse_existing, show_table
from subband.cli.weights import add_weights_arguments, open_weights
from subband.files import shown

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from torch import Tensor

    from subband.predictors.video_prediction import Comparison, VideoPredictor

EXAMPLES = """examples:
  subband predict clip.mp4 --num-frames 20 --out future.mp4
  subband predict frames/ --model runs/wast --start 40 --stride 2 --out future.gif
  subband predict clip.mp4 --compare --out true_predicted_error.mp4
  subband predict digits.gif --model tau_mmnist --checkpoint published --out future.gif
"""
BUNDLED = "wast_photos"

_DEFAULT_FPS = 10.0


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("clip", type=str, help="Video file, animated GIF, or folder of images in natural order.")
    add_weights_arguments(parser, default=BUNDLED)
    parser.add_argument("--num-frames", type=int, default=10, help="Frames to predict.")
    parser.add_argument(
        "--out",
        type=str,
        default="future.mp4",
        help="What to write: .mp4, .mov, .mkv, .webm, .gif, .webp, .apng, .png (frames side by side), or no suffix for "
        "a folder of images.",
    )
    parser.add_argument(
        "--start", type=int, default=None, help="First frame to look at; by default the last frames of the clip count."
    )
    parser.add_argument("--stride", type=int, default=1, help="Take every n-th frame.")
    parser.add_argument("--max-side", type=int, default=128, help="Reduce frames to this longer side.")
    parser.add_argument(
        "--compare",
        action="store_true",
        help="Predict frames that the clip holds, print the error of each, and write true | predicted | error.",
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace an existing output.")


def run(args: Namespace) -> None:
    """Read, predict, write."""
    from subband.device import pick_device
    from subband.media.frames import working_size
    from subband.media.sources import open_clip
    from subband.media.video import read_clip, write_clip
    from subband.media.writers import check_clip_length, check_clip_path, check_clip_rate
    from subband.predictors.video_prediction import VideoPredictor

    _check_numbers(args)
    if args.model is None and args.checkpoint is None:
        args.model = BUNDLED
    check_clip_path(args.out)
    refuse_existing(args.out, args.overwrite)
    with open_clip(args.clip) as reader:
        fps = (reader.fps or _DEFAULT_FPS * args.stride) / args.stride
        check_clip_rate(args.out, fps)
        device = pick_device(args.device)
        kind = "a network for video prediction"
        model = open_weights(args, task="video_prediction", kind=kind, example="tau_mmnist")
        predictor = VideoPredictor(model, max_side=args.max_side, device=device)
        wanted = predictor.num_context + (args.num_frames if args.compare else 0)
        num_frames = reader.count
        start = _first_frame(args, num_frames, wanted, predictor.num_context)
        size = working_size(reader.height, reader.width, args.max_side)
        check_clip_length(args.out, args.num_frames, size[0], size[1] * (3 if args.compare else 1))
        clip = read_clip(reader, start, wanted, args.stride, size).to(device)
        _name_pixel_aspect(args.clip, reader.details.pixel_aspect)
    end = start + (wanted - 1) * args.stride
    print(f"{shown(args.clip)}: frames {start} to {end} of {num_frames}, {size[0]} x {size[1]} pixels")
    frames = _compare(predictor, clip, args) if args.compare else _predict(predictor, clip, args.num_frames)
    write_clip(args.out, frames, fps=fps, overwrite=args.overwrite)
    print(f"wrote {shown(args.out)}")


def _name_pixel_aspect(clip: str, aspect: Fraction) -> None:
    if aspect != 1:
        warnings.warn(
            f"the pixels of {clip} are not square ({aspect.numerator}:{aspect.denominator}); the prediction has the "
            "stored ones, shown as squares.",
            stacklevel=2,
        )


def _check_numbers(args: Namespace) -> None:
    for option in ("num_frames", "stride", "max_side"):
        if args[option] < 1:
            raise ValueError(f"--{option.replace('_', '-')} must be at least 1, got {args[option]}.")
    if args.start is not None and args.start < 0:
        raise ValueError(f"--start must not be negative, got {args.start}.")


def _first_frame(args: Namespace, num_frames: int, wanted: int, num_context: int) -> int:
    """Number of the first frame to read, so that `wanted` frames fit into the clip."""
    span = (wanted - 1) * args.stride + 1
    available = num_frames - (args.start or 0)
    if available < span:
        purpose = f"{num_context} to look at" + (f" and {args.num_frames} to compare with" if args.compare else "")
        taken = f" with --stride {args.stride}" if args.stride > 1 else ""
        after = f" from frame {args.start} on" if args.start else ""
        raise ValueError(
            f"{args.clip} has {max(available, 0)} frames{after}, but {args.model} needs {span}{taken}: {purpose}."
        )
    return available - span if args.start is None else args.start


def _predict(predictor: VideoPredictor, clip: Tensor, num_frames: int) -> Tensor:
    from subband.models.complexity import synchronize

    began = time.perf_counter()
    frames = predictor.predict(clip, num_frames)
    synchronize(clip.device)
    passes = -(-num_frames // predictor.num_context)
    note = "1 pass" if passes == 1 else f"{passes} passes, each fed the one before"
    print(f"{num_frames} frames in {note}, {time.perf_counter() - began:.1f} s on {clip.device}")
    return frames


def _compare(predictor: VideoPredictor, clip: Tensor, args: Namespace) -> Tensor:
    """Prints the errors and returns true, predicted and error frames side by side."""
    result = predictor.compare(clip, args.num_frames)
    _show_comparison(result, args.model)
    return _side_by_side(result)


def _show_comparison(result: Comparison, name: str) -> None:
    # Tiny frames have no SSIM.
    from subband.metrics.descriptors import VIDEO_METRICS

    metrics = [metric for metric in VIDEO_METRICS if metric.is_per_frame and metric.key in result.per_frame["model"]]
    heads = [f"{metric.label} {who}" for metric in metrics for who in (shown(Path(name).name), "persistence")]
    table = open_table(["frame", *heads], title="Error of every predicted frame", right=["frame", *heads])
    columns = [(metric, result.per_frame[who][metric.key]) for metric in metrics for who in ("model", "persistence")]
    for index in range(len(result.target)):
        table.add_row(str(index + 1), *(metric.text(values[index]) for metric, values in columns))
    table.add_section()
    table.add_row("mean", *(metric.text(fmean(values)) for metric, values in columns))
    show_table(table)


def _side_by_side(result: Comparison) -> Tensor:
    import torch
    from einops import rearrange

    from subband.visual.colors import error_colors

    error = (result.prediction - result.target).abs().mean(1)  # (T, H, W)
    scale = max(error.amax().item(), 1 / 255)
    print(f"colors of the error: black is 0, pale yellow {scale:.3f}")
    colors = torch.from_numpy(error_colors((error / scale).cpu().numpy())) / 255  # (T, H, W, 3)
    tiles = [result.target, result.prediction, rearrange(colors, "t h w c -> t c h w")]
    return torch.cat([tile.float().cpu().expand(-1, 3, -1, -1) for tile in tiles], dim=3)
