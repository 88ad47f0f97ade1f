"""Checkpoints of networks on cosine coefficients: stored outputs of the published code, names in both directions."""

import json

import numpy as np
import pytest
import torch
from fill import make_input, state_dict_from_manifest

import subband
from published.dct import MobileNetV2DCT, ResNetDCT
from subband.convert.dct_resnet import export_dct_pyramid, load_dct_pyramid
from subband.layers.jpeg_dct import JpegDCT2d
from subband.models.dct.resnet import DCTResNetPyramid

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


def detector(theirs):
    """State dict of a published detector around the stages of a published classifier."""
    state = {f"backbone.layer{int(key[0]) + 1}{key[1:]}": value for key, value in theirs.model.state_dict().items()}
    state |= {f"input_GM.{key}": value for key, value in theirs.inp_GM.state_dict().items()} if theirs.gated else {}
    unused = {"backbone.conv1.weight": torch.zeros(64, 3, 7, 7), "backbone.bn1.weight": torch.ones(64)}
    return {**state, **unused, "neck.fpn_convs.0.conv.bias": torch.zeros(3), "rpn_head.rpn_cls.bias": torch.zeros(3)}


@pytest.fixture(params=[(24, False), (192, True)], ids=["24", "gated"])
def published(request):
    """A published network with the stride of the detectors and statistics that matter."""
    torch.manual_seed(0)
    theirs = ResNetDCT(request.param[0], gated=request.param[1], stage2_stride=2).eval()
    for key, value in theirs.state_dict().items():
        if key.endswith(("running_var", "running_mean")):
            value.uniform_(0.5, 1.5)
        elif key == "inp_GM.inp_gate_l.bias":
            value.normal_()
    return theirs, {"channels": request.param[0], "gated": request.param[1]}


def theirs_on(theirs, coefficients):
    x, maps = theirs.inp_GM(coefficients)[0] if theirs.gated else coefficients, []
    for stage in theirs.model:
        x = stage(x)
        maps.append(x)
    return maps


def test_backbones_of_detectors_load(published, rng):
    theirs, options = published
    whole = {"meta": {"epoch": 20}, "state_dict": detector(theirs)}
    bare = {key.removeprefix("backbone."): value for key, value in detector(theirs).items() if "fpn" not in key}
    bare.pop("rpn_head.rpn_cls.bias")
    images = torch.rand(1, 3, 64, 96, generator=rng)
    for state in (whole, bare, theirs.state_dict()):
        pyramid = load_dct_pyramid(state, mean=(0.0,) * 3, std=(1.0,) * 3, **options)
        coefficients = JpegDCT2d(options["channels"], pipeline="detection")(images)
        assert coefficients.shape[2:] == (16, 24)
        with torch.no_grad():
            found, wanted = pyramid(images), theirs_on(theirs, coefficients)
        assert [tuple(item.shape[2:]) for item in found] == [(16, 24), (8, 12), (4, 6), (2, 3)]
        for one, other in zip(found, wanted, strict=True):
            assert (one - other).abs().max() <= 1e-5 * other.abs().max()
    exported = export_dct_pyramid(pyramid)
    assert set(exported) == set(bare) - {"conv1.weight", "bn1.weight"}
    assert all(torch.equal(value, bare[key]) for key, value in exported.items())


def test_images_of_detectors_are_doubled_and_have_their_own_statistics(golden):
    """The statistics are those of the stored case; a gray image has nothing but a mean."""
    stored = json.loads((golden / "fourier" / "dct_block_transform.json").read_text())["built_with"]
    trunk = subband.create_model("dct_resnet50", channels=192, pipeline="detection", stage2_stride=2, num_classes=0)
    mean, std = torch.tensor(stored["detection_mean"]), torch.tensor(stored["detection_std"])
    gray = torch.full((1, 3, 32, 32), 200 / 255)
    normalized = (gray - trunk.front_end.offset) / trunk.front_end.gain
    luma = trunk.coefficients(normalized)[0, 0]
    assert luma.shape == (8, 8)
    torch.testing.assert_close(luma, torch.full((8, 8), ((200 - 128) * 8 - mean[0].item()) / std[0].item()))


def test_a_backbone_with_other_options_is_refused():
    with pytest.raises(
        ValueError, match=r"needs a network with pipeline='detection', stage2_stride=2 and num_classes=0"
    ):
        DCTResNetPyramid(subband.create_model("dct_resnet50"))
    with pytest.raises(
        ValueError, match=r"does not fit the model: .*layer1\.0\.conv1\.weight \(64, 24, 1, 1\), model has"
    ):
        load_dct_pyramid(detector(ResNetDCT(24, stage2_stride=2)), channels=64)
    with pytest.raises(ValueError, match=r"pipeline must be 'classification' or 'detection', got 'pose'"):
        subband.create_model("dct_resnet50", pipeline="pose")
