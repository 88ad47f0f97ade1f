"""Draw images that never were there: a grid of them in one picture, and every one as a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from subband.cli.generation import add_network_arguments, check_prior, open_network
from subband.cli.options import refuse_existing
from subband.files import shown
from subband.models.model_folder import bundled_models

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

BUNDLED = "wavelet_vae_cells"
_AT_ONCE = 16  # few, so that the bar moves

EXAMPLES = """examples:
  subband generate
  subband generate --model runs/digits --num 100 --seed 1 --temperature 0.8 --out digits/
  subband generate --model runs/diffusion --steps 10 --sampler ddpm
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    add_network_arguments(parser, default=BUNDLED)
    parser.add_argument("--num", type=int, default=64, help="Number of images.")
    parser.add_argument("--out", type=str, default="generated", help="Folder for grid.png and the single images.")
    parser.add_argument("--seed", type=int, default=0, help="Chooses the images.")
    parser.add_argument(
        "--temperature", type=float, default=1.0, help="Of an autoencoder: below 1 more usual images, above 1 odder."
    )
    parser.add_argument(
        "--steps", type=int, default=None, help="Of a diffusion: evaluations of its network; 50 by default."
    )
    parser.add_argument(
        "--sampler", type=str, default=None, help="Of a diffusion: ddim (the default), or ddpm with noise on the way."
    )
    parser.add_argument("--columns", type=int, default=None, help="Images of a row of the grid; by default a square.")
    parser.add_argument("--overwrite", action="store_true", help="Replace images that are in the folder.")


def run(args: Namespace) -> None:
    """Draw, write."""
    import torch
    from rich.console import Console
    from rich.progress import Progress

    from subband.media.images import write_image
    from subband.tasks.generation.drawing import draw
    from subband.visual.grids import image_grid

    for option in ("num", "columns"):
        if args[option] is not None and args[option] < 1:
            raise ValueError(f"--{option} must be at least 1, got {args[option]}.")
    folder = refuse_existing(args.out, args.overwrite)
    if folder.is_file():
        raise ValueError(f"--out {shown(folder)} is a file; the images go into a folder.")
    if args.model == BUNDLED and BUNDLED not in bundled_models() and not Path(BUNDLED).exists():
        raise FileNotFoundError(
            f"the network {BUNDLED} is not part of this installation; train one with `subband train "
            "generation/wavelet_vae_digits --out runs/digits` and name it with --model runs/digits."
        )
    model = open_network(args.model, args.device).model
    check_prior(model, args.model)
    began = time.perf_counter()
    options = {name: args[name] for name in ("temperature", "steps", "sampler", "seed")}
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("images", total=args.num)
        images = draw(
            model, args.num, **options, batch_size=_AT_ONCE, progress=lambda count: bar.update(task, advance=count)
        )
    seconds = time.perf_counter() - began
    folder.mkdir(exist_ok=True)
    digits = max(len(str(args.num)), 3)
    for number, image in enumerate(images, 1):
        write_image(folder / f"image_{number:0{digits}}.png", image, overwrite=True)
    grid = torch.from_numpy(image_grid((255 * images).round().byte().numpy(), args.columns))
    write_image(folder / "grid.png", grid.permute(2, 0, 1) / 255, overwrite=True)
    size = f"{images.shape[3]} x {images.shape[2]}"
    print(f"{args.num} images of {size} pixels in {seconds:.1f} s; wrote {shown(folder / 'grid.png')} and each alone")
