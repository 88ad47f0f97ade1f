"""Strict loading and writing of checkpoints in their published layout."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from subband.catalogue.cache import cached_file, read_record
from subband.catalogue.entries import PublishedWeights, choose_weights
from subband.catalogue.fetch import get_weights, where_by_hand
from subband.convert._keymap import KeyMap
from subband.models.checkpoint import warn_of_nan
from subband.models.preprocessing import published_preprocessing
from subband.models.registry import create_model, list_models, model_spec
from subband.weight_files import read_checkpoint

# Where a training script puts the weights, the plain ones before their running averages.
WRAPPERS = ("state_dict", "model_state_dict", "params", "model", "net", "network", "module")
AVERAGES = ("params_ema", "state_dict_ema", "model_ema", "ema_state_dict", "ema")
PREFIXES = ("module.", "_orig_mod.", "method.model.", "model.")
# Training scripts of several networks keep all in one file; the average of the one that is used comes first.
NETWORKS = ("generator_ema.", "generator.")
# Beside the weights: of torch's AveragedModel, and what the profiler thop leaves in every module.
COUNTERS = {"n_averaged", "total_ops", "total_params"}
MOST_HINTS = 3  # sizes that fit a checkpoint of another one


class Head(NamedTuple):
    """What has one row for each class or joint.

    Attributes:
        bias: Our name of its bias.
        more: How many rows more it has.
        argument: What tells the network their number.
        things: What they are.
    """

    bias: str
    more: int = 0
    argument: str = "num_classes"
    things: str = "classes"


HEADS = {
    "classification": Head("head.bias"),
    "detection": Head("heads.box_heads.0.classify.bias", more=1),
    "pose": Head("head.final.bias", argument="num_joints", things="joints"),
}
LISTED = 10  # keys of each kind that an error message shows


def load_published(
    name: str,
    checkpoint: str | Path | Mapping[str, Tensor] | None = None,
    *,
    download: bool = False,
    **overrides: Any,
) -> nn.Module:
    """Load a checkpoint in the layout its authors published.

    Wrappers (`state_dict`, `model`, `params_ema`) and prefixes (`module.`, `model.`, `method.model.`) are removed; the
    plain weights are taken, running averages of them only where there are no others; of a file with a `generator` that
    one alone, its average first. Plain data beside the weights (the
    `argparse.Namespace` of a training script, NumPy scalars, an optimizer's state) is let through and not kept. Loading
    is strict: every key of the weights is used or knowingly ignored. Classifiers know how images were prepared for the
    published weights (`metadata["preprocessing"]`), detectors the names of classes that are stored beside the weights
    (`metadata["classes"]`); with `in_chans` other than three, WSF-ViT and GFNet adapt their first layer.

    Without a checkpoint it is the file that `subband weights get` has fetched. The name of a model then means the file
    for the arguments that are given; of several the default of the table, which is the named configuration as it
    stands, trained longest, or on the data set of its paper. Any other is named in place of the model:
    `load_published("simvp_gsta_mmnist_ep200")`. Nothing is downloaded unless `download` says so.

    Args:
        name: One of `list_models()` that has a published layout; without a checkpoint also one of `subband weights
            list`.
        checkpoint: A file of `torch.save` or safetensors, whatever its suffix, or a state dict.
        download: Fetch the file if it is not here; its size, licence and address are said first.
        overrides: Constructor arguments, when the checkpoint was trained with others than the named configuration; of a
            ViTPose+, `expert` chooses the data set whose network is taken (`subband.convert.vitpose.EXPERTS`).

    Returns:
        The network in eval mode. Without a checkpoint `metadata["published"]` says which file it is: its name, address,
        SHA-256 and licence.

    Raises:
        ValueError: If keys are missing, unexpected or of another shape (the first ten of each are listed), if the
            model has no published layout, if the file is something else or a pickle that needs more than plain data, or
            if no published weights of that name are known, or several.
        FileNotFoundError: If there is no such file, or it was not fetched yet.
        OSError: If a download fails, with where to put the file by hand.
    """
    if checkpoint is not None:
        if download:
            raise ValueError("download=True fetches the published file of a name; leave out the checkpoint.")
        return _load(name, checkpoint, overrides)
    row = choose_weights(name, overrides)
    file = get_weights(row) if download else cached_file(row)
    if file is None:
        raise FileNotFoundError(
            f"{row.name} is not here; run `subband weights get {row.name}`, pass download=True, or {where_by_hand(row)}"
        )
    model = _load(name if name in row.models else row.model, file, {**row.overrides, **overrides})
    metadata: Any = model.metadata
    metadata["published"] = _origin(row)
    return model


def _origin(row: PublishedWeights) -> dict[str, str]:
    """What is kept about published weights beside those of a network."""
    record = read_record(row)
    digest = record.sha256 if record else row.sha256
    return {"name": row.name, "address": row.address, "sha256": digest or "unknown", "licence": row.licence}


def _load(name: str, checkpoint: str | Path | Mapping[str, Tensor], overrides: dict[str, Any]) -> nn.Module:
    """The network of a file or state dict, in eval mode."""
    table = _key_map(name)
    content, source = _read(checkpoint)
    state = unwrap(content, source)
    if table.arrange:
        state, overrides = table.arrange(state, overrides, source)
    model = create_model(name, **overrides)
    try:
        own = rename_state(state, table, model, source)
    except ValueError as error:
        raise ValueError(_explanation(str(error), model, state, overrides, source)) from None
    if table.check:
        table.check(name, state, overrides, source)
    model.load_state_dict(own)
    warn_of_nan(model, source)
    prepare = published_preprocessing(model)
    known: dict[str, Any] = {} if prepare is None else {"preprocessing": prepare}
    if (names := _stored_classes(content, model)) is not None:
        known["classes"] = names
    model.metadata = {"source": "published layout", **known}  # type: ignore[assignment]
    return model.eval()


def export_published(model: nn.Module) -> dict[str, Tensor]:
    """The state dict of a network in the layout its authors published; the inverse of `load_published`.

    Args:
        model: Network made by this package.

    Returns:
        Published key to tensor, fixed filters included. A warning names what published files have beside them and this
        network does not, such as the teacher of VD-Diff.

    Raises:
        ValueError: If the model, or the options it was built with, has no published layout.
    """
    config = getattr(model, "model_config", None)
    if config is None:
        raise ValueError("model has no model_config; export networks made by subband.create_model.")
    table = _key_map(config["name"])
    state = export_state(model, table)
    if table.left_out and (names := table.left_out(model)):
        warnings.warn(
            f"{config['name']} has no values for {_listing('published keys', names)}; they are not written.",
            stacklevel=2,
        )
    return state


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
        second = table.second_name(published)
        if second is not None:
            state[second] = state[published].clone()
    return state


def read_state(checkpoint: str | Path | Mapping[str, Any]) -> tuple[dict[str, Tensor], str]:
    """The state dict of a file, or of what a file would hold, and what error messages call it."""
    content, source = _read(checkpoint)
    return unwrap(content, source), source


def _read(checkpoint: str | Path | Mapping[str, Any]) -> tuple[Any, str]:
    """All that a file holds, or would hold, and what error messages call it."""
    if isinstance(checkpoint, Mapping):
        return checkpoint, "the state dict"
    return read_checkpoint(checkpoint), str(checkpoint)


def _stored_classes(content: Any, model: nn.Module) -> list[str] | None:
    """Names of a detector's classes as MMDetection keeps them beside the weights, if there are as many as classes."""
    about = content.get("meta") if isinstance(content, Mapping) else None
    names = about.get("CLASSES") if isinstance(about, Mapping) else None
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        return None
    return list(names) if len(names) == getattr(model, "num_classes", None) else None


def unwrap(checkpoint: Any, source: str) -> dict[str, Tensor]:
    """Take the state dict out of its wrappers and strip prefixes that all keys share.

    Args:
        checkpoint: What a file holds.
        source: What error messages call it.

    Raises:
        ValueError: If no mapping of names to tensors is found inside.
    """
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f"{source} has no weights by name inside, but a {type(checkpoint).__name__}.")
    opened: list[Any] = []  # a pickle may hold itself
    while not any(checkpoint is one for one in opened):
        opened.append(checkpoint)
        inside = (checkpoint.get(wrapper) for wrapper in (*WRAPPERS, *AVERAGES))
        checkpoint = next((content for content in inside if isinstance(content, Mapping)), checkpoint)
    named = {key: value for key, value in checkpoint.items() if isinstance(key, str) and isinstance(value, Tensor)}
    state = {key: value for key, value in named.items() if key.rpartition(".")[2] not in COUNTERS}
    if not state:
        held = ", ".join(map(str, list(checkpoint)[:LISTED])) or "nothing"
        raise ValueError(f"{source}: no weights found; the checkpoint holds {held}.")
    for prefix in NETWORKS:
        inner = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        if inner:
            return unwrap(inner, source)
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in state):
            return unwrap({key.removeprefix(prefix): value for key, value in state.items()}, source)
    return state


def _explanation(
    error: str, model: nn.Module, state: Mapping[str, Tensor], overrides: dict[str, Any], source: str
) -> str:
    """Why a state dict does not fit, and which network it fits if another number of classes or size helps."""
    config: Any = model.model_config
    name = config["name"]
    head, count = HEADS.get(model_spec(name).task), _head_size(name, state)
    built_for = getattr(model, head.argument) if head else None
    has_other_head = count is not None and count != built_for
    other_head = {head.argument: count} if head and has_other_head else {}
    if head and has_other_head and _fits(name, state, {**overrides, **other_head}):
        return (
            f"{source} has a head of {count} {head.things}, but the model is built for {built_for}; "
            f"pass {head.argument}={count} (on the command line --set {head.argument}={count})."
        )
    others = [other for other in list_models() if other != name and _share_a_code_base(name, other)]
    found = [other for other in others if _fits(other, state, {**overrides, **other_head})][:MOST_HINTS]
    if not found:
        return error
    extra = "".join(f" with {argument}={number}" for argument, number in other_head.items())
    return f"{source} does not fit {name}; it looks like {' or '.join(found)}{extra}"


def _share_a_code_base(name: str, other: str) -> bool:
    """Whether two names are sizes of one network, or networks of one published code base, such as stages."""
    first, second = model_spec(name), model_spec(other)
    places = [str(spec.layout).split(":")[0] for spec in (first, second)]
    return first.builder is second.builder or (second.layout is not None and places[0] == places[1])


def _head_size(name: str, state: Mapping[str, Tensor]) -> int | None:
    """Classes or joints of a published state dict; None where the task has no such head."""
    head = HEADS.get(model_spec(name).task)
    if head is None:
        return None
    table = _key_map(name)
    found = [value for key, value in state.items() if table.to_own(key) == head.bias and value.ndim == 1]
    return len(found[0]) - head.more if found else None


def _fits(name: str, state: Mapping[str, Tensor], overrides: dict[str, Any]) -> bool:
    """Whether a published state dict fits a network."""
    if model_spec(name).layout is None:
        return False
    try:
        with torch.device("meta"):
            model = create_model(name, **overrides)
        rename_state(state, _key_map(name), model, name)
    except (ValueError, TypeError):  # TypeError: an override that this network does not have
        return False
    return True


def _key_map(name: str) -> KeyMap:
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
        ValueError: If names are missing or left over, or shapes or kinds of numbers differ; up to ten of each are
            listed.
    """
    wanted = model.state_dict()
    constants = table.constants(model) if table.constants else {}
    own: dict[str, Tensor] = {}
    unexpected, misshapen, mistyped = [], [], []
    for key, value in state.items():
        if key in constants or table.is_ignored(key):
            continue
        target = table.to_own(key)
        if target is None or target not in wanted:
            unexpected.append(key)
            continue
        if not _is_of_kind(value, wanted[target]):
            mistyped.append(f"{key} {_kind(value)}, model has {_kind(wanted[target])}")
            continue
        fitting = _fitting(table, target, value, wanted[target].shape)
        if target in own and fitting is not None and not torch.equal(fitting, own[target]):
            raise ValueError(f"{source}: {key} and {table.first_name(key)} are one tensor, but differ in this file")
        if fitting is None:
            misshapen.append(f"{key} {tuple(value.shape)}, model has {tuple(wanted[target].shape)}")
        else:
            own[target] = fitting
    named = {table.to_own(key) for key in state}
    lacking = [key for key in wanted if key not in named]
    own |= {key: wanted[key] for key in lacking if table.is_optional(key)}
    missing = [table.to_published(key) or key for key in lacking if not table.is_optional(key)]
    found = {"missing": missing, "unexpected": unexpected, "wrongly shaped": misshapen, "of another type": mistyped}
    if any(found.values()):
        raise ValueError(
            f"{source} does not fit the model: " + "; ".join(_listing(*item) for item in found.items() if item[1])
        )
    return own


def _is_of_kind(value: Tensor, wanted: Tensor) -> bool:
    """Whether numbers can be copied: not integers that stand for others, not complex ones into real ones."""
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        return False
    return value.is_complex() == wanted.is_complex() and (value.is_floating_point() or not wanted.is_floating_point())


def _kind(value: Tensor) -> str:
    names = (value.dtype, *([value.layout] if value.layout != torch.strided else []))
    return "without values" if value.is_meta else " ".join(str(name).removeprefix("torch.") for name in names)


def _fitting(table: KeyMap, key: str, value: Tensor, wanted: torch.Size) -> Tensor | None:
    if value.shape == wanted:
        return value
    return table.fit(key, value, wanted) if table.fit else None


def _listing(kind: str, keys: list[str]) -> str:
    more = f" and {len(keys) - LISTED} more" if len(keys) > LISTED else ""
    return f"{len(keys)} {kind} ({', '.join(keys[:LISTED])}{more})"
