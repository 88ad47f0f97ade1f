"""Fit a prior to a Wavelet-VAE that was trained in mode `paper`, which says nothing of what images are likely.

The network of the run stays as it is, weight by weight; the prior is stored with it, so that `subband generate` can
draw from the run. It is fitted to the training images of the run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.cli.generation import check_wavelet_vae, open_network
from subband.config import build_recipe, read_recipe, stage_recipes
from subband.files import folder_lock, shown
from subband.tasks import task_class
from subband.training.paths import find_paths
from subband.training.run_files import CONFIG_FILE, MODEL_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonargparse import ArgumentParser, Namespace
    from torch import Tensor

    from subband.data.loader import SampleLoader

KINDS = ("conditional", "factorised", "mixture")

EXAMPLES = """examples:
  subband fit-prior runs/paper
  subband fit-prior runs/paper --kind conditional --epochs 5 --lr 5e-4
  subband fit-prior runs/paper --kind mixture --overwrite
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("run", type=str, help="Run folder of a Wavelet-VAE of mode paper.")
    parser.add_argument(
        "--kind",
        type=str,
        default="conditional",
        help="conditional trains networks that tell details from what is coarser; factorised takes details as "
        "independent; mixture likewise, with ten kinds of approximations.",
    )
    parser.add_argument("--epochs", type=int, default=1, help="How often conditional goes through the images.")
    parser.add_argument("--lr", type=float, default=1e-3, help="Learning rate of conditional.")
    parser.add_argument("--seed", type=int, default=0, help="Chooses the noise, and the first means of mixture.")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or mps.")
    parser.add_argument("--overwrite", action="store_true", help="Replace a prior that was fitted before.")


def run(args: Namespace) -> None:
    """Fit, store."""
    import torch

    from subband.models.checkpoint import save_model

    folder = Path(args.run)
    _check(args, folder)
    coder = open_network(args.run, args.device)
    check_wavelet_vae(coder, args.run)
    model = coder.model
    if model.mode != "paper":
        raise ValueError(f"{shown(folder)} was trained in mode {model.mode!r}, which learns its prior.")
    if model.prior is not None and not args.overwrite:
        raise ValueError(f"{shown(folder)} has a prior already; add --overwrite to fit another.")
    settings = find_paths(read_recipe(folder / CONFIG_FILE), folder)
    recipe = list(stage_recipes(build_recipe(settings, str(folder / CONFIG_FILE))).values())[-1]
    with folder_lock(folder):
        data = task_class(recipe.task).build_data(recipe)
        batches = _Batches(data.train, recipe.data.batch_size, recipe.data.num_workers, args.seed)
        options = {"epochs": args.epochs, "lr": args.lr}
        model.fit_expost_prior(batches, args.kind, generator=torch.Generator().manual_seed(args.seed), **options)
        facts: dict[str, Any] = {"kind": args.kind, "seed": args.seed}
        facts |= options if args.kind == "conditional" else {}
        save_model(model, folder / MODEL_FOLDER, metadata={**model.metadata, "prior": facts}, overwrite=True)
    print(f"fitted a {args.kind} prior to {len(data.train)} images; to draw: subband generate --model {shown(folder)}")


class _Batches:
    """Training images in the range of the network, in another order in every epoch."""

    def __init__(self, images: Any, batch_size: int, num_workers: int, seed: int) -> None:
        import torch

        from subband.data.loader import SampleLoader

        options: dict[str, Any] = {"shuffle": True, "drop_last": False, "collate": torch.stack}
        size = min(batch_size, len(images))
        self._loader: SampleLoader = SampleLoader(images, size, seed=seed, num_workers=num_workers, **options)

    def __iter__(self) -> Iterator[Tensor]:
        return (2 * images - 1 for images in self._loader)


def _check(args: Namespace, folder: Path) -> None:
    if args.kind not in KINDS:
        raise ValueError(f"--kind must be one of {', '.join(KINDS)}, got {args.kind!r}.")
    if args.epochs < 1 or not args.lr > 0:
        raise ValueError(f"--epochs and --lr must be positive, got {args.epochs} and {args.lr}.")
    if not (folder / CONFIG_FILE).is_file():
        raise FileNotFoundError(
            f"{shown(folder)} is no run folder: it holds no {CONFIG_FILE}, which names the training images."
        )
