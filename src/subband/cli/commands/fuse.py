"""Fuse images of one scene: several foci into one sharp image, or several exposures into one well exposed one.

The images must be aligned and of one size. By default they count as exposures if their mean brightness differs, and
as foci if it does not.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from subband.cli.option_rules import Needs
from subband.cli.options import open_table, refuse_existing, show_table
from subband.cli.photographs import add_output_arguments, beside, check_options, size_of
from subband.imaging import fuse
from subband.media.images import LoadedImage, check_image_path, list_images, read_image, write_image

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

EXAMPLES = """examples:
  subband fuse near.png far.png --out sharp.png
  subband fuse dark.jpg medium.jpg bright.jpg --rule exposure
  subband fuse bracket/ --out fused.png
"""

OPTION_RULES = (Needs("--window", lambda args: args.rule != "exposure", "goes with --rule largest, not with exposure"),)

WINDOW = 3
_SAME_BRIGHTNESS = 0.03  # blur leaves the mean alone; a third of a stop changes it by more


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("photos", type=str, nargs="+", help="Two or more photographs, or one folder of them.")
    add_output_arguments(parser, "Fused photograph; by default FIRST_fused.png beside the first one (or the folder).")
    parser.add_argument(
        "--rule", type=str, default=None, help="largest for foci, exposure for exposures; by the brightness by default."
    )
    parser.add_argument("--wavelet", type=str, default="sym4", help="PyWavelets name.")
    parser.add_argument("--mode", type=str, default="symmetric", help="How the image goes on beyond its border.")
    parser.add_argument("--level", type=int, default=None, help="Levels of the transform; by the size by default.")
    parser.add_argument(
        "--window", type=int, default=WINDOW, help="Odd side of the window that the rule largest compares."
    )


def run(args: Namespace) -> None:
    """Fuse, write, print a table."""
    options = {name: args[name] for name in ("wavelet", "mode", "level", "window")}
    check_options(lambda: fuse([torch.zeros(1, 32, 32)] * 2, rule=args.rule or "largest", **options))
    files = _files(args.photos)
    target = Path(args.out) if args.out else _default_target(Path(args.photos[0]))
    if any(target.resolve() == file.resolve() for file in files):
        raise ValueError(f"--out {target} is one of the photographs; choose another name.")
    check_image_path(target)
    refuse_existing(target, args.overwrite)
    images = [read_image(file) for file in files]
    _check_alike(images)
    means = [image.pixels.mean().item() for image in images]
    rule: Any = args.rule or ("exposure" if max(means) - min(means) > _SAME_BRIGHTNESS else "largest")
    if rule != "largest" and args.window != WINDOW:
        warnings.warn("--window has no effect: by their brightness the images are exposures.", stacklevel=2)
    num_channels = max(len(image.pixels) for image in images)
    pixels = fuse([image.pixels.expand(num_channels, -1, -1) for image in images], rule=rule, **options)
    depth = max(image.info.bit_depth for image in images)
    write_image(target, pixels, bit_depth=depth, icc_profile=images[0].info.icc_profile, overwrite=args.overwrite)
    headings = ["photograph", "size", "mean brightness"]
    table = open_table(headings, right=headings[2:])
    for file, image, mean in zip(files, images, means, strict=True):
        table.add_row(file.name, size_of(image), f"{mean:.3f}")
    table.add_section()
    table.add_row("fused", f"rule {rule}", f"{pixels.clamp(0, 1).mean().item():.3f}")
    show_table(table)
    print(f"wrote {target}")


def _default_target(first: Path) -> Path:
    return beside(first, "fused.png") if first.is_dir() else first.with_name(f"{first.stem}_fused.png")


def _files(photos: list[str]) -> list[Path]:
    paths = [Path(photo) for photo in photos]
    files = list_images(paths[0]) if len(paths) == 1 and paths[0].is_dir() else paths
    if len(files) < 2:
        raise ValueError(f"fuse needs at least two photographs, or a folder of them, got {files[0]} only.")
    return files


def _check_alike(images: list[LoadedImage]) -> None:
    first = images[0]
    for image in images[1:]:
        sizes = [f"{each.pixels.shape[2]} x {each.pixels.shape[1]}" for each in (first, image)]
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"{image.info.path} is {sizes[1]} pixels but {first.info.path} is {sizes[0]}; fuse needs images of "
                "one size."
            )
    if any(image.alpha is not None for image in images):
        warnings.warn("the transparency of the photographs is left out; the fused one is opaque.", stacklevel=2)
