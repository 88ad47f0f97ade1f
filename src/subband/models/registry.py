"""The table of models: one dict from name to how it is built."""

from __future__ import annotations

import difflib
import fnmatch
import functools
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from subband.models import TABLES

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """How a named model is built.

    Attributes:
        task: What the network is for; a key of `subband.tasks.TASKS` where it can be trained.
        network: Class or function that makes the network, or where it is, `"module:NAME"`.
        args: Its arguments for this name.
        params: Number of its parameters.
        paper: Author, title, venue in one line.
        layout: `"module:ATTRIBUTE"` of the `KeyMap` to the published checkpoint layout, or None.
        preprocessing: How images became inputs of the published weights of a classifier: the fields of
            `subband.data.labelled.preprocessing.Preprocessing` that are not its defaults, without the size.
    """

    task: str
    network: str | Callable[..., nn.Module]
    args: dict[str, Any]
    params: int
    paper: str
    layout: str | None = None
    preprocessing: dict[str, Any] = field(default_factory=dict)

    @property
    def builder(self) -> Callable[..., nn.Module]:
        """Class or function that makes the network; imports it."""
        if not isinstance(self.network, str):
            return self.network
        module, name = self.network.split(":")
        return getattr(importlib.import_module(module), name)


@functools.cache
def catalog() -> dict[str, ModelSpec]:
    """All models by name, gathered from the tables that `subband.models` lists."""
    specs: dict[str, ModelSpec] = {}
    for module in TABLES:
        for name, spec in importlib.import_module(module).MODELS.items():
            assert name not in specs, f"{name} is registered twice"
            specs[name] = spec
    return specs


def model_spec(name: str) -> ModelSpec:
    """The entry of one name.

    Raises:
        ValueError: If the name is unknown; the closest names are given.
    """
    specs = catalog()
    if name not in specs:
        close = difflib.get_close_matches(name, specs, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(close)}?" if close else "see `subband models`."
        raise ValueError(f"unknown model {name!r}; {hint}")
    return specs[name]


def list_models(pattern: str = "*") -> list[str]:
    """Names that `create_model` accepts.

    Args:
        pattern: Shell-style pattern, for example `"wast*"`.

    Returns:
        Matching names in alphabetical order.

    Example:
        >>> list_models("tau_t*")
        ['tau_taxibj']
    """
    return sorted(fnmatch.filter(catalog(), pattern))


def create_model(name: str, *, pretrained: bool = False, **overrides: Any) -> nn.Module:
    """Build a model with fresh weights, or with published ones.

    Args:
        name: One of `list_models()`.
        pretrained: Take published weights, which are downloaded if they are not here: short for
            `load_published(name, download=True)`, which see, also for other names. A classifier with another number of
            classes keeps all but its last layer.
        overrides: Constructor arguments that replace those of the named configuration.

    Returns:
        The network, in training mode, with `model_config` = name and overrides, so that `save_model` can store it.

    Raises:
        ValueError: If the name is unknown (the closest names are given), or the network cannot be built with these
            arguments.
        OSError: If published weights are asked for and do not come, with where to put them by hand.
        TypeError: If the model has no argument of that name (the argument is named).

    Example:
        >>> import torch
        >>> model = create_model("wast", in_shape=(4, 1, 32, 32), encoder_dim=4, block_list=(1, 1, 1))
        >>> model(torch.rand(1, 4, 1, 32, 32)).shape
        torch.Size([1, 4, 1, 32, 32])
    """
    if pretrained:
        return _with_published_weights(name, overrides)
    spec = model_spec(name)
    known = inspect.signature(spec.builder).parameters
    for key in overrides:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"it takes {', '.join(known)}."
            raise TypeError(f"model {name!r} has no argument {key!r}; {hint}")
    try:
        model = spec.builder(**{**spec.args, **overrides})
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError) as error:
        if not overrides:
            raise
        given, reason = ", ".join(f"{key}={value!r}" for key, value in overrides.items()), str(error).splitlines()
        said = reason[0].rstrip(".") if reason else type(error).__name__
        raise ValueError(f"model {name!r} cannot be built with {given}: {said}.") from error
    model.model_config = {"name": name, "args": overrides}  # type: ignore[assignment]
    return model


def _with_published_weights(name: str, overrides: dict[str, Any]) -> nn.Module:
    """A network in training mode with the weights of its authors; a head for other classes starts fresh."""
    # By its name, as a spec names its layout: what loads published files builds networks by this module.
    load = importlib.import_module("subband.convert.published").load_published
    has_own_classes = "num_classes" in overrides and name in catalog() and catalog()[name].task == "classification"
    given = {key: value for key, value in overrides.items() if not (has_own_classes and key == "num_classes")}
    model = load(name, download=True, **given).train()
    if has_own_classes and overrides["num_classes"] != model.num_classes:
        model.reset_classifier(overrides["num_classes"])
        model.model_config["args"]["num_classes"] = overrides["num_classes"]
    return model
