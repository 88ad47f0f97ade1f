"""Go from one photograph to another in three ways side by side: through pixels, coefficients, and their ranks.

The first row mixes pixels, the second the coefficients that a Wavelet-VAE codes, along straight lines; the third takes
every detail to the rank it has among details, so that they stay as sparse on the way as they are at its ends. Without a
network there are the first and the third: the wavelet transform is linear, so that mixing its coefficients is mixing
pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.cli.generation import add_coder_arguments, open_coder
from subband.cli.option_rules import Needs
from subband.cli.options import refuse_existing
from subband.files import shown

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from torch import Tensor

EXAMPLES = """examples:
  subband interpolate cat.png dog.png
  subband interpolate cat.png dog.png --model runs/photos --num 7 --out cat_to_dog/
"""

OPTION_RULES = tuple(
    Needs(option, lambda args: args.model is None, "is for the plain pyramid; a network has its own")
    for option in ("--wavelet", "--levels")
)


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("first", type=str, help="Photograph to begin with.")
    parser.add_argument("second", type=str, help="Photograph of the same size to end with.")
    add_coder_arguments(parser)
    parser.add_argument("--num", type=int, default=9, help="Images of a row, both ends included.")
    parser.add_argument(
        "--out", type=str, default="interpolated", help="Folder for grid.png and the single images of every way."
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace existing images.")


def run(args: Namespace) -> None:
    """Walk, write."""
    import torch

    from subband.media.images import on_white, read_image, write_image
    from subband.visual.grids import image_grid

    if args.num < 2:
        raise ValueError(f"--num must be at least 2, got {args.num}.")
    folder = refuse_existing(args.out, args.overwrite)
    if folder.is_file():
        raise ValueError(f"--out {shown(folder)} is a file; the images go into a folder.")
    coder = open_coder(args)
    ends = [on_white(read_image(path)) for path in (args.first, args.second)]
    sizes = [f"{end.shape[2]} x {end.shape[1]}" for end in ends]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"{shown(args.first)} is {sizes[0]} pixels and {shown(args.second)} {sizes[1]}; make them the same size."
        )
    channels = max(map(len, ends))
    first, second = (end.expand(channels, -1, -1) for end in ends)
    rows = {"pixel": list(torch.lerp(first, second, torch.linspace(0, 1, args.num).view(-1, 1, 1, 1)))}
    rows |= _walks(coder, first, second, args.num)
    folder.mkdir(exist_ok=True)
    digits = max(len(str(args.num)), 2)
    for way, row in rows.items():
        for number, image in enumerate(row, 1):
            write_image(folder / f"{way}_{number:0{digits}}.png", image, overwrite=True)
    images = torch.stack([image for row in rows.values() for image in row])
    grid = image_grid((255 * images).round().byte().numpy(), args.num)
    write_image(folder / "grid.png", torch.from_numpy(grid).movedim(-1, 0) / 255, overwrite=True)
    print(f"rows of the grid: {', '.join(rows)}; wrote {shown(Path(folder) / 'grid.png')} and each image alone")


def _walks(coder: Any, first: Tensor, second: Tensor, num: int) -> dict[str, list[Tensor]]:
    """Images on the way through coefficients, by name of the way."""
    from subband.models.generation.editing import latent_walk
    from subband.models.generation.pyramid import Pyramid

    model: Any = getattr(coder, "model", None)
    ways = {"sparse": "gaussianised"} if model is None else {"latent": "linear", "sparse": "gaussianised"}
    prior = None if model is None else model.prior
    options = {} if prior is None else {"transform": model.transform, "prior": prior}
    ends = [coder.encode(end) for end in (first, second)]
    rows: dict[str, list[Tensor]] = {}
    for way, how in ways.items():
        walks: list[Pyramid] = []
        for place in range(len(ends[0].approx)):  # one image, or one for every color
            one, other = (end.map(lambda band, place=place: band[place : place + 1]) for end in ends)
            walks.append(latent_walk(one, other, num, how, **options))  # type: ignore[arg-type]
        rows[way] = []
        for step in range(num):
            parts = [walk.map(lambda band, step=step: band[step : step + 1]) for walk in walks]
            pyramid = Pyramid.of([_joined(bands) for bands in zip(*(part.bands for part in parts), strict=True)])
            rows[way].append(coder.decode(pyramid, like=first))
    return rows


def _joined(bands: tuple[Tensor, ...]) -> Tensor:
    import torch

    return torch.cat(bands)
