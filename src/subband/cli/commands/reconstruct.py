"""Code photographs by a network for image generation and decode them again: what is left, and what the code costs.

Photographs may have any size. A network that codes as many numbers as a photograph has can give all of it back, so its
figures say how far its training has come and nothing else; the report of a run has the rows to compare with.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from subband.cli.generation import add_network_arguments, open_network
from subband.cli.options import open_table, show_table
from subband.cli.photographs import Job, add_output_arguments, for_each, plan_several, report_failures, size_of
from subband.files import shown

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from subband.predictors.generation import ImageAutoencoder

SSIM_WINDOW = 11

EXAMPLES = """examples:
  subband reconstruct photo.jpg --model runs/photos
  subband reconstruct a.png b.png scans/ --model runs/photos --out reconstructed/
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("photos", type=str, nargs="+", help="Photographs, or folders of photographs.")
    add_network_arguments(parser)
    add_output_arguments(
        parser,
        "Result of one photograph, by default photo_reconstructed.png beside it; of several a folder, by default "
        "reconstructed.",
    )


def run(args: Namespace) -> None:
    """Reconstruct, write, print a table."""
    from subband.models.generation.wavelet_diffusion import WaveletDiffusion

    if args.model is None:
        raise ValueError("--model is needed: the run folder of an autoencoder of images.")
    coder = open_network(args.model, args.device)
    if isinstance(coder.model, WaveletDiffusion):
        raise ValueError(f"{shown(args.model)} holds a diffusion, which has no code to reconstruct from.")
    jobs = plan_several(args.photos, args.out, "reconstructed", overwrite=args.overwrite)
    rows, failed = for_each(jobs, lambda job: _reconstruct(job, coder, args.overwrite))
    headings = ["photograph", "size", "PSNR dB", "SSIM", "bits/pixel", "seconds", "written"]
    table = open_table(headings, title="Reconstructions against the photographs", right=headings[2:6])
    for row in rows:
        table.add_row(*row)
    show_table(table)
    report_failures(failed, len(jobs))


def _reconstruct(job: Job, coder: ImageAutoencoder, overwrite: bool) -> tuple[str, ...]:
    from subband.media.images import check_image_path, on_white, read_image, write_image
    from subband.metrics.image import psnr
    from subband.metrics.published_restoration import ssim_gaussian

    image = read_image(job.source)
    depth = image.info.bit_depth
    check_image_path(job.target, bit_depth=depth)
    pixels = on_white(image)
    began = time.perf_counter()
    result = coder.reconstruct(pixels)
    seconds = time.perf_counter() - began
    rate = coder.rate(pixels)
    write_image(job.target, result, bit_depth=depth, icc_profile=image.info.icc_profile, overwrite=overwrite)
    similarity = f"{ssim_gaussian(result, pixels).item():.4f}" if min(pixels.shape[1:]) >= SSIM_WINDOW else "-"
    scores = f"{psnr(result, pixels).item():.2f}", similarity, "-" if rate is None else f"{rate:.3f}"
    return job.name, size_of(image), *scores, f"{seconds:.1f}", shown(job.target)
