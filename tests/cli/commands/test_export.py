"""`subband export`: the files give the network's numbers in onnxruntime and after torch.export.load."""

import json
import os
import subprocess
import sys

import pytest
import torch

from subband import create_model, load_model, save_model
from subband.cli.main import main
from subband.data import build_data
from subband.export.onnx import OnnxFile
from subband.media.images import write_image
from subband.models.arguments import as_arguments, first_output

SIMVP = {"in_shape": (4, 1, 16, 16), "hid_S": 8, "hid_T": 16, "N_S": 2, "N_T": 2}
TINY = {
    "persistence": {"in_shape": (4, 1, 16, 16)},
    "simvp_gsta": SIMVP,
    "simvp_incepu": SIMVP,
    "tau": SIMVP,
    "wast": {"in_shape": (4, 1, 16, 16), "encoder_dim": 4, "block_list": (1, 1, 1)},
    "wast_seed": {"in_shape": (4, 1, 16, 16), "encoder_dim": 4, "block_list": (1, 1, 1)},
    "wsfvit_video": {"in_shape": (4, 1, 16, 16), "hid_S": 8, "hid_T": 32, "N_S": 2, "N_T": 2},
}
VD_DIFF = {"num_feat": 4, "propagation_blocks": 1, "num_blocks": (1, 1), "heads": (1, 2), "prior_feat": 4}
RESTORERS = {
    "identity": {},
    "estrnn": {"n_features": 4, "n_blocks": 1},
    "ftdeblur": {"channels": 4, "n_feat": 1, "n_rec": 1, "groups": 2, "frames": 3},
    "motion_unet": {"dims": (4, 8), "depth": 1},
    "residual_unet": {"dims": (4, 8), "depth": 1, "frames": 3},
    "vd_diff": VD_DIFF,
    "vd_diff_stage1": VD_DIFF,
}


def settings(name: str) -> list[str]:
    return [word for key, value in TINY[name].items() for word in ("--set", f"{key}={value}")]


def printed_difference(out: str) -> float:
    return float(out.split("network ")[1].split()[0])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TINY)
def test_onnx_gives_the_numbers_of_the_network(name, tmp_path, capsys, rng):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    folder, path = tmp_path / "model", tmp_path / "model.onnx"
    model = create_model(name, **TINY[name]).eval()
    save_model(model, folder)
    assert main(["export", str(folder), "--out", str(path), "--batch", "2", "--tolerance", "1e-5"]) == 0
    assert printed_difference(capsys.readouterr().out) <= 1e-5
    frames = torch.rand(
        2, *TINY[name]["in_shape"], generator=rng
    )  # other numbers than those of the command's own check
    (exported,) = onnxruntime.InferenceSession(path).run(None, {"frames": frames.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(exported), model(frames), rtol=0, atol=1e-5)
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["model.onnx"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("name", RESTORERS)
def test_onnx_restores_as_the_network_does(name, tmp_path, capsys, rng):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    model = create_model(name, **RESTORERS[name]).eval()
    for value in model.parameters():
        if not value.any():  # fresh networks for restoration give the frames as they are
            torch.nn.init.normal_(value, std=0.1)
    save_model(model, tmp_path / "model")
    path = tmp_path / "model.onnx"
    words = ["export", str(tmp_path / "model"), "--out", str(path), "--height", "32", "--width", "48"]
    assert main([*words, "--tolerance", "1e-5"]) == 0, capsys.readouterr().err
    example = as_arguments(model.example_input(height=32, width=48))
    inputs = [torch.rand(tensor.shape, generator=rng) for tensor in example]
    with torch.no_grad():
        wanted = first_output(model(*inputs))
    found = OnnxFile(path)(*inputs)
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TINY)
def test_programs_give_the_numbers_of_the_network(name, tmp_path, rng):
    folder, path = tmp_path / "model", tmp_path / "model.pt2"
    model = create_model(name, **TINY[name]).eval()
    save_model(model, folder)
    assert main(["export", str(folder), "--out", str(path), "--height", "32", "--tolerance", "1e-5"]) == 0
    frames = torch.rand(1, 4, 1, 32, 16, generator=rng)
    with torch.no_grad():
        torch.testing.assert_close(torch.export.load(path).module()(frames), model(frames), rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_weights_too_large_for_one_onnx_file_lie_beside_it(tmp_path, monkeypatch, rng):
    onnxruntime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr("subband.export.onnx.PROTOBUF_LIMIT", 1000)
    save_model(create_model("tau", **SIMVP), tmp_path / "model")
    path = tmp_path / "tau.onnx"
    assert main(["export", str(tmp_path / "model"), "--out", str(path)]) == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model", "tau.onnx", "tau.onnx.data"]
    frames = torch.rand(1, *SIMVP["in_shape"], generator=rng)
    (exported,) = onnxruntime.InferenceSession(path).run(None, {"frames": frames.numpy()})
    with torch.no_grad():
        expected = load_model(tmp_path / "model")(frames)
    torch.testing.assert_close(torch.from_numpy(exported), expected, rtol=0, atol=1e-5)


def test_named_models_are_exported_with_fresh_weights(tmp_path, capsys):
    path = tmp_path / "fresh.pt2"
    assert main(["export", "persistence", *settings("persistence"), "--out", str(path)]) == 0
    assert printed_difference(capsys.readouterr().out) == 0.0
    frames = torch.rand(1, 4, 1, 16, 16)
    assert torch.export.load(path).module()(frames).equal(frames[:, -1:].expand_as(frames))


def test_any_name_for_the_file_and_its_folder(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9:$")
    folder.mkdir()
    for name in (os.fsdecode(b"\xe9 $.onnx"), "n" * 245 + ".onnx", os.fsdecode(b"\xe9.pt2")):
        assert main(["export", "gfnet_digits", "--out", str(folder / name)]) == 0
        assert [path.name for path in folder.iterdir()] == [name]
        (folder / name).unlink()


def test_differences_above_the_tolerance_write_nothing(tmp_path, capsys):
    words = ["export", "persistence", *settings("persistence"), "--out", str(tmp_path / "x.pt2"), "--tolerance", "-1"]
    assert main(words) == 2
    assert "nothing was written" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_mistakes_are_one_sentence(tmp_path, capsys):
    taken = tmp_path / "taken.onnx"
    taken.write_text("mine")
    (tmp_path / "folder.onnx").mkdir()
    cases = {
        ("persistence", "--out", tmp_path / "x.txt"): "must end in",
        ("persistence", "--out", taken): "--overwrite",
        ("persistence", "--out", tmp_path / "folder.onnx", "--overwrite"): "is a folder",
        ("persistence", "--out", taken / "below.onnx"): "cannot be made",
        ("persistense", "--out", tmp_path / "x.onnx"): "did you mean persistence",
        ("gfnet_ti", "--out", tmp_path / "x.onnx", "--int8"): "--int8 and --calibration FOLDER go together",
        (
            "gfnet_ti",
            "--out",
            tmp_path / "x.onnx",
            "--calibration",
            tmp_path,
        ): "--int8 and --calibration FOLDER go together",
        ("gfnet_ti", "--out", tmp_path / "x.pt2", "--int8", "--calibration", tmp_path): "--int8 writes .onnx files",
        ("gfnet_ti", "--out", tmp_path / "x.onnx", "--int8", "--calibration", taken): "is no folder",
        (
            "gfnet_ti",
            "--out",
            tmp_path / "x.onnx",
            "--int8",
            "--calibration",
            tmp_path,
        ): "holds 0 photographs, fewer than",
        ("persistence", "--out", tmp_path / "x.onnx", "--int8", "--calibration", tmp_path): "must be a classifier",
    }
    for words, sentence in cases.items():
        assert main(["export", *map(str, words)]) == 2
        error = capsys.readouterr().err
        assert sentence in error
        assert len(error.splitlines()) == 1
    assert taken.read_text() == "mine"


def test_missing_onnx_packages_are_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["export", "persistence", *settings("persistence"), "--out", str(tmp_path / "x.onnx")]) == 2
    assert "pip install 'subband[export]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.fixture
def digits(tmp_path):
    """Images of digits in folders, and images of the same kind that are not among them."""
    data = build_data("digits", {}, seed=0)
    prepare, folder = data.spec.preprocessing, tmp_path / "digits"
    for index in range(60):
        image, label = data.val[index]
        (folder / str(int(label))).mkdir(parents=True, exist_ok=True)
        write_image(folder / str(int(label)) / f"{index}.png", prepare.denormalize(image).clamp(0, 1))
    return folder, data.test


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("words", [(), ("--dynamic-batch", "--calibration-images", "30")])
def test_integers_keep_the_answers_and_the_facts(digits, tmp_path, capsys, words):
    onnx = pytest.importorskip("onnx")
    folder, test = digits
    path = tmp_path / "out" / "int8.onnx"
    command = ["export", "gfnet_digits", "--int8", "--calibration", str(folder), "--out", str(path), *words]
    assert main(command) == 0
    count = 30 if words else 60
    same = int(capsys.readouterr().out.split("the float32 file for ")[1].split(f" of {count} calibration images")[0])
    assert same >= count - 2
    assert [file.name for file in path.parent.iterdir()] == ["int8.onnx"]
    model, file = load_model("gfnet_digits"), OnnxFile(path)
    assert json.loads(file.facts["classes"]) == list("0123456789")
    assert json.loads(file.facts["preprocessing"])["size"] == [8, 8]
    images = torch.stack([test[index][0] for index in range(100)])
    found = torch.cat([file(image[None]) for image in images])
    with torch.no_grad():
        wanted = model(images)
    assert (found.argmax(1) == wanted.argmax(1)).float().mean() >= 0.97
    difference = (found - wanted).abs().max() / wanted.abs().max()
    assert 0.001 < difference < 0.1  # integers at work, and good ones
    types = [onnx.TensorProto.DataType.Name(item.data_type) for item in onnx.load(path).graph.initializer]
    assert types.count("INT8") >= 10  # learned matrices of two linear layers a block, the embedding and the last layer


@pytest.mark.slow
def test_in_a_process_of_its_own(tmp_path):
    words = ["export", "persistence", *settings("persistence"), "--out", str(tmp_path / "net.onnx")]
    command = [sys.executable, "-m", "subband.cli.main", *words]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "net.onnx").stat().st_size > 100
    assert len(result.stdout.splitlines()) == 1, result.stdout
