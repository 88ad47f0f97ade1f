"""What is known about the preprocessing of published weights."""

import dataclasses

import pytest
import torch

import subband
from subband.data.labelled.preprocessing import Preprocessing
from subband.models.preprocessing import DEFAULTS, published_preprocessing
from subband.models.registry import catalog


def described(name, **overrides):
    with torch.device("meta"):
        return published_preprocessing(subband.create_model(name, **overrides))


def test_defaults_are_those_of_the_class():
    fields = {field.name: field.default for field in dataclasses.fields(Preprocessing) if field.name != "size"}
    assert fields == DEFAULTS


@pytest.mark.parametrize("name", [name for name, spec in catalog().items() if spec.task == "classification"])
def test_every_classifier_has_a_whole_preprocessing(name):
    found = described(name)
    assert Preprocessing.from_dict(found).to_dict() == found


def test_published_values():
    """Model zoo of WSF-ViT, evaluation transform of GFNet, released loader of the networks on coefficients."""
    imagenet, half = (0.485, 0.456, 0.406), (0.5, 0.5, 0.5)
    for size in ("p0", "p1", "p2", "n"):
        found = described(f"wsfvit_{size}")
        assert (found["crop_ratio"], found["crop_mode"], found["mean"]) == (0.875, "center", imagenet)
    for size in ("t", "s", "m", "b", "b_256"):
        found = described(f"wsfvit_{size}")
        assert (found["crop_ratio"], found["crop_mode"], found["mean"]) == (0.95, "center", imagenet)
    for size in "tsmb":
        found = described(f"wsfvit_{size}_384")
        assert found["size"] == (384, 384)
        assert (found["crop_ratio"], found["crop_mode"]) == (0.95, "squash")
        assert (found["mean"], found["std"]) == (half, half)
    assert (described("gfnet_ti")["crop_ratio"], described("gfnet_ti")["interpolation"]) == (0.875, "bicubic")
    for name, side in (("dct_resnet50", 448), ("dct_mobilenetv2", 896)):
        found = described(name)
        assert (found["size"], found["interpolation"], found["antialias"]) == ((side, side), "bilinear", False)


def test_arguments_of_the_network_go_first():
    assert described("gfnet_ti", img_size=(64, 96))["size"] == (64, 96)
    assert described("dct_resnet50", mean=[0.1] * 3, std=(0.2,) * 3)["mean"] == (0.1, 0.1, 0.1)


def test_networks_of_other_inputs_have_none():
    assert described("dct_resnet50", inputs="coefficients") is None
    assert described("wsfvit_p0", in_chans=1) is None
    assert described("persistence") is None
