"""The table of published weights, typed and checked."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

__all__ = ["Client", "PublishedWeights", "choose_weights", "client_of", "drive_id", "find_weights", "list_weights"]

TABLE = Path(__file__).parent.parent / "weights" / "catalogue.json"
FORMAT_VERSION = 1
DIGEST = re.compile(r"[0-9a-f]{8}|[0-9a-f]{64}")
NAME = re.compile(r"[a-z0-9_]+")
# Hosts that answer a browser only, or that need an account.
BY_HAND = ("1drv.ms", "dropbox.com", "pan.baidu.com")
DRIVE, HUB = "drive.google.com", "huggingface.co"
# Arguments that choose one of several networks in a file; any of their values fits it.
PARTS = {"expert"}
Client = Literal["https", "drive", "hub", "hand"]


@dataclass(frozen=True, kw_only=True)
class PublishedWeights:
    """One published file, or one file of a published archive.

    Attributes:
        name: What it is called here; unique.
        family: The published work.
        task: What the weights are for.
        model: Name of the network that takes them, as `create_model` knows it.
        overrides: Arguments of that network beyond its name, as `load_published` takes them.
        also_fits: Other names of the same network.
        is_default: Whether the model's name alone means this file, where there are several.
        loader: Function that reads it, by its full name, where `load_published` does not: then only a backbone loads.
        trained_on: Data, and how long or by which schedule.
        tested_on: Data of the figures.
        metrics: Published figures by name and unit.
        inputs: What goes in, and of what range or size.
        classes: Whose classes or joints come out; empty where there are none.
        licence: Licence of the weights, or that none is stated.
        address: Where the authors say that it lies.
        alternatives: Other addresses of theirs.
        file: Its published name; empty where that is unknown.
        member: Path inside the archive that is at the address; empty where the address is that of the file itself.
        size: Bytes; None where unknown.
        size_said: Its size in somebody's words, which is shown and not checked.
        sha256: All 64 digits, the first eight, or nothing where unknown.
        source: Where this row was read.
        notes: What else a user should know.
    """

    name: str
    family: str
    task: str
    model: str
    trained_on: str
    inputs: str
    licence: str
    address: str
    source: str
    overrides: dict[str, Any] = field(default_factory=dict)
    also_fits: tuple[str, ...] = ()
    is_default: bool = False
    loader: str = ""
    tested_on: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    classes: str = ""
    alternatives: tuple[str, ...] = ()
    file: str = ""
    member: str = ""
    size: int | None = None
    size_said: str = ""
    sha256: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a row that cannot be used safely.

        Raises:
            ValueError: If the name cannot be that of a folder, or a digest has another number of digits.
        """
        if not NAME.fullmatch(self.name):
            raise ValueError(f"published weights {self.name!r}: a name has small letters, digits and _ only.")
        if self.sha256 and not DIGEST.fullmatch(self.sha256):
            raise ValueError(
                f"published weights {self.name}: sha256 has 64 digits or the first 8, not {self.sha256!r}."
            )

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses, the authors' first one first."""
        return (self.address, *self.alternatives)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of all networks that take the file."""
        return (self.model, *self.also_fits)


def client_of(address: str) -> Client:
    """Who fetches an address: the downloader of this package, one of another package, or the user.

    Args:
        address: An entry's address.

    Example:
        >>> client_of("https://drive.google.com/drive/folders/1zmQaK"), client_of("https://drive.google.com/open?id=1e")
        ('hand', 'drive')
    """
    host = urlsplit(address).hostname or ""
    if any(host == name or host.endswith(f".{name}") for name in BY_HAND):
        return "hand"
    if host == DRIVE:
        return "drive" if drive_id(address) else "hand"
    return "hub" if host == HUB else "https"


def drive_id(address: str) -> str | None:
    """The id of a file of Google Drive; None for a folder.

    Args:
        address: An address of it.
    """
    parts = urlsplit(address)
    found = re.fullmatch(r"/file/d/([\w-]+)/view", parts.path)
    return found[1] if found else parse_qs(parts.query).get("id", [None])[0]


@functools.cache
def _table() -> dict[str, PublishedWeights]:
    content = json.loads(TABLE.read_text("utf-8"))
    assert content["format_version"] == FORMAT_VERSION, "the table belongs to another version of the package"
    lists = {item.name for item in fields(PublishedWeights) if "tuple" in str(item.type)}
    found = {}
    for row in content["weights"]:
        values: dict[str, Any] = {key: tuple(value) if key in lists else value for key, value in row.items()}
        found[row["name"]] = PublishedWeights(**values)
    return found


def list_weights() -> list[PublishedWeights]:
    """All published weights that are known here, families together."""
    return list(_table().values())


def find_weights(name: str) -> PublishedWeights:
    """The entry of one name.

    Args:
        name: Its name, or that of a model, which stands for what `choose_weights` takes.

    Raises:
        ValueError: If there is none (the closest names are given), or a model has several and none is the default.
    """
    table = _table()
    return table[name] if name in table else choose_weights(name)


def choose_weights(name: str, overrides: Mapping[str, Any] | None = None) -> PublishedWeights:
    """The file that a name means where weights are to be loaded into a network.

    A name of the table means that entry. The name of a model means the file for the arguments that are given
    (`channels=64`); of several the one that the table marks as the default: the named configuration as it stands,
    trained longest, or of several trainings the one on the data set of its paper that needs no account.

    Args:
        name: Name of the table or of a model.
        overrides: Arguments of the network.

    Raises:
        ValueError: If nothing is known by that name (the closest names are given), if only the backbone of a detector
            is in the file, or if there are several and none is the default, which are listed.
    """
    table = _table()
    if name in table:
        if table[name].loader:
            raise ValueError(
                f"{name} is a whole detector, of which the backbone alone loads: give the file that `subband weights "
                f"path {name}` names to {table[name].loader}."
            )
        return table[name]
    found = [row for row in table.values() if name in row.models and not row.loader]
    if not found:
        raise ValueError(_unknown(name))
    given = overrides or {}
    fitting = [row for row in found if _fits(row, given)] or found  # loading says what does not fit
    asked = {key for row in found for key in row.overrides if key in given}
    exact = [row for row in fitting if asked <= set(row.overrides)] or fitting
    chosen = [row for row in exact if row.is_default] or exact
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(row.name for row in chosen)
    raise ValueError(f"{name} has several published files, and none is the default; name one of them: {names}.")


def _fits(row: PublishedWeights, given: Mapping[str, Any]) -> bool:
    """Whether no argument that is given differs from one that the file needs."""
    return all(key in PARTS or given.get(key, value) == value for key, value in row.overrides.items())


def _unknown(name: str) -> str:
    known = sorted({*_table(), *(model for row in _table().values() for model in row.models if not row.loader)})
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}?" if close else "`subband weights list` shows what there is."
    return f"no published weights are known by the name {name!r}; {hint}"
