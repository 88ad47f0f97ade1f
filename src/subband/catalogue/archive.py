"""Published archives that hold several files of weights."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from subband.catalogue.cache import RejectedFileError, cached_file, file_of, keep
from subband.catalogue.download import check_space
from subband.catalogue.entries import PublishedWeights, list_weights
from subband.files import FolderInUseError, folder_lock, shown

__all__ = ["is_archive_of", "take_apart"]

SHOWN = 5  # names that a message lists


def is_archive_of(row: PublishedWeights, path: Path) -> bool:
    """Whether a file is the archive in which the table says that weights lie, not the weights themselves.

    Args:
        row: Which weights.
        path: A file.
    """
    if not row.member or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:  # a file of torch.save is such an archive, too
        return not any(PurePosixPath(name).name == "data.pkl" for name in archive.namelist())


def take_apart(row: PublishedWeights, path: Path, address: str) -> Path:
    """Take the weights out of their archive, and those of all other rows that are in it and not here yet.

    Args:
        row: Weights whose folder this process has locked.
        path: The archive, which stays.
        address: Where it came from.

    Returns:
        The file of the row.

    Raises:
        RejectedFileError: If the archive is damaged or does not hold it.
        OSError: If there is no room.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            place = _take(row, archive, address)
            for other in list_weights():
                if other.address == row.address and other is not row and _member(other, archive) is not None:
                    _take_if_free(other, archive, address)
    # The third is what zipfile raises for a way of packing that it does not know; it is caught here, nothing raises it.
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as error:
        raise RejectedFileError(f"the archive {shown(path)} is damaged: {error}.") from None
    return place


def _take_if_free(row: PublishedWeights, archive: zipfile.ZipFile, address: str) -> None:
    try:
        with folder_lock(file_of(row).parent):
            if cached_file(row) is None:
                _take(row, archive, address)
    except (FolderInUseError, RejectedFileError):  # whoever asks for it meets the reason
        return


def _take(row: PublishedWeights, archive: zipfile.ZipFile, address: str) -> Path:
    member = _member(row, archive)
    if member is None:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        listed = ", ".join(map(shown, names[:SHOWN])) or "nothing"
        raise RejectedFileError(f"the archive for {row.name} has no {row.member}; it holds {listed}{more}.")
    place = file_of(row)
    part = place.with_name(f"{place.name}.unpacked")
    check_space(place.parent, member.file_size)
    try:
        with archive.open(member) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target)
        return keep(row, part, address)
    finally:
        part.unlink(missing_ok=True)


def _member(row: PublishedWeights, archive: zipfile.ZipFile) -> zipfile.ZipInfo | None:
    """The member of the table's path, or the only one of its name in another folder."""
    members = [info for info in archive.infolist() if not info.is_dir()]
    exact = [info for info in members if info.filename == row.member]
    name = PurePosixPath(row.member).name
    alike = exact or [info for info in members if PurePosixPath(info.filename).name == name]
    return alike[0] if len(alike) == 1 else None
