import collections

import pytest
import torch

import subband
from subband.convert._keymap import KeyMap
from subband.models.registry import model_spec

SMALL = {"in_shape": (2, 1, 8, 8), "hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2}


@pytest.fixture
def state():
    return subband.export_published(subband.create_model("tau", **SMALL))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"epoch": 3, "state_dict": state, "optimizer": {}},
        lambda state: {"model": {f"module.{key}": value for key, value in state.items()}},
        lambda state: {"params_ema": state},
        lambda state: {"state_dict": {f"model.{key}": value for key, value in state.items()}},
        lambda state: {"state_dict": {f"method.model.{key}": value for key, value in state.items()}},
        lambda state: {f"module.model.{key}": value for key, value in state.items()},
    ],
)
def test_wrappers_and_prefixes_are_removed(state, wrap, tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.save(wrap(state), path)
    model = subband.load_published("tau", path, **SMALL)
    again = subband.export_published(model)
    assert list(again) == list(state)
    assert all(torch.equal(again[key], state[key]) for key in state)


def test_what_does_not_fit_is_listed(state):
    del state["dec.readout.bias"]
    state["surprise.weight"] = torch.zeros(1)
    state["enc.enc.0.conv.conv.weight"] = torch.zeros(4, 2, 3, 3)
    with pytest.raises(ValueError, match="does not fit") as error:
        subband.load_published("tau", state, **SMALL)
    assert "1 missing (dec.readout.bias)" in str(error.value)
    assert "1 unexpected (surprise.weight)" in str(error.value)
    assert "enc.enc.0.conv.conv.weight (4, 2, 3, 3), model has (4, 1, 3, 3)" in str(error.value)


def test_a_checkpoint_of_another_size_is_recognized():
    state = subband.export_published(subband.create_model("gfnet_h_s", num_classes=3, img_size=32))
    for name in ("gfnet_h_ti", "gfnet_xs"):
        with pytest.raises(ValueError, match=rf"does not fit {name}; it looks like gfnet_h_s$"):
            subband.load_published(name, state, num_classes=3)


@pytest.mark.parametrize("wanted", [{}, {"num_classes": 5}])
def test_another_number_of_classes_is_one_sentence(tmp_path, wanted):
    state = subband.export_published(subband.create_model("gfnet_h_s", num_classes=10, img_size=32))
    torch.save({"model": state}, tmp_path / "ten.pth")
    words = (
        r"ten\.pth has a head of 10 classes, .*; pass num_classes=10 \(on the command line --set num_classes=10\)\.$"
    )
    with pytest.raises(ValueError, match=words):
        subband.load_published("gfnet_h_s", tmp_path / "ten.pth", img_size=32, **wanted)
    assert subband.load_published("gfnet_h_s", tmp_path / "ten.pth", img_size=32, num_classes=10).num_classes == 10
    with pytest.raises(ValueError, match=r"does not fit gfnet_h_ti; it looks like gfnet_h_s with num_classes=10$"):
        subband.load_published("gfnet_h_ti", tmp_path / "ten.pth", img_size=32, **wanted)


def test_classifiers_know_how_their_images_were_prepared(tmp_path):
    state = subband.export_published(subband.create_model("gfnet_h_ti", num_classes=3, img_size=32))
    model = subband.load_published("gfnet_h_ti", state, num_classes=3, img_size=64)
    assert model.metadata["source"] == "published layout"
    assert model.metadata["preprocessing"]["size"] == (64, 64)
    assert model.metadata["preprocessing"]["crop_ratio"] == 0.875
    subband.save_model(model, tmp_path / "model", metadata=model.metadata)
    assert subband.load_model(tmp_path / "model").metadata["preprocessing"]["size"] == [64, 64]
    video = subband.create_model("tau", **SMALL)
    assert "preprocessing" not in subband.load_published("tau", subband.export_published(video), **SMALL).metadata


def test_long_lists_are_cut(state):
    with pytest.raises(ValueError, match=r"and \d+ more"):
        subband.load_published("tau", {"only.weight": torch.zeros(1)}, **SMALL)


def test_models_without_a_published_layout_say_so():
    with pytest.raises(ValueError, match="has no published layout"):
        subband.load_published("persistence", {})
    seed = subband.create_model("wast_seed", in_shape=(4, 1, 8, 8), encoder_dim=4, block_list=(1, 1, 1))
    with pytest.raises(ValueError, match="no published layout"):
        subband.export_published(seed)


def test_no_weights_inside_is_said():
    with pytest.raises(ValueError, match="no weights found"):
        subband.load_published("tau", collections.OrderedDict(epoch=3))


def test_a_key_table_reads_both_ways_with_the_first_match():
    table = KeyMap((("enc.{i}.conv.0", "encoder.{i}.expand"), ("enc.{i}.conv", "encoder.{i}.conv"), ("", "")), ("old",))
    pairs = {
        "enc.3.conv.0.weight": "encoder.3.expand.weight",
        "enc.12.conv.bias": "encoder.12.conv.bias",
        "head.bias": "head.bias",
    }
    for published, own in pairs.items():
        assert table.to_own(published) == own
        assert table.to_published(own) == published
    assert table.is_ignored("old.weight")
    assert not table.is_ignored("older.weight")


def test_published_networks_of_equal_shapes_compute_the_same():
    """Where two names take each other's files, they differ in the size of clips or in stochastic depth alone."""
    alike = collections.defaultdict(list)
    for name in subband.list_models():
        spec = model_spec(name)
        if spec.layout is not None:
            with torch.device("meta"):
                state = subband.create_model(name).state_dict()
            alike[spec.layout, tuple((key, tuple(value.shape)) for key, value in state.items())].append(spec)
    assert max(map(len, alike.values())) > 3
    for specs in alike.values():
        keys = set().union(*(spec.args for spec in specs)) - {"drop_path", "drop_path_rate", "in_shape"}
        assert all(spec.args.get(key) == specs[0].args.get(key) for spec in specs for key in keys)
        assert all(spec.preprocessing == specs[0].preprocessing for spec in specs)
