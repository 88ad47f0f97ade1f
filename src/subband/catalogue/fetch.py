"""Getting published weights: from the cache, from one of their addresses, or from a file that somebody fetched."""

from __future__ import annotations

import shutil
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from subband.catalogue.archive import is_archive_of, take_apart
from subband.catalogue.cache import cached_file, check_file, file_of, home, keep, only_one_process
from subband.catalogue.download import DownloadError, OnBytes, check_space, download
from subband.catalogue.entries import PublishedWeights, client_of
from subband.catalogue.hosts import OfHub, from_drive, from_hub
from subband.files import described, shown
from subband.hub_client import is_offline
from subband.models.registry import model_spec
from subband.signals import say

__all__ = ["get_weights", "put_weights", "size_text", "terms", "where_by_hand"]

BYTES_A_PARAMETER = 4
# Locks of files keep other processes out; this one, threads of the same process.
_THREADS = threading.Lock()


def size_text(row: PublishedWeights) -> str:
    """The size of a file in words; where it is unknown, what the parameters of its network take.

    Args:
        row: Which weights.
    """
    if row.size is not None:
        return f"{row.size / 1e6:,.1f} MB"
    if row.size_said:
        return row.size_said
    if row.member or row.loader:
        return "unknown"
    return f"{model_spec(row.model).params * BYTES_A_PARAMETER / 1e6:,.0f} MB or more"


def terms(row: PublishedWeights) -> str:
    """What a user should know before a download, in one line.

    Args:
        row: Which weights.
    """
    size, licence = size_text(row), row.licence
    return f"{row.name}: size {size}; licence of the weights: {licence}; from {row.address}"


def where_by_hand(row: PublishedWeights) -> str:
    """How a file gets here without this package, as the end of a sentence.

    Args:
        row: Which weights.
    """
    return (
        f"get the file from {row.address} with a browser and run `subband weights get {row.name} --from FILE`, or put "
        f"it at {shown(file_of(row))}."
    )


def get_weights(row: PublishedWeights, *, opener: urllib.request.OpenerDirector | None = None) -> Path:
    """The file of weights: the one that is here, else it is downloaded. What is downloaded, and its licence, is said.

    Processes that want the same file wait for the first one. What an interrupted download has left is gone on with.

    Args:
        row: Which weights.
        opener: Opens addresses in place of the one that takes `https:` alone.

    Returns:
        Path of the file.

    Raises:
        DownloadError: If no address gives the file, or the network is forbidden (`SUBBAND_OFFLINE`, `HF_HUB_OFFLINE`),
            with where to put it by hand.
        RejectedFileError: If what came is another file; it is kept under another name.
        OSError: If there is no room, or the cache can only be read.
    """
    with _THREADS:
        path = cached_file(row)
        if path is not None:
            return path
        if forbidden := is_offline():
            raise DownloadError(f"{row.name} is not here, and {forbidden} forbids the network; {where_by_hand(row)}")
        if all(client_of(address) == "hand" for address in row.addresses):
            raise DownloadError(f"{row.name} lies where only a browser gets it; {where_by_hand(row)}")
        with _writable_folder(row):
            return cached_file(row) or _fetch(row, opener)  # another process may just have brought it


def put_weights(row: PublishedWeights, source: Path) -> Path:
    """Take a copy of a file that was fetched by hand, or the weights out of such an archive, into the cache.

    Args:
        row: Which weights.
        source: The file; it stays as it is.

    Returns:
        Path of the copy.

    Raises:
        FileNotFoundError: If there is no such file.
        RejectedFileError: If it is another file than the one of the table.
        OSError: If there is no room, or the cache can only be read.
    """
    if not source.is_file():
        raise FileNotFoundError(f"no file at {shown(source)}.")
    with _THREADS, _writable_folder(row):
        if is_archive_of(row, source):
            return take_apart(row, source, "by hand")
        check_file(row, source)
        place = file_of(row)
        part = place.with_name(f"{place.name}.copy")
        check_space(place.parent, source.stat().st_size)
        try:
            shutil.copyfile(source, part)
            return keep(row, part, "by hand")
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def _writable_folder(row: PublishedWeights) -> Iterator[None]:
    """The lock of a file's folder; an error of the cache says what can be done."""
    folder = file_of(row).parent
    try:
        with only_one_process(folder):
            folder.mkdir(parents=True, exist_ok=True)
            yield
    except OSError as error:
        if error.strerror and error.filename is not None and _is_of_cache(Path(str(error.filename))):
            raise OSError(
                f"the cache cannot be written ({described(error)}); set SUBBAND_HOME to a folder that can, or "
                f"{where_by_hand(row)}"
            ) from None
        raise


def _is_of_cache(path: Path) -> bool:
    """Whether something lies in the cache, or the cache in it."""
    return path.is_relative_to(home()) or home().is_relative_to(path)


def _fetch(row: PublishedWeights, opener: urllib.request.OpenerDirector | None) -> Path:
    """The file from the first of its addresses that gives it."""
    reasons: list[str] = []
    place = file_of(row)
    part = place.with_name(f"{place.name}.part")
    say(terms(row))
    for address in (address for address in row.addresses if client_of(address) != "hand"):
        if reasons:
            say(f"{row.name}: {reasons[-1]}; trying {address}")
        try:
            about = _from(address, row, part, opener)
        except DownloadError as error:
            reasons.append(str(error))
            continue
        if not is_archive_of(row, part):
            return keep(row, part, address, expected=about.sha256, revision=about.revision)
        path = take_apart(row, part, address)
        part.unlink()
        return path
    raise DownloadError(f"{row.name} did not come: {'; '.join(reasons)}; {where_by_hand(row)}")


def _from(address: str, row: PublishedWeights, part: Path, opener: urllib.request.OpenerDirector | None) -> OfHub:
    client = client_of(address)
    if client == "hub":
        return from_hub(address, part)
    with _bar(f"{row.name} from {urlsplit(address).hostname}") as on_bytes:
        if client == "drive":
            from_drive(address, part, on_bytes=on_bytes)
        else:
            download(address, part, size=None if row.member else row.size, on_bytes=on_bytes, opener=opener)
    return OfHub("", "")


@contextmanager
def _bar(title: str) -> Iterator[OnBytes]:
    """A bar on the error stream with bytes, speed and the time left; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
