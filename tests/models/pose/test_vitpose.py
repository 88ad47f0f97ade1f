"""ViTPose against stored outputs of the published networks, in all their layouts, and what does not fit."""

import numpy as np
import pytest
import torch
from fill import make_input, state_dict_from_manifest

import subband
from subband.convert.vitpose import EXPERTS, export_for_transformers
from subband.data.pose.heatmaps import flip_back
from subband.joints import COCO
from subband.models.complexity import count_macs, count_parameters

MEAN, STD = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
SMALL = {"dim": 12, "depth": 2, "num_heads": 3, "img_size": (32, 48)}


def stored(golden, name):
    path = golden / "pose" / name
    with np.load(path.with_suffix(".npz")) as arrays:
        return state_dict_from_manifest(path.with_suffix(".json")), {k: torch.from_numpy(arrays[k]) for k in arrays}


def crop(height=256, width=192):
    images = make_input(f"vitpose_{height}x{width}", [1, 3, height, width], 0, "unit")
    return (images - MEAN) / STD


def near(found, wanted):
    assert (found - wanted).abs().max() <= 2e-5 * max(1, wanted.abs().max())


@torch.no_grad()
def test_the_published_network(golden):
    state, wanted = stored(golden, "vitpose_s_classic")
    model = subband.load_published("vitpose_s", {"state_dict": state})
    images = crop()
    near(model(images), wanted["heatmaps"])
    near(model.backbone(images)[:, ::16], wanted["features"])
    mirrored = model(images.flip(-1))
    near(flip_back(mirrored, COCO.flip_pairs), wanted["heatmaps_of_flipped_back"])
    near(flip_back(mirrored, COCO.flip_pairs, shift=True)[:, ::4], wanted["heatmaps_of_flipped_back_shifted"])
    again = subband.export_published(model)
    assert list(again) == list(state)
    assert all(torch.equal(again[key], value) for key, value in state.items())


@torch.no_grad()
def test_mmpose_and_other_sizes(golden):
    state, wanted = stored(golden, "vitpose_s_classic_mmpose1")
    model = subband.load_published("vitpose_s", {"state_dict": state, "meta": {}})
    near(model(crop()), wanted["heatmaps"])
    near(model(crop(384, 288)), wanted["heatmaps_384x288"])


@pytest.mark.slow
@torch.no_grad()
def test_hugging_face(golden):
    state, wanted = stored(golden, "vitpose_b_simple_hf")
    model = subband.load_published("vitpose_b", state, head="simple")
    assert model.backbone.norm.eps == 1e-12
    near(model(crop()), wanted["heatmaps"])


@torch.no_grad()
def test_one_expert(golden):
    state, wanted = stored(golden, "vitpose_plus_s_hf")
    for expert, number in (("coco", 0), ("ap10k", 3)):
        model = subband.load_published("vitpose_s", state, expert=expert)
        assert "expert" not in model.model_config["args"]
        near(model(crop()), wanted[f"heatmaps_expert{number}"])


@pytest.mark.parametrize(
    ("name", "head", "params", "gmac"),
    [
        ("vitpose_s", "classic", 24_290_577, 5.59),
        ("vitpose_s", "simple", 21_722_513, None),
        ("vitpose_b", "classic", 89_994_513, None),
        ("vitpose_b", "simple", 85_912_337, 17.46),
    ],
)
def test_sizes(name, head, params, gmac):
    with torch.device("meta"):
        model = subband.create_model(name, head=head)
    assert count_parameters(model) == params
    if gmac is not None:
        macs = count_macs(model, torch.zeros(1, 3, 256, 192, device="meta")).macs
        assert macs / 1e9 == pytest.approx(gmac, rel=0.01)


def small(**options):
    torch.manual_seed(0)
    model = subband.create_model("vitpose_s", **{**SMALL, **options}).eval()
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.2)
    return model


def with_experts(state, part=5):
    """The file of a ViTPose+ whose expert number 2 gives this network, the others nothing like it."""
    split = {key: value for key, value in state.items() if not key.startswith("keypoint_head.")}
    for key, value in state.items():
        if ".mlp.fc2." in key:
            split[key] = value[:-part]
            stem, kind = key.replace("fc2", "experts").rsplit(".", 1)
            split |= {f"{stem}.{i}.{kind}": value[-part:] if i == 2 else value[-part:] + 1 for i in range(6)}
    for key, value in state.items():
        if key.startswith("keypoint_head."):
            split[key] = torch.zeros_like(value)
            rows = torch.cat([value, value]) if ".final_layer." in key else value
            split[key.replace("keypoint_head", "associate_keypoint_heads.1")] = rows
    return split | {"backbone.cls_token": torch.zeros(1, 1, 12)}


def test_an_expert_and_its_head():
    model = small(num_joints=EXPERTS["mpii"])
    state = subband.export_published(model)
    found = subband.load_published("vitpose_s", with_experts(state), expert="mpii", num_joints=16, **SMALL)
    assert all(torch.equal(value, found.state_dict()[key]) for key, value in model.state_dict().items())
    split = {**with_experts(state), **{key: state[key] for key in state}}  # as the published script writes it
    left = subband.load_published("vitpose_s", split, num_joints=16, **SMALL)
    assert all(torch.equal(value, left.state_dict()[key]) for key, value in model.state_dict().items())
    for options, words in (
        ({}, "ViTPose\\+ with experts: pass expert="),
        ({"expert": "mpi"}, "did you mean 'mpii'"),
        ({"expert": "mpii", "num_joints": 17}, "has a head of 16 joints, .* pass num_joints=16"),
    ):
        with pytest.raises(ValueError, match=words):
            subband.load_published("vitpose_s", with_experts(state), **{**SMALL, **options})
    with pytest.raises(ValueError, match="holds one network alone; leave out expert='coco'"):
        subband.load_published("vitpose_s", state, expert="coco", num_joints=16, **SMALL)


def test_what_does_not_fit_is_said():
    classic, simple = (subband.export_published(small(head=head)) for head in ("classic", "simple"))
    with pytest.raises(ValueError, match=r"has a simple head, .* pass head='simple'"):
        subband.load_published("vitpose_s", simple, **SMALL)
    with pytest.raises(ValueError, match="has a classic head"):
        subband.load_published("vitpose_s", classic, head="simple", **SMALL)
    with pytest.raises(ValueError, match=r"has a head of 17 joints, .* pass num_joints=17"):
        subband.load_published("vitpose_s", classic, num_joints=15, **SMALL)
    del classic["backbone.blocks.1.attn.qkv.bias"]
    with pytest.raises(ValueError, match=r"1 missing .backbone.blocks.1.attn.qkv.bias"):
        subband.load_published("vitpose_s", classic, **SMALL)
    classic["backbone.blocks.1.mlp.fc2.bias"] = torch.zeros(7)  # no ViTPose+, which would have experts
    with pytest.raises(ValueError, match=r"fc2.bias \(7,\), model has \(12,\)"):
        subband.load_published("vitpose_s", classic, **SMALL)
    with torch.device("meta"):
        state = subband.export_published(subband.create_model("vitpose_b"))
    with pytest.raises(ValueError, match="looks like vitpose_b"):
        subband.load_published("vitpose_s", {key: torch.zeros(value.shape) for key, value in state.items()})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"head": "best"}, "head must be classic or simple"),
        ({"num_joints": 0}, "num_joints must be positive"),
        ({"img_size": (30, 48)}, "multiples of 16"),
        ({"num_heads": 5}, "num_heads divide dim"),
    ],
)
def test_options_out_of_range(options, words):
    with pytest.raises(ValueError, match=words):
        subband.create_model("vitpose_s", **{**SMALL, **options})


def test_crops_of_other_sides():
    model = small()
    assert model(torch.zeros(2, 3, 48, 32)).shape == (2, 17, 12, 8)
    for shape in ((1, 3, 30, 48), (1, 1, 32, 48), (3, 32, 48)):
        with pytest.raises(ValueError, match="multiples of 16"):
            model(torch.zeros(shape))


def test_gradient_checkpointing_changes_nothing(rng):
    model = small()
    x = torch.randn(1, 3, 32, 48, generator=rng)
    gradients = []
    for enable in (False, True):
        model.set_grad_checkpointing(enable)
        model.zero_grad()
        model(x).square().mean().backward()
        gradients.append([value.grad.clone() for value in model.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("simple", [False, True])
def test_transformers(simple):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    backbone = transformers.VitPoseBackboneConfig(
        hidden_size=12, num_hidden_layers=2, num_attention_heads=3, image_size=[32, 48], out_indices=[2]
    )
    config = transformers.VitPoseConfig(backbone_config=backbone, use_simple_decoder=simple, num_labels=17)
    theirs = transformers.VitPoseForPoseEstimation(config).eval()
    ours = subband.load_published("vitpose_s", theirs.state_dict(), head="simple" if simple else "classic", **SMALL)
    x = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x).heatmaps, rtol=1e-4, atol=1e-5)
        other = transformers.VitPoseForPoseEstimation(config).eval()
        other.load_state_dict(export_for_transformers(ours))
        torch.testing.assert_close(other(x).heatmaps, ours(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("head", ["classic", "simple"])
def test_what_is_written_for_transformers_loads_again(head):
    model = small(head=head)
    state = export_for_transformers(model)
    assert not any(".qkv." in key or key.startswith("head.layers") for key in state)
    found = subband.load_published("vitpose_s", state, head=head, norm_eps=model.backbone.norm.eps, **SMALL)
    assert all(torch.equal(value, found.state_dict()[key]) for key, value in model.state_dict().items())
