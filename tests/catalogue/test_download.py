"""`subband.catalogue.download` against a server on this machine: good, slow, broken, lying."""

import errno
import json
import socket
import threading
import urllib.error
from types import SimpleNamespace

import pytest

from subband.catalogue import download as module
from subband.catalogue.download import DownloadError, download, secure_opener

CONTENT = bytes(range(256)) * 4000  # several chunks


@pytest.fixture
def fetch(tmp_path, opener):
    """Downloads an address into `part`, with a list of what was waited and of what was told."""
    part, waited, told = tmp_path / "part", [], []

    def run(address, **options):
        given = {"opener": opener, "pause": waited.append, "on_bytes": lambda *state: told.append(state), **options}
        download(address, part, **given)
        return part.read_bytes()

    return SimpleNamespace(run=run, part=part, state=tmp_path / "part.json", waited=waited, told=told)


def test_a_file_comes_whole_and_its_bytes_are_told(host, fetch):
    assert fetch.run(host.at("/file", host.file(CONTENT)), size=len(CONTENT)) == CONTENT
    assert fetch.told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in fetch.told] == sorted(done for done, _ in fetch.told)
    assert not fetch.state.exists()
    assert not fetch.waited


def test_redirects_are_followed(host, fetch):
    host.at("/file", host.file(CONTENT))
    assert fetch.run(host.at("/old", host.answer(b"", 302, Location="/file"))) == CONTENT
    with pytest.raises(DownloadError, match="answered 302"):
        fetch.run(host.at("/round", host.answer(b"", 302, Location="/round")))


def test_only_encrypted_addresses_and_redirects_to_them():
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1/x is no https: address"):
        download("http://127.0.0.1/x", None)
    handler = next(item for item in secure_opener().handlers if isinstance(item, module._EncryptedOnly))
    request = SimpleNamespace(host="here")
    for address in ("http://127.0.0.1/x", "ftp://there/x"):
        with pytest.raises(DownloadError, match="which is no https: address"):
            handler.redirect_request(request, None, 302, "", {}, address)


def test_proxies_of_the_environment_are_used(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    proxies = [item.proxies for item in secure_opener().handlers if hasattr(item, "proxies")]
    assert proxies[0]["https"] == "http://127.0.0.1:9"


def test_what_broke_off_is_gone_on_with(host, fetch):
    address = host.at("/file", host.in_turn(host.broken_off(CONTENT, 300_000), host.file(CONTENT)))
    assert fetch.run(address) == CONTENT
    assert host.asked == [("/file", None), ("/file", "bytes=300000-")]
    assert fetch.waited == [1.0]


def test_a_later_call_goes_on(host, fetch):
    address = host.at("/file", host.broken_off(CONTENT, 300_000))
    with pytest.raises(DownloadError, match=r"broke off after 300,000 of 1,024,000 bytes, 6 times; the next call"):
        fetch.run(address)
    assert len(host.asked) == 6
    assert fetch.waited == [1, 2, 4, 8, 16]
    assert fetch.part.stat().st_size == 300_000
    host.at("/file", host.file(CONTENT))
    assert fetch.run(address) == CONTENT
    assert host.asked[-1] == ("/file", "bytes=300000-")


def test_another_version_is_not_appended(host, fetch):
    address = host.at("/file", host.in_turn(host.broken_off(CONTENT, 300_000), host.file(CONTENT[::-1], '"second"')))
    assert fetch.run(address) == CONTENT[::-1]
    assert host.asked[1] == ("/file", "bytes=300000-")


@pytest.mark.parametrize("range_", ["bytes 0-1023999/1024000", "bytes 300000-1023999/1024001", "", "lines 3-4/5"])
def test_another_part_than_the_one_asked_for_is_not_appended(host, fetch, range_):
    wrong = host.answer(CONTENT[5:], 206, Content_Range=range_)
    address = host.at("/file", host.in_turn(host.broken_off(CONTENT, 300_000), wrong, host.file(CONTENT)))
    assert fetch.run(address) == CONTENT
    assert [part for _, part in host.asked] == [None, "bytes=300000-", None]


def test_a_part_of_another_address_or_longer_than_the_file_is_left(host, fetch):
    fetch.part.write_bytes(b"x" * 100)
    for left in (
        {"address": "elsewhere", "validator": '"first"', "total": 1_024_000},
        {"address": f"{host.address}/file", "validator": '"first"', "total": 50},
        {"address": f"{host.address}/file", "validator": "", "total": 1_024_000},
        {"nonsense": 1},
    ):
        fetch.state.write_text(json.dumps(left))
        assert fetch.run(host.at("/file", host.file(CONTENT))) == CONTENT
        fetch.part.write_bytes(b"x" * 100)
    assert {part for _, part in host.asked} == {None}


def test_a_range_that_is_none_begins_anew(host, fetch):
    address = host.at(
        "/file", host.in_turn(host.broken_off(CONTENT, 300_000), host.answer(b"", 416), host.file(CONTENT))
    )
    assert fetch.run(address) == CONTENT
    assert host.asked[-1] == ("/file", None)


def test_without_a_tag_of_the_version_it_begins_anew(host, fetch):
    cut = host.answer(CONTENT[:9000], length=len(CONTENT))
    assert fetch.run(host.at("/file", host.in_turn(cut, host.file(CONTENT)))) == CONTENT
    assert host.asked == [("/file", None), ("/file", None)]


def test_a_host_that_is_slow_for_a_moment(host, fetch, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.5)
    was_given_up = threading.Event()

    def sleepy(handler):
        host.broken_off(CONTENT, 1000)(handler)
        handler.wfile.flush()
        was_given_up.wait(10)

    address = host.at("/file", host.in_turn(sleepy, host.file(CONTENT)))
    assert fetch.run(address, pause=lambda seconds: was_given_up.set()) == CONTENT
    assert host.asked[1] == ("/file", "bytes=1000-")


def test_busy_answers_are_tried_again_and_others_not(host, fetch):
    busy = host.at("/busy", host.in_turn(host.answer(b"", 503), host.answer(b"", 429), host.file(CONTENT)))
    assert fetch.run(busy) == CONTENT
    assert fetch.waited == [1, 2]
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 answered 404 Not Found$"):
        fetch.run(f"{host.address}/gone")
    assert [path for path, _ in host.asked] == ["/busy"] * 3 + ["/gone"]


def test_pages_in_place_of_files(host, fetch):
    page = b"<!DOCTYPE html><html><head><title>\nSign in</title></head></html>"
    quota = b'<html><p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p>'
    for name, content, kind, words in (
        ("page", page, "text/html; charset=utf-8", r"sent an HTML page \(Sign in\) in place of the file"),
        ("disguised", b" \n" + page, "application/octet-stream", r"sent an HTML page \(Sign in\)"),
        ("quota", quota, "text/html", "too many people have fetched this file lately"),
    ):
        with pytest.raises(DownloadError, match=words):
            fetch.run(host.at(f"/{name}", host.answer(content, Content_Type=kind)))
    assert len(host.asked) == 3
    assert not fetch.part.exists() or not fetch.part.read_bytes()


def test_another_size_is_refused_before_it_comes(host, fetch):
    with pytest.raises(DownloadError, match="has a file of 1,024,000 bytes, the published one has 7"):
        fetch.run(host.at("/file", host.file(CONTENT)), size=7)
    assert not fetch.part.exists()


def test_no_network_is_said_at_once(fetch):
    def refuse(*_, **__):
        raise urllib.error.URLError(socket.gaierror(-3, "Temporary failure in name resolution"))

    with pytest.raises(DownloadError, match=r"no connection to weights\.example: Temporary failure in name resolution"):
        fetch.run("https://weights.example/x", opener=SimpleNamespace(open=refuse))
    assert not fetch.waited


def test_a_full_disk_is_seen_before_and_met_on_the_way(host, fetch, monkeypatch):
    address = host.at("/file", host.file(CONTENT))
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match=r"is full: 1 MB are needed and 0 MB are free; make room, or set SUBBAND_HOME"):
        fetch.run(address)
    monkeypatch.undo()

    def put(file, chunk, folder, left=[2]):  # noqa: B006
        left[0] -= 1
        if left[0] < 0:
            file = SimpleNamespace(write=lambda chunk: fail())
        real(file, chunk, folder)

    def fail():
        raise OSError(errno.ENOSPC, "No space left on device")

    real = module._put
    monkeypatch.setattr(module, "_put", put)
    with pytest.raises(OSError, match="is full: what is there is kept, and a next call goes on from it"):
        fetch.run(address)
    here = fetch.part.stat().st_size
    assert 0 < here < len(CONTENT)
    monkeypatch.undo()
    assert fetch.run(address) == CONTENT
    assert host.asked[-1] == ("/file", f"bytes={here}-")


def test_an_interruption_leaves_what_came(host, fetch):
    address = host.at("/file", host.file(CONTENT))

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch.run(address, on_bytes=interrupt)
    here = fetch.part.stat().st_size
    assert 0 < here < len(CONTENT)
    assert fetch.run(address) == CONTENT
    assert host.asked[-1] == ("/file", f"bytes={here}-")
