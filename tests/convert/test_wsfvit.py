"""WSF-ViT checkpoints: stored outputs of the published code, both sets of names, backbones of detectors."""

import json

import numpy as np
import pytest
import torch
from fill import make_input, state_dict_from_manifest

import subband
from published.wsfvit import PublishedBackbone
from subband.convert.position_table import resize_position_table
from subband.convert.wsfvit import check_variant, export_pyramid, load_pyramid
from subband.models.sizes.wsfvit import SIZES
from subband.models.wsfvit.wsfvit import WSFViTPyramid

OLDER_NAMES = {"attn_local": "attn_block", "attn_inter": "attn_channel", "attn_global": "attn_grid"}
SMALL = {"dims": (8, 16, 24, 32), "depths": (1, 1, 2, 1), "num_heads": (2, 4, 4, 8), "head_dim": 4, "stem_dim": 8}


def older(state):
    """A state dict under the names from before February 2026."""
    for current, old in OLDER_NAMES.items():
        state = {key.replace(current, old): value for key, value in state.items()}
    return state


@pytest.fixture(scope="module")
def stored_state(golden):
    """Published state dict of the smaller stored case, without its fixed filters."""
    return state_dict_from_manifest(golden / "wsfvit" / "wsfvit_p0_224.json")


@pytest.fixture
def state(stored_state):
    """Its entries, which a test may replace."""
    return dict(stored_state)


@pytest.mark.parametrize("name", ["wsfvit_p0", "wsfvit_t"])
def test_every_stage_equals_the_stored_one(golden, name):
    path = golden / "wsfvit" / f"{name}_224.json"
    model = subband.load_published(name, state_dict_from_manifest(path))
    images = make_input(f"{name}_224", [1, 3, 224, 224], kind="normal")
    with np.load(path.with_suffix(".npz")) as file:
        stored = {key: torch.from_numpy(file[key]) for key in file.files}
    with torch.no_grad():
        maps = dict(enumerate(model.forward_stages(images), 1))
        features = maps[4]
        found = {
            "logits": model(images),
            "pre_logits": model.forward_head(features, pre_logits=True),
            "pooled": features.mean((2, 3)),
        }
        named = {f"stage{i}": item for i, item in maps.items()}
        named |= {"wavelet0": model.trunk.stem.bands(images), "stem0": model.trunk.stem(images)}
    for key, item in named.items():
        channels, pixels = stored[f"{key}_slice"].shape[1:3]
        found[f"{key}_slice"] = item[
            :, :: item.shape[1] // channels, :: item.shape[2] // pixels, :: item.shape[3] // pixels
        ]
        found[f"{key}_stats"] = torch.stack((item.mean(), item.std(), item.abs().max()))
    assert set(found) == set(stored)
    for key, actual in found.items():
        assert (actual - stored[key]).abs().max() <= 1e-5 * stored[key].abs().max(), key


def test_export_writes_the_filters_and_everything_else(golden, state):
    exported = subband.export_published(subband.load_published("wsfvit_p0", state))
    manifest = json.loads((golden / "wsfvit" / "wsfvit_p0_224.json").read_text())
    assert {e["key"]: e["shape"] for e in manifest["state_dict"]} == {k: list(v.shape) for k, v in exported.items()}
    assert all(torch.equal(exported[key], value) for key, value in state.items())
    root = 0.5**0.5
    torch.testing.assert_close(exported["stem.dwt_l2.w_l"], torch.tensor([[root, root]]))
    torch.testing.assert_close(exported["stem.dwt_l2.w_h"], torch.tensor([[root, -root]]))


@pytest.mark.parametrize("wrap", [lambda s: {"state_dict": s}, lambda s: {"state_dict_ema": s}, lambda s: s])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_older_names_and_wrappers_load(state, wrap, prefix):
    model = subband.load_published("wsfvit_p0", state)
    with pytest.warns(UserWarning, match=r"before February 2026, .* num_heads=\[4, 8, 16, 32\], not \[2, 4, 8, 16\]"):
        again = subband.load_published("wsfvit_p0", wrap({prefix + key: value for key, value in older(state).items()}))
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())


def test_position_tables_are_resized_for_other_images(state):
    model = subband.load_published("wsfvit_p0", state, img_size=(256, 384))
    key = "stages.2.blocks.1.attn_global.attn.rel_pos.relative_position_bias_table"
    table = model.trunk.levels[2][1].grid.attn.position_bias
    assert table.shape == (8, 15, 23)
    torch.testing.assert_close(table.data, resize_position_table(state[key], (15, 23)))


def test_number_of_heads_is_an_option_that_no_weight_shows(state):
    images = make_input("wsfvit_p0_224", [1, 3, 224, 224], kind="normal")
    with torch.no_grad():
        current, other = (
            subband.load_published("wsfvit_p0", state, **options)(images)
            for options in ({}, {"num_heads": (4, 8, 16, 32)})
        )
    assert (current - other).abs().max() > 0.1 * current.abs().max()


def test_another_size_and_another_number_of_classes_are_refused(state):
    with pytest.raises(ValueError, match=r"^the state dict does not fit wsfvit_t; it looks like wsfvit_p0$"):
        subband.load_published("wsfvit_t", state)
    with pytest.raises(
        ValueError,
        match=r"^the state dict has a head of 1000 classes, but the model is built for 10; pass num_classes=1000 \(on",
    ):
        subband.load_published("wsfvit_p0", state, num_classes=10)


def test_one_channel_gives_what_the_image_gave_in_three(state, rng):
    """Exactly so if the statistics of the colors are equal, as here."""
    for name in ("weight", "bias", "running_mean", "running_var"):
        value = state[f"stem.norm1.{name}"]
        state[f"stem.norm1.{name}"] = value.view(4, 3).mean(1, keepdim=True).expand(4, 3).flatten()
    colors = subband.load_published("wsfvit_p0", state)
    gray = subband.load_published("wsfvit_p0", state, in_chans=1)
    assert gray.trunk.stem.conv1.weight.shape == (24, 4, 3, 3)
    assert "preprocessing" not in gray.metadata
    image = torch.randn(1, 1, 64, 64, generator=rng)
    with torch.no_grad():
        for part, precision in ((lambda m: m.trunk.stem, 1e-6), (lambda m: m, 1e-3)):  # blocks amplify rounding
            wanted = part(colors)(image.expand(-1, 3, -1, -1))
            assert (part(gray)(image) - wanted).abs().max() <= precision * wanted.abs().max()


def test_more_channels_are_the_colors_in_turn(state, rng):
    colors = subband.load_published("wsfvit_p0", state)
    twice = subband.load_published("wsfvit_p0", state, in_chans=6)
    image = torch.randn(1, 3, 64, 64, generator=rng)
    with torch.no_grad():
        torch.testing.assert_close(twice(torch.cat([image, image], 1)), colors(image), rtol=1e-4, atol=1e-4)
        stem = subband.load_published("wsfvit_p0", state, in_chans=5).trunk.stem
    theirs = state["stem.conv1.weight"].view(24, 4, 3, 3, 3)
    torch.testing.assert_close(stem.conv1.weight.data.view(24, 4, 5, 3, 3), theirs[:, :, [0, 1, 2, 0, 1]] * 3 / 5)
    statistics = state["stem.norm1.running_mean"].view(4, 3)
    assert torch.equal(stem.norm_in.running_mean.view(4, 5), statistics[:, [0, 1, 2, 0, 1]])


@pytest.mark.parametrize(("size", "count"), [("t", 22_497_004), ("s", 40_950_944), ("m", 68_618_600)])
def test_parameter_count_of_backbones(size, count):
    with torch.device("meta"):
        pyramid = WSFViTPyramid(subband.create_model(f"wsfvit_{size}").trunk)
        assert sum(p.numel() for p in pyramid.parameters()) == count


@pytest.mark.parametrize("rename", [older, dict])
@pytest.mark.parametrize("prefix", ["", "backbone."])
@pytest.mark.parametrize("size", [(224, 224), (224, 448)])
def test_backbones_of_detectors_load(rng, rename, prefix, size):
    torch.manual_seed(0)
    theirs = PublishedBackbone(**SMALL).eval()
    checkpoint = {prefix + key: value for key, value in rename(theirs.state_dict()).items()}
    if prefix:
        checkpoint |= {"neck.fpn_convs.0.conv.bias": torch.zeros(3), "roi_head.bbox_head.fc_cls.bias": torch.zeros(81)}
    pyramid = load_pyramid("wsfvit_t", {"state_dict": checkpoint}, **SMALL)
    images = torch.randn(1, 3, *size, generator=rng)
    with torch.no_grad():
        for found, expected in zip(pyramid(images), theirs(images), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    exported = export_pyramid(pyramid)
    assert all(torch.equal(exported[key], value) for key, value in theirs.state_dict().items())


def test_backbones_have_the_heads_of_the_published_detectors():
    pyramid = WSFViTPyramid(subband.create_model("wsfvit_t", num_heads=(4, 8, 16, 32)).trunk)
    loaded = load_pyramid("wsfvit_t", export_pyramid(pyramid))
    assert [level[0].channel.attn.num_heads for level in loaded.trunk.levels] == [4, 8, 16, 32]
    assert "t" in SIZES


def test_pyramids_of_other_networks_are_refused():
    with pytest.raises(ValueError, match=r"name must be a WSF-ViT, got 'wsfvit_video'"):
        load_pyramid("wsfvit_video", {"a": torch.zeros(1)})


@pytest.fixture(scope="module")
def exported():
    """Published state dicts of our own networks, by name."""
    made = {}

    def export(name):
        if name not in made:
            made[name] = subband.export_published(subband.create_model(name, num_classes=3))
        return made[name]

    return export


@pytest.mark.parametrize(
    ("name", "other", "options", "difference"),
    [
        ("wsfvit_t", "wsfvit_t_384", {"img_size": 384}, "num_heads and preprocessing"),
        ("wsfvit_t", "wsfvit_t_384", {}, "num_heads and preprocessing"),
        ("wsfvit_t_384", "wsfvit_t", {}, "num_heads and preprocessing"),
        ("wsfvit_t_384", "wsfvit_t", {"img_size": 224}, "num_heads and preprocessing"),
        ("wsfvit_s", "wsfvit_s_384", {"img_size": 384}, "preprocessing"),
    ],
)
def test_the_file_of_another_variant_is_refused_by_its_name(exported, name, other, options, difference):
    side = 23 if other.endswith("384") else 13
    words = (
        f"^the state dict has position tables of {side} x {side}, those of {other}, which differs from {name} in "
        f"{difference} though not in shapes; load it as {other}, or, .* pass num_heads="
    )
    with pytest.raises(ValueError, match=words):
        subband.load_published(name, exported(other), num_classes=3, **options)


def test_the_file_of_a_variant_loads_by_its_own_name_at_every_size(exported):
    large = subband.load_published("wsfvit_t_384", exported("wsfvit_t_384"), num_classes=3, img_size=224)
    assert [level[0].channel.attn.num_heads for level in large.trunk.levels] == [4, 8, 16, 32]
    small = subband.load_published("wsfvit_t", exported("wsfvit_t"), num_classes=3, img_size=384)
    assert small.trunk.levels[0][0].grid.attn.position_bias.shape[1:] == (23, 23)
    assert [level[0].channel.attn.num_heads for level in small.trunk.levels] == [2, 4, 8, 16]


def test_who_gives_the_heads_is_believed(exported):
    own = subband.load_published(
        "wsfvit_t", exported("wsfvit_t_384"), num_classes=3, img_size=384, num_heads=(2, 4, 8, 16)
    )
    assert own.trunk.levels[3][0].channel.attn.num_heads == 16


def test_a_file_for_other_images_of_the_same_network_is_taken():
    key = "stages.0.blocks.0.attn_global.attn.rel_pos.relative_position_bias_table"
    check_variant("wsfvit_b", {key: torch.zeros(3, 15, 15)}, {}, "file")  # that of wsfvit_b_256
    with pytest.raises(ValueError, match="those of wsfvit_b_384"):
        check_variant("wsfvit_b_256", {key: torch.zeros(3, 23, 23)}, {}, "file")
