"""Share a trained network on the Hugging Face Hub: its two files, and a model card made from what is stored there."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from subband.cli.option_rules import Needs
from subband.files import shown

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

EXAMPLES = """examples:
  subband push runs/wast user/wast-digits --license apache-2.0 --dry-run
  subband push runs/wast user/wast-digits --license apache-2.0 --private
  subband push runs/wast user/wast-digits --revision longer --overwrite
  subband predict clip.mp4 --model hf:user/wast-digits
"""

OPTION_RULES = (
    Needs("--out", lambda args: args.dry_run, "goes with --dry-run: it says where the files are written instead"),
    *(
        Needs(
            option, lambda args: not args.dry_run, "has no effect with --dry-run, which asks nobody", is_harmless=True
        )
        for option in ("--private", "--revision", "--message", "--overwrite")
    ),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("source", type=str, help="Run folder, model folder, or name of bundled weights.")
    parser.add_argument("repository", type=str, help="user/name on the Hub; made if it is not there.")
    parser.add_argument(
        "--license",
        type=str,
        default=None,
        help="Under which terms others may use the weights, e.g. apache-2.0; needed where config.json does not say it.",
    )
    parser.add_argument("--private", action="store_true", help="Make a new repository that only its owner sees.")
    parser.add_argument("--revision", type=str, default=None, help="Branch to write to; main by default.")
    parser.add_argument("--message", type=str, default=None, help="Of the commit.")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="Replace a model that is there; the history of the Hub keeps the old one.",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="Show the model card and the files, and ask nobody for anything."
    )
    parser.add_argument("--out", type=str, default=None, help="With --dry-run: folder to write the files to.")


def run(args: Namespace) -> None:
    """Upload, or show what would be."""
    from subband.hub import push_to_hub

    if args.dry_run:
        _show(args)
        return
    name = push_to_hub(
        args.source,
        args.repository,
        license=args.license,
        private=args.private,
        revision=args.revision,
        message=args.message,
        overwrite=args.overwrite,
    )
    print(name)


def _show(args: Namespace) -> None:
    from subband.hub import write_repository

    with tempfile.TemporaryDirectory(prefix="subband-") as temporary:
        place = args.out or Path(temporary) / "model"
        folder = write_repository(args.source, args.repository, place, license=args.license)
        print((folder / "README.md").read_text("utf-8"))
        for path in sorted(folder.iterdir()):
            print(f"{path.name}: {path.stat().st_size:,} bytes")
    print(f"written to {shown(args.out)}; nothing was uploaded." if args.out else "nothing was uploaded.")
