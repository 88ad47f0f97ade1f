"""Checkpoints of published detectors at a small size: both sets of names, and what does not fit."""

import pytest
import torch

import subband

WSFVIT = {
    "dims": (8, 16, 24, 32),
    "depths": (1, 1, 2, 1),
    "num_heads": (2, 4, 4, 8),
    "head_dim": 4,
    "stem_dim": 8,
}
SMALL = {"backbone_args": WSFVIT, "dim": 8, "hidden_dim": 8, "num_classes": 3}
NAMES = ["wsfvit_t_maskrcnn", "wsfvit_t_cascade_maskrcnn"]


def written(name, **options):
    return subband.export_published(subband.create_model(name, **{**SMALL, **options}))


@pytest.mark.parametrize("name", NAMES)
def test_older_and_current_names_load(name):
    state = written(name)
    assert any("attn_grid" in key for key in state)
    assert state["backbone.stem.dwt_l2.w_h"].tolist() == [[pytest.approx(0.5**0.5), pytest.approx(-(0.5**0.5))]]
    current = state
    for old, new in (("attn_block", "attn_local"), ("attn_channel", "attn_inter"), ("attn_grid", "attn_global")):
        current = {key.replace(old, new): value for key, value in current.items()}
    for given in (state, current, {"state_dict": {f"module.{key}": value for key, value in current.items()}}):
        model = subband.load_published(name, given, **SMALL)
        again = subband.export_published(model)
        assert list(again) == list(state)
        assert all(torch.equal(again[key], value) for key, value in state.items())


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_other_classes_is_named(name):
    with pytest.raises(ValueError, match=r"has a head of 5 classes, but the model is built for 3; pass num_classes=5"):
        subband.load_published(name, written(name, num_classes=5), **SMALL)


def test_a_file_of_the_other_family_is_named():
    with pytest.raises(ValueError, match=r"does not fit wsfvit_t_maskrcnn; it looks like wsfvit_.*cascade"):
        subband.load_published(NAMES[0], written(NAMES[1]), **SMALL)


@pytest.mark.parametrize(
    "lost", ["backbone.stages.1.blocks.0.attn_block.attn.qkv.weight", "neck.fpn_convs.3.conv.bias"]
)
def test_a_missing_name_is_an_error(lost):
    state = written(NAMES[0])
    del state[lost]
    with pytest.raises(ValueError, match=f"1 missing .{lost}"):
        subband.load_published(NAMES[0], state, **SMALL)


def test_names_of_classes_come_with_the_file(tmp_path):
    state = written(NAMES[0])
    for stored, wanted in ((("a", "b", "c"), ["a", "b", "c"]), (("a",), None), (None, None)):
        torch.save({"state_dict": state, "meta": {"CLASSES": stored}}, tmp_path / "file.pth")
        model = subband.load_published(NAMES[0], tmp_path / "file.pth", **SMALL)
        assert model.metadata.get("classes") == wanted
