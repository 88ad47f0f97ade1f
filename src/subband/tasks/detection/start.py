"""Start of a detector from trained weights: of another detector, of other classes too, or of a classifier."""

from __future__ import annotations

import warnings
from typing import Any

from torch import nn

from subband.models.checkpoint import load_model
from subband.models.detection.detector import Detector
from subband.models.protocols.classifier import Classifier

__all__ = ["start_detector"]

_OF_CLASSES = ("classify", "regress")  # layers of heads, an output or several for every class


def start_detector(model: Detector, source: str) -> None:
    """Give a detector the weights of a stored network.

    Of another detector, what is for other classes, or for masks that it does not know, starts fresh; a warning says so.
    Of a classifier it takes the backbone.

    Args:
        model: Detector of the recipe.
        source: Whatever `subband.load_model` takes.

    Raises:
        ValueError: If the weights do not fit.
    """
    start: Any = load_model(source)
    if isinstance(start, Classifier):
        _take_backbone(model, start, source)
        return
    if not isinstance(start, Detector):
        raise ValueError(
            f"model.weights {source} are of a {type(start).__name__}, neither a detector nor a classifier."
        )
    given, own = start.state_dict(), model.state_dict()
    unlike = [name for name, value in own.items() if name not in given or given[name].shape != value.shape]
    of_classes = [name for name in unlike if _is_of_classes(name) or name.startswith("heads.mask_heads.")]
    if unlike != of_classes:
        first = next(name for name in unlike if name not in of_classes)
        raise ValueError(
            f"model.weights {source} do not fit the recipe's model: {len(unlike)} entries differ, first {first}."
        )
    if unlike:
        layers = sorted({name.rsplit(".", 1)[0] for name in unlike})
        warnings.warn(
            f"model.weights {source} tell {start.num_classes} classes apart, the data has {model.num_classes}; these "
            f"layers start fresh: {', '.join(layers)}.",
            stacklevel=2,
        )
    model.load_state_dict({name: value if name in unlike else given[name] for name, value in own.items()})


def _is_of_classes(name: str) -> bool:
    return name.startswith("heads.") and name.split(".")[-2] in _OF_CLASSES


def _take_backbone(model: Detector, start: Classifier, source: str) -> None:
    """Weights of a classifier, without its head."""
    own: nn.Module = model.backbone.trunk if hasattr(model.backbone, "trunk") else model.backbone.network  # type: ignore[assignment]
    given = (start.trunk if hasattr(start, "trunk") else start).state_dict()  # type: ignore[operator,union-attr]
    wanted = own.state_dict()
    unlike = [name for name, value in wanted.items() if name not in given or given[name].shape != value.shape]
    if unlike:
        raise ValueError(
            f"model.weights {source} are of a classifier that does not fit the backbone: {len(unlike)} entries differ, "
            f"first {unlike[0]}; model.args.backbone_args must be those of the classifier, img_size among them."
        )
    own.load_state_dict({name: given[name] for name in wanted})
