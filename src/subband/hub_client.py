"""Repositories of the Hugging Face Hub: how one is named, and its files by `huggingface_hub` (extra `weights`).

The client keeps what it fetches in its own cache (`HF_HOME`), knows mirrors (`HF_ENDPOINT`), proxies and the user's
token. What goes wrong is said here in one sentence.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from subband._version import __version__
from subband.extras import names_extra
from subband.files import NO_SPACE, described, sha256_of, shown
from subband.signals import say

__all__ = ["HubFileMissingError", "HubName", "fetch_file", "hub_errors", "is_hub_name", "is_offline", "list_files"]

PREFIX = "hf:"
PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
REPOSITORY = re.compile(f"{PART}/{PART}")
COMMIT = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")
OFFLINE_VARIABLES = ("SUBBAND_OFFLINE", "HF_HUB_OFFLINE")
TRUE = {"1", "on", "true", "yes"}
PASSING = {408, 425, 429, 500, 502, 503, 504}  # answers that say nothing about the repository
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"
SHOWN = 200  # characters of the client's words in a message
CLIENT: dict[str, Any] = {"library_name": "subband", "library_version": __version__}


class HubFileMissingError(FileNotFoundError):
    """A repository has no file of a name."""


class HubName(NamedTuple):
    """A repository of the Hub, as command lines name it: `hf:user/name`, or `hf:user/name@REVISION`.

    Attributes:
        repository: `user/name`.
        revision: Branch, tag or commit; the newest commit of `main` if None.
    """

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")

    @classmethod
    def parse(cls, text: str | PurePath) -> HubName:
        """Take a name apart, with `hf:` before it or without.

        Args:
            text: `user/name`, `user/name@REVISION`.

        Raises:
            ValueError: If it is no such name.

        Example:
            >>> HubName.parse("hf:user/name@v1")
            HubName(repository='user/name', revision='v1')
        """
        given = text.as_posix() if isinstance(text, PurePath) else text
        repository, at, revision = given.removeprefix(PREFIX).partition("@")
        if not REPOSITORY.fullmatch(repository) or (at and not revision.strip()):
            raise ValueError(
                f"{shown(given)!r} names no repository of the Hub; write {PREFIX}user/name or {PREFIX}user/name@COMMIT."
            )
        return cls(repository, revision or None)


def is_hub_name(source: str | PurePath) -> bool:
    """Whether a source of weights is named as one of the Hub.

    Args:
        source: What a user gave.

    Example:
        >>> is_hub_name("hf:user/name"), is_hub_name("user/name")
        (True, False)
    """
    return str(source).startswith(PREFIX)


def is_offline() -> str | None:
    """The variable of the environment that forbids the network; None if it is allowed."""
    return next((name for name in OFFLINE_VARIABLES if os.environ.get(name, "").lower() in TRUE), None)


def fetch_file(name: HubName, file: str, *, local_files_only: bool = False) -> Path:
    """A file of a repository in the client's cache, fetched if it is not there; what is fetched is said.

    A file that is there by its commit is not asked for again. One that comes is compared with the SHA-256 that the Hub
    announces. Where the Hub does not answer, what is cached of this revision is taken, with a warning.

    Args:
        name: Which repository; without a revision, or with a branch, the Hub is asked for its newest commit.
        file: Its name in the repository.
        local_files_only: Take what is cached and ask nobody.

    Returns:
        Its path; the name of its folder is the commit.

    Raises:
        HubFileMissingError: If the repository has no such file.
        FileNotFoundError: If nothing may be fetched and the file is not cached.
        OSError: If there is no such repository or revision, it is closed to this user, or the Hub does not answer.
        ValueError: If the file came damaged.
    """
    with names_extra("the Hugging Face Hub needs"):
        import huggingface_hub

    cached = _cached(name, file)
    forbidden = "local_files_only" if local_files_only else is_offline()
    if cached is not None and (forbidden or COMMIT.fullmatch(name.revision or "")):
        return cached
    if forbidden:
        raise FileNotFoundError(f"{name} is not here, and {forbidden} forbids the network; {_what_is_cached(name)}.")
    try:
        with hub_errors(name, file):
            address = huggingface_hub.hf_hub_url(name.repository, file, revision=name.revision)
            about = huggingface_hub.get_hf_file_metadata(address, **CLIENT)
    except ConnectionError as error:
        if cached is None:
            raise
        warnings.warn(f"{described(error)}; the cached commit {cached.parent.name} is used.", stacklevel=2)
        return cached
    was_here = _cached(HubName(name.repository, about.commit_hash), file) is not None
    if not was_here:
        size = "" if about.size is None else f" ({about.size:,} bytes)"
        say(f"fetching {file}{size} of {HubName(name.repository, about.commit_hash)}")
    with hub_errors(name, file):
        path = Path(huggingface_hub.hf_hub_download(name.repository, file, revision=name.revision, **CLIENT))
    if not was_here:
        _check(path, about.etag or "", name)
    return path


def list_files(name: HubName) -> list[str]:
    """Names of the files of a repository.

    Args:
        name: Which repository.

    Raises:
        OSError: As for `fetch_file`.
    """
    with names_extra("the Hugging Face Hub needs"):
        import huggingface_hub

    with hub_errors(name):
        about = huggingface_hub.HfApi(**CLIENT).model_info(name.repository, revision=name.revision)
        return sorted(item.rfilename for item in about.siblings or ())


@contextmanager
def hub_errors(name: HubName, file: str = "") -> Iterator[None]:
    """What the client raises inside becomes one sentence.

    Args:
        name: What is asked for.
        file: Which file of it.

    Raises:
        HubFileMissingError: If the repository has no such file.
        PermissionError: If the user may not.
        FileNotFoundError: If there is no such repository or revision.
        ConnectionError: If the Hub does not answer.
        OSError: If the disk is full.
    """
    try:
        yield
    except Exception as error:  # of the client and of its HTTP library, whose classes differ from version to version
        raise _refusal(error, name, file) from None


def _refusal(error: Exception, name: HubName, file: str) -> Exception:
    with names_extra("the Hugging Face Hub needs"):
        from huggingface_hub import errors, get_token

    words = described(error)[:SHOWN] or type(error).__name__
    repository, status = name.repository, getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return PermissionError(
            f"{repository} is gated: accept its terms on its page on the Hub, and {LOG_IN} as the user who did."
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        closed = "closed to the user whose token is here" if get_token() else f"private; if it is yours, {LOG_IN}"
        return FileNotFoundError(f"the Hub has no repository {repository}, or it is {closed}.")
    if isinstance(error, errors.RevisionNotFoundError):
        return FileNotFoundError(f"{repository} has no revision {name.revision} on the Hub.")
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return HubFileMissingError(f"{name} has no file {file}.")
    if isinstance(error, errors.HFValidationError):
        return ValueError(f"{repository} is no name of a repository: {words}.")
    if status in (401, 403):
        why = "the token is not valid" if status == 401 else "the token does not allow it"
        return PermissionError(f"the Hub refuses {name} ({status}): {why}; {LOG_IN} with one that does.")
    if status is not None and status not in PASSING:
        return OSError(f"the Hub refuses {name} ({status}): {words}.")
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return OSError(f"{file or name} does not fit on the disk of {_cache()}: {words}; nothing of it is kept.")
    if isinstance(error, ValueError):  # what the client refuses by itself, such as a card with a mistake
        return ValueError(f"{name} is refused: {words}.")
    return ConnectionError(f"the Hub gave nothing of {name} ({words}); try again later.")


def _cache() -> str:
    with names_extra("the Hugging Face Hub needs"):
        from huggingface_hub import constants

    return shown(constants.HF_HUB_CACHE)


def _cached(name: HubName, file: str) -> Path | None:
    """Where a file of this revision lies in the cache; None if it does not."""
    with names_extra("the Hugging Face Hub needs"):
        import huggingface_hub

    found = huggingface_hub.try_to_load_from_cache(name.repository, file, revision=name.revision)
    return Path(found) if isinstance(found, str) else None


def _what_is_cached(name: HubName) -> str:
    """What the cache has of a repository, and where that is, as a part of a sentence."""
    with names_extra("the Hugging Face Hub needs"):
        from huggingface_hub import CacheNotFound, constants, scan_cache_dir

    try:
        repositories: Any = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except (CacheNotFound, ValueError):
        repositories = ()
    for repository in repositories:
        if repository.repo_id == name.repository and repository.repo_type == "model" and repository.revisions:
            kept = [
                f"{revision.commit_hash}{''.join(f' ({ref})' for ref in sorted(revision.refs))} with "
                f"{', '.join(sorted(file.file_name for file in revision.files))}"
                for revision in sorted(repository.revisions, key=lambda item: item.commit_hash)
            ]
            return f"cached in {_cache()} are of it {'; '.join(kept)}"
    return f"nothing of it is cached in {_cache()}"


def _check(path: Path, announced: str, name: HubName) -> None:
    """Compare a file that has come with what the Hub says of it, which the client does by its size alone."""
    if not SHA256.fullmatch(announced):
        return  # a small file, which the Hub names by git's hash
    digest = sha256_of(path)
    if digest != announced:
        blob = path.resolve()
        path.unlink()
        blob.unlink(missing_ok=True)
        raise ValueError(
            f"{path.name} of {name} came damaged: its SHA-256 is {digest[:16]}..., the Hub announces "
            f"{announced[:16]}...; it is removed from the cache, load it again."
        )
