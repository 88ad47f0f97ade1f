"""WSF-ViT: parameter counts, windows, the plain translation of the published graph at other sizes, the protocol."""

import pytest
import torch

import subband
from published.wsfvit import PublishedWSFViT
from subband.models.complexity import count_macs
from subband.models.sizes.wsfvit import SIZES
from subband.models.wsfvit.wsfvit import WSFViTPyramid, stage_windows

PARAMETERS = {
    "p0": 2_908_670,
    "p1": 5_042_990,
    "p2": 6_009_802,
    "n": 10_648_964,
    "t": 23_271_764,
    "s": 41_725_704,
    "m": 69_668_720,
    "b": 100_007_844,
    "b_256": 100_023_300,
    "t_384": 23_307_764,
    "s_384": 41_786_184,
    "m_384": 69_734_960,
    "b_384": 100_107_204,
}
# Multiply-accumulates of the published code in G (fvcore), and those of them that it spends on products of position
# tables with one-hot tensors, which are lookups here.
MACS = {
    "p0": (0.6022, 0.0030),
    "p1": (1.0278, 0.0015),
    "p2": (1.3358, 0.0020),
    "n": (1.9491, 0.0033),
    "t": (4.5737, 0.0039),
    "s": (7.4160, 0.0066),
    "m": (12.3725, 0.0073),
    "b": (16.9421, 0.0109),
    "b_256": (22.2454, 0.0209),
    "t_384": (14.0714, 0.0553),
    "s_384": (22.8709, 0.0929),
    "m_384": (37.7633, 0.1018),
    "b_384": (51.4955, 0.1527),
}
TINY = {"dims": (8, 16, 24, 32), "depths": (1, 1, 2, 1), "num_heads": (2, 4, 4, 8), "head_dim": 4, "stem_dim": 8}


def tiny(**options) -> subband.models.wsfvit.wsfvit.WSFViT:
    torch.manual_seed(1)
    return subband.create_model("wsfvit_p0", **{**TINY, "num_classes": 5, **options})


def pair(window, seed=0, **options):
    """The published graph, whose filters have single precision, and ours with the same weights."""
    torch.manual_seed(seed)
    theirs = PublishedWSFViT(**TINY, window=window, num_classes=5, **options).double()
    for name, value in theirs.named_buffers():
        if name.endswith("running_mean"):
            value.normal_(std=0.1)
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    ours = subband.load_published("wsfvit_p0", theirs.state_dict(), **TINY, window=window, num_classes=5, **options)
    return theirs, ours.double()


@pytest.mark.parametrize("size", PARAMETERS)
def test_parameter_count(size):
    with torch.device("meta"):
        model = subband.create_model(f"wsfvit_{size}")
        assert sum(p.numel() for p in model.parameters()) == PARAMETERS[size]


@pytest.mark.parametrize("size", ["p0", *(pytest.param(size, marks=pytest.mark.slow) for size in MACS if size != "p0")])
def test_cost_is_the_published_one(size):
    model = subband.create_model(f"wsfvit_{size}")
    published, lookups = MACS[size]
    counts = count_macs(model, torch.zeros(1, 3, *model.img_size))
    assert counts.macs / 1e9 == pytest.approx(published, rel=0.005)
    assert counts.macs / 1e9 == pytest.approx(published - lookups, rel=0.007)


@pytest.mark.parametrize(
    ("side", "windows"),
    [
        (224, [7] * 4),
        (256, [8] * 4),
        (384, [12] * 4),
        (448, [7] * 4),
        (320, [10] * 4),
        (416, [13] * 4),
        (193, [7] * 4),
        (192, [6] * 4),
        (128, [8, 8, 8, 4]),
        (32, [8, 4, 2, 1]),
        (1, [8, 4, 2, 1]),
    ],
)
def test_windows_follow_the_image(side, windows):
    assert stage_windows(side, 224) == [(window, 7) for window in windows]
    assert stage_windows(224, side) == [(7, window) for window in windows]


@pytest.mark.parametrize(
    ("window", "size"),
    [((2, 2), (64, 64)), ((2, 3), (64, 96)), ((1, 1), (96, 32)), ((2, 2), (64, 128)), ((3, 3), (96, 96))],
)
def test_logits_equal_those_of_the_published_graph(rng, window, size):
    theirs, ours = pair(window)
    images = torch.randn(2, 3, *size, generator=rng, dtype=torch.float64)
    published_fails = size[0] != size[1] and max(size) in (64, 128)
    with torch.no_grad():
        if published_fails:
            theirs.stem.dwt_l2 = ours.trunk.stem.bands  # the published wavelet returns nothing for these sizes
        torch.testing.assert_close(ours(images), theirs.eval()(images), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_equal_those_of_the_published_graph(rng, is_training, dtype):
    theirs, ours = (model.to(dtype).train(is_training) for model in pair((2, 2)))
    images = torch.randn(3, 3, 64, 64, generator=rng, dtype=dtype)
    outputs = [theirs(images), ours(images)]
    for out in outputs:
        out.square().sum().backward()
    tolerance = 1e-5 if dtype == torch.float64 else 2e-3
    torch.testing.assert_close(*outputs, rtol=tolerance, atol=tolerance)
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    for parameter in ours.parameters():  # the table of names is that of weights, and fits gradients too
        parameter.data = parameter.grad
    exported = subband.export_published(ours)
    for name, gradient in gradients.items():
        scale = gradient.abs().max().clamp(min=1e-3)
        assert (exported[name] - gradient).abs().max() <= tolerance * scale, name
    for name, value in theirs.named_buffers():
        if "running" in name:
            torch.testing.assert_close(exported[name], value, rtol=1e-4, atol=1e-5)


def test_checkpointing_changes_neither_gradients_nor_averages(rng):
    images = torch.randn(2, 3, 64, 64, generator=rng)
    results = []
    for is_on in (False, True):
        model = tiny(img_size=64).train()
        model.set_grad_checkpointing(is_on)
        model(images).square().sum().backward()
        results.append([*(p.grad for p in model.parameters()), *model.buffers()])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("size", [(64, 64), (65, 50), (33, 97)])
def test_any_size_gives_maps_of_its_own(rng, size):
    model = tiny(img_size=64).eval()
    images = torch.randn(2, 3, *size, generator=rng)
    maps = model.forward_intermediates(images)
    expected = [(-(-size[0] // stage.reduction), -(-size[1] // stage.reduction)) for stage in model.stages]
    assert [tuple(item.shape[-2:]) for item in maps] == expected
    padded = torch.nn.functional.pad(images, (0, -size[1] % 64, 0, -size[0] % 64))
    whole = model.forward_stages(padded)[-1][..., : expected[-1][0], : expected[-1][1]]
    torch.testing.assert_close(maps[-1], whole)
    assert model(images).shape == (2, 5)


def test_protocol(rng):
    model = tiny(img_size=64, drop_rate=0.5).eval()
    images = torch.randn(2, 3, 64, 64, generator=rng)
    features = model.forward_features(images)
    pooled = model.forward_head(features, pre_logits=True)
    assert features.shape == (2, 32, 2, 2)
    torch.testing.assert_close(model.head(pooled), model(images))
    assert [info["num_chs"] for info in model.feature_info] == list(TINY["dims"])
    assert all(model.get_submodule(info["module"]) for info in model.feature_info)
    assert len(model.no_weight_decay()) == 2 * sum(TINY["depths"])
    model.reset_classifier(3)
    assert model(images).shape == (2, 3)
    model.reset_classifier(0)
    torch.testing.assert_close(model(images), pooled)


def test_stochastic_depth_rises_over_the_blocks():
    model = tiny(drop_path_rate=0.4)
    blocks = [block for level in model.trunk.levels for block in level]
    rates = [[part.drop_path.rate for part in (b.mbconv, b.local, b.channel, b.grid)] for b in blocks]
    assert rates == [pytest.approx([0.1 * i] * 4) for i in range(5)]


def test_pyramid_norms_every_map_and_keeps_its_batch_norms(rng):
    model = tiny(img_size=64)
    pyramid = WSFViTPyramid(model.trunk).train()
    before = {name: value.clone() for name, value in pyramid.named_buffers()}
    maps = pyramid(torch.randn(2, 3, 64, 128, generator=rng))
    assert [tuple(item.shape[1:]) for item in maps] == [(8, 16, 32), (16, 8, 16), (24, 4, 8), (32, 2, 4)]
    for item in maps:
        torch.testing.assert_close(item.mean(1), torch.zeros_like(item[:, 0]), atol=1e-4, rtol=0)
    assert all(torch.equal(value, before[name]) for name, value in pyramid.named_buffers())
    assert pyramid.training


def test_bfloat16_stays_close(rng):
    model = tiny(img_size=64).eval()
    images = torch.randn(2, 3, 64, 64, generator=rng)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rounded = model(images).float()
    torch.testing.assert_close(rounded, model(images), atol=0.05, rtol=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dims": (8, 16, 24)}, r"dims must be 4 positive numbers, got \(8, 16, 24\)"),
        ({"head_dim": 5}, r"dims must be multiples of num_heads and head_dim, got 8, 2, 5"),
        ({"img_size": 0}, r"img_size must be one positive number or two, got 0"),
        ({"window": (1, 2, 3)}, r"window must be one positive number or two, got \(1, 2, 3\)"),
        ({"drop_path_rate": 1.0}, r"drop_path_rate must be in \[0, 1\), got 1.0"),
        ({"num_classes": -1}, r"num_classes must not be negative, got -1"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        tiny(**options)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 27, 224), r"images must be at least 28 x 28 pixels, one window of the first stage, got 27 x 224"),
        ((1, 1, 224, 224), r"images must be \(B, 3, H, W\), got \(1, 1, 224, 224\)"),
        ((3, 224, 224), r"images must be \(B, 3, H, W\), got \(3, 224, 224\)"),
    ],
)
def test_bad_images_are_named(shape, message):
    with pytest.raises(ValueError, match=message):
        tiny()(torch.zeros(shape))


def test_all_sizes_are_registered():
    assert {name.removeprefix("wsfvit_") for name in subband.list_models("wsfvit_*")} >= set(PARAMETERS)
    assert set(SIZES) <= set(PARAMETERS)
