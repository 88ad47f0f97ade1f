"""Trained weights on a command line: a run, a model folder, bundled weights, or a published file of a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.catalogue.entries import choose_weights, list_weights
from subband.cli.options import add_set_argument, open_model, parse_overrides
from subband.hub_client import is_hub_name
from subband.models.model_folder import CONFIG_FILE, WEIGHTS_FILE, bundled_models
from subband.models.registry import list_models, model_spec

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from torch import nn

PUBLISHED = "published"
"""In place of a file: the one that the table of published weights names; a file of that name is `./published`."""


def add_weights_arguments(parser: ArgumentParser, or_file: str = "", default: str = "") -> None:
    """Add the options that `open_weights` reads, `--model`, `--checkpoint` and `--set`, and `--device`.

    Args:
        parser: Gets the options.
        or_file: What files `--model` takes besides, with its article.
        default: What the command takes where `--model` is not given.
    """
    parser.add_argument(
        "--model",
        type=str,
        default=None,
        help="Run folder, model folder, name of bundled weights, or hf:user/name[@REVISION] of the Hugging Face Hub; "
        "with --checkpoint the name of a model"
        + (f"; or {or_file}" if or_file else "")
        + (f"; by default {default}." if default else "."),
    )
    parser.add_argument(
        "--checkpoint",
        type=str,
        default=None,
        help="File with published weights of the named model, or the word published: the one that `subband weights` "
        "lists, downloaded if it is not here.",
    )
    add_set_argument(parser)
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or mps.")


def open_weights(
    args: Namespace,
    *,
    task: str | tuple[str, ...],
    kind: str,
    example: str,
    foreign: Callable[[Path], Any] | None = None,
) -> Any:
    """The network that a command line names, with trained weights.

    Args:
        args: Values of the options of `add_weights_arguments`.
        task: What the network must be for, one of several.
        kind: Such a network in words, with its article.
        example: Name of a model with published weights.
        foreign: Opens a file of weights that alone tells its network, of another project; None where none does.

    Raises:
        FileNotFoundError: If a file or the model is not there.
        OSError: If published weights do not come.
        ValueError: If the options do not go together, the network is for another task, or the checkpoint does not fit.
    """
    from subband.convert import load_published
    from subband.models.checkpoint import load_model

    def check_task(name: str) -> None:
        own = model_spec(name).task
        if own not in ((task,) if isinstance(task, str) else task):
            raise ValueError(f"{args.model} is for {own.replace('_', ' ')}, not {kind} (see `subband models`).")

    if args.model is None:
        raise ValueError(
            "--model is needed: a run folder, a model folder, the name of bundled weights or hf:user/name, or the name "
            "of a model together with --checkpoint (see `subband models`)."
        )
    if args.checkpoint == PUBLISHED:
        overrides = parse_overrides(args.set)
        check_task(choose_weights(args.model, overrides).model)
        return load_published(args.model, download=True, **overrides)
    is_name = args.model in list_models()
    if foreign is not None and not is_name and args.checkpoint is None and _is_lone_file(Path(args.model)):
        if args.set:
            raise ValueError(f"--set goes with the name of a model or a model folder; {args.model} is a file.")
        return foreign(Path(args.model))
    if not is_name and args.checkpoint is None:
        model: Any = open_model(args.model, args.set) if args.set else load_model(args.model)
        check_task(model.model_config["name"])
        return model
    if not is_name and (Path(args.model).exists() or args.model in bundled_models() or is_hub_name(args.model)):
        raise ValueError(f"--checkpoint goes with a model name such as {example}, but {args.model} holds weights.")
    check_task(args.model)
    if args.checkpoint is None:
        return _without_file(args)
    checkpoint = Path(args.checkpoint)
    if checkpoint.is_dir() or (checkpoint.name == WEIGHTS_FILE and (checkpoint.parent / CONFIG_FILE).is_file()):
        raise ValueError(f"--checkpoint {checkpoint} is no published file; name a folder of ours by --model alone.")
    return load_published(args.model, checkpoint, **parse_overrides(args.set))


def _is_lone_file(path: Path) -> bool:
    """Whether there is a file that is no part of a model folder."""
    return path.is_file() and not (path.name in (CONFIG_FILE, WEIGHTS_FILE) and (path.parent / CONFIG_FILE).is_file())


def _without_file(args: Namespace) -> nn.Module:
    """A model that only has a name: one without weights of its own, or an error."""
    model = open_model(args.model, args.set)
    if not any(True for _ in model.parameters()):
        return model
    has_published = any(args.model in row.models and not row.loader for row in list_weights())
    fetched = f", or --checkpoint {PUBLISHED}, which fetches them" if has_published else ""
    raise ValueError(
        f"{args.model} alone has fresh weights, which know nothing; add --checkpoint FILE with its published "
        f"weights{fetched}, or name a run folder, a model folder or bundled weights instead."
    )
