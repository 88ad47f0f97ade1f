"""Weights on disk: `model.safetensors` beside a `config.json` that says how to rebuild the network."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

from safetensors.torch import save
from torch import Tensor, nn

from subband._version import __version__
from subband.files import write_atomically
from subband.hub_client import REPOSITORY, HubName, is_hub_name
from subband.models.model_folder import (
    CONFIG_FILE,
    FORMAT_VERSION,
    WEIGHTS_FILE,
    bundled_models,
    fetch_model_folder,
    find_model_folder,
    read_card,
)
from subband.models.registry import create_model, model_spec
from subband.weight_files import read_safetensors

SHOWN = 200  # characters of PyTorch's words in a message


def save_model(
    model: nn.Module, folder: str | Path, *, metadata: Mapping[str, Any] | None = None, overwrite: bool = False
) -> Path:
    """Save a network made by `create_model` as `config.json` + `model.safetensors`.

    Args:
        model: Network with a `model_config` (every model from `create_model`, `load_model`, `load_published`).
        folder: Where to write; made when absent.
        metadata: JSON-like facts to keep beside the weights: data range, scores, recipe.
        overwrite: Replace files that are already there. Writing is atomic: an interrupted save leaves the old ones.

    Returns:
        The folder.

    Raises:
        FileExistsError: If the folder already holds a model and `overwrite` is False.
        ValueError: If the network was not made by this package.
    """
    folder = Path(folder)
    card = _card(model, metadata or {})
    if not overwrite and (folder / CONFIG_FILE).exists():
        raise FileExistsError(f"{folder} already holds a model; choose another folder or pass overwrite=True.")
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    write_atomically(folder / WEIGHTS_FILE, save(state))
    write_atomically(folder / CONFIG_FILE, card)
    return folder


def save_card(model: nn.Module, folder: Path, metadata: Mapping[str, Any]) -> None:
    """Replace what is stored beside the weights of a network that `save_model` has written."""
    write_atomically(folder / CONFIG_FILE, _card(model, metadata))


def load_model(source: str | Path) -> nn.Module:
    """Load weights that `save_model`, `subband train` or `subband convert` wrote.

    Args:
        source: A folder with `config.json` and `model.safetensors`, one of those two files, a run folder of
            `subband train`, the name of weights that ship with the package (see `subband models`), or
            `hf:user/name[@REVISION]`, a repository of the Hugging Face Hub as for `from_pretrained`.

    Returns:
        The network in eval mode; `metadata` holds what was stored beside the weights (data range, scores, recipe).

    Raises:
        FileNotFoundError: If there is nothing at `source`.
        OSError: If the Hub does not give a repository.
        ValueError: If the files do not belong together.
    """
    if is_hub_name(source):
        return from_pretrained(source)
    return _load(find_model_folder(source))


def from_pretrained(source: str | Path, *, revision: str | None = None, local_files_only: bool = False) -> nn.Module:
    """Load weights from the Hugging Face Hub, or from wherever `load_model` finds them.

    Two files are fetched, `config.json` and `model.safetensors`, into the cache of `huggingface_hub` (`HF_HOME`); never
    a pickle. Offline (`HF_HUB_OFFLINE`, `SUBBAND_OFFLINE`) what is cached is taken. Needs
    `pip install 'subband[weights]'`.

    Args:
        source: `user/name`, with or without `hf:` before it and `@REVISION` behind. What is here goes first: a folder
            of that name, or another source of `load_model`.
        revision: Branch, tag or commit of the repository; the newest commit of `main` by default. A full commit that is
            cached is loaded without asking the Hub.
        local_files_only: Take what is cached and ask nobody.

    Returns:
        The network as `load_model` gives it; `metadata["hub"]` says the repository and the commit.

    Raises:
        FileNotFoundError: If there is nothing of that name here or on the Hub, or it is not cached and nothing may be
            fetched.
        PermissionError: If the repository is gated, or the token does not allow it.
        ConnectionError: If the Hub does not answer and nothing is cached.
        ValueError: If the repository holds no model of this package, with what it holds; if a file is damaged; if a
            revision is given for what is not on the Hub.
    """
    text = source.as_posix() if isinstance(source, Path) else source
    is_here = Path(source).exists() or text in bundled_models()
    if not is_hub_name(text) and (is_here or not REPOSITORY.fullmatch(text.partition("@")[0])):
        if revision is not None or local_files_only:
            raise ValueError(f"revision and local_files_only are for repositories of the Hub, but {source} is none.")
        return load_model(source)
    name = HubName.parse(text)
    if revision is not None and name.revision is not None:
        raise ValueError(f"revision {revision} is given beside the one in {name}; leave one of them out.")
    name = name._replace(revision=revision or name.revision)
    folder = fetch_model_folder(name, local_files_only=local_files_only)
    model = _load(folder)
    model.metadata = {**model.metadata, "hub": {"repository": name.repository, "commit": folder.name}}  # type: ignore
    return model


def _load(folder: Path) -> nn.Module:
    """The network of a folder with its weights."""
    card = read_card(folder)
    model = model_of_card(card, folder)
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise FileNotFoundError(f"{weights} is missing beside {CONFIG_FILE}.")
    _load_strictly(model, read_safetensors(weights), weights)
    warn_of_nan(model, weights)
    model.metadata = card["metadata"]
    return model.eval()


def model_of_card(card: Mapping[str, Any], folder: Path) -> nn.Module:
    """The network that the card of a folder describes, with fresh weights.

    Raises:
        ValueError: If there is no such network, naming the card.
    """
    try:
        return create_model(card["name"], **{key: _as_tuple(value) for key, value in card["args"].items()})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder / CONFIG_FILE}: {error}") from error


def _card(model: nn.Module, metadata: Mapping[str, Any]) -> bytes:
    """Contents of `config.json`."""
    config = getattr(model, "model_config", None)
    if config is None:
        raise ValueError("model has no model_config; save networks made by subband.create_model.")
    card = {
        "format_version": FORMAT_VERSION,
        "subband_version": __version__,
        "task": model_spec(config["name"]).task,
        **config,
        "metadata": dict(metadata),
    }
    return (json.dumps(card, indent=2) + "\n").encode()


def warn_of_nan(model: nn.Module, source: Path | str) -> None:
    """Name the weights that are NaN, as training that went wrong leaves them: what they compute is NaN, too.

    Args:
        model: The network with its weights.
        source: Where they come from.
    """
    bad = [name for name, value in model.state_dict().items() if value.is_floating_point() and value.isnan().any()]
    if bad:
        others = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        warnings.warn(f"{source} holds NaN in {bad[0]}{others}; results will be NaN or wrong.", stacklevel=3)


def _load_strictly(model: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first, *more = (line.strip().rstrip(".") for line in str(error).splitlines()[1:] or [str(error)])
        others = f", and {len(more)} lines more" if more else ""
        raise ValueError(f"{path} does not fit its {CONFIG_FILE}: {shorten(first, SHOWN)}{others}.") from None


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value
