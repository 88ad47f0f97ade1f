"""Turn the files of `subband compress` back into images.

A folder is searched with its subfolders, whose names the results keep. What `compress` leaves out, transparency and
color profile, is not in the files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from subband.cli.options import open_table, refuse_existing, show_table
from subband.cli.photographs import Job, add_output_arguments, beside, for_each, plan, report_failures
from subband.imaging import decode_file
from subband.media.images import check_image_path, write_image
from subband.media.sources import natural_key

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

SUFFIX = ".sbw"

EXAMPLES = """examples:
  subband decompress photo_compressed/keep_5_percent.sbw
  subband decompress keep_5_percent.sbw --out photo.png --bit-depth 16
  subband decompress photos_compressed/ --out photos_again/
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("file", type=str, help="File of `subband compress`, or folder of such files.")
    add_output_arguments(
        parser, "Result; by default file_decompressed.png, or the folder files_decompressed, beside the input."
    )
    parser.add_argument("--bit-depth", type=int, default=8, help="8, or 16 for .png files: bits per value.")


def run(args: Namespace) -> None:
    """Decode, write, print a table."""
    jobs = _plan(args)
    check_image_path(jobs[0].target, bit_depth=args.bit_depth)
    rows, failed = for_each(jobs, lambda job: _decompress(job, args))
    headings = ["file", "bytes", "size", "written"]
    table = open_table(headings, right=headings[1:2])
    for row in rows:
        table.add_row(*row)
    if rows:
        show_table(table)
    report_failures(failed, len(jobs))


def _plan(args: Namespace) -> list[Job]:
    source = Path(args.file)
    if not source.is_dir():
        return plan(args.file, args.out, "decompressed", overwrite=args.overwrite)
    found = [path for path in source.rglob(f"*{SUFFIX}") if path.is_file()]
    files = sorted(found, key=lambda path: (path.parent, natural_key(path)))
    if not files:
        raise ValueError(f"{source} holds no compressed images ({SUFFIX}).")
    folder = Path(args.out) if args.out else beside(source, "decompressed")
    if folder.is_file():
        raise ValueError(f"--out {folder} is a file; the results of a folder go into a folder.")
    refuse_existing(folder, args.overwrite)
    return [Job(path, (folder / path.relative_to(source)).with_suffix(".png")) for path in files]


def _decompress(job: Job, args: Namespace) -> tuple[str, ...]:
    pixels = decode_file(job.source)
    job.target.parent.mkdir(parents=True, exist_ok=True)
    write_image(job.target, pixels, bit_depth=args.bit_depth, overwrite=args.overwrite)
    channels, height, width = pixels.shape
    size = f"{width} x {height} {'gray' if channels == 1 else 'color'}"
    return str(job.source), f"{job.source.stat().st_size:,}", size, str(job.target)
