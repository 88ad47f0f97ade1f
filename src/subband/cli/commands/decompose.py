"""Take a photograph apart into its wavelet subbands: an image of all coefficients and the energy of every subband.

Subbands are named by their filters along the width and the height: LH is low along the width and high along the height,
so it shows horizontal edges (PyWavelets' cH), HL vertical ones (cV), HH diagonal ones (cD). The number is the level, 1
being the finest.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from subband.cli.options import open_table, refuse_existing, show_table
from subband.cli.photographs import Job, add_photo_arguments, check_options, for_each, plan, report_failures
from subband.files import new_path, shown

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from subband.imaging import BandEnergy

EXAMPLES = """examples:
  subband decompose photo.png
  subband decompose photo.png --wavelet bior4.4 --level 4 --mode periodization --labels --out bands.png
  subband decompose photos/ --table json --out bands/
"""

TABLES = ("csv", "json")


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    add_photo_arguments(
        parser,
        "Image of the coefficients, the table goes beside it; by default photo_bands.png, or the folder "
        "photos_bands, beside the input.",
    )
    parser.add_argument("--wavelet", type=str, default="haar", help="PyWavelets name.")
    parser.add_argument("--level", type=int, default=3, help="Levels of the transform, at least 1.")
    parser.add_argument("--mode", type=str, default="symmetric", help="How the image goes on beyond its border.")
    parser.add_argument("--labels", action="store_true", help="Write the names of the subbands into the image.")
    parser.add_argument("--separator", type=int, default=1, help="Width of the lines between subbands; 0 for none.")
    parser.add_argument("--table", type=str, default="csv", help="Format of the table of energies: csv or json.")


def run(args: Namespace) -> None:
    """Decompose, write, print a table."""
    import torch

    from subband.imaging import coefficient_mosaic
    from subband.transforms import wavedec2

    if args.table not in TABLES:
        raise ValueError(f"--table must be {' or '.join(TABLES)}, got {args.table!r}.")
    if args.level < 1:
        raise ValueError(f"--level must be at least 1, got {args.level}.")
    tiny = torch.zeros(1, 8, 8)
    check_options(lambda: coefficient_mosaic(wavedec2(tiny, args.wavelet, args.mode, 1), args.separator))
    jobs = plan(args.photo, args.out, "bands", overwrite=args.overwrite)
    results, failed = for_each(jobs, lambda job: _decompose(job, args))
    if len(jobs) == 1:
        _show_bands(*results[0])
        print(f"wrote {shown(jobs[0].target)} and {shown(jobs[0].target.with_suffix('.' + args.table).name)}")
    elif results:
        _show_photographs(results, args.level)
        print(f"wrote {len(results)} images and tables to {shown(jobs[0].target.parent)}")
    report_failures(failed, len(jobs))


def _decompose(job: Job, args: Namespace) -> tuple[str, list[BandEnergy]]:
    from subband.imaging import band_energies, coefficient_mosaic, mosaic_layout
    from subband.media.images import check_image_path, read_image, write_image
    from subband.transforms import wavedec2
    from subband.visual.mosaic import label_bands

    check_image_path(job.target)
    table = refuse_existing(job.target.with_suffix(f".{args.table}"), args.overwrite)
    image = read_image(job.source)
    coeffs = wavedec2(image.pixels, args.wavelet, args.mode, args.level)
    energies = band_energies(coeffs)
    mosaic = coefficient_mosaic(coeffs, args.separator)
    if args.labels:
        mosaic = label_bands(mosaic, mosaic_layout(coeffs)[2])
    write_image(job.target, mosaic, overwrite=args.overwrite)
    with new_path(table, overwrite=args.overwrite) as temporary:
        temporary.write_text(_as_json(job, args, energies) if args.table == "json" else _as_csv(energies), "utf-8")
    return job.name, energies


def _as_csv(energies: list[BandEnergy]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(energies[0]._fields)
    writer.writerows(energies)
    return text.getvalue()


def _as_json(job: Job, args: Namespace, energies: list[BandEnergy]) -> str:
    content: dict[str, Any] = {"photograph": job.source.name, "wavelet": args.wavelet, "mode": args.mode}
    return json.dumps(content | {"bands": [row._asdict() for row in energies]}, indent=2) + "\n"


def _show_bands(name: str, energies: list[BandEnergy]) -> None:
    headings = ["subband", "size", "energy", "% of all", "rms", "largest"]
    table = open_table(headings, title=f"{name}: energy of the subbands, white being 1", right=headings[2:])
    for row in energies:
        size = f"{row.width} x {row.height}"
        values = (f"{row.energy:.4g}", f"{100 * row.share:.3f}", f"{row.rms:.4g}", f"{row.largest:.4g}")
        table.add_row(f"{row.band}{row.level}", size, *values)
    show_table(table)


def _show_photographs(results: list[tuple[str, list[BandEnergy]]], level: int) -> None:
    levels = range(level, 0, -1)
    headings = ["photograph", f"LL{level}", *(f"details {number}" for number in levels)]
    table = open_table(headings, title="Energy by level, % of all", right=headings[1:])
    for name, energies in results:
        shares = [sum(row.share for row in energies if row.level == number and row.band != "LL") for number in levels]
        table.add_row(name, *(f"{100 * share:.3f}" for share in (energies[0].share, *shares)))
    show_table(table)
