"""Files of Google Drive and of the Hugging Face Hub, by the packages that know these hosts (extra `weights`)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from subband.catalogue.download import TIMEOUT, DownloadError, OnBytes, without_space
from subband.catalogue.entries import drive_id
from subband.extras import advice
from subband.files import NO_SPACE, described

__all__ = ["OfHub", "from_drive", "from_hub"]

RETRIES = 3
HUB_PATH = re.compile(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)")
QUOTA = re.compile(r"too many users|quota", re.IGNORECASE)


class OfHub(NamedTuple):
    """What the Hub says of a file.

    Attributes:
        sha256: 64 digits; empty where the Hub keeps the file itself in its repository.
        revision: Commit.
    """

    sha256: str
    revision: str


def from_drive(address: str, part: Path, *, on_bytes: OnBytes | None = None) -> None:
    """Fetch a file of Google Drive by gdown, which goes on where it stopped.

    Args:
        address: An address with the file's id.
        part: File to write.
        on_bytes: Told how far it is.

    Raises:
        DownloadError: If gdown is not installed, or Drive gives no file: its quota, a file that is gone, a folder.
        OSError: If the disk is full.
    """
    try:
        import gdown
    except ImportError:
        raise DownloadError(_missing("Google Drive", "gdown")) from None
    part.unlink(missing_ok=True)  # gdown keeps what is not whole under names of its own
    try:
        gdown.download(
            id=drive_id(address),
            output=str(part),
            quiet=True,
            resume=True,
            timeout=TIMEOUT,
            retries=RETRIES,
            progress=on_bytes,
        )
    except Exception as error:  # of gdown, requests, and of Drive's pages, which gdown takes apart
        raise _of_drive(error, part) from None
    if not part.is_file():
        raise DownloadError("Google Drive gave no file")


def _of_drive(error: Exception, part: Path) -> OSError:
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return without_space(part.parent)
    if QUOTA.search(str(error)):
        return DownloadError(
            "Google Drive's quota: too many people have fetched this file lately; in a day or so it allows that again"
        )
    if "byte range" in str(error):  # Drive gave no rest, or that of another version: gdown would ask again and again
        for left in part.parent.glob(f"{part.name}*.part"):
            left.unlink()
        return DownloadError("Google Drive broke off and gave no rest; the next call begins anew")
    return DownloadError(f"Google Drive gave no file: {described(error)[:200] or type(error).__name__}")


def from_hub(address: str, part: Path) -> OfHub:
    """Fetch a file of the Hub by huggingface_hub, which shows its own progress and knows the user's token and mirror.

    Args:
        address: `https://huggingface.co/OWNER/NAME/resolve/REVISION/FILE`.
        part: File to write.

    Raises:
        DownloadError: If huggingface_hub is not installed, or the Hub gives no file.
        OSError: If the disk is full.
    """
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    except ImportError:
        raise DownloadError(_missing("the Hugging Face Hub", "huggingface_hub")) from None
    found = HUB_PATH.fullmatch(urlsplit(address).path)
    if found is None:
        raise DownloadError(f"{address} is no file of the Hub")
    repository, revision, name = found.groups()
    folder = part.with_name(f"{part.name}.hub")
    try:
        about = get_hf_file_metadata(hf_hub_url(repository, name, revision=revision))
        revision = about.commit_hash or revision  # the file that was asked about, should there be a newer one by now
        path = hf_hub_download(repository, name, revision=revision, local_dir=folder)
        Path(path).replace(part)
    except Exception as error:  # of the client and of its HTTP library
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            raise without_space(part.parent, "nothing of the file is kept") from None
        raise DownloadError(f"the Hub gave no file: {described(error)[:200] or type(error).__name__}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tag = about.etag or ""
    return OfHub(tag if re.fullmatch(r"[0-9a-f]{64}", tag) else "", about.commit_hash or "")


def _missing(host: str, package: str) -> str:
    return f"{host} needs the package {package} ({advice(package)})"
