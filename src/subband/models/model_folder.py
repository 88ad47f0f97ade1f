"""Where weights lie and what is said beside them; nothing here needs torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from subband.file_kinds import other_kind
from subband.hub_client import HubFileMissingError, HubName, fetch_file, is_hub_name, list_files

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
FORMAT_VERSION = 1
KINDS: dict[str, type] = {"format_version": int, "name": str, "args": dict, "metadata": dict}
SHOWN_FILES = 8  # of a repository, in a message
LONE_FILE = (
    "may hold weights, but not of which network; make a model folder of it with `subband convert FILE --model NAME "
    "--out FOLDER`, or, if it is a checkpoint of a run, name the run folder"
)
# What the `config.json` of another library has, that library, and what loads such a model.
FOREIGN = {
    "pretrained_cfg": ("timm", 'timm.create_model("hf-hub:{}", pretrained=True)'),
    "_class_name": ("diffusers", 'diffusers.AutoModel.from_pretrained("{}")'),
    "model_type": ("transformers", 'transformers.AutoModel.from_pretrained("{}")'),
}
PIPELINE_FILE = "model_index.json"
PICKLES = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth")
BUNDLED_FOLDER = Path(__file__).parent.parent / "weights"


def bundled_models() -> list[str]:
    """Names of the weights that ship inside the package."""
    return sorted(path.parent.name for path in BUNDLED_FOLDER.glob(f"*/{CONFIG_FILE}"))


def find_model_folder(source: str | Path) -> Path:
    """Folder with `config.json` for a model folder, a file in it, a run folder, or the name of bundled weights.

    For `hf:` and the name of a repository of the Hugging Face Hub its files are fetched if they are not here.

    Raises:
        FileNotFoundError: If none of these is there.
        OSError: If the Hub does not give a repository.
        ValueError: If the source is another file, saying what it is as far as that can be told, or a repository that
            holds no model of this package.
    """
    if is_hub_name(source):
        return fetch_model_folder(HubName.parse(source))
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
        f"the name of bundled weights ({bundled}), or hf:user/name for a repository of the Hugging Face Hub."
    )


def fetch_model_folder(name: HubName, *, local_files_only: bool = False) -> Path:
    """The folder in which the two files of a model on the Hub lie; what is not here is fetched, and nothing else.

    Args:
        name: Which repository.
        local_files_only: Take what is cached and ask nobody.

    Returns:
        The folder, whose name is the commit.

    Raises:
        FileNotFoundError: If there is no such repository, or nothing of it is cached and nothing may be fetched.
        OSError: If the Hub does not give it.
        ValueError: If it holds no model of this package, with what it holds and what loads that; pickles are not
            fetched.
    """
    try:
        folder = fetch_file(name, CONFIG_FILE, local_files_only=local_files_only).parent
        read_card(folder, name.repository)
        commit = HubName(name.repository, folder.name)
        fetch_file(commit, WEIGHTS_FILE, local_files_only=local_files_only)
    except HubFileMissingError as error:
        raise ValueError(f"{str(error).rstrip('.')}: {_what_else(name)}.") from None
    return folder


def _what_else(name: HubName) -> str:
    """What a repository holds that has not both files of a model."""
    files = list_files(name)
    pickles = [file for file in files if file.endswith(PICKLES)]
    if PIPELINE_FILE in files:
        return (
            f'it is a pipeline of diffusers; diffusers.DiffusionPipeline.from_pretrained("{name.repository}") loads it'
        )
    if pickles and WEIGHTS_FILE not in files:
        more = f" and {len(pickles) - 1} more" if len(pickles) > 1 else ""
        return (
            f"its weights are a Python pickle ({pickles[0]}{more}), which can run code when read and is left alone; "
            f"ask for {CONFIG_FILE} and {WEIGHTS_FILE} as `subband push` uploads them"
        )
    return f"it was not made by `subband push`; it holds {', '.join(files[:SHOWN_FILES]) or 'nothing'}"


def read_card(folder: Path, repository: str = "") -> dict[str, Any]:
    """The checked contents of a model folder's `config.json`.

    Args:
        folder: Holds it.
        repository: Of the Hub, from which it comes, for the message about a model of another library.

    Raises:
        ValueError: If it is damaged, of another library, or of a newer version.
    """
    path = folder / CONFIG_FILE
    try:
        card = json.loads(path.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}.") from None
    if not isinstance(card, dict):
        raise ValueError(f"{path} holds no JSON object; it was not written by subband.")
    missing = set(KINDS) - set(card)
    if missing:
        for key, (library, call) in FOREIGN.items():
            if key in card:
                loads = f"; {call.format(repository)} loads it" if repository else ""
                raise ValueError(f"{path} is that of a model of {library}, not of subband{loads}.")
        raise ValueError(f"{path} lacks {', '.join(sorted(missing))}; it was not written by subband.")
    for key, kind in KINDS.items():
        if not isinstance(card[key], kind):
            raise ValueError(f"{path}: {key} must be of type {kind.__name__}, got {card[key]!r}.")
    if card["format_version"] > FORMAT_VERSION:
        raise ValueError(f"{path} was written by a newer subband ({card.get('subband_version')}); upgrade to read it.")
    return card
