"""Strict loading and writing of checkpoints in their published layout."""

from __future__ import annotations

import importlib
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from subband.convert._keymap import KeyMap
from subband.models._preprocessing import published_preprocessing
from subband.models._registry import create_model, list_models, model_spec

WRAPPERS = ("state_dict", "params_ema", "params", "model", "state_dict_ema")
PREFIXES = ("module.", "method.model.", "model.")
MOST_HINTS = 3  # sizes that fit a checkpoint of another one
LISTED = 10  # keys of each kind that an error message shows


def load_published(name: str, checkpoint: str | Path | Mapping[str, Tensor], **overrides: Any) -> nn.Module:
    """See `subband.load_published`."""
    table = _layout(name)
    source = "the state dict" if isinstance(checkpoint, Mapping) else str(checkpoint)
    state = unwrap(checkpoint if isinstance(checkpoint, Mapping) else read_checkpoint(Path(checkpoint)))
    model = create_model(name, **overrides)
    try:
        own = rename_state(state, table, model, source)
    except ValueError as error:
        found = _look_alikes(name, state, overrides)
        hint = f"; it looks like {' or '.join(found)}" if found else ""
        raise ValueError(f"{error}{hint}") from None
    model.load_state_dict(own)
    prepare = published_preprocessing(model)
    known = {} if prepare is None else {"preprocessing": prepare}
    model.metadata = {"source": "published layout", **known}  # type: ignore[assignment]
    return model.eval()


def export_published(model: nn.Module) -> dict[str, Tensor]:
    """See `subband.export_published`."""
    config = getattr(model, "model_config", None)
    if config is None:
        raise ValueError("model has no model_config; export networks made by subband.create_model.")
    return export_state(model, _layout(config["name"]))


def export_state(model: nn.Module, table: KeyMap) -> dict[str, Tensor]:
    """State dict of a network under published names.

    Raises:
        ValueError: If it has a value that the published layout does not know.
    """
    state = dict(table.constants(model)) if table.constants else {}
    for key, value in model.state_dict().items():
        published = table.to_published(key)
        if published is None:
            name = getattr(model, "model_config", {"name": type(model).__name__})["name"]
            raise ValueError(f"model {name!r} with these options has no published layout: {key} is ours alone.")
        value = value.detach().clone()
        state[published] = table.publish(key, value) if table.publish else value
    return state


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """Read a `.safetensors`, `.pth`, `.pt` or `.ckpt` file without running code from it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or a pickle with more than tensors and plain containers.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}.")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes).")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about pickle protocols; what follows says it better
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(
            f"{path} is refused: it is a pickle that needs more than tensors and plain containers, and loading it "
            "could run code hidden in it; re-save its state dict alone."
        ) from None
    except Exception as error:  # torch and safetensors raise many types for damaged files
        raise ValueError(f"{path} cannot be read as a checkpoint: {str(error).splitlines()[0]}") from None


def unwrap(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Take the state dict out of its wrappers and strip prefixes that all keys share.

    Raises:
        ValueError: If no mapping of names to tensors is found inside.
    """
    for wrapper in WRAPPERS:
        if isinstance(checkpoint.get(wrapper), Mapping):
            return unwrap(checkpoint[wrapper])
    state = {key: value for key, value in checkpoint.items() if isinstance(value, Tensor)}
    if not state:
        raise ValueError(f"no weights found; the checkpoint holds {', '.join(map(str, list(checkpoint)[:LISTED]))}.")
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in state):
            return unwrap({key.removeprefix(prefix): value for key, value in state.items()})
    return state


def _look_alikes(name: str, state: Mapping[str, Tensor], overrides: dict[str, Any]) -> list[str]:
    """Other sizes of the same architecture that a published state dict fits."""
    found = []
    builder = model_spec(name).builder
    for other in list_models():
        spec = model_spec(other)
        if other == name or spec.builder is not builder or spec.layout is None:
            continue
        try:
            with torch.device("meta"):
                model = create_model(other, **overrides)
            rename_state(state, _layout(other), model, other)
        except ValueError:
            continue
        found.append(other)
    return found[:MOST_HINTS]


def _layout(name: str) -> KeyMap:
    layout = model_spec(name).layout
    if layout is None:
        known = [other for other in list_models() if model_spec(other).layout]
        raise ValueError(f"model {name!r} has no published layout; these have: {', '.join(known)}.")
    module, attribute = layout.split(":")
    return getattr(importlib.import_module(module), attribute)


def rename_state(state: Mapping[str, Tensor], table: KeyMap, model: nn.Module, source: str) -> dict[str, Tensor]:
    """A published state dict under our names.

    Args:
        state: Published names and values.
        table: Which name stands for which.
        model: Network that is to take the values.
        source: What error messages call the checkpoint.

    Raises:
        ValueError: If names are missing or left over, or shapes differ; up to ten of each are listed.
    """
    wanted = model.state_dict()
    constants = table.constants(model) if table.constants else {}
    own: dict[str, Tensor] = {}
    unexpected, misshapen = [], []
    for key, value in state.items():
        if key in constants or table.is_ignored(key):
            continue
        target = table.to_own(key)
        if target is None or target not in wanted:
            unexpected.append(key)
            continue
        fitting = _fitting(table, target, value, wanted[target].shape)
        if fitting is None:
            misshapen.append(f"{key} {tuple(value.shape)}, model has {tuple(wanted[target].shape)}")
        else:
            own[target] = fitting
    named = {table.to_own(key) for key in state}
    missing = [table.to_published(key) or key for key in wanted if key not in named]
    found = {"missing": missing, "unexpected": unexpected, "wrongly shaped": misshapen}
    if any(found.values()):
        raise ValueError(
            f"{source} does not fit the model: " + "; ".join(_listing(*item) for item in found.items() if item[1])
        )
    return own


def _fitting(table: KeyMap, key: str, value: Tensor, wanted: torch.Size) -> Tensor | None:
    if value.shape == wanted:
        return value
    return table.fit(key, value, wanted) if table.fit else None


def _listing(kind: str, keys: list[str]) -> str:
    more = f" and {len(keys) - LISTED} more" if len(keys) > LISTED else ""
    return f"{len(keys)} {kind} ({', '.join(keys[:LISTED])}{more})"
