"""A file over HTTPS: aside first, taken up where it stopped, tried again, and never an HTML page in place of a file."""

from __future__ import annotations

import errno
import http.client
import json
import re
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

from subband._version import __version__
from subband.files import NO_SPACE, described, shown

__all__ = ["DownloadError", "OnBytes", "check_space", "download", "secure_opener", "without_space"]

OnBytes = Callable[[int, int | None], None]
"""Told the bytes that are here and those in all, None where unknown."""

CHUNK = 1 << 18
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)  # seconds before each further attempt
TIMEOUT = 30.0  # seconds without a byte
PASSING = {408, 425, 429, 500, 502, 503, 504}  # answers that may be others a moment later
BEGINNING_OF_HTML = re.compile(rb"\s*(\xef\xbb\xbf)?\s*<")
QUOTA = re.compile(rb"uc-error-subcaption|Too many users have viewed or downloaded|quota", re.IGNORECASE)
PAGE_BYTES = 1 << 16


class DownloadError(OSError):
    """An address gave no file; the message is a part of a sentence without a full stop."""


class _PassingError(Exception):
    """What another attempt may mend."""


class _Left(NamedTuple):
    """What an interrupted download has left.

    Attributes:
        address: Where it came from.
        validator: ETag or date of the file, by which the server tells whether it is still the same.
        total: Bytes in all.
    """

    address: str
    validator: str
    total: int


class _EncryptedOnly(urllib.request.HTTPRedirectHandler):
    """Follows a server that sends on to another address, if that is an `https:` one."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """The request for the other address.

        Raises:
            DownloadError: If it is no `https:` address.
        """
        if not newurl.startswith("https:"):
            raise DownloadError(f"{req.host} sends on to {shown(newurl)}, which is no https: address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def secure_opener() -> urllib.request.OpenerDirector:
    """What opens `https:` addresses, by way of the proxies that the environment names, and nothing else."""
    return urllib.request.build_opener(_EncryptedOnly)


def download(
    address: str,
    part: Path,
    *,
    size: int | None = None,
    on_bytes: OnBytes | None = None,
    opener: urllib.request.OpenerDirector | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Fetch a file into `part`, or what is missing of it.

    Beside `part` stands `NAME.json` as long as it is not whole: its address and what the server says of its version. A
    later call goes on where this one stopped, if the server says that the file is the same; else it begins anew.

    Args:
        address: An `https:` address.
        part: File to write.
        size: Bytes that it must have; None if unknown.
        on_bytes: Told how far it is.
        opener: Opens addresses; `secure_opener()` by default.
        pause: Waits between attempts, of which there are six.

    Raises:
        DownloadError: If the server has no such file, sends a page, another size, or nothing in six attempts.
        OSError: If the file cannot be written; what is there is kept where the disk is full.
    """
    if opener is None:
        if not address.startswith("https:"):
            raise DownloadError(f"{address} is no https: address")
        opener = secure_opener()
    reason = ""
    for wait in (*WAITS, None):
        try:
            _attempt(address, part, size, on_bytes, opener)
            _state_of(part).unlink(missing_ok=True)
            return
        except _PassingError as error:
            reason = str(error)
        if wait is not None:
            pause(wait)
    raise DownloadError(f"{reason}, {len(WAITS) + 1} times; the next call goes on where this one stopped")


def _attempt(
    address: str, part: Path, size: int | None, on_bytes: OnBytes | None, opener: urllib.request.OpenerDirector
) -> None:
    host = urlsplit(address).hostname or address
    start, left = _left_over(address, part)
    headers = {"User-Agent": f"subband/{__version__}", "Accept-Encoding": "identity"}
    if left is not None:
        headers |= {"Range": f"bytes={start}-", "If-Range": left.validator}
    try:
        with opener.open(urllib.request.Request(address, headers=headers), timeout=TIMEOUT) as response:
            if left is not None and response.status == 206:
                if not _goes_on(response, start, left):
                    part.unlink()
                    raise _PassingError(f"{host} sent another part than the one that was asked for")
                total: int | None = left.total
            else:
                start = 0
                total = _length(response)
            _check_answer(response, host, size, total)
            check_space(part.parent, (size or total or 0) - start)
            _write(response, part, start, total, address, host, on_bytes)
    except urllib.error.HTTPError as error:
        _judge(error, host, part)
    except DownloadError:
        raise
    except (urllib.error.URLError, http.client.HTTPException, ssl.SSLError, TimeoutError, ConnectionError) as error:
        cause = getattr(error, "reason", error)
        words = described(cause) if isinstance(cause, Exception) else str(cause)
        # Without a network, or a certificate, waiting mends nothing.
        is_lasting = isinstance(cause, socket.gaierror | ssl.SSLCertVerificationError)
        is_lasting |= isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)
        kind = DownloadError if is_lasting else _PassingError
        raise kind(f"no connection to {host}: {words or type(cause).__name__}") from None


def _judge(error: urllib.error.HTTPError, host: str, part: Path) -> None:
    """Whether an answer with an error may be another one a moment later."""
    words = f"{host} answered {error.code} {error.reason}".rstrip()
    if error.code == 416:  # the part is longer than the file is now
        part.unlink(missing_ok=True)
    if error.code == 416 or error.code in PASSING:
        raise _PassingError(words) from None
    raise DownloadError(words) from None


def _left_over(address: str, part: Path) -> tuple[int, _Left | None]:
    """How many bytes are here of which file; none if the server could not tell whether they still are its beginning."""
    try:
        left = _Left(**json.loads(_state_of(part).read_text("utf-8")))
        start = part.stat().st_size
    except (OSError, ValueError, TypeError):
        return 0, None
    is_usable = left.address == address and bool(left.validator) and 0 < start < left.total
    return (start, left) if is_usable else (0, None)


def _state_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _goes_on(response: http.client.HTTPResponse, start: int, left: _Left) -> bool:
    """Whether an answer of 206 is the rest of the file of which a part is here."""
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", "").strip())
    return found is not None and tuple(map(int, found.groups())) == (start, left.total - 1, left.total)


def _length(response: http.client.HTTPResponse) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def _check_answer(response: http.client.HTTPResponse, host: str, size: int | None, total: int | None) -> None:
    if response.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise DownloadError(_page(response.read(PAGE_BYTES), host))
    if size is not None and total not in (None, size):
        raise DownloadError(f"{host} has a file of {total:,} bytes, the published one has {size:,}")


def _page(content: bytes, host: str) -> str:
    """What an HTML page in place of a file is."""
    if QUOTA.search(content):
        return f"{host} sent a page: too many people have fetched this file lately; in a day or so it allows that again"
    title = re.search(rb"<title[^>]*>(.*?)</title>", content, re.IGNORECASE | re.DOTALL)
    name = " ".join(title[1].decode("utf-8", "replace").split())[:80] if title else ""
    return f"{host} sent an HTML page{f' ({shown(name)})' if name else ''} in place of the file"


def check_space(folder: Path, needed: int) -> None:
    """Refuse early what the disk has no room for.

    Args:
        folder: Where it shall be written.
        needed: Bytes.

    Raises:
        OSError: If less is free.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise without_space(folder, f"{needed / 1e6:,.0f} MB are needed and {free / 1e6:,.0f} MB are free")


def without_space(folder: Path, what: str = "what is there is kept, and a next call goes on from it") -> OSError:
    """The error of a full disk, as a sentence.

    Args:
        folder: Where there is no room.
        what: How it goes on.
    """
    return OSError(f"the disk of {shown(folder)} is full: {what}; make room, or set SUBBAND_HOME to another folder.")


def _write(
    response: http.client.HTTPResponse,
    part: Path,
    start: int,
    total: int | None,
    address: str,
    host: str,
    on_bytes: OnBytes | None,
) -> None:
    """Append an answer to the part, or begin it anew."""
    if start == 0:
        _note(part, address, response, total)
    done = start
    with part.open("ab" if start else "wb") as file:
        while chunk := response.read1(CHUNK):  # what is there, so that a slow host loses nothing
            if done == 0 and BEGINNING_OF_HTML.match(chunk):
                raise DownloadError(_page(chunk, host))
            _put(file, chunk, part.parent)
            done += len(chunk)
            if on_bytes is not None:
                on_bytes(done, total)
    if total is not None and done != total:
        if done > total:
            part.unlink()
        raise _PassingError(f"{host} broke off after {done:,} of {total:,} bytes")


def _put(file: IO[bytes], chunk: bytes, folder: Path) -> None:
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:
        if error.errno in NO_SPACE - {errno.EROFS}:
            raise without_space(folder) from None
        raise


def _note(part: Path, address: str, response: http.client.HTTPResponse, total: int | None) -> None:
    """What a later call must know to go on; nothing where the server gives nothing to tell versions by."""
    tag = response.headers.get("ETag", "")
    validator = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
    state = _state_of(part)
    state.unlink(missing_ok=True)
    if validator and total is not None and response.headers.get("Accept-Ranges", "").lower() != "none":
        state.write_text(json.dumps(_Left(address, validator, total)._asdict()), "utf-8")
