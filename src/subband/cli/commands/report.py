"""Write one HTML page about one or more runs; it needs no server and loads nothing from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from subband.cli.options import refuse_existing
from subband.extras import require
from subband.files import shown

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

EXAMPLES = """examples:
  subband report runs/wast
  subband report runs/wast runs/simvp runs/tau --out comparison.html
  subband evaluate runs/digits --robustness && subband report runs/digits
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("runs", type=str, nargs="+", help="Run folders of subband train or subband evaluate.")
    parser.add_argument(
        "--out", type=str, default=None, help="HTML file to write; report.html in the first run folder by default."
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace an existing file.")


def run(args: Namespace) -> None:
    """Write the page."""
    from subband.visual.report.page import write_report

    require("matplotlib", "the plots of a report need")
    folders = [Path(folder) for folder in args.runs]
    out = Path(args.out) if args.out else folders[0] / "report.html"
    if args.out:
        refuse_existing(out, args.overwrite)
    written = write_report(folders, out, overwrite=args.overwrite)
    print(f"wrote {shown(written)} ({written.stat().st_size / 1e6:.1f} MB)")
