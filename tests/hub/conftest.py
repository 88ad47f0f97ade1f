"""A stand-in for the Hub on the loopback: the few routes of its HTTP interface that the client uses here."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from torch import nn

import subband

TOKEN = "hf_of_a_test"


@dataclass
class Repository:
    """Commits by their hash, newest last; a commit is its files."""

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        before = self.commits.get(self.refs.get(branch, ""), {})
        sha = hashlib.sha1(f"{len(self.commits)}{sorted(files)}".encode()).hexdigest()
        self.commits[sha] = {**before, **files}
        self.refs[branch] = sha
        return sha


class StandIn(ThreadingHTTPServer):
    """What the Hub would know, and what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.repositories: dict[str, Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.damage = False
        self.cut = False
        self.drops = 0  # of large files, so many connections end in the middle
        self.ranges: list[str] = []  # what was asked for of large files that had begun to come
        self.refusal = 0  # status of every answer, if it is not 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def put(self, name: str, files: dict[str, bytes]) -> str:
        repository = self.repositories.setdefault(name, Repository())
        repository.refs.setdefault("main", "")
        return repository.commit(files)


class Answers(BaseHTTPRequestHandler):
    """The routes."""

    server: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"{self.command} {path}")
        if self.server.refusal:
            return self.send(self.server.refusal, b"{}")
        if path == "/api/validate-yaml":
            return self.json({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if found := re.fullmatch(r"/blob/(\w+)", path):
            self.server.blobs[found[1]] = body
            return self.send(200, b"")
        if found := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return self.batch(json.loads(body))
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(\w+)/(.+))?", path):
            return self.of_repository(found[1], found[2] or "revision", found[3] or "main", body)
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self.file(found[1], found[2], found[3])
        return self.send(404, b"{}")

    def repository(self, name: str) -> Repository | None:
        """One that this user may see; what is wrong with others is answered."""
        found = self.server.repositories.get(name)
        is_owner = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if found is None or (found.private and not is_owner):
            self.send(404 if is_owner else 401, b"{}", {"X-Error-Code": "RepoNotFound"})
            return None
        if found.gated and not is_owner:
            self.send(403, b"{}", {"X-Error-Code": "GatedRepo"})
            return None
        return found

    def of_repository(self, name: str, what: str, revision: str, body: bytes) -> None:
        found = self.repository(name)
        if found is None:
            return
        if what == "branch":
            is_there = revision in found.refs
            found.refs.setdefault(revision, found.refs["main"])
            return self.send(409 if is_there else 200, b"{}")
        if what == "preupload":
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith("safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            return self.json({"files": files})
        if what == "commit":
            return self.commit(name, found, revision, body)
        sha = found.refs.get(revision, revision)
        if sha not in found.commits and revision != "main":
            return self.send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        siblings = [{"rfilename": file} for file in found.commits.get(sha, {})]
        return self.json({"id": name, "sha": sha, "private": found.private, "siblings": siblings, "tags": []})

    def create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        self.server.repositories[name] = Repository(
            private=wanted.get("private") is True or wanted.get("visibility") == "private", refs={"main": ""}
        )
        self.json({"url": f"{self.server.address}/{name}"})

    def batch(self, wanted: dict[str, Any]) -> None:
        objects = [
            {**item, "actions": {"upload": {"href": f"{self.server.address}/blob/{item['oid']}"}}}
            for item in wanted["objects"]
        ]
        self.json({"transfer": "basic", "objects": objects})

    def commit(self, name: str, repository: Repository, branch: str, body: bytes) -> None:
        files = {}
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.server.blobs[value["oid"]]
        sha = repository.commit(files, branch)
        self.json({"commitUrl": f"{self.server.address}/{name}/commit/{sha}", "commitOid": sha, "success": True})

    def file(self, name: str, revision: str, file: str) -> None:
        found = self.repository(name)
        if found is None:
            return
        sha = found.refs.get(revision, revision)
        if sha not in found.commits:
            return self.send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        content = found.commits[sha].get(file)
        if content is None:
            return self.send(404, b"{}", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha})
        is_large = not file.endswith((".json", ".md"))
        tag = hashlib.sha256(content).hexdigest() if is_large else hashlib.sha1(content).hexdigest()
        headers = {"X-Repo-Commit": sha, "ETag": f'"{tag}"'}
        headers |= {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(len(content))} if is_large else {}
        if self.server.damage and is_large:
            content = content[:-1] + b"?"
        if self.server.cut and is_large and self.command == "GET":
            self.server.refusal = 503
            self.close_connection = True
            self.send(200, content, headers, sent=len(content) // 2)
        elif self.server.drops and is_large and self.command == "GET":
            self.server.drops -= 1
            self.close_connection = True
            self.send(200, content, headers, sent=len(content) // 2)
        elif is_large and (asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))):
            self.server.ranges.append(asked[0])
            start = int(asked[1])
            part = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send(206, content[start:], {**headers, "Content-Range": part})
        else:
            self.send(200, content, headers)

    def json(self, value: Any) -> None:
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None, sent: int | None = None) -> None:
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:sent])


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A Hub without repositories, and a user with a token and an empty cache."""
    server = StandIn()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no_token"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("HF_HUB_OFFLINE", "SUBBAND_OFFLINE", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    huggingface_hub.close_session()
    yield server
    server.shutdown()
    server.server_close()
    huggingface_hub.close_session()


METADATA = {
    "classes": ["cat", "dog | wolf", "<b>"],
    "recipe": "task: classification\nmodel: {name: gfnet_ti, weights: 'hf:them/start@v1'}\n"
    "data: {name: class_folders, args: {path: /home/me/secret/pets, img_size: 8}, batch_size: 4}\n"
    "loss: [{name: cross_entropy, weight: 1.0}]\noptim: {name: adamw, lr: 0.002, schedule: cosine}\n"
    "trainer: {epochs: 2}\n",
    "training": {"steps": 10, "seed": 3, "train_seconds": None},
    "scores": {"top1": 0.875, "cross_entropy": None, "other": 2.5, "images": "8 photos", "rows": [1]},
    "chance_scores": {"top1": 0.3333},
    "environment": {"date": "2026-12-01", "command": "subband train /home/me/recipe.yaml"},
}
SIZES = {"dims": (8,), "depths": (1,), "patch_size": 1, "num_classes": 3, "img_size": (8, 8)}


@pytest.fixture
def model() -> nn.Module:
    """A small classifier with facts beside its weights."""
    torch.manual_seed(0)
    network = subband.create_model("gfnet_ti", **SIZES).eval()
    network.metadata = METADATA
    return network


@pytest.fixture
def files(model: nn.Module, tmp_path: Path) -> dict[str, bytes]:
    """The two files of that model."""
    folder = subband.save_model(model, tmp_path / "saved", metadata={"license": "mit"})
    return {path.name: path.read_bytes() for path in folder.iterdir()}
