"""GFNet: published counts, the published graph at other sizes, images of any size, the classifier protocol."""

import copy

import pytest
import torch

import subband
from published.gfnet import GFNet as PublishedGFNet
from published.gfnet import GFNetPyramid as PublishedPyramid
from subband.convert.gfnet import GFNET, GFNET_H
from subband.models.complexity import count_macs, count_parameters
from subband.models.gfnet import resize_position_grid

# Name: parameters at 224 and 384 pixels, published multiply-accumulates (fvcore, without Fourier transforms) at both.
PUBLISHED = {
    "gfnet_ti": (7_511_784, 8_837_864, 1.278e9, 3.756e9),
    "gfnet_xs": (15_985_768, 17_974_888, 2.842e9, 8.352e9),
    "gfnet_s": (24_869_608, 27_933_928, 4.466e9, 13.123e9),
    "gfnet_b": (43_120_616, 47_206_376, 7.907e9, 23.236e9),
    "gfnet_h_ti": (15_085_096, 18_452_008, 2.055e9, 6.037e9),
    "gfnet_h_s": (32_162_632, 37_213_000, 4.604e9, 13.529e9),
    "gfnet_h_b": (53_744_200, 61_405_768, 8.547e9, 25.117e9),
}
SMALL_PYRAMID = {"dims": (8, 12, 16, 24), "depths": (1, 2, 1, 1), "num_classes": 5, "layer_scale": 0.1}


def pair(img_size: int, *, pyramid: bool, drop_path_rate: float = 0.0):
    """A small network and the published one with the same weights."""
    if pyramid:
        kinds = {**SMALL_PYRAMID, "img_size": img_size, "drop_path_rate": drop_path_rate}
        theirs = PublishedPyramid(
            (8, 12, 16, 24), (1, 2, 1, 1), layer_scale=0.1, img_size=img_size, drop_path=drop_path_rate, classes=5
        )
        name = "gfnet_h_ti"
    else:
        kinds = {"dims": (24,), "depths": (3,), "num_classes": 5, "img_size": img_size}
        theirs = PublishedGFNet(24, 3, img_size=img_size, classes=5)
        name = "gfnet_ti"
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(std=0.2)
    return subband.load_published(name, theirs.state_dict(), **kinds), theirs.eval()


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_counts(name):
    with torch.device("meta"):
        found = [count_parameters(subband.create_model(name, img_size=size)) for size in (224, 384)]
    assert found == list(PUBLISHED[name][:2])


@pytest.mark.parametrize(
    "name", ["gfnet_ti", "gfnet_h_ti", *(pytest.param(n, marks=pytest.mark.slow) for n in PUBLISHED if "ti" not in n)]
)
@pytest.mark.parametrize(("size", "column"), [(224, 2), pytest.param(384, 3, marks=pytest.mark.slow)])
def test_multiply_accumulates(name, size, column):
    counts = count_macs(subband.create_model(name, img_size=size), torch.zeros(1, 3, size, size))
    assert counts.macs == pytest.approx(PUBLISHED[name][column], rel=0.001)
    assert 0 < counts.fft_macs < 0.1 * counts.macs


@pytest.mark.parametrize("pyramid", [False, True])
@pytest.mark.parametrize("size", [64, 96, 224])
@pytest.mark.parametrize("training", [False, True])
def test_published_graph(rng, pyramid, size, training):
    ours, theirs = pair(size, pyramid=pyramid)
    ours.train(training), theirs.train(training)
    images = torch.randn(2, 3, size, size, generator=rng)
    inputs = [images.clone().requires_grad_() for _ in range(2)]
    found, wanted = ours(inputs[0]), theirs(inputs[1])
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        ours.forward_head(ours.forward_features(images), pre_logits=True),
        theirs.forward_features(images),
        rtol=1e-4,
        atol=1e-4,
    )
    slope = torch.randn(found.shape, generator=rng)
    found.backward(slope)
    wanted.backward(slope)
    published = dict(theirs.named_parameters())
    table = GFNET_H if pyramid else GFNET
    gradients = {
        name: (parameter.grad, published[table.to_published(name)].grad) for name, parameter in ours.named_parameters()
    }
    for name, (a, b) in {**gradients, "images": (inputs[0].grad, inputs[1].grad)}.items():
        assert (a.flatten() - b.flatten()).abs().max() <= 1e-4 * b.abs().max(), name


def test_pyramid_maps_are_those_of_the_published_stages(rng):
    ours, theirs = pair(96, pyramid=True)
    images = torch.randn(1, 3, 96, 96, generator=rng)
    with torch.no_grad():
        wanted = theirs.forward_stages(images)
        maps = ours.forward_intermediates(images)
        for found, tokens, info in zip(maps, wanted, ours.feature_info, strict=True):
            assert found.shape[2:] == (96 // info["reduction"],) * 2
            torch.testing.assert_close(found.flatten(2).mT, tokens, rtol=1e-4, atol=1e-4)
        (last,) = ours.forward_intermediates(images, 1)
    assert torch.equal(last, maps[-1])
    assert [info["num_chs"] for info in ours.feature_info] == [8, 12, 16, 24]


def test_an_image_of_another_size_sees_what_a_model_of_that_size_does(rng):
    ours, theirs = pair(64, pyramid=True)
    other = subband.load_published("gfnet_h_ti", theirs.state_dict(), **{**SMALL_PYRAMID, "img_size": (64, 96)})
    images = torch.randn(2, 3, 64, 96, generator=rng)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), other(images))
        cropped = ours.forward_intermediates(images[..., :60, :90])
        padded = torch.nn.functional.pad(images[..., :60, :90], (0, 6, 0, 4))
        for found, wanted, stride in zip(cropped, ours.forward_intermediates(padded), (4, 8, 16, 32), strict=True):
            assert found.shape[2:] == (-(-60 // stride), -(-90 // stride))
            torch.testing.assert_close(found, wanted[..., : found.shape[2], : found.shape[3]])
        torch.testing.assert_close(ours(images[..., :60, :90]), ours(padded))


def test_position_grid_is_resized_as_stored(golden):
    import numpy as np
    from fill import fill_tensor

    with np.load(golden / "fourier" / "global_filter_unit.npz") as file:
        stored = torch.from_numpy(file["up_pos"])
    table = fill_tensor("pos_embed", [1, 196, 3], "small").unflatten(1, (14, 14))
    torch.testing.assert_close(resize_position_grid(table, (20, 20)).flatten(1, 2), stored, rtol=1e-5, atol=1e-7)


def test_gradient_checkpointing_changes_nothing(rng):
    plain, _ = pair(64, pyramid=True, drop_path_rate=0.4)
    recomputing = copy.deepcopy(plain)
    recomputing.set_grad_checkpointing()
    images = torch.randn(3, 3, 64, 64, generator=rng)
    gradients = []
    for model in (plain, recomputing):
        torch.manual_seed(3)
        model.train()(images).square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(*gradients)


def test_drop_path_rises_over_the_whole_depth():
    model = subband.create_model("gfnet_h_ti", img_size=32)
    rates = [block.drop_path.rate for level in model.levels for block in level]
    assert rates == pytest.approx(torch.linspace(0, 0.1, 19).tolist())
    assert model.levels[0][0].gamma.unique().tolist() == pytest.approx([1e-3])
    assert subband.create_model("gfnet_s", img_size=32).levels[0][0].gamma is None


def test_start_of_training():
    model = subband.create_model("gfnet_ti")
    assert model.no_weight_decay() == {"pos_embed"}
    for parameter in (model.pos_embed, model.head.weight, model.levels[0][3].mlp.fc1.weight):
        assert parameter.std().item() == pytest.approx(0.02, rel=0.05)
        assert abs(parameter).max() < 2
    assert not model.levels[0][3].mlp.fc1.bias.any()


def test_head_and_channels(rng):
    model = subband.create_model("gfnet_ti", img_size=32, num_classes=0, in_chans=1)
    images = torch.rand(2, 1, 32, 32, generator=rng)
    assert model(images).shape == (2, 256)
    model.reset_classifier(7)
    assert model(images).shape == (2, 7)
    assert model.forward_features(images).shape == (2, 4, 256)


def test_mixed_precision_stays_close(rng):
    ours, _ = pair(64, pyramid=True)
    images = torch.randn(2, 3, 64, 64, generator=rng)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        mixed = ours(images)
    with torch.no_grad():
        exact = ours(images)
    assert (mixed - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"img_size": 100}, r"img_size must be a positive multiple of 32, got 100 x 100"),
        ({"depths": (1, 2)}, r"one each per stage, got \(64, 128, 256, 512\), \(1, 2\)"),
        ({"num_classes": -1}, r"num_classes must not be negative, got -1"),
        ({"drop_path_rate": 1.5}, r"drop_path_rate must be in \[0, 1\), got 1.5"),
        ({"filter_method": "dft"}, r"method must be 'fft' or 'matrix', got 'dft'"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words), torch.device("meta"):
        subband.create_model("gfnet_h_ti", **arguments)


def test_bad_images_are_named():
    model = subband.create_model("gfnet_ti", img_size=32)
    with pytest.raises(ValueError, match=r"images must be \(B, 3, H, W\), got shape \(1, 1, 32, 32\)"):
        model(torch.zeros(1, 1, 32, 32))
