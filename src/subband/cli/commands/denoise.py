"""Remove noise from a photograph, or from every photograph of a folder, by wavelet shrinkage.

The strength of the noise is estimated from the photograph unless --sigma says it. Depth, transparency and color profile
of the file are kept; the result is a PNG unless --out says otherwise.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from subband.cli.options import open_table, show_table
from subband.cli.photographs import Job, add_photo_arguments, check_options, for_each, plan, report_failures, size_of
from subband.imaging import denoise_wavelet, estimate_sigma
from subband.media.images import check_image_path, read_image, write_image

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

EXAMPLES = """examples:
  subband denoise photo.jpg
  subband denoise photo.png --sigma 0.08 --method visu --out clean.png
  subband denoise scans/ --cycle-spins 7 --out clean/
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    add_photo_arguments(
        parser, "Result; by default photo_denoised.png, or the folder photos_denoised, beside the input."
    )
    parser.add_argument(
        "--sigma",
        type=float,
        default=None,
        help="Standard deviation of the noise, white being 1; estimated by default.",
    )
    parser.add_argument("--method", type=str, default="bayes", help="bayes keeps more texture, visu leaves less noise.")
    parser.add_argument("--threshold", type=str, default="soft", help="soft or hard.")
    parser.add_argument("--wavelet", type=str, default="db2", help="PyWavelets name; short orthogonal ones do best.")
    parser.add_argument("--mode", type=str, default="symmetric", help="How the image goes on beyond its border.")
    parser.add_argument("--level", type=int, default=None, help="Levels of the transform; by the size by default.")
    parser.add_argument(
        "--cycle-spins",
        type=int,
        default=3,
        help="Average over shifts by 0 to n pixels each way, (n + 1)^2 times the work; 0 for none.",
    )
    parser.add_argument(
        "--color", type=str, default="ycbcr", help="Colors as brightness and two differences (ycbcr), or as rgb."
    )


def run(args: Namespace) -> None:
    """Denoise, write, print a table."""
    if args.sigma is not None and not 0 <= args.sigma <= 1:
        raise ValueError(f"--sigma must lie in [0, 1], white being 1 (divide 8-bit numbers by 255), got {args.sigma}.")
    names = ("sigma", "method", "threshold", "wavelet", "mode", "level", "cycle_spins", "color")
    options = {name: args[name] for name in names}
    check_options(
        lambda: denoise_wavelet(torch.zeros(3, 32, 32), **(options | {"cycle_spins": min(args.cycle_spins, 0)}))
    )
    jobs = plan(args.photo, args.out, "denoised", overwrite=args.overwrite)
    rows, failed = for_each(jobs, lambda job: _denoise(job, options, args.overwrite))
    headings = ["photograph", "size", "noise", "seconds", "written"]
    table = open_table(headings, title="Noise: standard deviation, white being 1", right=headings[2:4])
    for row in rows:
        table.add_row(*row)
    show_table(table)
    report_failures(failed, len(jobs))


def _denoise(job: Job, options: dict[str, Any], overwrite: bool) -> tuple[str, ...]:
    image = read_image(job.source)
    depth, alpha = image.info.bit_depth, image.alpha
    check_image_path(job.target, bit_depth=depth, with_alpha=alpha is not None)
    began = time.perf_counter()
    sigma = options["sigma"]
    noise = estimate_sigma(image.pixels).mean().item() if sigma is None else sigma
    options = options | {"color": options["color"] if len(image.pixels) == 3 else "rgb"}
    pixels = denoise_wavelet(image.pixels, **options)
    seconds = time.perf_counter() - began
    profile = image.info.icc_profile
    write_image(job.target, pixels, alpha=alpha, bit_depth=depth, icc_profile=profile, overwrite=overwrite)
    return job.source.name, size_of(image), f"{noise:.4f}", f"{seconds:.1f}", str(job.target)
