"""GFNet checkpoints: stored outputs of the published code, names in both directions, files of other image sizes."""

import json

import numpy as np
import pytest
import torch
from fill import make_input, state_dict_from_manifest

import subband
from published.gfnet import GFNet, GFNetPyramid
from subband.layers.spectral import resize_fourier_filter
from subband.models.gfnet import resize_position_grid

NAME = "gfnet_ti_224"
SMALL = {"dims": (8, 12, 16, 24), "depths": (1, 1, 2, 1), "num_classes": 5}


@pytest.fixture
def state(golden):
    """Published state dict of the stored case."""
    return state_dict_from_manifest(golden / "fourier" / f"{NAME}.json")


def resized_table(published, side, size):
    """Position table of square images as a grid of another size."""
    return resize_position_grid(published["pos_embed"].unflatten(1, (side, side)), size)


def test_outputs_equal_the_stored_ones(golden, state):
    model = subband.load_published("gfnet_ti", {"model": state, "epoch": 300})
    images = make_input(NAME, [2, 3, 224, 224])
    with np.load(golden / "fourier" / f"{NAME}.npz") as file:
        stored = {key: torch.from_numpy(file[key]) for key in file.files}
    filtered = []
    model.levels[0][0].filter.register_forward_hook(lambda *call: filtered.append(call[2]))
    with torch.no_grad():
        features = model.forward_features(images)
        found = {
            "logits": model.forward_head(features),
            "features": model.forward_head(features, pre_logits=True),
            "filter0": filtered[0].flatten()[::6],
            "filter0_mean": filtered[0].double().mean().to(stored["filter0_mean"].dtype),
            "filter0_std": filtered[0].double().std(correction=0).to(stored["filter0_std"].dtype),
            "filter0_absmax": filtered[0].abs().max().to(stored["filter0_absmax"].dtype),
        }
    assert set(found) == set(stored)
    for key, actual in found.items():
        torch.testing.assert_close(
            actual, stored[key], rtol=1e-4, atol=1e-5, msg=lambda text, key=key: f"{key}: {text}"
        )


def test_export_gives_the_published_layout_back(golden, state):
    exported = subband.export_published(subband.load_published("gfnet_ti", state))
    manifest = json.loads((golden / "fourier" / f"{NAME}.json").read_text())
    assert {e["key"]: e["shape"] for e in manifest["state_dict"]} == {k: list(v.shape) for k, v in exported.items()}
    assert all(torch.equal(exported[key], value) for key, value in state.items())


def test_pyramid_names_in_both_directions():
    published = GFNetPyramid(SMALL["dims"], SMALL["depths"], layer_scale=0.1, img_size=64, classes=5).state_dict()
    model = subband.load_published("gfnet_h_ti", published, **SMALL, img_size=64)
    exported = subband.export_published(model)
    assert set(exported) == set(published)
    assert all(torch.equal(exported[key], value) for key, value in published.items())
    with torch.device("meta"):
        assert len(subband.export_published(subband.create_model("gfnet_h_ti"))) == 203
        assert len(subband.export_published(subband.create_model("gfnet_ti"))) == 115


def test_checkpoints_of_another_size_are_resized_by_the_ratio_of_the_first_grid():
    published = GFNetPyramid(SMALL["dims"], SMALL["depths"], layer_scale=0.1, img_size=224, classes=5).state_dict()
    expected = dict(published)
    expected["pos_embed"] = resized_table(published, 56, (96, 96)).flatten(1, 2)
    for key, value in published.items():
        if key.endswith("complex_weight"):
            side = value.shape[0] * 96 // 56
            expected[key] = resize_fourier_filter(value, (side, side), layout="channels_last")
    larger = GFNetPyramid(SMALL["dims"], SMALL["depths"], layer_scale=0.1, img_size=384, classes=5).eval()
    larger.load_state_dict(expected)
    model = subband.load_published("gfnet_h_ti", published, **SMALL, img_size=384)
    exported = subband.export_published(model)
    assert all(torch.equal(exported[key], value) for key, value in expected.items())
    back = subband.load_published("gfnet_h_ti", exported, **SMALL, img_size=224)  # 384-pixel weights, smaller images
    assert back.pos_embed.shape == (1, 56, 56, 8)


def test_a_square_table_fits_images_that_are_not_square():
    published = GFNet(8, 1, img_size=192, classes=5).state_dict()
    model = subband.load_published("gfnet_ti", published, dims=(8,), depths=(1,), num_classes=5, img_size=(128, 288))
    wanted = resized_table(published, 12, (8, 18))  # 8 x 18 = 12 x 12 tokens
    torch.testing.assert_close(model.pos_embed.data, wanted)
    assert model.levels[0][0].filter.complex_weight.shape == (8, 10, 8, 2)
    with pytest.raises(ValueError, match="square images only, not 8 x 18 patches"):
        subband.export_published(model)


def test_another_variant_is_refused(state):
    with pytest.raises(ValueError, match=r"^the state dict does not fit gfnet_xs; it looks like gfnet_ti$"):
        subband.load_published("gfnet_xs", state)
    with pytest.raises(ValueError, match=r"a head of 1000 classes, but the model is built for 10; pass"):
        subband.load_published("gfnet_ti", state, num_classes=10)


@pytest.mark.parametrize("name", ["gfnet_ti", "gfnet_h_ti"])
def test_other_numbers_of_channels_take_the_colors(name, rng):
    state = subband.export_published(subband.create_model(name, img_size=32, num_classes=5))
    colors, gray, six = (
        subband.load_published(name, state, img_size=32, num_classes=5, in_chans=count) for count in (3, 1, 6)
    )
    image, plane = torch.randn(1, 3, 32, 32, generator=rng), torch.randn(1, 1, 32, 32, generator=rng)
    with torch.no_grad():
        torch.testing.assert_close(gray(plane), colors(plane.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(six(torch.cat([image, image], 1)), colors(image), rtol=1e-4, atol=1e-5)
