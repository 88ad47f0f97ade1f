"""VD-Diff checkpoints: stored outputs of the published code, every oddity of their names, stages and other sizes."""

import numpy as np
import pytest
import torch
from fill import make_input, state_dict_from_manifest

import subband
from published.vd_diff import VDDiff
from subband.models.complexity import count_parameters

SMALL = {"num_feat": 16, "propagation_blocks": 2, "num_blocks": (2, 1), "heads": (2, 4)}
OPTIONS = [
    {},
    {"use_cross_attention": True, "cross_attention_heads": 4},
    {"bias": True, "n_denoise_res": 2, "timesteps": 3, "linear_start": 0.2, "linear_end": 0.9},
]
UNUSED = "WADT.transformer_scale4.output.body.0.weight"
SIGNS = "WADT.wave.haar_weights"


@pytest.fixture(scope="module")
def folder(request):
    return request.config.rootpath / "tests" / "golden" / "video_deblurring"


@pytest.fixture(scope="module")
def stage1(folder):
    """Published weights of the first stage."""
    return state_dict_from_manifest(folder / "vddiff_s1_t3_64.json")


@pytest.fixture(scope="module")
def stage3(folder, stage1):
    """Published weights of the later stages, without anything that is stored twice or follows from the options."""
    diffusion = state_dict_from_manifest(folder / "vddiff_dm.json")
    return {**stage1, **{f"DM.{key}": value for key, value in diffusion.items()}}


def stored(folder, name):
    with np.load(folder / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def near(found, wanted, tolerance=1e-5):
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() <= tolerance * wanted.abs().max()


def published(stage, options):
    """A small published network with weights that keep its recurrences bounded, and its state dict."""
    known = options if stage > 1 else {key: options[key] for key in options if key in ("bias", *OPTIONS[1])}
    network = VDDiff(stage, **SMALL, **known).eval()
    for key, value in network.named_parameters():
        if key != SIGNS and "resblock" in key:
            torch.nn.init.normal_(value, std=0.02)
    return network.double(), network.state_dict(), known


def test_first_stage_equals_the_stored_one(folder, stage1):
    model = subband.load_published(
        "vd_diff_stage1", {"params": stage1, "params_ema": {key: 2 * value for key, value in stage1.items()}}
    )
    blurred, sharp = (make_input(f"vddiff_s1_t3_64{suffix}", [1, 3, 3, 64, 64]) for suffix in ("", ":gt"))
    wanted = stored(folder, "vddiff_s1_t3_64")
    with torch.no_grad():
        restored, prior = model(blurred, target=sharp)
        states = model.restorer.half_size(blurred, prior, model.checkpointed)
        backward = list(model.restorer.backward_propagation(reversed(states), model.checkpointed))[::-1]
        forward = list(model.restorer.forward_propagation(backward, model.checkpointed))
    near(restored, wanted["output"])
    near(prior, wanted["prior"])
    near(torch.stack(backward, 1)[:, :, ::16, ::2, ::2], wanted["backward_slice"])
    near(torch.stack(forward, 1)[:, :, ::16, ::2, ::2], wanted["forward_slice"])


def test_diffusion_equals_the_stored_one(folder, stage3):
    model = subband.load_published("vd_diff", stage3)
    frames = make_input("vddiff_dm", [1, 3, 3, 64, 64])
    noise, prior = (make_input(f"vddiff_dm:{name}", [3, 256], 0, "normal") for name in ("noise", "prior"))
    wanted = stored(folder, "vddiff_dm")
    with torch.no_grad():
        near(model.diffusion.condition(frames[0]), wanted["condition"])
        near(torch.stack(list(model.diffusion.steps(frames[0], noise))), wanted["sample_steps"])
        near(model.make_prior(frames, noise), wanted["sample"])
        near(model.make_prior(frames, noise.unflatten(0, (1, 3))), wanted["sample"])
        start = model.diffusion.noisy(prior, noise)
        near(torch.stack(list(model.diffusion.steps(frames[0], start))), wanted["train_steps"])
    for name, values in model.diffusion.schedule.items():
        assert torch.equal(torch.tensor(values), wanted[f"sched_{name}"]), name


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_stages_of_other_sizes(stage, options, rng):
    network, state, known = published(stage, options)
    model = subband.load_published(f"vd_diff_stage{stage}", state, **SMALL, **known).double()
    frames, target = torch.rand(2, 2, 3, 3, 32, 48, generator=rng, dtype=torch.float64)
    noise = torch.randn(6, 256, generator=rng, dtype=torch.float64)
    with torch.no_grad():
        if stage == 1:
            pairs = [(model(frames, target), network(frames, target))]
        else:
            pairs = [
                ((model(frames, noise),), network(frames, None, noise)),
                (model(frames, noise, target=target), network(frames, target, noise)),
            ]
    for found, wanted in pairs:
        for ours, theirs in zip(found, wanted, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)  # numbers of a step are float32 there
    exported = subband.export_published(model)
    assert exported.keys() == state.keys()
    assert all(torch.equal(exported[key], value.to(exported[key])) for key, value in state.items())


def test_gradients_are_those_of_the_published_graph(rng):
    network, state, known = published(1, {})
    model = subband.load_published("vd_diff_stage1", state, **SMALL, **known).double()
    frames, target = torch.rand(2, 1, 2, 3, 16, 32, generator=rng, dtype=torch.float64)
    for result in (network(frames, target), model(frames, target)):
        result[0].square().sum().backward()
    table = subband.convert.published._key_map("vd_diff_stage1")
    gradients = {key: value.grad for key, value in model.named_parameters()}
    for key, value in network.named_parameters():
        if key not in (UNUSED, SIGNS):
            wanted = value.grad
            torch.testing.assert_close(
                gradients[table.to_own(key)], wanted, rtol=1e-7, atol=1e-9 * float(wanted.abs().max())
            )


def test_files_with_and_without_every_oddity():
    network, state, _ = published(3, {})
    double = {key for key in state if key.startswith(("DM.diffusion.model.", "DM.diffusion.condition."))}
    first = {key for key in state if key.startswith(("DM.denoise.", "DM.condition."))}
    schedule = {key for key in state if key.startswith("DM.diffusion.")} - double
    assert (len(double), len(first), len(schedule)) == (40, 40, 12)
    lacking = {
        "nothing": set(),
        "second names": double,
        "first names": first,
        "numbers of the steps": schedule,
        "signs": {SIGNS},
        "unused": {UNUSED},
        "all of them": double | schedule | {SIGNS, UNUSED},
    }
    for what, keys in lacking.items():
        given = {key: value for key, value in state.items() if key not in keys}
        model = subband.load_published("vd_diff_stage3", given, **SMALL)
        exported = subband.export_published(model)
        assert exported.keys() == state.keys(), what
        for key, value in state.items():
            if key != UNUSED or UNUSED in given:
                assert torch.equal(exported[key], value.to(exported[key])), (what, key)
    assert network.DM.diffusion.model is network.DM.denoise


def test_names_of_one_tensor_must_agree():
    _, state, _ = published(2, {})
    state = {**state, "DM.diffusion.model.resmlp.0.bias": state["DM.denoise.resmlp.0.bias"] + 1}
    with pytest.raises(
        ValueError, match=r"resmlp\.0\.bias and DM\.denoise\.resmlp\.0\.bias are one tensor, but differ"
    ):
        subband.load_published("vd_diff_stage2", state, **SMALL)


def test_the_network_for_use_is_the_third_stage_without_its_teacher(rng):
    _, state, _ = published(3, {})
    last, used = (subband.load_published(name, state, **SMALL) for name in ("vd_diff_stage3", "vd_diff"))
    frames = torch.rand(1, 2, 3, 16, 16, generator=rng)
    noise = torch.randn(2, 256, generator=rng)
    with torch.no_grad():
        assert torch.equal(last(frames, noise), used(frames, noise=noise))
    teacher = {key for key in state if key.startswith("LE.")}
    with pytest.warns(UserWarning, match=r"vd_diff has no values for 36 published keys \(LE\.E\.0\.weight, .* 26 more"):
        exported = subband.export_published(used)
    assert set(state) - set(exported) == teacher
    with pytest.warns(UserWarning, match="36 published keys"):
        again = subband.export_published(
            subband.load_published("vd_diff", {k: v for k, v in state.items() if k not in teacher}, **SMALL)
        )
    assert again.keys() == exported.keys()


def test_stages_are_told_apart(stage1):
    with pytest.raises(ValueError, match="does not fit vd_diff_stage3; it looks like vd_diff_stage1"):
        subband.load_published("vd_diff_stage3", stage1)
    _, state, _ = published(3, {})
    with pytest.raises(ValueError, match="looks like vd_diff or vd_diff_stage2 or vd_diff_stage3"):
        subband.load_published("vd_diff_stage1", state, **SMALL)
    with pytest.raises(ValueError, match=r"missing \(DM\.condition"):
        subband.load_published("vd_diff_stage2", published(1, {})[1], **{**SMALL, "num_feat": 8})


def test_parameter_counts_are_the_published_ones():
    """The published counts take in the signs of the transform and a convolution that is never used."""
    counts = {"vd_diff_stage1": 11_937_907, "vd_diff_stage3": 13_254_323, "vd_diff": 12_107_635}
    for name, wanted in counts.items():
        with torch.device("meta"):
            model = subband.create_model(name)
        assert count_parameters(model) + model.restorer.transformer.unused_output.numel() + 4 * 64 * 4 == wanted
