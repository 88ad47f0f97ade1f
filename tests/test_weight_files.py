"""Files of weights as they are found: what training scripts store beside weights, what is no checkpoint at all."""

import argparse
import collections
import datetime
import io
import os
import pathlib
import pickle
import tarfile
import types
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import subband
from subband.cli.main import main
from subband.weight_files import read_checkpoint, read_safetensors

SMALL = {"in_shape": (2, 1, 8, 8), "hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2}
STATE = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)}
PLAIN = {
    "args": argparse.Namespace(
        lr=1e-3,
        betas=(0.9, 0.999),
        device=torch.device("cuda:0"),
        dtype=torch.float16,
        out=pathlib.Path("a/b"),
        kind=int,
    ),
    "best": np.float64(81.5),
    "epoch": np.int64(-3),
    "is_last": np.bool_(True),
    "losses": np.arange(3),
    "rng": np.random.RandomState(0).get_state(),
    "objects": np.array([None, 1], dtype=object),
    "types": (np.float32, np.dtype("f4"), torch.float32),
    "meters": collections.defaultdict(list, {1: [2]}),
    "milestones": collections.Counter("aab"),
    "queue": collections.deque([1], 3),
    "sets": ({1}, frozenset([2])),
    "started": datetime.datetime(2026, 1, 2),
    "took": datetime.timedelta(3),
    "size": torch.Size([1, 2]),
    "version": torch.__version__,
    "space": types.SimpleNamespace(a=1),
    "number": 10**30,
}


def stored(content: object, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def message(path: pathlib.Path) -> str:
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        read_checkpoint(path)
    text = str(error.value)
    assert str(path) in text
    assert text.endswith(".")
    assert "\n" not in text
    return text


@pytest.mark.parametrize("zipped", [True, False])
def test_plain_data_beside_the_weights_is_let_through(tmp_path, zipped):
    path = tmp_path / "model_best.pth.tar"
    path.write_bytes(stored({"state_dict": STATE, **PLAIN}, zipped))
    found = read_checkpoint(path)
    assert all(found["state_dict"][key].equal(value) for key, value in STATE.items())
    assert (found["best"], found["epoch"], found["is_last"]) == (81.5, -3, True)
    assert all(type(found[key]) in (int, float, bool) for key in ("best", "epoch", "is_last"))
    assert found["args"].out == pathlib.PurePosixPath("a/b")
    assert (found["args"].betas, found["args"].device) == (PLAIN["args"].betas, PLAIN["args"].device)
    same = ("meters", "milestones", "sets", "started", "took", "size", "version", "space", "number")
    assert all(found[key] == PLAIN[key] for key in same)
    assert type(found["meters"]) is dict


def test_names_of_other_versions_and_systems_are_known(tmp_path, case):
    """Old files have their pickle in the open, so that names of modules can be exchanged in them."""
    core = np.core.multiarray if np.__version__ < "2" else np._core.multiarray
    written = {"a": torch.ones(2), "best": np.float64(0.5), "path": pathlib.PurePosixPath("/a"), "all": np.arange(2)}
    content = stored(written, zipped=False)
    here = core.__name__.encode()
    for numpy_core in (b"numpy.core.multiarray", b"numpy._core.multiarray"):
        for path in (b"pathlib\nPosixPath", b"pathlib\nWindowsPath", b"pathlib._local\nPosixPath"):
            with case(numpy_core, path):
                changed = content.replace(here, numpy_core).replace(b"pathlib\nPurePosixPath", path)
                (tmp_path / "a.pth").write_bytes(changed)
                found = read_checkpoint(tmp_path / "a.pth")
                assert found["a"].equal(torch.ones(2))
                assert found["best"] == 0.5
                assert isinstance(found["path"], pathlib.PurePath)


class Call:
    """A value whose pickle calls a function."""

    def __init__(self, function, *args) -> None:
        self.what = function, args

    def __reduce__(self):
        return self.what


class Thing:
    """A type of the program that wrote the file."""


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_refused_and_named_and_never_runs(tmp_path, case, zipped):
    mark = str(tmp_path / "ran")
    script = f"open({mark!r}, 'w')"
    evil = {
        f"{open.__module__}.open": Call(open, mark, "w"),
        "eval": Call(eval, script),
        "getattr": Call(getattr, argparse.Namespace(a=1), "a"),
        f"{os.system.__module__}.system": Call(os.system, f"touch {mark}"),
        f"{__name__}.Thing": Thing(),
        "torch.nn.modules.linear.Linear": torch.nn.Linear(2, 2),
        "type": Call(type, "a", (), {}),
        "argparse.ArgumentTypeError": argparse.ArgumentTypeError(),
    }
    for name, value in evil.items():
        with case(name):
            path = tmp_path / "bomb.pth"
            path.write_bytes(stored({"state_dict": STATE, "args": argparse.Namespace(extra=value)}, zipped))
            text = message(path)
            assert f"bomb.pth is refused: it needs {name}, " in text
            assert "run code" in text
            assert not os.path.exists(mark)


def test_what_numpy_would_take_on_trust_never_reaches_it(tmp_path):
    """A scalar of object type made from bytes is a pointer to anywhere; here it is nothing at all."""
    core = np.core.multiarray if np.__version__ < "2" else np._core.multiarray
    content = {"a": torch.ones(1), "b": Call(core.scalar, np.dtype("O"), b"\1" * 8), "c": Call(np.dtype, "O8", 0, 1)}
    (tmp_path / "a.pth").write_bytes(stored(content))
    assert read_checkpoint(tmp_path / "a.pth")["b"] is None
    # What the user has allowed for other reads stays as it was.
    before = set(torch.serialization.get_safe_globals())
    with torch.serialization.safe_globals([argparse.Namespace]):
        read_checkpoint(tmp_path / "a.pth")
        assert set(torch.serialization.get_safe_globals()) == {*before, argparse.Namespace}
    assert set(torch.serialization.get_safe_globals()) == before


def test_tensors_are_mapped_where_the_file_allows_it(tmp_path, monkeypatch):
    asked, load = [], torch.load
    monkeypatch.setattr(
        torch, "load", lambda *args, mmap, **options: asked.append(mmap) or load(*args, mmap=mmap, **options)
    )
    optimizer = {"state": {0: {"exp_avg": torch.ones(2, 3)}}}
    plain, packed, old = (tmp_path / name for name in ("plain.pth", "packed.pth", "old.pth"))
    plain.write_bytes(stored({"model": STATE, "optimizer": optimizer}))
    old.write_bytes(stored({"model": STATE, "optimizer": optimizer}, zipped=False))
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    for path in (plain, packed, old):
        assert read_checkpoint(path)["model"]["weight"].equal(STATE["weight"]), path.name
    assert asked == [True, False, False]


def other_files(folder: pathlib.Path) -> dict[str, tuple[bytes, str]]:
    """Content of files that are no checkpoints, and what has to be said about them."""
    for name, parts in {
        "script": ("data.pkl", "code/net.py"),
        "program": ("archive_format", "models/model.json"),
    }.items():
        with zipfile.ZipFile(folder / name, "w") as archive:
            for part in parts:
                archive.writestr(f"net/{part}", "")
    np.savez(folder / "arrays.npz", a=np.ones(2))
    whole = stored({"a": torch.arange(4000.0)})
    (folder / "inner.pth").write_bytes(whole)
    with zipfile.ZipFile(folder / "zips", "w") as archive, tarfile.open(folder / "tar", "w") as tar:
        archive.write(folder / "inner.pth", "ESTRNN_1ms8ms.tar")
        tar.add(folder / "inner.pth", "weights/inner.pth")
    with tarfile.open(folder / "first", "w") as tar:
        for name in ("storages", "tensors", "pickle"):
            tar.add(folder / "inner.pth", name)
    save_file(STATE, folder / "safe")
    page = "<!DOCTYPE html>\n<html><head><title>Google Drive - Quota exceeded</title></head><body>...</body></html>"
    return {
        "page.pth": (page.encode(), "is an HTML page ('Google Drive - Quota exceeded'), as servers send it in place"),
        "error.pth": (b"<?xml version='1.0'?>\n<Error>AccessDenied</Error>", "is an XML page"),
        "answer.pth": (b'{"message": "Not Found"}', 'is JSON that begins with \'{"message": "Not Found"}\''),
        "text.pth": (b"404: Not Found", "is a text that begins with '404: Not Found'"),
        "lfs.pth": (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n", "is a pointer of Git LFS"),
        "empty.pth": (b"", "is empty (0 bytes)"),
        "zeros.pth": (bytes(9999), "begins with zeros only; its download may not have ended"),
        "noise.pth": (bytes(range(17, 250)), "is in no format of weights that is known here"),
        "packed.pth.gz": (b"\x1f\x8b\x08\0", "is compressed with gzip; unpack it first"),
        "cut.pth": (whole[:2000], "is cut off or damaged, a zip archive without its end; download it again"),
        "cut_old.pth": (stored({"a": torch.arange(4000.0)}, zipped=False)[:2000], "is cut off"),
        "cut_early.pth": (stored({"a": torch.ones(4)}, zipped=False)[:40], "is cut off"),
        "zips.zip": ((folder / "zips").read_bytes(), "is a zip archive that holds ESTRNN_1ms8ms.tar, not a checkpoint"),
        "some.tar": ((folder / "tar").read_bytes(), "is a tar archive that holds weights/inner.pth, not a checkpoint"),
        "first.tar": ((folder / "first").read_bytes(), "is in the tar format of PyTorch before 0.1.10"),
        "script.pt": ((folder / "script").read_bytes(), "is a TorchScript program"),
        "program.pt2": ((folder / "program").read_bytes(), "is a torch.export program"),
        "arrays.npz": ((folder / "arrays.npz").read_bytes(), "is an archive of NumPy arrays"),
        "pickle.pkl": (pickle.dumps({"a": 1}), "is a Python pickle that torch.save did not write"),
        "net.onnx": (b"\x08\x0a\x12\x07pytorch\x1a\x05", "is an ONNX model"),
        "keras.h5": (b"\x89HDF\r\n\x1a\n\0\0", "is an HDF5 file"),
        "model.ckpt.data-00000-of-00001": (b"\x01\x02\x03\xff", "is a file of TensorFlow"),
        "short.safetensors": ((folder / "safe").read_bytes()[:40], "cannot be read as safetensors"),
        "graph.pb": (b"\n\x0b\n\x05\xff", "is a file of TensorFlow"),
    }


def test_what_is_no_checkpoint_is_named(tmp_path, case):
    for name, (content, words) in other_files(tmp_path).items():
        with case(name):
            (tmp_path / name).write_bytes(content)
            assert words in message(tmp_path / name)
    for name, words in {
        "plain": "is a folder; name",
        "data.pkl": "unpacked parts",
        "saved_model.pb": "TensorFlow",
    }.items():
        (tmp_path / f"folder_{name}").mkdir()
        (tmp_path / f"folder_{name}" / name).touch()
        assert words in message(tmp_path / f"folder_{name}")
    assert "no checkpoint at" in message(tmp_path / "none.pth")
    assert read_checkpoint(tmp_path / "safe")["bias"].equal(STATE["bias"]), "safetensors by another suffix"
    with pytest.raises(ValueError, match="is a text that begins"):
        read_safetensors(tmp_path / "text.pth")


def test_files_without_weights_say_what_they_hold(tmp_path):
    cases = {"but a list": [1], "but a Tensor": torch.ones(1), "holds epoch": {"epoch": 3}, "nothing": {"model": {}}}
    for words, content in cases.items():
        torch.save(content, tmp_path / "x.pth")
        with pytest.raises(ValueError, match=words) as error:
            subband.load_published("tau", tmp_path / "x.pth")
        assert "x.pth" in str(error.value), words


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"model": state, "model_ema": {key: 0 * value for key, value in state.items()}, **PLAIN},
        lambda state: {"model": {"state_dict": {f"module.{key}": value for key, value in state.items()}}},
        lambda state: {"epoch": 1, "state_dict_ema": state},
        lambda state: {"n_averaged": torch.tensor(3), **{f"module.{key}": value for key, value in state.items()}},
        lambda state: {f"module._orig_mod.{key}": value for key, value in state.items()},
        lambda state: {"optimizer": {"state": {0: {"a": torch.ones(1)}}}, "net": state},
    ],
)
def test_wrappers_of_training_scripts_are_removed(wrap, tmp_path):
    state = subband.export_published(subband.create_model("tau", **SMALL))
    torch.save(wrap(state), tmp_path / "checkpoint.pth")
    again = subband.export_published(subband.load_published("tau", tmp_path / "checkpoint.pth", **SMALL))
    assert all(again[key].equal(value) for key, value in state.items())


@pytest.mark.filterwarnings("ignore")
def test_numbers_of_another_kind_are_refused(tmp_path, case):
    """What copies would fail with many lines on, or turn into other numbers without a word."""
    state = subband.export_published(subband.create_model("tau", **SMALL))
    key, value = next((key, value) for key, value in state.items() if value.ndim == 4)
    kinds = {
        "float32 sparse_coo": value.to_sparse(),
        "int8": (100 * value).to(torch.int8),
        "complex64": value.to(torch.complex64),
        "qint8": torch.quantize_per_tensor(value, 0.1, 0, torch.qint8),
        "without values": value.to("meta"),
    }
    for name, other in kinds.items():
        torch.save({"model": {**state, key: other}}, tmp_path / "x.pth")
        with case(name), pytest.raises(ValueError, match=rf"x\.pth .*{key} {name}, model has float32") as error:
            subband.load_published("tau", tmp_path / "x.pth", **SMALL)
        assert "\n" not in str(error.value)
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    assert subband.export_published(subband.load_published("tau", half, **SMALL))[key].equal(value.half().float())


def test_a_file_that_holds_itself_ends(tmp_path):
    content: dict = {}
    content["model"] = content
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"x\.pth: no weights found; the checkpoint holds model"):
        subband.load_published("tau", tmp_path / "x.pth")


def test_every_command_says_the_same(tmp_path, capsys, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    page, clip = tmp_path / "page.pth", tmp_path / "clip"
    page.write_text("<html><title>Sign in</title></html>")
    clip.mkdir()
    for index in range(2):
        subband_image(clip / f"{index}.png")
    torch.save({"a": torch.ones(1)}, tmp_path / "lone.pth")
    commands = (
        "convert {} --model tau --out out",
        "convert {} --to-published --out out.pth",
        "classify clip/0.png --model gfnet_ti --checkpoint {}",
        "classify clip/0.png --model {}",
        "explain clip/0.png --model gfnet_ti --checkpoint {}",
        "info {}",
        "export {} --out x.pt2",
        "predict clip --model {}",
        "evaluate {}",
        "evaluate {} --data.args.path clip --out out",
    )
    for words in commands:
        with case(words):
            assert main(words.format("page.pth").split()) == 2
            error = capsys.readouterr().err
            assert error.startswith("subband: error: page.pth is an HTML page ('Sign in'), as servers send")
            assert error.count("\n") == 1
    assert main(["info", "lone.pth"]) == 2
    assert "lone.pth may hold weights, but not of which network; make a model folder" in capsys.readouterr().err


def subband_image(path: pathlib.Path) -> None:
    from subband.media.images import write_image

    write_image(path, torch.zeros(3, 8, 8))
