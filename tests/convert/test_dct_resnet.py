"""Checkpoints of networks on cosine coefficients: stored outputs of the published code, names in both directions."""

import json

import numpy as np
import pytest
import torch
from fill import make_input, state_dict_from_manifest

import subband
from published.dct import MobileNetV2DCT, ResNetDCT

CASES = {
    "dct_resnet50": ("dct_resnet50_24", [2, 24, 56, 56]),
    "dct_mobilenetv2": ("dct_mobilenetv2_24", [2, 24, 112, 112]),
}


def outputs(name, model, coefficients):
    """What the stored case has, by its names."""
    if name == "dct_resnet50":
        maps = model.forward_intermediates(coefficients)
        large = {"stage1": maps[0], "stage2": maps[1]}
        features = maps[-1]
        small = {"stage4_pooled": model.pool(features)}
    else:
        seen = {}
        named = {"block0": 0, "block5": 5, "features": -1}
        hooks = [
            model.features[place].register_forward_hook(lambda *call, key=key: seen.setdefault(key, call[2]))
            for key, place in named.items()
        ]
        features = model.forward_features(coefficients)
        for hook in hooks:
            hook.remove()
        large, small = seen, {}
    return large, {**small, "logits": model.forward_head(features)}


@pytest.mark.parametrize("name", CASES)
def test_outputs_equal_the_stored_ones(golden, name):
    case, shape = CASES[name]
    manifest = golden / "fourier" / f"{case}.json"
    state = {f"module.{key}": value for key, value in state_dict_from_manifest(manifest).items()}
    file = {"state_dict": state, "epoch": 90, "arch": "ResNetDCT_Upscaled_Static", "best_prec1": 76.8}
    model = subband.load_published(name, file, inputs="coefficients")
    with np.load(golden / "fourier" / f"{case}.npz") as stored_file:
        stored = {key: torch.from_numpy(stored_file[key]) for key in stored_file.files}
    with torch.no_grad():
        large, found = outputs(name, model, make_input(case, shape, kind="normal"))
    for key, value in large.items():
        step = -(-value.numel() // 12_000)
        step = next(s for s in range(step, 0, -1) if len(value.flatten()[::s]) == len(stored[key]))
        found |= {
            key: value.flatten()[::step],
            f"{key}_mean": value.double().mean().float(),
            f"{key}_std": value.double().std(correction=0).float(),
            f"{key}_absmax": value.abs().max(),
        }
    assert set(found) == set(stored)
    for key, actual in found.items():
        torch.testing.assert_close(
            actual, stored[key], rtol=1e-4, atol=1e-4, msg=lambda text, key=key: f"{key}: {text}"
        )


@pytest.mark.parametrize("name", CASES)
def test_export_gives_the_published_layout_back(golden, name):
    manifest = golden / "fourier" / f"{CASES[name][0]}.json"
    state = state_dict_from_manifest(manifest)
    exported = subband.export_published(subband.load_published(name, state))
    entries = {entry["key"]: entry["shape"] for entry in json.loads(manifest.read_text())["state_dict"]}
    assert entries == {key: list(value.shape) for key, value in exported.items()}
    assert all(torch.equal(exported[key], value) for key, value in state.items())


@pytest.mark.parametrize(("name", "published"), [("dct_resnet50", ResNetDCT), ("dct_mobilenetv2", MobileNetV2DCT)])
def test_gated_names_in_both_directions(name, published):
    state = published(192, gated=True).state_dict()
    exported = subband.export_published(subband.load_published(name, state, channels=192, gated=True))
    assert set(exported) == set(state)
    assert all(torch.equal(exported[key], value) for key, value in state.items())
    assert sum(key.startswith("inp_GM.") for key in exported) == 9


def test_a_checkpoint_of_other_channels_is_refused():
    state = ResNetDCT(64).state_dict()
    words = r"2 wrongly shaped \(model.0.0.conv1.weight \(64, 64, 1, 1\), model has \(64, 24, 1, 1\)"
    with pytest.raises(ValueError, match=words):
        subband.load_published("dct_resnet50", state)
