"""Putting a network on the Hugging Face Hub: three files are made and checked here, then are one commit."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from subband.extras import names_extra
from subband.files import shown, write_atomically
from subband.hub.model_card import Evaluated, model_card
from subband.hub_client import CLIENT, LOG_IN, HubName, hub_errors, is_offline, list_files
from subband.models.checkpoint import load_model, save_model
from subband.models.model_folder import CONFIG_FILE, WEIGHTS_FILE, find_model_folder, read_card
from subband.signals import say

__all__ = ["push_to_hub", "write_repository"]

README_FILE = "README.md"
FILES = (README_FILE, CONFIG_FILE, WEIGHTS_FILE)
SCORES_FILE = "scores.json"  # of a run folder, beside the folder of its model
RUN_FILES = (SCORES_FILE, "config.yaml")
HOME_FILE = re.compile(r"""(?<![\w.:/\\~])(?:~|[A-Za-z]:)?(?:[/\\][^\s/\\'"<>|:;,=]+){2,}""")


def write_repository(
    source: nn.Module | str | Path,
    repository: str,
    folder: str | Path,
    *,
    license: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """Write the three files that `push_to_hub` uploads: `config.json`, `model.safetensors` and the model card.

    The weights of a folder are loaded once, so that nothing is shared that does not load. Absolute paths in what is
    stored beside the weights are cut to their last part, which is said.

    Args:
        source: As for `push_to_hub`.
        repository: `user/name`, for the card.
        folder: Where to write; made if it is not there, else it must be empty.
        license: As for `push_to_hub`.
        metadata: As for `push_to_hub`.

    Returns:
        The folder.

    Raises:
        FileExistsError: If the folder holds something.
        FileNotFoundError: If there is no such model.
        ValueError: If the licence is unknown, the network is none of this package, or its files are damaged.
    """
    name, folder = _repository(repository), Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise FileExistsError(f"{shown(folder)} is not empty; name another folder.")
    if isinstance(source, nn.Module):
        model, own = source, None
    else:
        if metadata is not None:
            raise ValueError("metadata is for a network; a folder has its own in config.json.")
        own = find_model_folder(source)
        model = load_model(own)
    facts = dict(getattr(model, "metadata", {}) if metadata is None else metadata)
    known = facts.get("license")
    if license is None and not isinstance(known, str):
        raise ValueError(
            "under which licence may others use the weights? What is stored with them does not say it: give license "
            "(--license), such as apache-2.0 or cc-by-4.0; weights that others made keep the licence they gave."
        )
    licence = license if license is not None else str(known)
    facts = _without_places({key: value for key, value in facts.items() if key != "hub"})
    facts["license"] = licence
    folder.mkdir(parents=True, exist_ok=True)
    if own is None:
        save_model(model, folder, metadata=facts)
    else:  # as it was stored, with the version that did
        shutil.copyfile(own / WEIGHTS_FILE, folder / WEIGHTS_FILE)
        card = {**read_card(own), "metadata": facts}
        write_atomically(folder / CONFIG_FILE, (json.dumps(card, indent=2) + "\n").encode())
    text = model_card(model, read_card(folder), name.repository, licence, _evaluated(own))
    write_atomically(folder / README_FILE, text.encode())
    return folder


def push_to_hub(
    source: nn.Module | str | Path,
    repository: str,
    *,
    license: str | None = None,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
    overwrite: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> str:
    """Upload a network to the Hugging Face Hub: `config.json`, `model.safetensors`, and a model card made from them.

    All is made and checked before the Hub is asked for anything, and it is one commit there: an interruption leaves
    nothing half done. Needs `pip install 'subband[weights]'` and a token that may write.

    Args:
        source: Network made by this package, or whatever `load_model` takes: a run folder, a model folder.
        repository: `user/name`; made if it is not there.
        license: Under which terms others may use the weights, such as `apache-2.0`; needed where what is stored with
            them does not say it.
        private: Whether a new repository is only for its owner.
        revision: Branch to write to, made if it is not there; `main` by default.
        message: Of the commit.
        overwrite: Allow files of a model that are there to be replaced; the repository's history keeps them.
        metadata: What is known about the weights of a network, in place of `model.metadata`. Scores that are stored
            there are those of the weights as they were loaded: give others after further training.

    Returns:
        The name to load it by, `hf:user/name@COMMIT`.

    Raises:
        FileExistsError: If the repository holds a model and `overwrite` is False, or is public and `private` is asked.
        PermissionError: If there is no token, or it does not allow this.
        OSError: If the network is forbidden, or the Hub does not take it.
        ValueError: If the licence is unknown, or the network is none of this package.
    """
    name = _repository(repository)._replace(revision=revision)
    with tempfile.TemporaryDirectory(prefix="subband-") as temporary:
        folder = write_repository(source, repository, Path(temporary) / "model", license=license, metadata=metadata)
        _check_access(name)
        return str(_commit(name, folder, private, message, overwrite))


def _commit(name: HubName, folder: Path, private: bool, message: str | None, overwrite: bool) -> HubName:
    with names_extra("the Hugging Face Hub needs"):
        from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(**CLIENT)
    is_there = _is_there(api, name, private, overwrite)
    with hub_errors(name):
        if not is_there:
            api.create_repo(name.repository, private=private)
        if name.revision is not None:
            api.create_branch(name.repository, branch=name.revision, exist_ok=True)
        size = sum((folder / file).stat().st_size for file in FILES)
        say(f"uploading {len(FILES)} files, {size / 1e6:,.1f} MB, to {api.endpoint}/{name.repository}")
        done = api.create_commit(
            name.repository,
            [CommitOperationAdd(path_in_repo=file, path_or_fileobj=folder / file) for file in FILES],
            commit_message=message or "Upload by subband",
            revision=name.revision,
        )
    return HubName(name.repository, done.oid)


def _is_there(api: Any, name: HubName, private: bool, overwrite: bool) -> bool:
    """Whether the Hub has a repository; an error if it may not be written to as it was asked for."""
    try:
        with hub_errors(HubName(name.repository)):
            is_private = api.model_info(name.repository).private
    except FileNotFoundError:
        return False
    if private and not is_private:
        raise FileExistsError(
            f"{name.repository} is there and public; make it private in its settings on the Hub first."
        )
    try:
        taken = sorted({*list_files(name)} & {*FILES})
    except FileNotFoundError:  # a branch that is to be made
        return True
    if taken and not overwrite:
        raise FileExistsError(
            f"{name} already holds {', '.join(taken)}; overwrite=True (--overwrite) replaces them, and the "
            "repository's history keeps the old ones."
        )
    return True


def _check_access(name: HubName) -> None:
    with names_extra("the Hugging Face Hub needs"):
        from huggingface_hub import get_token

    if forbidden := is_offline():
        raise ConnectionError(f"{name} cannot be written: {forbidden} forbids the network; --dry-run needs none.")
    if get_token() is None:
        raise PermissionError(f"nothing can be put on the Hub without a token; {LOG_IN}.")


def _repository(repository: str) -> HubName:
    name = HubName.parse(repository)
    if name.revision is not None:
        raise ValueError(f"{name} names a revision; give the branch by itself (revision, --revision).")
    return name


def _evaluated(own: Path | None) -> Evaluated | None:
    """What the scores of a run say beyond those beside its weights, where a model folder lies in a run that has any."""
    if own is None or not all((own.parent / name).is_file() for name in RUN_FILES):
        return None
    path = own.parent / SCORES_FILE
    try:
        scores = json.loads(path.read_text("utf-8"))
        _, *others = scores["rows"]
        return Evaluated(dict(scores["data"]), {row["name"]: dict(row["metrics"]) for row in others})
    except (ValueError, TypeError, KeyError):
        warnings.warn(f"{shown(path)} cannot be read; the model card goes without it.", stacklevel=3)
        return None


def _without_places(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored, with the absolute paths of this machine cut to their last part."""
    cut: list[str] = []

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return HOME_FILE.sub(shorten, value)
        if isinstance(value, Mapping):
            return {key: clean(item) for key, item in value.items()}
        return [clean(item) for item in value] if isinstance(value, list | tuple) else value

    def shorten(match: re.Match[str]) -> str:
        cut.append(match[0])
        return re.split(r"[/\\]", match[0])[-1]

    cleaned = clean(facts)
    if cut:
        say(f"paths of this machine are cut to their last part in what is shared: {', '.join(dict.fromkeys(cut))}")
    return cleaned
