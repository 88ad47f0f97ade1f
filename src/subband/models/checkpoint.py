"""Weights on disk: `model.safetensors` beside a `config.json` that says how to rebuild the network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import Tensor, nn

from subband._version import __version__
from subband.files import write_atomically
from subband.models.registry import create_model, model_spec

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
FORMAT_VERSION = 1
BUNDLED_FOLDER = Path(__file__).parent.parent / "weights"


def bundled_models() -> list[str]:
    """Names of the weights that ship inside the package."""
    return sorted(path.parent.name for path in BUNDLED_FOLDER.glob(f"*/{CONFIG_FILE}"))


def save_model(
    model: nn.Module, folder: str | Path, *, metadata: Mapping[str, Any] | None = None, overwrite: bool = False
) -> Path:
    """See `subband.save_model`."""
    config = getattr(model, "model_config", None)
    if config is None:
        raise ValueError("model has no model_config; save networks made by subband.create_model.")
    folder = Path(folder)
    if not overwrite and (folder / CONFIG_FILE).exists():
        raise FileExistsError(f"{folder} already holds a model; choose another folder or pass overwrite=True.")
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    card = {
        "format_version": FORMAT_VERSION,
        "subband_version": __version__,
        "task": model_spec(config["name"]).task,
        **config,
        "metadata": dict(metadata or {}),
    }
    write_atomically(folder / WEIGHTS_FILE, save(state))
    write_atomically(folder / CONFIG_FILE, (json.dumps(card, indent=2) + "\n").encode())
    return folder


def load_model(source: str | Path) -> nn.Module:
    """See `subband.load_model`."""
    folder = find_model_folder(source)
    card = read_card(folder)
    model = model_of_card(card)
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise FileNotFoundError(f"{weights} is missing beside {CONFIG_FILE}.")
    _load_strictly(model, _read_weights(weights), weights)
    model.metadata = card["metadata"]
    return model.eval()


def find_model_folder(source: str | Path) -> Path:
    """Folder with `config.json` for a model folder, a file in it, a run folder, or the name of bundled weights.

    Raises:
        FileNotFoundError: If none of these is there.
    """
    path = Path(source)
    folders = (path, path / "model", path.parent) if path.is_file() else (path, path / "model")
    for folder in (*folders, BUNDLED_FOLDER / str(source)):
        if (folder / CONFIG_FILE).is_file():
            return folder
    bundled = ", ".join(bundled_models()) or "none"
    raise FileNotFoundError(
        f"no model at {path}: expected a folder with {CONFIG_FILE} and {WEIGHTS_FILE}, a run folder, "
        f"or the name of bundled weights ({bundled})."
    )


def read_card(folder: Path) -> dict[str, Any]:
    """The checked contents of a model folder's `config.json`."""
    path = folder / CONFIG_FILE
    try:
        card = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}.") from None
    missing = {"format_version", "name", "args", "metadata"} - set(card)
    if missing:
        raise ValueError(f"{path} lacks {', '.join(sorted(missing))}; it was not written by subband.")
    if card["format_version"] > FORMAT_VERSION:
        raise ValueError(f"{path} was written by a newer subband ({card.get('subband_version')}); upgrade to read it.")
    return card


def model_of_card(card: Mapping[str, Any]) -> nn.Module:
    """The network that a card describes, with fresh weights."""
    return create_model(card["name"], **{key: _as_tuple(value) for key, value in card["args"].items()})


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises its own type for every kind of damage
        raise ValueError(f"{path} cannot be read as safetensors: {error}.") from None


def _load_strictly(model: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit its {CONFIG_FILE}: {error}") from None


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value
