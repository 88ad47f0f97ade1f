"""Make a video, a folder of frames or one photograph larger, with the detail that a network finds in its frames.

The result keeps the times of the frames, pixel aspect, color tags, and of a video its sound, subtitles and chapters. A
stopped job goes on when the same command is given again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from subband.cli.clips import OPTION_RULES, add_clip_arguments, open_restorer, plan_job, restore
from subband.files import shown

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from subband.cli.clips import ClipJob

__all__ = ["EXAMPLES", "OPTION_RULES", "add_arguments", "run"]

BUNDLED = "basicvsr_pp_clips"

EXAMPLES = """examples:
  subband upscale small.mp4 large.mp4
  subband upscale old.gif large.mp4 --preview 3s --compare
  subband upscale frames/ large/ --model basicvsr_pp --checkpoint basicvsr_plusplus_reds4.pth
  subband upscale photo.jpg large.png --scale 2 --model runs/mine
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    add_clip_arguments(parser, default=f"{BUNDLED}, which enlarges four times")
    parser.add_argument("--scale", type=int, default=4, help="How many times as large; each network has its own.")


def run(args: Namespace) -> None:
    """Enlarge, write, compare."""
    job = plan_job(args)._replace(before="bicubic", after="enlarged")
    _check_size(job, args.scale)
    if args.model is None and args.checkpoint is None:
        args.model = BUNDLED
    restorer = open_restorer(args, scale=args.scale, example="basicvsr_pp")
    restore(restorer, job, args, doing="enlarging")


def _check_size(job: ClipJob, scale: int) -> None:
    """Refuses before the work what would be larger than any clip that can be read again."""
    from subband.media.frames import MAX_FRAME_PIXELS
    from subband.media.sources import open_clip

    if scale < 2:
        raise ValueError(f"--scale must be at least 2, got {scale}.")
    with open_clip(job.source) as reader:
        height, width = scale * reader.height, scale * reader.width
    if height * width > MAX_FRAME_PIXELS:
        raise ValueError(
            f"{shown(job.source)} would become {width} x {height} pixels; a frame may have 8192 x 4320 at most (8K), "
            "so reduce the clip before, or take a smaller --scale."
        )
