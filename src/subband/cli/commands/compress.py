"""Keep only the largest wavelet coefficients of a photograph and see what that costs: bits per pixel against quality.

Every share of coefficients is written as a file (.sbw), which `subband decompress` reads back; the bits are those of
that file, header included. Every image that is shown or measured was decoded from it. PSNR is measured on the decoded
image, over all channels, white being 1. Transparency and color profile are not coded.
"""

from __future__ import annotations

import csv
import io
import math
import re
import warnings
from contextlib import nullcontext
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from subband.cli.options import open_table, show_table
from subband.cli.photographs import Job, add_photo_arguments, check_options, for_each, plan, report_failures
from subband.files import new_path, shown

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from subband.imaging import RatePoint
    from subband.visual.plots import Curve

EXAMPLES = """examples:
  subband compress photo.png
  subband compress photo.png --keep 0.005 0.02 0.1 --wavelet sym8 --out rates/
  subband compress photos/ --no-images
"""

PLOT = "rates.svg"
_COLUMNS = ("keep", "num_kept", "step", "num_bytes", "bits_per_pixel", "psnr")


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    add_photo_arguments(parser, "Folder to make; by default photo_compressed, or photos_compressed, beside the input.")
    parser.add_argument(
        "--keep",
        type=float,
        nargs="+",
        default=[0.01, 0.02, 0.05, 0.1, 0.2],
        help="Shares of the coefficients to keep, above 0 and at most 1.",
    )
    parser.add_argument("--wavelet", type=str, default="bior4.4", help="PyWavelets name; bior4.4 is that of JPEG 2000.")
    parser.add_argument("--mode", type=str, default="periodization", help="How the image goes on beyond its border.")
    parser.add_argument("--level", type=int, default=None, help="Levels of the transform; by default up to five.")
    parser.add_argument("--no-images", action="store_true", help="Leave out the decoded images.")


def run(args: Namespace) -> None:
    """Code, decode, write, print a table."""
    import torch

    from subband.imaging import rate_distortion

    args.keep = sorted(set(args.keep))
    check_options(lambda: rate_distortion(torch.zeros(1, 8, 8), args.keep, args.wavelet, args.level, mode=args.mode))
    jobs = plan(args.photo, args.out, "compressed", suffix="", overwrite=args.overwrite, reserved=[PLOT])
    if jobs[0].target.is_file():
        raise ValueError(f"--out {jobs[0].target} is a file; the results go into a folder.")
    results, failed = for_each(jobs, lambda job: _compress(job, args))
    is_folder = Path(args.photo).is_dir()
    out = jobs[0].target.parent if is_folder else jobs[0].target
    if results:
        mean = _means(results)
        _show(results, mean)
        if is_folder:
            _write_plot(out / PLOT, [points for _, points in results], mean, args.overwrite)
        images = "" if args.no_images else ", the images"
        inside = "a folder per photograph, rates.svg" if is_folder else f"the files{images}, rates.csv, rates.svg"
        print(f"wrote {shown(out)}: {inside}")
    report_failures(failed, len(jobs))


def _compress(job: Job, args: Namespace) -> tuple[str, list[RatePoint]]:
    from subband.imaging import decode_image, rate_distortion
    from subband.media.images import read_image, write_image

    image = read_image(job.source)
    if image.alpha is not None:
        warnings.warn(f"the transparency of {job.name} is not coded; its images are opaque.", stacklevel=2)
    if image.info.icc_profile is not None:
        warnings.warn(f"the color profile of {job.name} is not coded; decompressed, it has none.", stacklevel=2)
    points = rate_distortion(image.pixels, args.keep, args.wavelet, args.level, mode=args.mode)
    is_new = not job.target.is_dir()  # then it appears when it is complete
    with new_path(job.target) if is_new else nullcontext(job.target) as folder:
        folder.mkdir(exist_ok=True)
        with new_path(folder / "rates.csv", overwrite=args.overwrite) as temporary:
            temporary.write_text(_as_csv(points), "utf-8")
        _write_plot(folder / PLOT, [], points, args.overwrite)
        for point in points:
            path = folder / f"keep_{100 * point.keep:g}_percent.sbw"
            with new_path(path, overwrite=args.overwrite) as temporary:
                temporary.write_bytes(point.data)
            if not args.no_images:
                pixels, profile = decode_image(point.data), image.info.icc_profile
                options = {"bit_depth": image.info.bit_depth, "icc_profile": profile, "overwrite": args.overwrite}
                write_image(path.with_suffix(".png"), pixels, **options)
    return job.name, points


def _as_csv(points: list[RatePoint]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([getattr(point, column) for column in _COLUMNS] for point in points)
    return text.getvalue()


def _means(results: list[tuple[str, list[RatePoint]]]) -> list[RatePoint]:
    """Means over the photographs, for every share of kept coefficients."""
    means = []
    for same in zip(*(points for _, points in results), strict=True):
        values = {column: fmean(getattr(point, column) for point in same) for column in _COLUMNS[1:]}
        means.append(same[0]._replace(data=b"", **values))
    return means


def _show(results: list[tuple[str, list[RatePoint]]], means: list[RatePoint]) -> None:
    if len(results) == 1:
        headings = ["kept %", "coefficients", "bytes", "bits per pixel", "PSNR dB"]
        table = open_table(headings, title=f"{results[0][0]}: largest coefficients only", right=headings)
        for point in means:
            numbers = (
                f"{point.num_kept:,.0f}",
                f"{point.num_bytes:,.0f}",
                f"{point.bits_per_pixel:.3f}",
                f"{point.psnr:.2f}",
            )
            table.add_row(f"{100 * point.keep:g}", *numbers)
    else:
        headings = ["photograph", *(f"keep {100 * point.keep:g} %" for point in means)]
        table = open_table(headings, title="Bits per pixel and PSNR in dB", right=headings[1:])
        for name, points in [*results, ("mean", means)]:
            if name == "mean":
                table.add_section()
            table.add_row(name, *(f"{point.bits_per_pixel:.3f} {point.psnr:6.2f}" for point in points))
    show_table(table)


def _write_plot(path: Path, faint: list[list[RatePoint]], points: list[RatePoint], overwrite: bool) -> None:
    """Quality over bits, as far as it is finite: one line, over faint ones for single photographs."""
    from subband.visual.colors import series_styles
    from subband.visual.plots import Curve, line_plot

    style = series_styles(["rate"])["rate"]

    def curve(values: list[RatePoint], is_faint: bool) -> Curve:
        finite = [point for point in values if math.isfinite(point.psnr)]
        rates, qualities = [point.bits_per_pixel for point in finite], [point.psnr for point in finite]
        return Curve(rates, qualities, style, is_faint=is_faint, with_markers=not is_faint)

    curves = [*(curve(values, True) for values in faint), curve(points, False)]
    svg = str(line_plot(curves, "Quality over bits per pixel", "bits per pixel", "PSNR, dB"))
    # Alone in a file there is no page to say colors, and not every viewer of images knows CSS variables.
    svg = re.sub(r"var\([^,()]*, *([^()]*)\)", r"\1", svg).replace("<svg ", '<svg style="background: white" ', 1)
    with new_path(path, overwrite=overwrite) as temporary:
        temporary.write_text(svg, "utf-8")
