"""How images become inputs of a network's published weights."""

from __future__ import annotations

from typing import Any

from torch import nn

from subband.models.protocols.classifier import Classifier
from subband.models.registry import model_spec

__all__ = ["published_preprocessing"]

# Those of `subband.data.labelled.preprocessing.Preprocessing`, which models do not import; a test compares the two.
DEFAULTS: dict[str, Any] = {
    "crop_ratio": 0.875,
    "interpolation": "bicubic",
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "crop_mode": "center",
    "antialias": True,
}


def published_preprocessing(model: nn.Module) -> dict[str, Any] | None:
    """All fields of a `Preprocessing` for a classifier made by `create_model`.

    Args:
        model: Its own image size, and mean and standard deviation where it has these as arguments, go before the
            published ones.

    Returns:
        Fields by name; None for other networks, and for classifiers of something else than color images.

    Example:
        >>> import subband
        >>> published_preprocessing(subband.create_model("wsfvit_p0", img_size=64))["size"]
        (64, 64)
    """
    if not isinstance(model, Classifier) or model.in_chans != 3:
        return None
    config: Any = model.model_config
    own = {key: tuple(config["args"][key]) for key in ("mean", "std") if key in config["args"]}
    return {"size": tuple(model.img_size), **DEFAULTS, **model_spec(config["name"]).preprocessing, **own}
