import json

import pytest
import torch

import subband

SMALL = {"in_shape": (2, 1, 8, 8), "hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2}


@pytest.fixture
def model():
    return subband.create_model("simvp_gsta", **SMALL)


def test_a_saved_model_comes_back(tmp_path, model, rng):
    subband.save_model(model, tmp_path / "m", metadata={"data_range": [0, 1]})
    frames = torch.rand(1, 2, 1, 8, 8, generator=rng)
    for source in (tmp_path / "m", tmp_path / "m" / "config.json", tmp_path / "m" / "model.safetensors"):
        loaded = subband.load_model(source)
        assert not loaded.training
        assert loaded.metadata == {"data_range": [0, 1]}
        assert torch.equal(loaded(frames), model.eval()(frames))
    card = json.loads((tmp_path / "m" / "config.json").read_text())
    assert (card["name"], card["task"]) == ("simvp_gsta", "video_prediction")


def test_a_saved_model_is_not_replaced_unasked(tmp_path, model):
    subband.save_model(model, tmp_path)
    with pytest.raises(FileExistsError, match="already holds a model"):
        subband.save_model(model, tmp_path)
    subband.save_model(model, tmp_path, overwrite=True)


def test_a_failed_write_leaves_the_old_weights(tmp_path, model, monkeypatch):
    subband.save_model(model, tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        subband.save_model(subband.create_model("simvp_gsta", **SMALL), tmp_path, overwrite=True)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not valid JSON"),
        ("", "is not valid JSON"),
        ("[]", "holds no JSON object"),
        ('{"name": "wast"}', "lacks args, format_version, metadata"),
        ({"metadata": 3}, ": metadata must be of type dict, got 3"),
        ({"format_version": "1"}, ": format_version must be of type int, got '1'"),
        ({"name": "taw"}, ": unknown model 'taw'; did you mean tau"),
        ({"args": {"hid_X": 4}}, ": model 'simvp_gsta' has no argument 'hid_X'"),
        ({"args": {"hid_S": "x"}}, ": model 'simvp_gsta' cannot be built with hid_S='x': "),
        ({"args": {"hid_S": 10**12}}, ": model 'simvp_gsta' cannot be built with hid_S=1000000000000: "),
        (
            {"args": {**SMALL, "hid_S": 6}},
            "does not fit its config.json: .*, and [0-9]+ lines more",
        ),
    ],
)
def test_a_damaged_card_is_named(tmp_path, model, content, words):
    subband.save_model(model, tmp_path)
    path = tmp_path / "config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(json.loads(path.read_text()) | content))
    with pytest.raises(ValueError, match=words) as error:
        subband.load_model(tmp_path)
    assert str(path.parent) in str(error.value)
    assert "config.json" in str(error.value)
    assert "\n" not in str(error.value)


def test_damaged_or_foreign_weights_are_named(tmp_path, model):
    subband.save_model(model, tmp_path)
    weights = tmp_path / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read"):
        subband.load_model(tmp_path)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors is missing"):
        subband.load_model(tmp_path)
    subband.save_model(subband.create_model("simvp_gsta", **{**SMALL, "hid_S": 6}), tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").rename(weights)
    with pytest.raises(ValueError, match="does not fit"):
        subband.load_model(tmp_path)


def test_weights_of_nan_are_named(tmp_path, model):
    with torch.no_grad():
        for value in model.parameters():
            value.fill_(float("nan"))
    bad = next(name for name, value in model.state_dict().items() if value.isnan().any())
    subband.save_model(model, tmp_path)
    with pytest.warns(UserWarning, match=rf"model\.safetensors holds NaN in {bad} and \d+ more; results will be NaN"):
        subband.load_model(tmp_path)
    state = subband.export_published(model)
    with pytest.warns(UserWarning, match="the state dict holds NaN in"):
        subband.load_published("simvp_gsta", state, **SMALL)


def test_nothing_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model at"):
        subband.load_model(tmp_path / "nothing")


def test_newer_files_are_refused(tmp_path, model):
    subband.save_model(model, tmp_path)
    card = json.loads((tmp_path / "config.json").read_text()) | {"format_version": 99}
    (tmp_path / "config.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="newer subband"):
        subband.load_model(tmp_path)
