"""Start of training from saved weights, of another image size or other classes too."""

from __future__ import annotations

from typing import Any

from torch import nn

from subband.convert.published import export_published, load_published
from subband.models.checkpoint import load_model
from subband.models.registry import model_spec


def start_from(model: nn.Module, source: str) -> None:
    """Give a network the weights of a saved one.

    The last layer of a classifier with another number of classes starts fresh. Position tables and filters for another
    image size are resized as `subband.load_published` does it.

    Args:
        model: Network made by `create_model`.
        source: Whatever `subband.load_model` takes.

    Raises:
        ValueError: If the weights do not fit, or attention has another number of heads, which no shape tells.
    """
    start = load_model(source)
    num_classes = getattr(model, "num_classes", None)
    if num_classes is not None and getattr(start, "num_classes", num_classes) != num_classes:
        start.reset_classifier(num_classes)  # type: ignore[operator]
    _check_heads(model, start, source)
    unlike = _unlike_entries(model, start)
    if unlike:
        resized = _resized(model, start)
        if resized is None:
            raise ValueError(
                f"model.weights {source} do not fit the recipe's model: {len(unlike)} entries differ, "
                f"first {unlike[0]}."
            )
        start = resized
    model.load_state_dict(start.state_dict())


def _unlike_entries(model: nn.Module, start: nn.Module) -> list[str]:
    """Names that only one of two networks has, or that differ in shape."""
    shapes, others = ({key: value.shape for key, value in net.state_dict().items()} for net in (model, start))
    return sorted(key for key in shapes.keys() | others.keys() if shapes.get(key) != others.get(key))


def _resized(model: nn.Module, start: nn.Module) -> nn.Module | None:
    """`start` at the image size of `model`; None where that cannot be done."""
    config: Any = model.model_config
    if model_spec(config["name"]).layout is None:
        return None
    try:
        # All arguments are given, heads included, which are known to agree.
        return load_published(config["name"], export_published(start), **_arguments(model))
    except ValueError:
        return None


def _check_heads(model: nn.Module, start: nn.Module, source: str) -> None:
    wanted, given = (_arguments(net).get("num_heads") for net in (model, start))
    if wanted is not None and given is not None and tuple(wanted) != tuple(given):
        raise ValueError(
            f"model.weights {source} were trained with num_heads {list(given)}, the recipe's model has {list(wanted)}; "
            "set num_heads in model.args."
        )


def _arguments(model: Any) -> dict[str, Any]:
    config = model.model_config
    return {**model_spec(config["name"]).args, **config["args"]}
