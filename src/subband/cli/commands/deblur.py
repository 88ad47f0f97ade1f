"""Make a blurred video, a folder of frames or one photograph sharp.

The result keeps the resolution, the times of the frames, pixel aspect, color tags, and of a video its sound, subtitles
and chapters. A stopped job goes on when the same command is given again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from subband.cli.clips import OPTION_RULES, add_clip_arguments, open_restorer, plan_job, restore

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

__all__ = ["EXAMPLES", "OPTION_RULES", "add_arguments", "run"]

BUNDLED = "motion_unet_clips"

EXAMPLES = """examples:
  subband deblur blurred.mp4 sharp.mp4
  subband deblur street.mov sharp.mov --model estrnn --checkpoint ESTRNN_BSD_2ms16ms.tar
  subband deblur frames/ sharp/ --model runs/estrnn --preview 5s --compare
  subband deblur photo.jpg sharp.png --model NAFNet-GoPro-width32.pth
  subband deblur blurred.mp4 sharp.mp4 --model NAFNet-GoPro-width32.pth
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    file = "a file of a network for single images that spandrel knows"
    add_clip_arguments(parser, default=f"{BUNDLED}, for clips", or_file=file)


def run(args: Namespace) -> None:
    """Restore, write, compare."""
    from subband.convert.spandrel import load_image_restorer

    job = plan_job(args)
    if args.model is None and args.checkpoint is None:
        if job.is_photo:
            raise ValueError(
                f"a photograph needs --model: the network in the package, {BUNDLED}, sees blur by the motion of a clip."
            )
        args.model = BUNDLED
    restorer = open_restorer(args, scale=1, example="estrnn", foreign=load_image_restorer)
    restore(restorer, job, args, doing="deblurring")
