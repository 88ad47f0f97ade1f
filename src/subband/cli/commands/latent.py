"""Show which wavelet coefficients of a photograph are large, as heat maps of every level and orientation and of all.

The coefficients are those that a Wavelet-VAE codes, or those of the plain wavelet pyramid. Of a network that bounds a
likelihood there are also maps of what they cost in bits. `figure.png` has all maps, in colors that can be compared; the
single ones beside it have the size of their level.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.cli.generation import add_coder_arguments, as_one, open_coder
from subband.cli.option_rules import Needs
from subband.cli.options import open_table, refuse_existing, show_table
from subband.cli.photographs import beside
from subband.files import shown

if TYPE_CHECKING:
    import numpy as np
    from jsonargparse import ArgumentParser, Namespace
    from torch import Tensor

    from subband.models.generation.pyramid import Pyramid
    from subband.predictors.generation import ImageAutoencoder, PyramidCoder

EXAMPLES = """examples:
  subband latent photo.jpg
  subband latent photo.jpg --wavelet db2 --levels 5 --out maps/
  subband latent photo.jpg --model runs/photos
"""

OPTION_RULES = tuple(
    Needs(option, lambda args: args.model is None, "is for the plain pyramid; a network has its own")
    for option in ("--wavelet", "--levels")
)


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("photo", type=str, help="Photograph.")
    add_coder_arguments(parser)
    parser.add_argument(
        "--out", type=str, default=None, help="Folder for the maps; by default photo_latent beside the photograph."
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace existing maps.")


def run(args: Namespace) -> None:
    """Encode, draw, print a table."""
    from subband.media.images import on_white, read_image
    from subband.models.generation.pyramid import Pyramid
    from subband.visual.coefficient_maps import SIZE_STEP, coefficient_map, colored, combined_map, map_figure

    source = Path(args.photo)
    folder = refuse_existing(args.out or beside(source.with_suffix(""), "latent"), args.overwrite)
    coder = open_coder(args)
    pixels = on_white(read_image(source))
    pyramid = Pyramid.of([as_one(band) for band in coder.encode(pixels).bands])
    if not pyramid.details:
        raise ValueError(f"{shown(args.model)} codes no details, so there is nothing to map.")
    bits = _bits(coder, pixels)
    maps = [coefficient_map(detail[0].cpu()) for detail in pyramid.details]
    largest = max(SIZE_STEP, *(item.max().item() for item in maps))
    folder.mkdir(exist_ok=True)
    for name, item in _named(maps, coder):
        _write(folder / f"{name}.png", colored(item, largest))
    combined = combined_map(pyramid)
    _write(folder / "combined.png", colored(combined, max(combined.max().item(), SIZE_STEP)))
    _write(folder / "figure.png", map_figure(pyramid))
    if bits:
        _write_bits(folder, pyramid, bits, coder)
    _show(source.name, maps, bits, coder)
    print(f"wrote {shown(folder / 'figure.png')} and the single maps")


def _levels(coder: Any) -> int:
    """Levels of the transform; the coarsest details are of the last one."""
    levels: int = (coder.transform if hasattr(coder, "transform") else coder.model).levels
    return levels


def _named(maps: list[Tensor], coder: Any) -> list[tuple[str, Tensor]]:
    from subband.models.generation.editing import ORIENTATIONS

    return [
        (f"level_{_levels(coder) - place}_{name}", item[index])
        for place, item in enumerate(maps)
        for index, name in enumerate(ORIENTATIONS)
    ]


def _bits(coder: ImageAutoencoder | PyramidCoder, pixels: Tensor) -> list[Tensor]:
    """Bits of every detail, if the network knows them."""
    from subband.models.generation.inspection import detail_bits
    from subband.predictors.generation import ImageAutoencoder

    if not isinstance(coder, ImageAutoencoder) or coder.model.mode != "elbo":
        return []
    return [as_one(item.cpu()) for item in detail_bits(coder.model, coder.padded(pixels))]


def _write_bits(folder: Path, pyramid: Pyramid, bits: list[Tensor], coder: Any) -> None:
    from subband.visual.coefficient_maps import BIT_STEP, bit_figure, bit_map, colored

    maps = [bit_map(item[0]) for item in bits]
    largest = max(BIT_STEP, *(item.max().item() for item in maps))
    for name, item in _named(maps, coder):
        _write(folder / f"bits_{name}.png", colored(item, largest, BIT_STEP))
    _write(folder / "bits_figure.png", bit_figure(pyramid, bits))


def _write(path: Path, picture: np.ndarray) -> None:
    import torch

    from subband.media.images import write_image

    write_image(path, torch.from_numpy(picture).movedim(-1, 0) / 255, overwrite=True)


def _show(name: str, maps: list[Tensor], bits: list[Tensor], coder: Any) -> None:
    from subband.visual.coefficient_maps import SIZE_STEP

    headings = ["level", "size", "rms", "largest", "% below a byte", *(["bits"] if bits else [])]
    table = open_table(headings, title=f"{shown(name)}: details, as of images in [-1, 1]", right=headings)
    for place, item in enumerate(maps):
        values = f"{item.square().mean().sqrt().item():.4f}", f"{item.max().item():.3f}"
        small = f"{100 * (item < SIZE_STEP).float().mean().item():.1f}"
        cost = [f"{bits[place].sum().item():,.0f}"] if bits else []
        size = f"{item.shape[2]} x {item.shape[1]}"
        table.add_row(str(_levels(coder) - place), size, *values, small, *cost)
    show_table(table)
