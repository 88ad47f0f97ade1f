"""What the commands that look through a classifier have in common: which network, which weights, which names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from subband.cli.weights import add_weights_arguments, open_weights

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from subband.predictors.classification import ImageClassifier


def add_classifier_arguments(parser: ArgumentParser) -> None:
    """Add the options that `open_classifier` reads: `--model`, `--checkpoint`, `--set`, `--classes` and `--device`."""
    add_weights_arguments(parser)
    parser.add_argument(
        "--classes",
        type=str,
        default=None,
        help="Text file with one class name per line; by default the names stored with the weights, or ImageNet's.",
    )


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

    pick_device(args.device)
    return as_classifier(args, open_weights(args, task="classification", kind="a classifier", example="wsfvit_t"))


def as_classifier(args: Namespace, model: Any) -> ImageClassifier:
    """A network with the names of `--classes`, in evaluation mode on its device.

    Args:
        args: Values of the options of `add_classifier_arguments`.
        model: A classifier.

    Raises:
        FileNotFoundError: If `--classes` is not a file.
        ValueError: If it has another number of names, or there is no such device.
    """
    from subband.device import pick_device
    from subband.predictors.classification import ImageClassifier

    device = pick_device(args.device)
    names = None if args.classes is None else _read_classes(args.classes)
    if names is not None and len(names) != model.num_classes:
        raise ValueError(
            f"{args.classes} has {len(names)} names, but the network tells {model.num_classes} classes apart; "
            "one name per line is needed."
        )
    return ImageClassifier(model, classes=names, device=device)


def _read_classes(file: str) -> list[str]:
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"--classes {path} is not a file.")
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"--classes {path} is not a text file in UTF-8.") from None
    return [line.strip() for line in lines if line.strip()]
