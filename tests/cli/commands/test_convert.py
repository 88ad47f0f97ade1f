"""`subband convert`: both directions, and files that must not be opened."""

import os
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from subband import create_model, export_published, load_model, load_published, save_model
from subband.cli.main import main

TINY = {"in_shape": (4, 1, 16, 16), "hid_S": 8, "hid_T": 16, "N_S": 2, "N_T": 2}
SET = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture
def model():
    return create_model("simvp_gsta", **TINY).eval()


@pytest.fixture
def clip(rng):
    return torch.rand(1, *TINY["in_shape"], generator=rng)


def refused(capsys: pytest.CaptureFixture, *words: object) -> str:
    assert main(["convert", *map(str, words)]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    return error


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_there_and_back(model, clip, tmp_path, suffix):
    ours, published, again = tmp_path / "ours", tmp_path / f"published{suffix}", tmp_path / "again"
    save_model(model, ours, metadata={"data_range": [0.0, 1.0]})
    assert main(["convert", str(ours), "--to-published", "--out", str(published)]) == 0
    state = load_file(published) if suffix == ".safetensors" else torch.load(published, weights_only=True)
    expected = export_published(model)
    assert set(state) == set(expected)
    assert all(state[key].equal(value) for key, value in expected.items())
    assert main(["convert", str(published), "--model", "simvp_gsta", *SET, "--out", str(again)]) == 0
    with torch.no_grad():
        assert load_model(again)(clip).equal(model(clip))
    assert load_model(again).metadata["converted_from"] == published.name


def test_wrapped_checkpoints_of_training_code(model, clip, tmp_path):
    state = {f"module.{key}": value for key, value in export_published(model).items()}
    torch.save({"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}}, tmp_path / "epoch_3.pth")
    words = ["convert", str(tmp_path / "epoch_3.pth"), "--model", "simvp_gsta", *SET, "--out", str(tmp_path / "ours")]
    assert main(words) == 0
    with torch.no_grad():
        assert load_model(tmp_path / "ours")(clip).equal(model(clip))


class Intruder:
    """A pickle of this runs a command when it is opened carelessly."""

    def __init__(self, trace: os.PathLike) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize("kind", ["archive", "archive of the old format", "plain pickle", "named safetensors"])
def test_pickles_with_code_are_refused_and_not_run(model, tmp_path, capsys, kind):
    trace, path = tmp_path / "trace", tmp_path / ("evil.safetensors" if kind == "named safetensors" else "evil.pth")
    content = {"state_dict": export_published(model), "extra": Intruder(trace)}
    if kind.startswith("archive"):
        torch.save(content, path, _use_new_zipfile_serialization=kind == "archive")
    else:
        path.write_bytes(pickle.dumps(content))
    error = refused(capsys, path, "--model", "simvp_gsta", *SET, "--out", tmp_path / "ours")
    assert "evil" in error
    with pytest.raises(ValueError, match="evil"):
        load_published("simvp_gsta", path, **TINY)
    assert not trace.exists()
    assert not (tmp_path / "ours").exists()


def test_the_intruder_would_have_run(tmp_path):
    pickle.loads(pickle.dumps(Intruder(tmp_path / "trace")))
    assert (tmp_path / "trace").exists(), "the test above proves nothing if this does not happen"


def test_checkpoints_of_another_model_are_refused(model, tmp_path, capsys):
    save_file(
        {key: value.contiguous() for key, value in export_published(model).items()}, tmp_path / "gsta.safetensors"
    )
    error = refused(capsys, tmp_path / "gsta.safetensors", "--model", "tau", *SET, "--out", tmp_path / "ours")
    assert "does not fit" in error
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "is empty"), (b"\x00" * 64, "begins with zeros only"), (b"PK\x03\x04 cut off", "is cut off or damaged")],
)
def test_damaged_files_are_named(tmp_path, capsys, content, sentence):
    (tmp_path / "damaged.pth").write_bytes(content)
    error = refused(capsys, tmp_path / "damaged.pth", "--model", "simvp_gsta", "--out", tmp_path / "ours")
    assert "damaged.pth" in error
    assert sentence in error


def test_mistakes_are_one_sentence(model, tmp_path, capsys):
    save_model(model, tmp_path / "ours")
    torch.save(export_published(model), tmp_path / "theirs.pth")
    ours, theirs, new = tmp_path / "ours", tmp_path / "theirs.pth", tmp_path / "new"
    assert "--model" in refused(capsys, theirs, "--out", new)
    assert "--overwrite" in refused(capsys, theirs, "--model", "simvp_gsta", *SET, "--out", ours)
    assert "--overwrite" in refused(capsys, ours, "--to-published", "--out", theirs)
    assert "must end in" in refused(capsys, ours, "--to-published", "--out", tmp_path / "theirs.onnx")
    assert "--to-published" in refused(capsys, ours, "--to-published", "--model", "tau", "--out", tmp_path / "x.pth")
    assert "no checkpoint at" in refused(capsys, tmp_path / "none.pth", "--model", "simvp_gsta", "--out", new)
    assert "must be a folder" in refused(capsys, theirs, "--model", "tau", "--out", theirs, "--overwrite")
    assert "unknown model" in refused(capsys, theirs, "--model", "simvp_xyz", "--out", new)


def test_overwrite_replaces(model, clip, tmp_path):
    save_model(create_model("simvp_gsta", **TINY), tmp_path / "ours")
    torch.save(export_published(model), tmp_path / "theirs.pth")
    words = [
        str(tmp_path / "theirs.pth"),
        "--model",
        "simvp_gsta",
        *SET,
        "--out",
        str(tmp_path / "ours"),
        "--overwrite",
    ]
    assert main(["convert", *words]) == 0
    with torch.no_grad():
        assert load_model(tmp_path / "ours")(clip).equal(model(clip))
