"""`subband info`."""

import json

import pytest

from subband import create_model, save_model
from subband.cli.main import main
from subband.models.complexity import count_macs, count_parameters

TINY = {"in_shape": (4, 1, 16, 16), "hid_S": 8, "hid_T": 16, "N_S": 2, "N_T": 2}
SET = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
QUICK = ["--device", "cpu", "--repeats", "1"]


def described(capsys: pytest.CaptureFixture, *words: str) -> dict:
    assert main(["info", *words, *QUICK, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_facts_of_a_named_model(capsys):
    facts = described(capsys, "simvp_gsta", *SET, "--batch", "2", "--height", "32")
    model = create_model("simvp_gsta", **TINY)
    assert facts["input_shape"] == [2, 4, 1, 32, 16]
    assert facts["params"] == count_parameters(model)
    assert facts["name"] == "simvp_gsta"
    assert facts["loads_published"]
    assert facts["ms"] > 0
    assert facts["device"] == "cpu"
    assert facts["threads"] >= 1


def test_module_tree_adds_up(capsys):
    rows = described(capsys, "simvp_gsta", *SET, "--depth", "1")["modules"]
    assert rows[0]["module"] == ""
    assert {row["level"] for row in rows[1:]} == {1}
    assert sum(row["parameters"] for row in rows[1:]) == rows[0]["parameters"]
    assert sum(row["macs"] for row in rows[1:]) == pytest.approx(rows[0]["macs"])
    deeper = described(capsys, "simvp_gsta", *SET, "--depth", "2")["modules"]
    assert [row for row in deeper if row["level"] < 2] == rows


def test_macs_grow_with_the_batch(capsys):
    one, two = (described(capsys, "tau", *SET, "--batch", batch) for batch in "12")
    assert two["macs"] == pytest.approx(2 * one["macs"], rel=1e-3)


def test_folders_are_described_too(capsys, tmp_path):
    model = create_model("simvp_gsta", **TINY)
    save_model(model, tmp_path / "run" / "model")
    for source in (tmp_path / "run", tmp_path / "run" / "model"):
        facts = described(capsys, str(source))
        assert facts["name"] == "simvp_gsta"
        assert facts["params"] == count_parameters(model)
        assert facts["input_shape"] == [1, *TINY["in_shape"]]


def test_printed_page(capsys):
    assert main(["info", "simvp_gsta", *SET, *QUICK]) == 0
    out = capsys.readouterr().out
    model = create_model("simvp_gsta", **TINY)
    assert f"{count_parameters(model):,}" in out
    from subband.cli.options import example_input

    assert f"{count_macs(model, example_input(model)).macs / 1e9:.3f} G" in out
    assert "1 x 4 x 1 x 16 x 16" in out
    assert model.in_shape == TINY["in_shape"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["simvp_gst"], "did you mean simvp_gsta"),
        (["folder/that/is/not/there"], "no model at folder/that/is/not/there"),
        (["simvp_gsta", "--set", "hid_X=3"], "no argument 'hid_X'"),
        (["simvp_gsta", "--set", "hid_S"], "--set takes key=value"),
        (["simvp_gsta", "--depth", "-1"], "--depth"),
        (["simvp_gsta", "--batch", "0"], "positive"),
        (["simvp_gsta", *SET, "--repeats", "0"], "repeats"),
        (["simvp_gsta", "--device", "toaster"], "device must be one of"),
    ],
)
def test_mistakes_are_one_sentence(capsys, words, sentence):
    assert main(["info", *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.splitlines()) == 1


def test_stored_weights_take_no_overrides(capsys, tmp_path):
    save_model(create_model("simvp_gsta", **TINY), tmp_path / "model")
    assert main(["info", str(tmp_path / "model"), "--set", "hid_S=4"]) == 2
    assert "holds weights" in capsys.readouterr().err


def test_images_instead_of_clips(capsys):
    assert main(["info", "wsfvit_p0", "--set", "img_size=64", "--repeats", "1", "--width", "96", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["input_shape"] == [1, 3, 64, 96]
    assert facts["task"] == "classification"
    assert main(["info", "wsfvit_p0", "--set", "img_size=64", "--repeats", "1"]) == 0
    assert "1 x 3 x 64 x 64 (B C H W)" in capsys.readouterr().out
