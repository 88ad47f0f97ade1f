"""`subband weights` without a network: the table, what would be fetched, and files that are given by hand."""

import json

import pytest

from subband.catalogue.entries import find_weights, list_weights
from subband.cli.main import main


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and no network."""
    monkeypatch.setenv("SUBBAND_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SUBBAND_OFFLINE", "1")
    return tmp_path / "cache"


def answer(capsys, *words):
    assert main(["weights", *map(str, words)]) == 0
    return capsys.readouterr().out


def refused(capsys, *words):
    assert main(["weights", *map(str, words)]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    return error


def test_the_list(capsys):
    lines = answer(capsys, "list").splitlines()
    named = {line.split()[0] for line in lines if line.strip()}
    assert {row.name for row in list_weights()} <= named
    line = next(line for line in lines if line.split()[:1] == ["dct_mask_rcnn_24"])
    assert "dct_resnet50 (backbone only)" in line
    assert "box AP 37.7 %" in line


def test_patterns_and_tasks(capsys):
    rows = json.loads(answer(capsys, "list", "*kth", "--json"))  # of names and of models
    assert {row["model"] for row in rows} == {"simvp_gsta_kth", "simvp_incepu_kth", "tau_kth"}
    rows = json.loads(answer(capsys, "list", "--task", "pose", "--json"))
    assert {row["model"] for row in rows} == {"vitpose_s", "vitpose_b"}
    assert json.loads(answer(capsys, "list", "tau*", "--task", "pose", "--json")) == []


def test_all_about_one(capsys, cache):
    out = answer(capsys, "info", "basicvsr_pp")
    row = find_weights("basicvsr_pp_reds4")
    for text in (row.address, row.licence, row.sha256, row.source, "REDS4 BIx4 PSNR RGB 32.3855 dB", "29.3 MB"):
        assert text in out
    assert f"no; its place is {cache / 'weights' / row.name / row.name}.pth" in out
    (facts,) = json.loads(answer(capsys, "info", "basicvsr_pp", "--json"))
    assert facts["record"] is facts["file_here"] is None
    assert facts["metrics"] == row.metrics
    assert "mean (0.5, 0.5, 0.5)" in answer(capsys, "info", "wsfvit_t_384")


def test_a_dry_run_shows_the_terms_and_fetches_nothing(capsys, cache):
    first, second = answer(capsys, "get", "gfnet_ti", "vitpose_b_original", "--dry-run").splitlines()
    assert "size 30 MB or more; licence of the weights: MIT of the repository; none stated for the weights" in first
    assert "https://drive.google.com/file/d/1_xrfC7c_ccZnVicYDnrViOA_T1N-xoHI/view (fetched by gdown" in first
    assert "(for a browser only)" in second
    assert not cache.exists()


def test_without_a_network_the_place_is_named(capsys, cache):
    error = refused(capsys, "get", "tau_mmnist")
    assert (
        "tau_mmnist_ep2000 is not here, and SUBBAND_OFFLINE forbids the network; get the file from https://gith"
        in error
    )
    assert f"or put it at {cache / 'weights' / 'tau_mmnist_ep2000' / 'tau_mmnist_ep2000.pth'}." in error


def test_a_file_by_hand(capsys, cache, tmp_path):
    """Of a file without a published hash, what it is when it comes is what is compared with."""
    import torch

    torch.save({"weight": torch.zeros(3)}, tmp_path / "mine.pth")
    place = cache / "weights" / "gfnet_ti" / "gfnet_ti.pth"
    assert answer(capsys, "get", "gfnet_ti", "--from", tmp_path / "mine.pth") == f"gfnet_ti: {place}\n"
    assert answer(capsys, "path", "gfnet_ti") == f"{place}\n"
    assert answer(capsys, "verify") == answer(capsys, "verify", "gfnet_ti") == "gfnet_ti: as it came\n"
    place.write_bytes(place.read_bytes()[::-1])
    assert "gfnet_ti.pth has changed since it came" in refused(capsys, "verify")
    assert answer(capsys, "remove", "gfnet_ti") == "gfnet_ti: removed\n"
    assert main(["weights", "remove", "gfnet_ti"]) == 0
    assert "warning: gfnet_ti is not here; nothing to remove." in capsys.readouterr().err
    assert answer(capsys, "verify") == "No published weights are here.\n"


def test_a_page_by_hand_is_refused(capsys, tmp_path):
    (tmp_path / "page.pth").write_text("<!DOCTYPE html><title>Quota exceeded</title>")
    error = refused(capsys, "get", "gfnet_ti", "--from", tmp_path / "page.pth")
    assert "the file for gfnet_ti is an HTML page ('Quota exceeded')" in error
    assert f"it lies at {tmp_path / 'page.pth'}, as before." in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fetch"], "unknown action 'fetch'"),
        (["lists"], "did you mean list?"),
        (["get"], "get needs a name (see `subband weights list`)"),
        (["get", "gfnet_tii"], "did you mean gfnet_ti"),
        (["get", "gfnet_ti", "gfnet_s", "--from", "x"], "--from is the file of one name, but 2 are given"),
        (["get", "gfnet_ti", "--from", "nowhere.pth"], "no file at nowhere.pth"),
        (["list", "nothing*"], "no published weights are known by the name 'nothing*'"),
        (["list", "--task", "posing"], "--task must be one of classification, detection, pose,"),
        (["path", "gfnet_ti"], "gfnet_ti is not here; get it with `subband weights get gfnet_ti`"),
        (["verify", "gfnet_ti"], "gfnet_ti is not here"),
        (["info", "estrnn"], "estrnn has several published files"),
    ],
)
def test_bad_words(capsys, words, said):
    assert said in refused(capsys, *words)
