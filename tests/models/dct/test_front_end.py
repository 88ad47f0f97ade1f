"""Networks on cosine coefficients: counts of the published tables, the published graph, images in, the gate, export."""

import copy

import pytest
import torch

import subband
from published.dct import MobileNetV2DCT, ResNetDCT
from subband.layers.frequency_gate import gate_penalty
from subband.layers.jpeg_dct import JpegDCT2d
from subband.models.complexity import count_macs, count_parameters
from subband.models.dct.front_end import IMAGENET_MEAN, IMAGENET_STD

PUBLISHED = {"dct_resnet50": ResNetDCT, "dct_mobilenetv2": MobileNetV2DCT}

# Network, options: parameters, published multiply-accumulates (fvcore) on coefficients of 448 (896) pixels.
COUNTS = [
    ("dct_resnet50", {"channels": 24}, 25_534_696, 13.580e9),
    ("dct_resnet50", {"channels": 48}, 25_542_376, 13.604e9),
    ("dct_resnet50", {"channels": 64}, 25_547_496, 13.620e9),
    ("dct_resnet50", {"channels": 192}, 25_588_456, 13.749e9),
    ("dct_resnet50", {"channels": 192, "gated": True}, 25_626_664, 13.750e9),
    ("dct_resnet50", {"channels": 24, "stage2_stride": 2}, 25_534_696, 3.952e9),
    ("dct_resnet50", {"channels": 48, "stage2_stride": 2}, 25_542_376, 3.976e9),
    ("dct_resnet50", {"channels": 64, "stage2_stride": 2}, 25_547_496, 3.992e9),
    ("dct_resnet50", {"channels": 192, "stage2_stride": 2}, 25_588_456, 4.120e9),
    ("dct_mobilenetv2", {"channels": 24}, 3_503_728, 0.2998e9),
    ("dct_mobilenetv2", {"channels": 32}, 3_503_944, 0.3025e9),
    ("dct_mobilenetv2", {"channels": 192}, 3_505_384, 0.3206e9),
]
VARIANTS = [
    ("dct_resnet50", {"channels": 24}),
    ("dct_resnet50", {"channels": 64, "stage2_stride": 2}),
    ("dct_resnet50", {"channels": 192, "gated": True}),
    ("dct_mobilenetv2", {"channels": 24}),
    ("dct_mobilenetv2", {"channels": 192, "gated": True}),
]


def pair(name: str, options: dict):
    """A network on coefficients and the published one with the same weights."""
    theirs = PUBLISHED[name](**options).eval()
    with torch.no_grad():
        for key, value in theirs.state_dict().items():
            if key.endswith(("running_var", "running_mean")):
                value.uniform_(0.5, 1.5)
            elif key == "inp_GM.inp_gate_l.bias":
                value.normal_()
    return subband.load_published(name, theirs.state_dict(), inputs="coefficients", **options), theirs


@pytest.mark.parametrize(("name", "options", "parameters", "macs"), COUNTS)
def test_counts(name, options, parameters, macs):
    with torch.device("meta"):
        assert count_parameters(subband.create_model(name, **options)) == parameters
        model = subband.create_model(name, inputs="coefficients", **options)
        side = 112 if name == "dct_mobilenetv2" else 56
        assert model.img_size == (side, side)
        counts = count_macs(model, torch.zeros(1, options["channels"], side, side))
    assert counts.macs == pytest.approx(macs, rel=0.001)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
@pytest.mark.parametrize("training", [False, True])
def test_published_graph(rng, name, options, training):
    ours, theirs = pair(name, options)
    coefficients = torch.randn(2, options["channels"], 16, 24, generator=rng)
    slope, results = torch.randn(2, 1000, generator=rng), []
    for model in (ours, theirs):
        inputs = coefficients.clone().requires_grad_()
        torch.manual_seed(1)
        model.train(training)
        is_ours = model is ours and "gated" in options
        found = model.forward_gated(inputs) if is_ours else model(inputs)
        logits, keep = found if isinstance(found, tuple) else (found, torch.zeros(1))
        ((logits * slope).sum() + gate_penalty(keep)).backward()
        results.append((logits, keep.flatten(), inputs.grad))
    for found, wanted in zip(*results, strict=True):
        assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max()


@pytest.mark.parametrize("name", PUBLISHED)
def test_images_pass_through_the_front_end(rng, name):
    options = {"channels": 24, "num_classes": 5}
    model = subband.create_model(name, **options).eval()
    on_coefficients = subband.create_model(name, inputs="coefficients", **options).eval()
    on_coefficients.load_state_dict(model.state_dict())
    images = torch.rand(2, 3, 60, 90, generator=rng)
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.no_grad():
        found = model((images - mean) / std)
        coefficients = JpegDCT2d(24)(images)
        assert coefficients.shape == (2, 24, 8, 12)
        torch.testing.assert_close(found, on_coefficients(coefficients), rtol=1e-3, atol=1e-3)
    inputs = images.clone().requires_grad_()
    model(inputs).sum().backward()
    assert inputs.grad.abs().sum() > 0


@pytest.mark.parametrize("name", PUBLISHED)
def test_protocol(rng, name):
    model = subband.create_model(name, channels=48, num_classes=0).eval()
    images = torch.rand(1, 3, 128, 256, generator=rng)
    with torch.no_grad():
        maps = model.forward_intermediates(images)
        for found, info in zip(maps, model.feature_info, strict=True):
            assert found.shape[1:] == (info["num_chs"], 128 // info["reduction"], 256 // info["reduction"])
            assert info["module"] in dict(model.named_modules())
        features = model.forward_features(images)
        assert torch.equal(features, maps[-1])
        pooled = model.forward_head(features, pre_logits=True)
        assert torch.equal(pooled, model(images))
        assert pooled.shape == (1, model.num_features)
        torch.testing.assert_close(pooled, features.mean((2, 3)))
        model.reset_classifier(7)
        assert model(images).shape == (1, 7)


def test_the_reductions_follow_the_stride():
    with torch.device("meta"):
        found = [subband.create_model("dct_resnet50", stage2_stride=stride).feature_info for stride in (1, 2)]
    assert [[stage["reduction"] for stage in info] for info in found] == [[8, 8, 16, 32], [8, 16, 32, 64]]


@pytest.mark.parametrize("name", PUBLISHED)
def test_gradient_checkpointing_changes_nothing(rng, name):
    plain = subband.create_model(name, num_classes=3)
    recomputing = copy.deepcopy(plain)
    recomputing.set_grad_checkpointing()
    images = torch.rand(2, 3, 64, 64, generator=rng)
    results = []
    for model in (plain, recomputing):
        model.train()(images).square().sum().backward()
        averages = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
        results.append([*(parameter.grad for parameter in model.parameters()), *averages])
    for found, wanted in zip(*results, strict=True):
        assert (found - wanted).abs().max() <= 1e-4 * max(wanted.abs().max(), 1)


def test_small_networks(rng):
    model = subband.create_model("dct_resnet50", depths=(1, 1, 1, 1), width=8, num_classes=10, img_size=32)
    assert count_parameters(model) < 150_000
    assert model(torch.rand(2, 3, 32, 32, generator=rng)).shape == (2, 10)


def test_mixed_precision_stays_close(rng):
    ours, _ = pair("dct_resnet50", {"channels": 24})
    coefficients = torch.randn(2, 24, 16, 16, generator=rng)
    with torch.no_grad():
        exact = ours(coefficients)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = ours(coefficients)
    assert (mixed - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"channels": 20}, r"channels must be one of 6, 24, 32, 48, 64, 192, got 20"),
        ({"gated": True}, r"gated=True chooses among all 192 channels, got channels=24"),
        ({"inputs": "jpeg"}, r"inputs must be 'images' or 'coefficients', got 'jpeg'"),
        ({"stage2_stride": 3}, r"stage2_stride must be 1 or 2, got 3"),
        ({"depths": (1, 2)}, r"depths must be four positive numbers and width positive"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words), torch.device("meta"):
        subband.create_model("dct_resnet50", **arguments)


def test_bad_inputs_are_named():
    model = subband.create_model("dct_mobilenetv2", inputs="coefficients")
    with pytest.raises(ValueError, match=r"must be \(B, 24, H, W\), got shape \(1, 3, 32, 32\)"):
        model(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ValueError, match=r"no gate; build it with gated=True and channels=192"):
        model.forward_gated(torch.zeros(1, 24, 4, 4))


@pytest.mark.parametrize("name", PUBLISHED)
def test_input_norm_gives_every_coefficient_the_same_weight(rng, name):
    model = subband.create_model(name, channels=64, num_classes=4, img_size=64, with_input_norm=True)
    coefficients = model.coefficients(torch.rand(4, 3, 64, 64, generator=rng))
    torch.testing.assert_close(coefficients.mean((0, 2, 3)), torch.zeros(64), atol=1e-5, rtol=0)
    torch.testing.assert_close(coefficients.var((0, 2, 3), correction=0), torch.ones(64), atol=1e-2, rtol=0)
    with pytest.raises(ValueError, match=r"no published layout: input_norm"):
        subband.export_published(model)
