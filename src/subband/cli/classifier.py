"""What the commands that look through a classifier have in common: which network, which weights, which names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.cli.options import add_set_argument, open_model, parse_overrides
from subband.models.model_folder import CONFIG_FILE, WEIGHTS_FILE, bundled_models
from subband.models.registry import list_models, model_spec

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from torch import nn

    from subband.predictors.classification import ImageClassifier


def add_classifier_arguments(parser: ArgumentParser) -> None:
    """Add the options that `open_classifier` reads: `--model`, `--checkpoint`, `--set`, `--classes` and `--device`."""
    parser.add_argument(
        "--model",
        type=str,
        default=None,
        help="Run folder, model folder, or name of bundled weights; with --checkpoint the name of a model.",
    )
    parser.add_argument(
        "--checkpoint", type=str, default=None, help="File with the published weights of the named model."
    )
    add_set_argument(parser)
    parser.add_argument(
        "--classes",
        type=str,
        default=None,
        help="Text file with one class name per line; by default the names stored with the weights, or ImageNet's.",
    )
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or mps.")


def open_classifier(args: Namespace) -> ImageClassifier:
    """The classifier that a command line names, in evaluation mode on its device.

    Args:
        args: Values of the options of `add_classifier_arguments`.

    Raises:
        FileNotFoundError: If a file or the model is not there.
        ValueError: If the options do not go together, the model is no classifier, the checkpoint does not fit it, or
            `--classes` has another number of names.
    """
    from subband.device import pick_device
    from subband.predictors.classification import ImageClassifier

    device = pick_device(args.device)
    names = None if args.classes is None else _read_classes(args.classes)
    model = _open_model(args)
    if names is not None and len(names) != model.num_classes:
        raise ValueError(
            f"{args.classes} has {len(names)} names, but the network tells {model.num_classes} classes apart; "
            "one name per line is needed."
        )
    return ImageClassifier(model, classes=names, device=device)


def _open_model(args: Namespace) -> nn.Module:
    from subband.convert import load_published
    from subband.models.checkpoint import load_model

    if args.model is None:
        raise ValueError(
            "--model is needed: a run folder, a model folder or the name of bundled weights, or the name of a model "
            "together with --checkpoint (see `subband models`)."
        )
    is_name = args.model in list_models()
    if not is_name and args.checkpoint is None:
        model: Any = open_model(args.model, args.set) if args.set else load_model(args.model)
        _check_task(args.model, model.model_config["name"])
        return model
    if not is_name and (Path(args.model).exists() or args.model in bundled_models()):
        raise ValueError(f"--checkpoint goes with a model name such as wsfvit_t, but {args.model} holds weights.")
    _check_task(args.model, args.model)
    if args.checkpoint is None:
        raise ValueError(
            f"{args.model} alone has fresh weights, which know nothing; add --checkpoint FILE with its published "
            "weights, or name a run folder, a model folder or bundled weights instead."
        )
    checkpoint = Path(args.checkpoint)
    if checkpoint.is_dir() or (checkpoint.name == WEIGHTS_FILE and (checkpoint.parent / CONFIG_FILE).is_file()):
        raise ValueError(f"--checkpoint {checkpoint} is no published file; name a folder of ours by --model alone.")
    return load_published(args.model, checkpoint, **parse_overrides(args.set))


def _check_task(source: str, name: str) -> None:
    task = model_spec(name).task
    if task != "classification":
        raise ValueError(f"{source} is for {task.replace('_', ' ')}, not a classifier (see `subband models`).")


def _read_classes(file: str) -> list[str]:
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"--classes {path} is not a file.")
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"--classes {path} is not a text file in UTF-8.") from None
    return [line.strip() for line in lines if line.strip()]
