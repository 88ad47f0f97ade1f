"""Turn a published checkpoint into a model folder, or a model folder into a checkpoint of the published layout."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.cli.option_rules import Needs
from subband.cli.options import add_set_argument, parse_overrides, refuse_existing
from subband.cli.weights import PUBLISHED
from subband.files import shown, write_atomically

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

EXAMPLES = """examples:
  subband convert checkpoints/mmnist_simvp_gsta.pth --model simvp_gsta --out models/gsta
  subband convert published --model gfnet_ti --out models/gfnet          (fetched if it is not here)
  subband convert best.ckpt --model wast --set in_shape=[4,2,32,32] --out models/wast
  subband convert runs/wast --to-published --out wast.pth
"""

OPTION_RULES = tuple(
    Needs(
        option, lambda args: not args.to_published, "does not go with --to-published: the folder says what its model is"
    )
    for option in ("--model", "--set")
)
PICKLED, SAFE = (".pth", ".pt"), ".safetensors"


def add_arguments(parser: ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "checkpoint",
        type=str,
        help="Published .pth, .pt, .ckpt or .safetensors file, or the word published for the one that `subband weights "
        "list` shows; with --to-published a model or run folder.",
    )
    parser.add_argument("--model", type=str, default=None, help="Name of the model the checkpoint belongs to.")
    parser.add_argument(
        "--out", type=str, required=True, help="Folder to make; with --to-published a .pth, .pt or .safetensors file."
    )
    parser.add_argument("--to-published", action="store_true", help="Write the layout of the published code instead.")
    parser.add_argument("--overwrite", action="store_true", help="Replace what is at --out.")
    add_set_argument(parser)


def run(args: Namespace) -> None:
    """Convert in the direction asked for."""
    if args.to_published:
        _to_published(args)
    else:
        _to_own(args)


def _to_own(args: Namespace) -> None:
    from subband.convert import load_published
    from subband.models.checkpoint import save_model
    from subband.models.complexity import count_parameters

    if args.model is None:
        raise ValueError("--model is needed: the name of the model the checkpoint belongs to (see `subband models`).")
    folder = refuse_existing(args.out, args.overwrite)
    if folder.is_file():
        raise ValueError(f"--out must be a folder, but {folder} is a file.")
    overrides = parse_overrides(args.set)
    if args.checkpoint == PUBLISHED:
        model = load_published(args.model, download=True, **overrides)
    else:
        model = load_published(args.model, args.checkpoint, **overrides)
    metadata: Any = model.metadata
    if args.checkpoint != PUBLISHED:
        metadata = {**metadata, "converted_from": Path(args.checkpoint).name}
    save_model(model, folder, metadata=metadata, overwrite=args.overwrite)
    print(
        f"{folder}: {args.model}, {count_parameters(model):,} parameters; every key of the checkpoint is accounted for."
    )


def _to_published(args: Namespace) -> None:
    import torch
    from safetensors.torch import save

    from subband.convert import export_published
    from subband.models.checkpoint import load_model

    path = Path(args.out)
    if path.suffix not in (*PICKLED, SAFE):
        raise ValueError(f"--out must end in {', '.join(PICKLED)} or {SAFE}, not {shown(path.name)}.")
    path = refuse_existing(path, args.overwrite)
    state = export_published(load_model(args.checkpoint))
    if path.suffix == SAFE:
        content = save({key: value.contiguous() for key, value in state.items()}, metadata={"format": "pt"})
    else:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getvalue()
    write_atomically(path, content)
    print(f"{path}: {len(state)} tensors in the published layout.")
