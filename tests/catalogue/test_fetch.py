"""Published weights from a server on this machine, from archives and from files that somebody fetched."""

import errno
import functools
import io
import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from subprocess import PIPE
from types import SimpleNamespace

import pytest

import subband
from subband.catalogue import cache as cache_module
from subband.catalogue import fetch as module
from subband.catalogue.cache import (
    RejectedFileError,
    cached_file,
    file_of,
    home,
    looked_over,
    read_record,
    remove_weights,
)
from subband.catalogue.download import DownloadError
from subband.catalogue.fetch import get_weights, put_weights


def beside(row):
    """What lies in the folder of a file, but for the file."""
    return sorted(path.name for path in file_of(row).parent.iterdir() if path != file_of(row))


def test_a_file_comes_once_with_its_terms_said(host, row, table, content, capsys):
    tiny = row()
    table(tiny)
    assert cached_file(tiny) is None
    path = get_weights(tiny)
    assert path == file_of(tiny) == cached_file(tiny) == get_weights(tiny)
    assert path.read_bytes() == content
    assert len(host.asked) == 1
    assert beside(tiny) == ["record.json"]
    record = read_record(tiny)
    assert (record.address, record.size, record.sha256) == (tiny.address, len(content), tiny.sha256)
    said = capsys.readouterr().err
    assert f"tiny: size 0.0 MB; licence of the weights: MIT; from {tiny.address}" in said
    assert "noted" not in said


def test_an_unknown_hash_is_noted_and_said(row, table, capsys):
    tiny = row(sha256="", size=None)
    table(tiny)
    get_weights(tiny)
    digest = row().sha256
    assert read_record(tiny).sha256 == digest
    assert f"no SHA-256 of it is published; {digest} is noted" in capsys.readouterr().err
    half = row(name="half", sha256=digest[:8])
    get_weights(half)
    assert "only its first digits are published" in capsys.readouterr().err
    assert (looked_over(tiny), looked_over(row(name="half"))) == ("as it came", "as published")


@pytest.mark.parametrize("wrong", ["0" * 64, "0" * 8])
def test_another_hash_keeps_the_file_aside(row, table, content, wrong):
    tiny = row(sha256=wrong)
    table(tiny)
    aside = file_of(tiny).with_name("tiny.rejected.pth")
    with pytest.raises(RejectedFileError, match=rf"the published one has 0+\.\.\.; it is kept as {aside}\.$"):
        get_weights(tiny)
    assert aside.read_bytes() == content
    assert cached_file(tiny) is None


def test_what_is_no_checkpoint_is_kept_aside(host, row, table):
    tiny = row(sha256="", size=None, address=host.at("/gz", host.answer(b"\x1f\x8b" + bytes(100))))
    table(tiny)
    with pytest.raises(RejectedFileError, match=r"tiny is compressed with gzip; unpack it first; it is kept as"):
        get_weights(tiny)


def test_other_addresses_are_tried_and_the_last_word_is_how_by_hand(host, row, table, content, capsys):
    tiny = row(address=f"{host.address}/gone", alternatives=("https://pan.baidu.com/s/1", row().address))
    table(tiny)
    assert get_weights(tiny).read_bytes() == content
    assert read_record(tiny).address == row().address
    assert f"tiny: 127.0.0.1 answered 404 Not Found; trying {row().address}" in capsys.readouterr().err
    lost = row(name="lost", address=f"{host.address}/gone")
    with pytest.raises(DownloadError) as error:
        get_weights(lost)
    assert str(error.value) == (
        f"lost did not come: 127.0.0.1 answered 404 Not Found; get the file from {lost.address} with a browser and run "
        f"`subband weights get lost --from FILE`, or put it at {file_of(lost)}."
    )


@pytest.mark.parametrize("variable", ["SUBBAND_OFFLINE", "HF_HUB_OFFLINE"])
def test_a_forbidden_network_is_not_asked(host, row, table, monkeypatch, variable):
    tiny = row()
    table(tiny)
    monkeypatch.setenv(variable, "1")
    with pytest.raises(DownloadError, match=rf"tiny is not here, and {variable} forbids the network; get the file"):
        get_weights(tiny)
    assert not host.asked
    monkeypatch.setenv(variable, "0")
    get_weights(tiny)


def test_what_only_a_browser_gets_says_so(row, table):
    manual = row(address="https://1drv.ms/u/s!abc", alternatives=("https://www.dropbox.com/sh/x",))
    table(manual)
    with pytest.raises(DownloadError, match=r"lies where only a browser gets it; get the file from https://1drv\.ms"):
        get_weights(manual)


def test_a_file_put_there_by_hand_is_checked_once(row, content, tmp_path, host):
    tiny = row()
    place = file_of(tiny)
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    assert get_weights(tiny) == place
    assert read_record(tiny).address == "by hand"
    assert not host.asked
    remove_weights(tiny)
    place.parent.mkdir(parents=True)
    place.write_bytes(content + b"more")
    with pytest.raises(RejectedFileError, match=r"bytes, the published one has [\d,]+; it is kept as .*rejected.pth"):
        cached_file(tiny)
    assert not place.exists()
    assert remove_weights(tiny)
    assert not remove_weights(tiny)


def test_a_file_from_elsewhere_is_copied_and_a_wrong_one_stays(row, content, tmp_path):
    tiny = row()
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(content)
    bad.write_bytes(content.replace(b"head", b"haed"))
    with pytest.raises(RejectedFileError, match=rf"published one has .*; it lies at {bad}, as before\.$"):
        put_weights(tiny, bad)
    assert put_weights(tiny, good).read_bytes() == good.read_bytes() == content
    assert beside(tiny) == ["record.json"]
    with pytest.raises(FileNotFoundError, match="no file at"):
        put_weights(tiny, tmp_path / "none")


def test_changes_are_seen(row, table, content):
    tiny = row()
    table(tiny)
    path = get_weights(tiny)
    assert looked_over(tiny) == "as published"
    path.write_bytes(content.replace(b"head", b"haed"))
    with pytest.raises(RejectedFileError, match="has changed since it came"):
        looked_over(tiny)
    path.write_bytes(content[:-1])
    with pytest.raises(RejectedFileError, match="run `subband weights remove tiny` and get it again"):
        cached_file(tiny)


def archive(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name.replace("__", "/").replace("_tar", ".tar"), data)
    return buffer.getvalue()


def test_one_archive_gives_all_its_files(host, row, table, content, tmp_path):
    packed = archive(checkpoints__a_tar=content, other__b_tar=content, readme=b"x")
    address = host.at("/all.zip", host.file(packed))
    first, second, third = (
        row(name=name, address=address, member=f"checkpoints/{name}.tar", size=None, sha256="") for name in "abc"
    )
    table(first, second, third)
    assert get_weights(first).read_bytes() == content
    assert cached_file(second).read_bytes() == content  # by its name, in another folder
    assert len(host.asked) == 1
    assert beside(first) == beside(second) == ["record.json"]
    with pytest.raises(RejectedFileError, match=r"has no checkpoints/c\.tar; it holds checkpoints/a\.tar, other/b"):
        get_weights(third)
    remove_weights(first)
    (tmp_path / "all.zip").write_bytes(packed)
    assert put_weights(first, tmp_path / "all.zip").read_bytes() == content
    (tmp_path / "a.tar").write_bytes(content)  # a file of torch.save is a zip archive, too
    assert put_weights(first, tmp_path / "a.tar").read_bytes() == content


def test_a_cut_archive(host, row, table, content):
    tiny = row(address=host.at("/all.zip", host.file(archive(tiny_tar=content)[:-40])), member="tiny.tar")
    table(tiny)
    aside = file_of(tiny).with_name("tiny.rejected.pth")
    with pytest.raises(RejectedFileError, match=rf"is cut off or damaged, a zip archive without .* as {aside}\.$"):
        get_weights(tiny)


def test_a_damaged_archive(host, row, table, content):
    packed = bytearray(archive(tiny_tar=content))
    packed[200:210] = bytes(10)
    tiny = row(address=host.at("/all.zip", host.file(bytes(packed))), member="tiny.tar", size=None, sha256="")
    table(tiny)
    with pytest.raises(RejectedFileError, match=r"the archive .* is damaged: "):
        get_weights(tiny)
    assert cached_file(tiny) is None


def test_a_cache_that_can_only_be_read(row, table, content, monkeypatch):
    tiny = row()
    table(tiny)

    def refuse(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OSError, match=r"the cache cannot be written \(.*Permission denied\); set SUBBAND_HOME to"):
        get_weights(tiny)
    monkeypatch.undo()


def test_a_file_in_a_cache_that_can_only_be_read_is_used(row, content, monkeypatch):
    tiny = row()
    file_of(tiny).parent.mkdir(parents=True)
    file_of(tiny).write_bytes(content)

    def refuse(path, content):
        raise PermissionError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(cache_module, "write_atomically", refuse)
    assert cached_file(tiny) == file_of(tiny)
    assert read_record(tiny) is None


def test_a_home_that_is_a_file(row, table, tmp_path, monkeypatch):
    tiny = row()
    table(tiny)
    (tmp_path / "note").write_text("x")
    monkeypatch.setenv("SUBBAND_HOME", str(tmp_path / "note"))
    with pytest.raises(OSError, match="the cache cannot be written"):
        get_weights(tiny)


def test_a_full_disk_is_no_reason_to_try_elsewhere(host, row, table, monkeypatch):
    tiny = row(alternatives=(f"{host.address}/other",))
    table(tiny)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    with pytest.raises(OSError, match=r"is full: .* make room"):
        get_weights(tiny)
    assert len(host.asked) == 1


def test_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("SUBBAND_HOME", "~/models")
    assert home() == Path.home() / "models"
    monkeypatch.delenv("SUBBAND_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert home() == tmp_path / "subband"
    monkeypatch.delenv("XDG_CACHE_HOME")
    for platform, place in (("linux", ".cache"), ("darwin", "Library/Caches")):
        monkeypatch.setattr(cache_module.sys, "platform", platform)
        assert home() == Path.home() / place / "subband"


# What a second process runs: the row of the test, from the table's own module, by an opener without encryption.
PROCESS = """
import json, sys, urllib.request
from subband.catalogue.entries import PublishedWeights
from subband.catalogue.fetch import get_weights
row = PublishedWeights(**json.loads(sys.argv[1]))
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print(get_weights(row, opener=opener).stat().st_size)
"""


def test_two_processes_at_once(host, row, content, cache):
    fields = ("name", "family", "task", "model", "trained_on", "inputs", "licence", "address", "source", "size")
    known = {name: getattr(row(), name) for name in fields}
    environment = {**os.environ, "PYTHONPATH": str(Path(subband.__file__).parents[1]), "SUBBAND_HOME": str(cache)}
    command = [sys.executable, "-c", PROCESS, json.dumps(known)]
    was_asked, may_answer = threading.Event(), threading.Event()

    def held_back(handler):
        was_asked.set()
        may_answer.wait(60)
        host.file(content)(handler)

    host.at("/tiny.pth", held_back)
    start = functools.partial(subprocess.Popen, command, stdout=PIPE, stderr=PIPE, text=True, env=environment)
    with start() as first:
        assert was_asked.wait(60)
        with start() as second:
            assert re.match(r"subband: waiting: .* is in use by process", second.stderr.readline())
            may_answer.set()
            outputs = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert outputs == [f"{len(content)}\n"] * 2
    assert len(host.asked) == 1
    assert beside(row()) == ["record.json"]


def test_a_file_that_another_process_fetches_is_waited_for(row, table, content, in_use, capsys, monkeypatch):
    tiny = row()
    table(tiny)
    folder = file_of(tiny).parent
    with in_use(folder) as process:

        def bring(seconds):
            process.kill()
            process.wait()
            file_of(tiny).write_bytes(content)

        monkeypatch.setattr(cache_module.time, "sleep", bring)
        assert get_weights(tiny) == file_of(tiny)
    said = capsys.readouterr().err
    assert said.count("waiting: ") == 1
    assert "is in use by process" in said


def test_the_bar_shows_on_a_terminal_only(capsys):
    with module._bar("tiny") as on_bytes:
        on_bytes(1, 2)
    assert not capsys.readouterr().err.strip()
