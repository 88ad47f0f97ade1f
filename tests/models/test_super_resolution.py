"""BasicVSR++ and MFPI: stored outputs of the published network, its layouts, sizes, and what a teacher may see."""

import itertools

import numpy as np
import pytest
import torch
from fill import make_input, state_dict_from_manifest
from torch.nn import functional as F

import subband
from published.basicvsr_pp import BasicVSRPlusPlusNet as PublishedNet
from subband.convert.published import export_published, load_published
from subband.data.restoration.pairs import PairSpec
from subband.layers.global_filter import GlobalFilter2d
from subband.models.registry import create_model
from subband.models.super_resolution import upsampling
from subband.models.super_resolution.alignment import StateAlignment
from subband.models.super_resolution.basicvsr_pp import BasicVSRPP
from subband.models.super_resolution.mfpi import MFPI
from subband.models.super_resolution.spynet import SPyNet
from subband.models.super_resolution.upsampling import Upsampler
from subband.tasks.restoration.networks import restored

SMALL = {"channels": 8, "blocks": 1, "groups": 2}
SMALL_MFPI = {**SMALL, "head_blocks": 1, "rec_blocks": 1}


def stored(golden, name):
    path = golden / "video_super_resolution" / name
    with np.load(path.with_suffix(".npz")) as arrays:
        return state_dict_from_manifest(path.with_suffix(".json")), {k: torch.from_numpy(arrays[k]) for k in arrays}


def near(found, wanted):
    assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def bilinear(clip, scale):
    return F.interpolate(clip.flatten(0, 1), scale_factor=float(scale), mode="bilinear").unflatten(0, clip.shape[:2])


@torch.no_grad()
def test_flow(golden):
    state, wanted = stored(golden, "basicvsrpp_spynet")
    names = {key: key.replace("basic_module.", "levels.", 1).replace("basic_module.", "") for key in state}
    flow = SPyNet()
    flow.load_state_dict({new.replace(".conv.", "."): state[key] for key, new in names.items()})
    for height, width in ((64, 64), (48, 80), (96, 160)):
        pair = make_input(f"spynet_pair_{height}x{width}", [2, 3, height, width], 0, "unit")
        near(flow(pair[:1], pair[1:]), wanted[f"flow_{height}x{width}"])


@torch.no_grad()
def test_alignment(golden):
    state, wanted = stored(golden, "basicvsrpp_alignment")
    part = StateAlignment(64)
    renamed = {f"filter.{key}": state[key] for key in ("weight", "bias")}
    for layer, kind in itertools.product(range(4), ("weight", "bias")):
        renamed[f"predict.{layer}.{kind}"] = state[f"conv_offset.{2 * layer}.{kind}"]
    part.load_state_dict(renamed)
    x = make_input("align_x", [2, 128, 24, 20], 0, "normal")
    extra = make_input("align_extra", [2, 192, 24, 20], 0, "normal")
    flows = [scale * make_input(f"align_flow{i}", [2, 2, 24, 20], 0, "normal") for i, scale in ((1, 3), (2, 5))]
    offsets, masks = part.offsets(torch.cat([extra, *flows], 1), flows)
    near(offsets[:, ::7, ::3, ::3], wanted["offset_s"])
    near(masks[:, ::7, ::3, ::3], wanted["mask_s"])
    weight, bias = part.filter.weight, part.filter.bias
    near(subband.layers.deform_conv2d(x, offsets, weight, bias=bias, mask=masks, padding=1), wanted["output"])


@torch.no_grad()
def test_the_published_network(golden):
    state, wanted = stored(golden, "basicvsrpp_x4_t5_64")
    model = load_published("basicvsr_pp", state)
    clip = make_input("basicvsrpp_x4_t5_64", [1, 5, 3, 64, 64], 0, "unit")
    backward, forward = model.flows(clip)
    near(torch.stack(backward, 1), wanted["flows_backward"])
    near(torch.stack(forward, 1), wanted["flows_forward"])
    near(model(clip)[..., ::3, ::3], wanted["output_s3"])


@torch.no_grad()
def test_a_mirrored_clip_and_its_middle(golden):
    """The rule of Vimeo-90K: the clip there and back, both visits of the middle frame averaged."""
    folder = golden / "video_super_resolution"
    model = load_published("basicvsr_pp", state_dict_from_manifest(folder / "basicvsrpp_x4_t5_64.json"))
    clip = make_input("basicvsrpp_mirror_t3_64", [1, 3, 3, 64, 64], 0, "unit")
    spec = PairSpec(frames=3, height=64, width=64, scale=4, past_frames=1, future_frames=1, mirrored=True)
    with np.load(folder / "basicvsrpp_mirror_t6_64.npz") as arrays:
        near(restored(model, clip, clip, spec)[0, :, :, ::3, ::3], torch.from_numpy(arrays["center_s3"]))


@pytest.mark.parametrize("shape", [(1, 7, 9), (2, 20, 33), (4, 6, 5)])
@torch.no_grad()
def test_the_plain_translation_gives_the_same(shape, rng):
    frames, height, width = shape
    for is_small in (True, False):
        torch.manual_seed(0)
        plain = PublishedNet(mid_channels=8, num_blocks=1, is_low_res_input=is_small, deform_groups=4).eval()
        for part in plain.deform_align.values():
            torch.nn.init.normal_(part.conv_offset[-1].weight, std=0.1, generator=rng)
        name, side = ("basicvsr_pp", 1) if is_small else ("basicvsr_pp_deblur", 4)
        ours = load_published(name, plain.state_dict(), **SMALL).eval()
        clip = torch.rand(2, frames, 3, side * height, side * width, generator=rng)
        near(ours(clip), plain(clip))


@pytest.mark.parametrize("factor", [2, 4])
def test_bands_of_rows_are_those_of_the_whole_image(factor, rng, monkeypatch):
    part = Upsampler(4, factor, 5)
    torch.nn.init.normal_(part.last.weight, generator=rng)
    x = torch.randn(1, 4, 37, 5, generator=rng)
    whole = part(x)  # with gradients, so at once
    monkeypatch.setattr(upsampling, "BAND_PIXELS", 60)
    with torch.no_grad():
        assert (part(x) - whole).abs().max() < 1e-5 * whole.abs().max()
    calls = []
    monkeypatch.setattr(part, "_whole", lambda band: calls.append(band.shape[2]) or torch.zeros(1, 3, factor * 16, 1))
    with torch.no_grad():
        part(x)
    assert calls == [14, 16, 15, 3]


@pytest.mark.parametrize(
    ("name", "num_keys"),
    [
        ("basicvsr_pp", 274),
        ("basicvsr_pp_deblur", 406),
        ("basicvsr_pp_ntire", 562),
        ("basicvsr_pp_ntire_compressed", 566),
    ],
)
def test_the_published_layout_has_as_many_keys(name, num_keys):
    with torch.device("meta"):
        model = create_model(name)
    assert len(export_published(model)) == num_keys


def test_files_of_other_code_bases_load():
    model = create_model("basicvsr_pp", channels=8, blocks=1, groups=2)
    published = export_published(model)
    basicsr = {}
    for key, value in published.items():
        if ".conv." in key and "basic_module" in key:
            head, place, kind = key.replace(".conv.", ".").rsplit(".", 2)
            key = f"{head}.{2 * int(place)}.{kind}"
        basicsr[key.replace("upsample1.upsample_conv", "upconv1").replace("upsample2.upsample_conv", "upconv2")] = value
    stale = {f"generator.{key}": torch.zeros_like(value) for key, value in published.items()}
    averaged = {f"generator_ema.{key}": value for key, value in published.items()}
    mmagic = {"state_dict": {**stale, **averaged, "step_counter": torch.zeros(1)}, "meta": {}}
    for file in ({"params": basicsr}, mmagic, {**published, "step_counter": torch.zeros(1)}):
        loaded = load_published("basicvsr_pp", file, channels=8, blocks=1, groups=2)
        assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items())


def test_there_is_no_published_file_of_scale_two():
    with torch.device("meta"):
        state = export_published(create_model("basicvsr_pp"))
        own = create_model("basicvsr_pp", scale=2)
    words = "with scale=2 a network has no published file and must be trained"
    with pytest.raises(ValueError, match=words):
        load_published("basicvsr_pp", {key: torch.zeros(value.shape) for key, value in state.items()}, scale=2)
    with pytest.raises(ValueError, match=words):
        export_published(own)


@pytest.mark.parametrize("name", ["basicvsr_pp_s", "mfpi_s"])
def test_small_networks_of_scale_two(name, rng):
    """They enlarge bicubically before they are trained."""
    model = create_model(name, scale=2).eval()
    clip = torch.rand(1, 2, 3, 9, 7, generator=rng)
    with torch.no_grad():
        assert (model(clip) - create_model("bicubic", scale=2)(clip)).abs().max() < 1e-6
        assert model(model.example_input()).shape == (1, 3, 3, 64, 64)
    params = [sum(part.numel() for part in create_model(name, scale=scale).parameters()) for scale in (2, 4)]
    assert params[0] < params[1]


def test_a_file_for_deblurring_is_named():
    with torch.device("meta"):
        state = export_published(create_model("basicvsr_pp_deblur"))
    with pytest.raises(ValueError, match="looks like basicvsr_pp_deblur"):
        load_published("basicvsr_pp", {key: torch.zeros(value.shape) for key, value in state.items()})


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (1, 17, 33), (3, 4, 70)])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_fresh_networks_enlarge_bilinearly_whatever_the_size(shape, scale, rng):
    frames, height, width = shape
    clip = torch.rand(1, frames, 3, height, width, generator=rng)
    models = [BasicVSRPP(scale=scale, **SMALL), BasicVSRPP(scale=scale, flow="classical", **SMALL)]
    models += [MFPI(scale=scale, **SMALL_MFPI)] if scale > 1 else []
    for model in models:
        found = model.eval()(clip)
        assert torch.allclose(found, clip if scale == 1 else bilinear(clip, scale), atol=1e-6)


def test_a_pass_sees_the_whole_clip(rng):
    model = BasicVSRPP(**SMALL).eval()
    torch.nn.init.normal_(model.upsampling.last.weight, std=0.1, generator=rng)
    clip = torch.rand(1, 4, 3, 8, 8, generator=rng)
    changed = clip.clone()
    changed[:, 3] = 0
    with torch.no_grad():
        difference = (model(clip) - model(changed)).abs().amax((0, 2, 3, 4))
    assert (difference > 1e-6).all()


def test_every_weight_learns(rng):
    model = MFPI(**SMALL_MFPI)
    for part in (model.upsampling.last, model.inject, *(a.predict[-1] for a in model.alignments)):
        torch.nn.init.normal_(part.weight, std=0.1, generator=rng)
    clip, sharp = torch.rand(1, 3, 3, 8, 7, generator=rng), torch.rand(1, 3, 3, 32, 28, generator=rng)
    features = model.frame_features(clip)
    taught = model.enlarge(clip, features, model.told(clip, sharp, rng)).frames
    (model(clip) - sharp).square().mean().add((taught - sharp).square().mean()).backward()
    missing = [
        name for name, value in model.named_parameters() if value.grad is None or not value.grad.isfinite().all()
    ]
    assert not missing


def test_a_teacher_and_a_student_differ_once_they_are_told_something(rng):
    model = MFPI(**SMALL_MFPI).eval()
    clip, sharp = torch.rand(1, 2, 3, 8, 8, generator=rng), torch.rand(1, 2, 3, 32, 32, generator=rng)
    for part in (model.upsampling.last, model.inject):
        torch.nn.init.normal_(part.weight, std=0.1, generator=rng)
    features = model.frame_features(clip)
    told, guessed = model.told(clip, sharp), model.guessed(features)
    assert all(0 < known.abs().max() <= 1 for known in told)
    taught = model.enlarge(clip, features, told).frames
    assert (taught - model.enlarge(clip, features, guessed).frames).abs().max() > 1e-5
    assert torch.equal(model.enlarge(clip, features, guessed).frames, model(clip))


def test_a_network_without_teacher_has_none_and_takes_the_weights(rng):
    full, lean = MFPI(**SMALL_MFPI), MFPI(with_teacher=False, **SMALL_MFPI).eval()
    state = {key: value for key, value in full.state_dict().items() if not key.startswith("encode.")}
    lean.load_state_dict(state)
    clip = torch.rand(1, 2, 3, 8, 8, generator=rng)
    assert torch.equal(lean(clip), full.eval()(clip))
    with pytest.raises(ValueError, match="with_teacher=True"):
        lean.told(clip, torch.rand(1, 2, 3, 32, 32))
    with pytest.raises(TypeError):
        full(clip, sharp=torch.rand(1, 2, 3, 32, 32))
    with pytest.raises(ValueError, match=r"\(1, 2, 3, 32, 32\)"):
        full.told(clip, clip)


@pytest.mark.parametrize("size", [(16, 16), (15, 17), (31, 9), (1, 1), (2, 5)])
def test_a_fresh_global_filter_is_the_identity(size, rng):
    x = torch.randn(2, 4, *size, generator=rng)
    assert torch.allclose(GlobalFilter2d(4)(x), x, atol=2e-6)


def test_a_global_filter_of_its_own_size_multiplies_the_spectrum(rng):
    layer = GlobalFilter2d(3)
    torch.nn.init.normal_(layer.weight, generator=rng)
    x = torch.randn(2, 3, 16, 16, generator=rng)
    wanted = torch.fft.irfft2(torch.complex(*layer.weight) * torch.fft.rfft2(x), (16, 16))
    assert torch.allclose(layer(x), wanted, atol=1e-5)


def test_a_global_filter_keeps_its_frequencies_apart_at_other_sizes():
    layer = GlobalFilter2d(1)
    with torch.no_grad():
        layer.weight[0, :, 8:] = 0  # no negative vertical frequencies, the highest one among them
    resized = layer.filter_for((32, 32))[0, :, 0, 0]
    assert (resized[1:14] > 0.9).all()  # the zero frequency lies between two rows
    assert (resized[17:30] == 0).all()


@pytest.mark.parametrize(
    ("network", "options", "words"),
    [
        (BasicVSRPP, {"scale": 3}, "scale must be 1, 2 or 4"),
        (BasicVSRPP, {"flow": "raft"}, "flow must be"),
        (BasicVSRPP, {"groups": 3, "channels": 8}, "groups must divide"),
        (MFPI, {"scale": 1}, "scale must be 2 or 4"),
        (MFPI, {"passes": ("sideways",)}, "passes must be"),
        (MFPI, {"channels": 6}, "multiple of 4"),
    ],
)
def test_impossible_options_are_refused(network, options, words):
    with pytest.raises(ValueError, match=words):
        network(**options)
