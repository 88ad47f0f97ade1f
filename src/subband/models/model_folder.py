"""Where weights lie and what is said beside them; nothing here needs torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from subband.file_kinds import other_kind

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
FORMAT_VERSION = 1
KINDS: dict[str, type] = {"format_version": int, "name": str, "args": dict, "metadata": dict}
LONE_FILE = (
    "may hold weights, but not of which network; make a model folder of it with `subband convert FILE --model NAME "
    "--out FOLDER`, or, if it is a checkpoint of a run, name the run folder"
)
BUNDLED_FOLDER = Path(__file__).parent.parent / "weights"


def bundled_models() -> list[str]:
    """Names of the weights that ship inside the package."""
    return sorted(path.parent.name for path in BUNDLED_FOLDER.glob(f"*/{CONFIG_FILE}"))


def find_model_folder(source: str | Path) -> Path:
    """Folder with `config.json` for a model folder, a file in it, a run folder, or the name of bundled weights.

    Raises:
        FileNotFoundError: If none of these is there.
        ValueError: If the source is another file, saying what it is as far as that can be told.
    """
    path = Path(source)
    if path.is_file():
        if path.name in (CONFIG_FILE, WEIGHTS_FILE) and (path.parent / CONFIG_FILE).is_file():
            return path.parent
        raise ValueError(f"{path} {other_kind(path) or LONE_FILE}.")
    for folder in (path, path / "model", BUNDLED_FOLDER / str(source)):
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
        card = json.loads(path.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}.") from None
    if not isinstance(card, dict):
        raise ValueError(f"{path} holds no JSON object; it was not written by subband.")
    missing = set(KINDS) - set(card)
    if missing:
        raise ValueError(f"{path} lacks {', '.join(sorted(missing))}; it was not written by subband.")
    for key, kind in KINDS.items():
        if not isinstance(card[key], kind):
            raise ValueError(f"{path}: {key} must be of type {kind.__name__}, got {card[key]!r}.")
    if card["format_version"] > FORMAT_VERSION:
        raise ValueError(f"{path} was written by a newer subband ({card.get('subband_version')}); upgrade to read it.")
    return card
