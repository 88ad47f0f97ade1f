"""Google Drive and the Hub by the packages that know them, here by stand-ins with their signatures."""

import errno
import hashlib
import inspect
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import subband
from subband.catalogue.cache import RejectedFileError, read_record
from subband.catalogue.download import DownloadError
from subband.catalogue.fetch import get_weights
from subband.catalogue.hosts import from_drive, from_hub

DRIVE = "https://drive.google.com/file/d/1abc-D_e/view"
HUB = "https://huggingface.co/owner/name/resolve/main/sub/model.safetensors"


@pytest.fixture
def drive(monkeypatch):
    """A gdown that writes what a test tells it, or fails so."""
    asked = SimpleNamespace(content=b"weights", error=None, options=None)

    def download(**options):
        asked.options = options
        if asked.error is not None:
            raise asked.error
        with open(options["output"], "wb") as file:
            file.write(asked.content)
        options["progress"](len(asked.content), None)
        return options["output"]

    gdown = ModuleType("gdown")
    gdown.download = download
    monkeypatch.setitem(sys.modules, "gdown", gdown)
    return asked


def test_a_file_of_drive(drive, tmp_path):
    told = []
    (tmp_path / "part").write_bytes(b"older")
    from_drive(DRIVE, tmp_path / "part", on_bytes=lambda *state: told.append(state))
    assert (tmp_path / "part").read_bytes() == b"weights"
    assert told == [(7, None)]
    assert drive.options["id"] == "1abc-D_e"
    assert drive.options["quiet"]
    assert drive.options["resume"]


def test_the_real_gdown_takes_these_options(drive, tmp_path, monkeypatch):
    from_drive(DRIVE, tmp_path / "part", on_bytes=lambda *state: None)
    monkeypatch.delitem(sys.modules, "gdown")
    gdown = pytest.importorskip("gdown")
    assert set(drive.options) <= set(inspect.signature(gdown.download).parameters)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Exception("Too many users have viewed or downloaded this file recently."), r"^Google Drive's quota: too many"),
        (
            Exception("Cannot retrieve the\n\tpublic link."),
            r"^Google Drive gave no file: Cannot retrieve the public li",
        ),
        (OSError(errno.ECONNRESET, "Connection reset by peer"), r"gave no file: Connection reset by peer$"),
        (OSError(errno.ENOSPC, "No space left on device"), r"the disk of .* is full"),
        (KeyError("Content-Type"), r"gave no file: 'Content-Type'"),
    ],
)
def test_what_drive_says(drive, tmp_path, error, words):
    drive.error = error
    with pytest.raises(OSError, match=words):
        from_drive(DRIVE, tmp_path / "part")


def test_a_part_that_drive_does_not_go_on_with_is_left(drive, tmp_path):
    (tmp_path / "x.part12345678.part").write_bytes(b"begin")  # as gdown names it
    (tmp_path / "other.part").write_bytes(b"x")
    drive.error = Exception("Server did not honor the requested byte range; the partial file is preserved.")
    with pytest.raises(DownloadError, match="gave no rest; the next call begins anew"):
        from_drive(DRIVE, tmp_path / "x.part")
    assert [path.name for path in tmp_path.iterdir()] == ["other.part"]


@pytest.mark.parametrize(("package", "use"), [("gdown", from_drive), ("huggingface_hub", from_hub)])
def test_a_missing_package_is_named(monkeypatch, tmp_path, package, use):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DownloadError, match=rf"needs the package {package} \(pip install 'subband\[weights\]'\)"):
        use(DRIVE if package == "gdown" else HUB, tmp_path / "part")


def test_without_gdown_another_address_or_the_hand(row, table, monkeypatch, content):
    monkeypatch.setitem(sys.modules, "gdown", None)
    tiny, lone = row(address=DRIVE, alternatives=(row().address,)), row(name="lone", address=DRIVE)
    table(tiny, lone)
    assert get_weights(tiny).read_bytes() == content
    with pytest.raises(DownloadError) as error:
        get_weights(lone)
    assert str(error.value).startswith(
        "lone did not come: Google Drive needs the package gdown (pip install 'subband[weights]'); get the file from "
        f"{DRIVE} with a browser and run `subband weights get lone --from FILE`, or put it at "
    )


@pytest.fixture
def hub(monkeypatch):
    """A huggingface_hub that has one file."""
    asked = SimpleNamespace(content=b"weights", error=None, etag=hashlib.sha256(b"weights").hexdigest(), revisions=[])

    def about(url):
        if asked.error is not None:
            raise asked.error
        return SimpleNamespace(etag=asked.etag, commit_hash="c" * 40, size=len(asked.content))

    def fetch(repository, name, *, revision, local_dir):
        asked.revisions.append((repository, name, revision))
        path = local_dir / name
        path.parent.mkdir(parents=True)
        path.write_bytes(asked.content)
        return str(path)

    module = ModuleType("huggingface_hub")
    module.get_hf_file_metadata, module.hf_hub_download = about, fetch
    module.hf_hub_url = lambda repository, name, *, revision: f"{repository}/{revision}/{name}"
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return asked


def test_a_file_of_the_hub(hub, tmp_path):
    about = from_hub(HUB, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == b"weights"
    assert about == (hub.etag, "c" * 40)
    assert hub.revisions == [("owner/name", "sub/model.safetensors", "c" * 40)]  # the one that was asked about
    assert [path.name for path in tmp_path.iterdir()] == ["part"]
    hub.etag = '"a blob of git"'
    assert from_hub(HUB, tmp_path / "part").sha256 == ""


def test_what_the_hub_says(hub, tmp_path):
    hub.error = ValueError("401 Client Error.\nRepository Not Found")
    with pytest.raises(DownloadError, match=r"the Hub gave no file: 401 Client Error\. Repository Not Found$"):
        from_hub(HUB, tmp_path / "part")
    with pytest.raises(DownloadError, match="is no file of the Hub"):
        from_hub("https://huggingface.co/owner", tmp_path / "part")
    hub.error = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="is full: nothing of the file is kept"):
        from_hub(HUB, tmp_path / "part")


def test_what_the_hub_announces_is_compared(hub, row, table, content, capsys):
    tiny = row(address=HUB, sha256="", size=None)
    table(tiny)
    hub.content, hub.etag = content, "0" * 64
    with pytest.raises(RejectedFileError, match=r"the one that its host announces has 0000000000000000\.\.\.; it is"):
        get_weights(tiny)
    hub.etag = row().sha256
    get_weights(tiny)
    assert read_record(tiny).revision == "c" * 40
    assert "is noted" not in capsys.readouterr().err


# The library reads its address when it is imported.
PROCESS = """
import sys
from pathlib import Path
from subband.catalogue.hosts import from_hub
print(*from_hub("https://huggingface.co/owner/name/resolve/main/sub/model.safetensors", Path(sys.argv[1])))
"""


@pytest.mark.slow
def test_the_real_client_of_the_hub(host, content, tmp_path):
    pytest.importorskip("huggingface_hub")
    digest, commit = hashlib.sha256(content).hexdigest(), "c" * 40
    about = {"ETag": f'"{digest}"', "X_Repo_Commit": commit, "X_Linked_Etag": f'"{digest}"'}
    for revision in ("main", commit):
        host.at(f"/owner/name/resolve/{revision}/sub/model.safetensors", host.answer(content, **about))
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(subband.__file__).parents[1]),
        "HF_ENDPOINT": host.address,
        "HF_HOME": str(tmp_path / "hub"),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "part")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout == f"{digest} {commit}\n", result.stderr
    assert (tmp_path / "part").read_bytes() == content
    assert not list(tmp_path.glob("part.*"))
