"""A server on this machine that answers as hosts of weights do, and worse; a row of the table whose file it has."""

import hashlib
import io
import re
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from subband import create_model, export_published
from subband.catalogue import entries, fetch
from subband.catalogue.download import download
from subband.catalogue.entries import PublishedWeights

TINY: dict[str, Any] = {"img_size": 32, "dims": (8,), "depths": (1,), "num_classes": 3}
ETAG = '"first"'


Answer = Callable[[BaseHTTPRequestHandler], None]


class Host:
    """What the server has at which path, and what it was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer] = {}
        self.asked: list[tuple[str, str | None]] = []  # path and Range of every request
        self.address = ""

    def at(self, path: str, answer: Answer) -> str:
        """Put an answer at a path; gives the address."""
        self.pages[path] = answer
        return f"{self.address}{path}"

    @staticmethod
    def answer(content: bytes, code: int = 200, length: int | None = None, **headers: str) -> Answer:
        """One whole answer, or one whose length is a lie."""

        def send(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(code)
            handler.send_header("Content-Length", str(len(content) if length is None else length))
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.end_headers()
            with suppress(ConnectionError):  # whoever asked has seen enough
                handler.wfile.write(b"" if handler.command == "HEAD" else content)

        return send

    def file(self, content: bytes, etag: str = ETAG) -> Answer:
        """A file as a good host has it: with ranges, and a tag of its version."""

        def send(handler: BaseHTTPRequestHandler) -> None:
            asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
            if asked and handler.headers.get("If-Range") == etag:
                start = int(asked[1])
                part = f"bytes {start}-{len(content) - 1}/{len(content)}"
                self.answer(content[start:], 206, ETag=etag, Content_Range=part)(handler)
            else:
                self.answer(content, ETag=etag, Accept_Ranges="bytes")(handler)

        return send

    def broken_off(self, content: bytes, after: int, etag: str = ETAG) -> Answer:
        """A file of which only the beginning comes."""
        return self.answer(content[:after], length=len(content), ETag=etag, Accept_Ranges="bytes")

    @staticmethod
    def in_turn(*answers: Answer) -> Answer:
        """Another answer each time, and the last one ever after."""
        left = list(answers)
        return lambda handler: (left.pop(0) if len(left) > 1 else left[0])(handler)


@pytest.fixture
def host() -> Iterator[Host]:
    """A server on the loopback that answers what a test tells it."""
    known = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.asked.append((self.path, self.headers.get("Range")))
            known.pages.get(self.path, known.answer(b"not here", 404))(self)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the tests look at `asked`."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        known.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield known
        server.shutdown()
        thread.join()


@pytest.fixture
def opener() -> urllib.request.OpenerDirector:
    """Opens addresses without encryption, too, and by way of no proxy."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `SUBBAND_HOME`, and no variable that forbids the network."""
    monkeypatch.setenv("SUBBAND_HOME", str(tmp_path / "cache"))
    for name in ("SUBBAND_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def content() -> bytes:
    """A published file: the weights of a tiny GFNet as its training script stores them."""
    torch.manual_seed(0)
    buffer = io.BytesIO()
    torch.save({"model": export_published(create_model("gfnet_ti", **TINY)), "epoch": 3}, buffer)
    return buffer.getvalue()


@pytest.fixture
def row(host: Host, content: bytes, cache: Path) -> Callable[..., PublishedWeights]:
    """Builds the row of a file that the server has at `/tiny.pth`; keyword arguments replace fields."""
    address = host.at("/tiny.pth", host.file(content))

    def build(**changes: Any) -> PublishedWeights:
        known = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        basics = {
            "name": "tiny",
            "family": "GFNet",
            "task": "classification",
            "model": "gfnet_ti",
            "overrides": TINY,
            "trained_on": "nothing",
            "inputs": "RGB images",
            "licence": "MIT",
            "address": address,
            "source": "a test",
        }
        return PublishedWeights(**{**basics, **known, **changes})

    return build


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch, opener: urllib.request.OpenerDirector) -> Callable[..., None]:
    """Makes rows the whole table, and lets downloads take addresses without encryption, without waiting."""

    def plain(address: str, part: Path, **options: Any) -> None:
        download(address, part, **{**options, "opener": opener, "pause": lambda seconds: None})

    def use(*rows: PublishedWeights) -> None:
        monkeypatch.setattr(entries, "_table", lambda: {row.name: row for row in rows})
        monkeypatch.setattr(fetch, "download", plain)

    return use
