"""Parts of VD-Diff: stored outputs of the published ones, the wavelet within convolutions, what options do."""

import numpy as np
import pytest
import torch
from fill import make_input, state_dict_from_manifest
from torch.nn import functional as F

import subband
from published.vd_diff import HaarDownsampling
from subband.convert.vd_diff import VD_DIFF_STAGE1
from subband.models.vd_diff.propagation import DynamicFilter, Propagation
from subband.models.vd_diff.stages import VDDiffStage1, VDDiffStage2, VDDiffStage3
from subband.models.vd_diff.transformer import PriorBlock
from subband.models.vd_diff.vd_diff import VDDiff
from subband.models.vd_diff.wavelet import analysis_weight, inverse_haar, synthesis_weight

SMALL = {"num_feat": 4, "propagation_blocks": 1, "num_blocks": (1, 1), "heads": (1, 2), "prior_feat": 4}


def run(part, *tensors):
    return part(*tensors)


def stored(golden, name):
    """Published weights and stored arrays."""
    path = golden / "video_deblurring" / name
    with np.load(path.with_suffix(".npz")) as arrays:
        return state_dict_from_manifest(path.with_suffix(".json")), {k: torch.from_numpy(arrays[k]) for k in arrays}


def own(state, published, ours):
    """Weights of a part under our names, given where it stands in both networks."""
    keys = {VD_DIFF_STAGE1.to_own(f"{published}.{key}"): value for key, value in state.items()}
    return {key.removeprefix(f"{ours}."): value for key, value in keys.items()}


def near(found, wanted):
    assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def test_block(golden):
    state, wanted = stored(golden, "vddiff_wadt_block")
    block = PriorBlock(64, 4, 256)
    block.load_state_dict(own(state, "WADT.transformer_scale4.encoder_level1.0", "restorer.transformer.encoder.0"))
    clip = make_input("vddiff_wadt_block", [1, 3, 64, 12, 16], 0, "normal").movedim(2, -1)
    prior = make_input("vddiff_wadt_block:prior", [3, 256], 0, "normal")
    with torch.no_grad():
        near(block(clip, prior).movedim(-1, 2), wanted["output"])
        near(block.attention(block.norm1(clip, prior)).movedim(-1, 2)[:, :, ::2], wanted["attn_slice"])


def test_dynamic_filter(golden):
    state, wanted = stored(golden, "vddiff_dynamic_conv")
    part = DynamicFilter(64)
    part.load_state_dict(
        own(state, "WADT.forward_propagation_2.kernel_conv_pixel", "restorer.forward_propagation.filter")
    )
    x = make_input("vddiff_dynamic_conv", [2, 64, 16, 24], 0, "normal")
    with torch.no_grad():
        near(part.kernels(x), wanted["kernels_lowres"])
        near(part(x), wanted["output"])


@pytest.mark.parametrize("name", ["bwd", "fwd", "bwd_cross", "fwd_cross"])
def test_propagation(golden, name):
    state, wanted = stored(golden, "vddiff_propagation_small")
    part = Propagation(16, 2, cross_attention_heads=2 if "cross" in name else None)
    inner = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
    part.load_state_dict(own(inner, "WADT.forward_propagation_2", "restorer.forward_propagation"))
    frames = list(make_input("vddiff_propagation_small", [1, 3, 16, 16, 16], 0, "normal").unbind(1))
    with torch.no_grad():
        if name.startswith("bwd"):
            states = list(part(reversed(frames), run))[::-1]
        else:
            states = list(part(frames, run))
    near(torch.stack(states, 1), wanted[name])


def test_a_recurrence_goes_on_from_a_state(rng):
    part = Propagation(4, 1)
    frames = list(torch.rand(5, 1, 4, 8, 8, generator=rng))
    with torch.no_grad():
        whole = list(part(frames, run))
        later = list(part(frames[2:], run, whole[1]))
    torch.testing.assert_close(later, whole[2:])


def test_wavelet_and_convolution_in_one(rng):
    conv = torch.randn(5, 3, 3, 3, generator=rng, dtype=torch.float64)
    image = torch.rand(2, 3, 16, 24, generator=rng, dtype=torch.float64)
    wave, features = HaarDownsampling(5).double(), F.conv2d(image, conv, padding=1)
    first = wave(features)
    second = wave(first[:, :5])
    for level, wanted in ((1, first), (2, second)):
        weight = analysis_weight(conv, level).flatten(0, 1)
        torch.testing.assert_close(F.conv2d(image, weight, stride=2**level, padding=1), wanted)
    torch.testing.assert_close(inverse_haar(first), features)
    head = torch.randn(3, 5, 3, 3, generator=rng, dtype=torch.float64)
    weight = synthesis_weight(head).flatten(1, 2)
    torch.testing.assert_close(
        F.pixel_shuffle(F.conv2d(first, weight, padding=1), 2), F.conv2d(features, head, padding=1)
    )


def test_the_same_noise_gives_the_same_frames(rng):
    model = VDDiff(**SMALL).eval()
    torch.nn.init.normal_(model.restorer.head.weight)
    clip = torch.rand(1, 2, 3, 16, 16, generator=rng)
    with torch.no_grad():
        seeded = [model(clip, generator=torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)]
        noise = torch.randn(2, 16, generator=torch.Generator().manual_seed(3))
        assert torch.equal(seeded[0], seeded[1])
        assert torch.equal(seeded[0], model(clip, noise))
        assert torch.equal(seeded[0], model(clip, prior=model.make_prior(clip, noise)))
        assert not torch.equal(seeded[0], seeded[2])


def test_the_input_is_added_as_often_as_asked(rng):
    clip = torch.rand(1, 1, 3, 16, 16, generator=rng)
    for residual in (1, 2):
        model = VDDiff(**SMALL, residual=residual)  # a fresh one corrects nothing
        assert torch.equal(model(clip, torch.zeros(1, 16)), residual * clip)


def test_stages_start_from_the_one_before():
    first, second, third, used = VDDiffStage1(**SMALL), VDDiffStage2(**SMALL), VDDiffStage3(**SMALL), VDDiff(**SMALL)
    kept = {key: value.clone() for key, value in second.diffusion.state_dict().items()}
    second.take_stage(first)
    for name in ("teacher", "restorer"):
        pairs = zip(first.get_submodule(name).parameters(), second.get_submodule(name).parameters(), strict=True)
        assert all(torch.equal(*pair) for pair in pairs)
    assert all(torch.equal(value, kept[key]) for key, value in second.diffusion.state_dict().items())
    third.take_stage(second)
    used.take_stage(third)
    assert all(torch.equal(value, third.state_dict()[key]) for key, value in used.state_dict().items())
    with pytest.raises(ValueError, match="restorer of this stage does not take that of the one before"):
        used.take_stage(VDDiff(**{**SMALL, "num_feat": 8}))


def test_the_second_stage_trains_the_diffusion_alone(rng):
    model = VDDiffStage2(**SMALL)
    clip, target = torch.rand(2, 1, 2, 3, 16, 16, generator=rng)
    latents = model(clip, target=target, generator=rng)
    (latents.prior - latents.teacher_prior).abs().mean().backward()
    assert not latents.teacher_prior.requires_grad
    assert {name.split(".")[0] for name, value in model.named_parameters() if value.grad is not None} == {"diffusion"}


@pytest.mark.parametrize("restored_with", ["diffused", "teacher"])
def test_the_third_stage_trains_everything(rng, restored_with):
    model = VDDiffStage3(**SMALL)
    clip, target = torch.rand(2, 1, 2, 3, 16, 16, generator=rng)
    result = model(clip, torch.ones(2, 16), target=target, restored_with=restored_with)
    assert result.frames.shape == clip.shape
    assert result.steps.shape == (4, 2, 16)
    result.frames.mean().backward()
    reached = {name.split(".")[0] for name, value in model.named_parameters() if value.grad is not None}
    assert reached == {"restorer", "teacher"} | ({"diffusion"} if restored_with == "diffused" else set())


def test_a_prior_of_the_whole_frame_serves_its_tiles(rng):
    """What surrounds a tile changes its channel attention, but the prior does not."""
    model = VDDiff(**SMALL).eval()
    clip = torch.rand(1, 2, 3, 32, 48, generator=rng)
    with torch.no_grad():
        prior = model.make_prior(clip, torch.zeros(2, 16))
        assert model(clip[..., :16, :32], prior=prior).shape == (1, 2, 3, 16, 32)


def test_options_that_do_not_go_together_are_named(rng):
    clip = torch.rand(1, 2, 3, 16, 16, generator=rng)
    noise = torch.zeros(2, 16)
    with pytest.raises(ValueError, match=r"noise must be \(B \* T, 16\) for 1 clips of 2 frames, got \(2, 8\)"):
        VDDiff(**SMALL)(clip, noise[:, :8])
    with pytest.raises(ValueError, match="exclude each other"):
        VDDiff(**SMALL)(clip, noise, prior=noise)
    with pytest.raises(ValueError, match=r"target must be the sharp frames, .* got None"):
        VDDiffStage1(**SMALL)(clip)
    with pytest.raises(ValueError, match="got \\(1, 1, 3, 16, 16\\)"):
        VDDiffStage1(**SMALL)(clip, clip[:, :1])
    with pytest.raises(ValueError, match="prior cannot be given"):
        VDDiffStage3(**SMALL)(clip, prior=noise, target=clip)
    with pytest.raises(ValueError, match="restored_with must be"):
        VDDiffStage3(**SMALL)(clip, target=clip, restored_with="both")
    for options, word in (
        ({"num_feat": 5}, "num_feat"),
        ({"heads": (3, 2)}, "heads must divide 4 and 8"),
        ({"num_blocks": (1,)}, "num_blocks and heads"),
        ({"residual": 3}, "residual must be 1 or 2"),
        ({"timesteps": 0}, "timesteps"),
        ({"use_cross_attention": True, "cross_attention_heads": 3}, "cross_attention_heads must divide"),
    ):
        with pytest.raises(ValueError, match=word):
            subband.create_model("vd_diff", **{**SMALL, **options})
