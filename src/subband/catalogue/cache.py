"""Where fetched weights lie, what is noted beside them, and whether they are still what they were.

Each file has a folder of its own below `SUBBAND_HOME`: the file, and `record.json` with its size, SHA-256, address and
date. A file that somebody puts there by hand is checked and noted when it is first asked for.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from subband.catalogue.entries import PublishedWeights
from subband.file_kinds import other_kind
from subband.files import FolderInUseError, folder_lock, remove_folder, sha256_of, shown, write_atomically
from subband.signals import say

__all__ = [
    "Record",
    "RejectedFileError",
    "cached_file",
    "check_file",
    "file_of",
    "home",
    "keep",
    "looked_over",
    "only_one_process",
    "read_record",
    "remove_weights",
]

RECORD = "record.json"
WAIT_SECONDS = 0.2  # between two looks at a lock


class RejectedFileError(ValueError):
    """A file is not the one of the table; it lies where the message says."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What was found out about a file when it came.

    Attributes:
        name: Name of the weights.
        address: Where it came from; `by hand` if somebody put it there.
        size: Bytes.
        sha256: 64 digits.
        date: Day and time, UTC.
        revision: Commit of the Hub; empty elsewhere.
    """

    name: str
    address: str
    size: int
    sha256: str
    date: str
    revision: str = ""


def home() -> Path:
    """The folder of everything that is fetched: `SUBBAND_HOME`, or `subband` in the user's cache folder."""
    if chosen := os.environ.get("SUBBAND_HOME"):
        return Path(chosen).expanduser().absolute()
    if caches := os.environ.get("XDG_CACHE_HOME"):
        return Path(caches).absolute() / "subband"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "subband"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "subband"


def file_of(row: PublishedWeights) -> Path:
    """Where a file of weights lies, or is to be put by hand, whether it is there or not."""
    suffix = ".safetensors" if row.file.endswith(".safetensors") else ".pth"
    return home() / "weights" / row.name / f"{row.name}{suffix}"


def cached_file(row: PublishedWeights) -> Path | None:
    """The file of weights if it is here; what was put there by hand is checked and noted first.

    Args:
        row: Which weights.

    Raises:
        RejectedFileError: If it is not the file of the table; one that was put there by hand is renamed then.
    """
    path = file_of(row)
    if not path.is_file():
        return None
    record = read_record(row)
    if record is None:
        return _adopt(row, path)
    if path.stat().st_size != record.size:
        raise RejectedFileError(
            f"{shown(path)} has {path.stat().st_size:,} bytes, but had {record.size:,} when it came; run `subband "
            f"weights remove {row.name}` and get it again."
        )
    return path


def _adopt(row: PublishedWeights, path: Path) -> Path:
    """Check and note a file without a record."""
    digest = check_file(row, path)
    try:
        _write_record(row, "by hand", path, digest)
    except OSError:  # of a cache that can only be read, which is checked anew every time
        return path
    return path


def check_file(row: PublishedWeights, path: Path, expected: str = "") -> str:
    """Compare a file with the table.

    Args:
        row: Which weights it should be.
        path: The file. One inside the cache that is another one gets another name.
        expected: SHA-256 that the host has announced, where it does.

    Returns:
        Its SHA-256.

    Raises:
        RejectedFileError: If it is something else than weights, or its size or SHA-256 is another one.
    """
    kind = other_kind(path)
    if kind is not None:
        raise RejectedFileError(f"the file for {row.name} {kind}; {_set_aside(row, path)}")
    size = path.stat().st_size
    if row.size not in (None, size):
        raise RejectedFileError(
            f"the file for {row.name} has {size:,} bytes, the published one has {row.size:,}; {_set_aside(row, path)}"
        )
    digest = sha256_of(path)
    for known, whose in ((row.sha256, "the published one"), (expected, "the one that its host announces")):
        if not digest.startswith(known):
            raise RejectedFileError(
                f"the file for {row.name} has the SHA-256 {digest[:16]}..., {whose} has {known[:16]}...; "
                f"{_set_aside(row, path)}"
            )
    return digest


def _set_aside(row: PublishedWeights, path: Path) -> str:
    """Rename what was rejected inside the cache; says where it lies."""
    own = file_of(row)
    if path.parent != own.parent:
        return f"it lies at {shown(path)}, as before."
    aside = own.with_name(f"{row.name}.rejected{own.suffix}")
    os.replace(path, aside)
    return f"it is kept as {shown(aside)}."


def keep(row: PublishedWeights, part: Path, address: str, *, expected: str = "", revision: str = "") -> Path:
    """Take a file that lies beside its place into the cache, if it is the right one.

    Args:
        row: Which weights.
        part: The file, in the same folder under another name.
        address: Where it came from.
        expected: SHA-256 that the host has announced.
        revision: Commit of the Hub.

    Returns:
        Its place. What is the first to be known of its SHA-256 is said.

    Raises:
        RejectedFileError: If it is another file; it is kept under a third name.
    """
    digest = check_file(row, part, expected)
    path = file_of(row)
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    # Noted first: a file without a record is one that somebody put there.
    _write_record(row, address, part, digest, revision)
    os.replace(part, path)
    if len(row.sha256) < len(digest) and not expected:
        known = "only its first digits are published" if row.sha256 else "no SHA-256 of it is published"
        say(f"{row.name}: {known}; {digest} is noted, and `subband weights verify` compares with it.")
    return path


def _write_record(row: PublishedWeights, address: str, path: Path, digest: str, revision: str = "") -> None:
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    size = path.stat().st_size
    record = Record(name=row.name, address=address, size=size, sha256=digest, date=date, revision=revision)
    write_atomically(path.parent / RECORD, (json.dumps(asdict(record), indent=2) + "\n").encode())


def read_record(row: PublishedWeights) -> Record | None:
    """What was noted about a file; None if nothing was, or nothing that can be read."""
    try:
        return Record(**json.loads((file_of(row).parent / RECORD).read_text("utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def looked_over(row: PublishedWeights) -> str:
    """Read a whole file again; says in a few words whether it is what it was.

    Args:
        row: Weights that are here.

    Raises:
        RejectedFileError: If it is another file than the one that came.
    """
    path = file_of(row)
    record = read_record(row)
    digest = sha256_of(path)
    if record is not None and digest != record.sha256:
        raise RejectedFileError(f"{shown(path)} has changed since it came: SHA-256 {digest}, was {record.sha256}.")
    if not digest.startswith(row.sha256):
        raise RejectedFileError(f"{shown(path)} has the SHA-256 {digest}, the published one has {row.sha256}.")
    if len(row.sha256) == len(digest):
        return "as published"
    return "as it came" if record is not None else "nothing to compare with"


def remove_weights(row: PublishedWeights) -> bool:
    """Remove a file, its record and what an interrupted download has left.

    Args:
        row: Which weights.

    Returns:
        Whether there was anything.
    """
    folder = file_of(row).parent
    if not folder.is_dir():
        return False
    with only_one_process(folder):
        remove_folder(folder)
    return True


@contextmanager
def only_one_process(folder: Path) -> Iterator[None]:
    """The lock of a folder, for which is waited as long as another process has it, which is said once.

    Args:
        folder: What only one process may write into.

    Raises:
        OSError: If the folder can neither be made nor used.
    """
    with ExitStack() as stack:
        was_told = False
        while True:
            try:
                stack.enter_context(folder_lock(folder))
                break
            except FolderInUseError as error:
                if not was_told:
                    say(f"waiting: {str(error).partition(';')[0]}.")
                    was_told = True
                time.sleep(WAIT_SECONDS)
        yield
