"""Networks with published weights by name: in Python, through timm and on the command line."""

import os
import pickle
import zipfile
from types import SimpleNamespace

import pytest
import torch

from subband import create_model, export_published, load_model, load_published
from subband.catalogue.cache import cached_file, file_of
from subband.catalogue.entries import PublishedWeights
from subband.catalogue.fetch import get_weights
from subband.cli.main import main
from subband.media.images import write_image

from subband.convert import published as module  # isort: skip


@pytest.fixture
def tiny(row, table) -> PublishedWeights:
    """The whole table: a tiny GFNet that the server has."""
    only = row()
    table(only)
    return only


def test_nothing_is_downloaded_unless_asked_for(tiny, host):
    with pytest.raises(FileNotFoundError) as error:
        load_published("gfnet_ti")
    assert str(error.value).startswith(
        "tiny is not here; run `subband weights get tiny`, pass download=True, or get the file from "
    )
    assert str(error.value).endswith(f"or put it at {file_of(tiny)}.")
    assert not host.asked


def test_a_name_loads_the_file(tiny, host, content, tmp_path, capsys):
    model = load_published("gfnet_ti", download=True)
    assert "licence of the weights: MIT" in capsys.readouterr().err
    assert model.metadata["published"] == {
        "name": "tiny",
        "address": tiny.address,
        "sha256": tiny.sha256,
        "licence": "MIT",
    }
    assert not model.training
    (tmp_path / "file.pth").write_bytes(content)
    same = load_published("gfnet_ti", tmp_path / "file.pth", **tiny.overrides)
    for again in (load_published("gfnet_ti"), load_published("tiny"), create_model("gfnet_ti", pretrained=True)):
        assert again.model_config["name"] == "gfnet_ti"
        for key, value in same.state_dict().items():
            assert torch.equal(again.state_dict()[key], value)
    assert again.training
    assert len(host.asked) == 1


def test_a_classifier_of_other_classes_keeps_all_but_its_head(tiny):
    model = create_model("gfnet_ti", pretrained=True, num_classes=5)
    assert model.head.out_features == model.num_classes == model.model_config["args"]["num_classes"] == 5
    whole = load_published("gfnet_ti")
    assert torch.equal(model.norm.weight, whole.norm.weight)
    assert tiny.overrides["num_classes"] == whole.num_classes == 3


@pytest.mark.slow
def test_timm_takes_published_weights(tiny):
    timm = pytest.importorskip("timm")
    import subband.timm

    model = timm.create_model("gfnet_ti", pretrained=True)
    assert model.num_classes == 3
    assert torch.equal(model.head.weight, load_published("gfnet_ti").head.weight)
    assert subband.timm


def test_bad_requests(tiny, content, tmp_path):
    with pytest.raises(ValueError, match="leave out the checkpoint"):
        load_published("gfnet_ti", tmp_path / "x", download=True)
    with pytest.raises(ValueError, match="did you mean gfnet_ti"):
        load_published("gfnet_tii")
    with pytest.raises(ValueError, match="has a head of 3 classes, but the model is built for 7"):
        load_published("gfnet_ti", download=True, num_classes=7)


class Intruder:
    """A pickle of this runs a command when it is opened carelessly."""

    def __reduce__(self):
        return os.system, ("touch intruded",)


def test_a_malicious_pickle_is_refused(host, row, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(tmp_path / "bad.pth", "w") as archive:
        archive.writestr("bad/data.pkl", pickle.dumps({"model": Intruder()}, protocol=2))
        archive.writestr("bad/version", "3\n")
    content = (tmp_path / "bad.pth").read_bytes()
    bad = row(address=host.at("/bad", host.file(content)), size=None, sha256="")
    table(bad)
    with pytest.raises(ValueError, match=r"is refused: it needs (posix|nt)\.system, which is no plain data"):
        load_published("gfnet_ti", download=True)
    assert cached_file(bad) is not None
    assert not (tmp_path / "intruded").exists()


def test_on_the_command_line(tiny, host, tmp_path, capsys):
    write_image(tmp_path / "photo.png", torch.rand(3, 40, 40))
    words = ["classify", str(tmp_path / "photo.png"), "--model", "gfnet_ti"]
    assert main(words) == 2
    assert "or --checkpoint published, which fetches them, or" in capsys.readouterr().err
    assert main([*words, "--checkpoint", "published"]) == 0
    said = capsys.readouterr()
    assert "licence of the weights: MIT" in said.err
    assert "class " in said.out
    assert main([*words, "--checkpoint", "published"]) == 0
    assert "licence" not in capsys.readouterr().err
    assert len(host.asked) == 1
    assert main(["pose", str(tmp_path / "photo.png"), "--model", "gfnet_ti", "--checkpoint", "published"]) == 2
    assert "gfnet_ti is for classification, not a network for pose" in capsys.readouterr().err
    assert main([*words[:-1], "gfnet_tii", "--checkpoint", "published"]) == 2
    assert "did you mean gfnet_ti" in capsys.readouterr().err


def test_a_video_goes_on_by_published_weights(row, table, host, tmp_path, capsys, monkeypatch):
    sizes = {"in_shape": (4, 1, 16, 16), "hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2}
    torch.save(export_published(create_model("tau", **sizes)), tmp_path / "tau.pth")
    address = host.at("/tau", host.file((tmp_path / "tau.pth").read_bytes()))
    facts = {"family": "OpenSTL", "task": "video_prediction", "model": "tau", "overrides": sizes}
    table(row(name="tau_small", address=address, size=None, sha256="", **facts))
    (tmp_path / "clip").mkdir()
    for index in range(4):
        write_image(tmp_path / "clip" / f"{index}.png", torch.rand(1, 16, 16))
    words = ["predict", str(tmp_path / "clip"), "--model", "tau_small", "--num-frames", "2"]
    assert main([*words, "--checkpoint", "published", "--out", str(tmp_path / "next")]) == 0
    assert "licence of the weights: MIT" in capsys.readouterr().err
    assert len(list((tmp_path / "next").iterdir())) == 2
    monkeypatch.setenv("SUBBAND_OFFLINE", "1")
    assert main([*words, "--checkpoint", "published", "--out", str(tmp_path / "again")]) == 0
    assert len(host.asked) == 1


def test_convert_takes_the_published_file(tiny, tmp_path):
    assert main(["convert", "published", "--model", "gfnet_ti", "--out", str(tmp_path / "model")]) == 0
    model = load_model(tmp_path / "model")
    assert model.metadata["published"]["name"] == "tiny"
    assert "converted_from" not in model.metadata
    assert torch.equal(model.head.weight, load_published("tiny").head.weight)


def test_the_command_gets_and_removes(tiny, capsys):
    assert main(["weights", "get", "gfnet_ti"]) == 0
    said = capsys.readouterr()
    assert said.out == f"tiny: {file_of(tiny)}\n"
    assert main(["weights", "path", "tiny"]) == 0
    assert capsys.readouterr().out == f"{get_weights(tiny)}\n"
    assert main(["weights", "verify"]) == 0
    assert capsys.readouterr().out == "tiny: as published\n"
    assert main(["weights", "list"]) == 0
    assert " yes " in capsys.readouterr().out
    assert main(["weights", "info", "tiny"]) == 0
    assert f"noted:       {file_of(tiny).stat().st_size:,} bytes" in capsys.readouterr().out
    assert main(["weights", "remove", "tiny"]) == 0
    assert capsys.readouterr().out == "tiny: removed\n"
    assert main(["weights", "path", "tiny"]) == 2
    assert "get it with `subband weights get tiny`" in capsys.readouterr().err


def refused(capsys, *words):
    """The one sentence with which the command ends."""
    assert main(["weights", "get", "tiny", *words]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    (error,) = [line for line in said.splitlines() if line.startswith("subband: error: ")]
    return error


def test_the_command_keeps_another_file_aside(row, table, capsys, content):
    other = row(sha256="0" * 64)
    table(other)
    aside = file_of(other).with_name("tiny.rejected.pth")
    assert f"the published one has 0000000000000000...; it is kept as {aside}." in refused(capsys)
    assert aside.read_bytes() == content
    assert cached_file(other) is None


def test_the_command_goes_on_where_it_was_interrupted(row, table, host, capsys, content):
    broken = row(address=host.at("/b", host.broken_off(content, 1000)))
    table(broken)
    assert "broke off after 1,000 of" in (error := refused(capsys))
    assert "the next call goes on where this one stopped" in error
    host.at("/b", host.file(content))
    host.asked.clear()
    assert main(["weights", "get", "tiny"]) == 0
    assert host.asked == [("/b", "bytes=1000-")]
    assert file_of(broken).read_bytes() == content


def test_the_command_on_a_full_disk_and_in_a_cache_that_can_only_be_read(row, table, capsys, monkeypatch, tmp_path):
    table(row())
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
        assert "is full: " in (error := refused(capsys))
        assert error.endswith("make room, or set SUBBAND_HOME to another folder.")
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SUBBAND_HOME", str(tmp_path / "file" / "inside"))
    assert "the cache cannot be written" in (error := refused(capsys))
    assert "set SUBBAND_HOME to a folder that can" in error


def test_what_a_network_was_loaded_from_is_kept(tiny):
    assert module._origin(tiny)["sha256"] == tiny.sha256
