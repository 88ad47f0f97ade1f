"""Change the wavelet coefficients of a photograph where a mask is white: smooth, sharpen, remove or copy detail.

A band is a level, 1 being the finest, with or without an orientation: lh shows horizontal edges, hl vertical ones, hh
diagonal structure. Edits fade out at the border of the mask; where it is black the photograph stays as it is. With
--model the coefficients are those that a Wavelet-VAE codes, and what the edit changes in what it decodes is added to
the photograph.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.cli.generation import add_coder_arguments, open_coder
from subband.cli.option_rules import Needs
from subband.cli.photographs import add_output_arguments, plan
from subband.files import shown

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from torch import Tensor

    from subband.media.images import LoadedImage
    from subband.models.generation.editing import Band

EXAMPLES = """examples:
  subband edit photo.jpg --smooth-background background.png
  subband edit photo.jpg --mask face.png --gain level=1:0.5,level=2:0.7 --out softer.png
  subband edit photo.jpg --mask sky.png --threshold level=1:0.1,level=2:hh:0.05
  subband edit photo.jpg --mask wall.png --copy level=1,level=2 --copy-from texture.jpg
  subband edit photo.jpg --model runs/photos --gain level=1:1.5
"""

SMOOTH_GAINS = (0.0, 0.2, 0.6)  # of the levels from the finest; ours
_ITEM = re.compile(r"level=(?P<level>\d+)(:(?P<name>[a-z]+))?(:(?P<value>[-+.\deE]+))?")

OPTION_RULES = (
    *(
        Needs(option, lambda args: args.model is None, "is for the plain pyramid; a network has its own")
        for option in ("--wavelet", "--levels")
    ),
    Needs("--mask", lambda args: args.smooth_background is None, "is what --smooth-background has; leave it out"),
    Needs("--copy-from", lambda args: args.copy is not None, "goes with --copy"),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("photo", type=str, help="Photograph.")
    add_coder_arguments(parser, wavelet="sym4")  # smoother than Haar, whose blocks edits show
    parser.add_argument(
        "--smooth-background",
        type=str,
        default=None,
        metavar="MASK",
        help="Take most detail of the three finest levels away where this picture is white.",
    )
    parser.add_argument(
        "--mask", type=str, default=None, help="Picture that is white where the edit shall be; everywhere by default."
    )
    parser.add_argument(
        "--gain",
        type=str,
        default=None,
        metavar="BANDS",
        help="Factors of bands, such as level=1:0.5,level=2:hh:0; below 1 smooths, above sharpens, 0 removes.",
    )
    parser.add_argument(
        "--threshold",
        type=str,
        default=None,
        metavar="BANDS",
        help="Thresholds of bands, such as level=1:0.1, as of images in [-1, 1]; coefficients move towards 0 by them.",
    )
    parser.add_argument(
        "--copy", type=str, default=None, metavar="BANDS", help="Bands taken from --copy-from, such as level=1."
    )
    parser.add_argument("--copy-from", type=str, default=None, help="Photograph of the same size for --copy.")
    add_output_arguments(parser, "Result; by default photo_edited.png beside the photograph.")


def run(args: Namespace) -> None:
    """Edit, write."""
    from subband.media.images import check_image_path, read_image, write_image

    values, mode = _operation(args)
    if Path(args.photo).is_dir():
        raise ValueError(f"{shown(args.photo)} is a folder; a mask is of one photograph.")
    job = plan(args.photo, args.out, "edited", overwrite=args.overwrite)[0]
    coder = open_coder(args)
    image = read_image(job.source)
    depth, alpha = image.info.bit_depth, image.alpha
    check_image_path(job.target, bit_depth=depth, with_alpha=alpha is not None)
    mask = _mask(args.smooth_background or args.mask, image)
    other = None if args.copy_from is None else _other(coder, args.copy_from, image)
    change = partial(_changed, mask=mask, values=values, mode=mode, other=other)
    pixels = coder.edited(image.pixels, change)
    profile = image.info.icc_profile
    write_image(job.target, pixels, alpha=alpha, bit_depth=depth, icc_profile=profile, overwrite=args.overwrite)
    print(f"changed pixels by {(pixels - image.pixels).abs().mean().item():.4f} on average, white being 1")
    print(f"wrote {shown(job.target)}")


def _operation(args: Namespace) -> tuple[dict[Band, float], Any]:
    """What is done to which bands, and the mode of `subband.models.generation.editing.edit`."""
    names = ("smooth_background", "gain", "threshold", "copy")
    given = [name for name in names if args[name] is not None]
    if len(given) != 1:
        known = ", ".join(f"--{name.replace('_', '-')}" for name in names)
        raise ValueError(f"one of {known} is needed, and no more than one.")
    if args.copy is not None and args.copy_from is None:
        raise ValueError("--copy needs --copy-from: a photograph of the same size.")
    if given[0] == "smooth_background":
        return {(level, None): gain for level, gain in enumerate(SMOOTH_GAINS, 1)}, "scale"
    modes = {"gain": "scale", "threshold": "threshold", "copy": "copy"}
    return _bands(args[given[0]], f"--{given[0]}", with_values=given[0] != "copy"), modes[given[0]]


def _bands(text: str, option: str, *, with_values: bool) -> dict[Band, float]:
    found: dict[Band, float] = {}
    for item in text.split(","):
        match = _ITEM.fullmatch(item.strip())
        example = "level=1:0.5 or level=1:hh:0.5" if with_values else "level=1 or level=1:hh"
        if match is None or (match["value"] is not None) != with_values:
            raise ValueError(f"{option} takes items such as {example}, separated by commas, got {item.strip()!r}.")
        try:
            value = float(match["value"]) if with_values else 1.0
        except ValueError:
            raise ValueError(f"{option}: {match['value']!r} is not a number.") from None
        found[int(match["level"]), match["name"]] = value
    return found


def _mask(path: str | None, image: LoadedImage) -> Tensor:
    """A mask `(H, W)` in [0, 1] of the size of a photograph."""
    import torch

    from subband.media.images import on_white, read_image

    size = image.pixels.shape[1:]
    if path is None:
        return torch.ones(size)
    mask = on_white(read_image(path)).mean(0)
    if mask.shape != size:
        raise ValueError(
            f"the mask {shown(path)} is {mask.shape[1]} x {mask.shape[0]} pixels, the photograph {size[1]} x {size[0]}."
        )
    return mask


def _other(coder: Any, path: str, image: LoadedImage) -> Any:
    """The coefficients of another photograph, as if it had the channels of the one that is edited."""
    from subband.media.images import on_white, read_image

    size, own = image.pixels.shape, on_white(read_image(path))
    if own.shape[1:] != size[1:]:
        raise ValueError(
            f"--copy-from {shown(path)} is {own.shape[2]} x {own.shape[1]} pixels, not {size[2]} x {size[1]}."
        )
    pyramid = coder.encode(own.mean(0, keepdim=True) if len(own) > size[0] else own.expand(size[0], -1, -1))
    return coder.model.complete(pyramid) if hasattr(coder, "model") else pyramid


def _changed(pyramid: Any, *, mask: Tensor, values: dict[Band, float], mode: Any, other: Any) -> Any:
    """`edit`, with a mask of the photograph before its sides were continued."""
    from subband.models.generation.editing import edit
    from subband.transforms import pad_to_multiple

    padded = pad_to_multiple(mask, 2**pyramid.levels)[0].clamp(0, 1)
    return edit(pyramid, padded.to(pyramid.approx), values, mode, other)
