"""SimVP, its translators and its configurations, against the plain translation of the published graph."""

import pytest
import torch
from torch import nn

import subband
from published.simvp import DropPath as PublishedDropPath
from published.simvp import SimVPModel
from published.wsfvit_video import WSFViTVideo
from subband.convert.openstl import SIMVP
from subband.convert.wsfvit_video import WSFVIT_VIDEO
from subband.layers.drop import DropPath
from subband.models.simvp.simvp import SimVP

TINY = {"in_shape": (4, 1, 16, 16), "hid_S": 4, "hid_T": 16, "N_S": 2, "N_T": 2}
WSF = {"translator": "wsf", "stem": "wavelet", "hid_S": 8, "hid_T": 32}
TRANSLATORS = {"gsta": "simvp_gsta", "tau": "tau", "incepu": "simvp_incepu"}


def randomize(model: nn.Module, rng: torch.Generator) -> nn.Module:
    """Weights under which every branch matters: layer scales and statistics away from their initial values."""
    for name, tensor in model.state_dict().items():
        noise = torch.randn(tensor.shape, generator=rng, dtype=torch.float64).to(tensor.dtype)
        if name.endswith("running_var"):
            tensor.copy_(1 + 0.1 * noise.abs())
        elif tensor.ndim == 1 and not name.endswith(("bias", "running_mean")):
            tensor.copy_(1 + 0.1 * noise)
        elif tensor.ndim and "dwt" not in name:
            tensor.copy_(noise / tensor[0].numel() ** 0.5)
    return model


def without_drop_path(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, DropPath | PublishedDropPath):
            module.rate = 0.0
    return model


def pair(translator: str, rng: torch.Generator, **args) -> tuple[nn.Module, nn.Module]:
    """The plain translation with random weights, and ours with the same, in float64."""
    if translator == "wsf":
        published, name = WSFViTVideo(**args), "wsfvit_video"
    else:
        published, name = SimVPModel(model_type=translator, **args), TRANSLATORS[translator]
    published = without_drop_path(randomize(published, rng))
    ours = subband.load_published(name, published.state_dict(), **args)
    published.double()
    for name, buffer in published.named_buffers():
        if "dwt" in name:  # stored in float32, 4e-8 away from the square root it stands for
            buffer.copy_(buffer.sign() * 0.5**0.5)
    return published, without_drop_path(ours).double()


CASES = [
    *((t, {"in_shape": (4, 2, 16, 24), "hid_S": 8, "hid_T": 32, "N_S": 2, "N_T": 3}) for t in TRANSLATORS),
    *((t, {"in_shape": (5, 3, 24, 20), "hid_S": 8, "hid_T": 16, "N_S": 4, "N_T": 2}) for t in TRANSLATORS),
    ("gsta", {"in_shape": (2, 1, 8, 8), "hid_S": 8, "hid_T": 16, "N_S": 2, "N_T": 4, "mlp_ratio": 2.0}),
    ("gsta", {"in_shape": (1, 1, 16, 16), "hid_S": 4, "hid_T": 8, "N_S": 2, "spatio_kernel_enc": 5, "N_T": 2}),
    ("incepu", {"in_shape": (3, 1, 8, 8), "hid_S": 2, "hid_T": 12, "N_S": 2, "N_T": 3}),  # one group
    ("wsf", {"in_shape": (4, 1, 32, 32), "hid_S": 8, "hid_T": 32, "N_S": 4, "N_T": 2}),
    ("wsf", {"in_shape": (4, 2, 16, 16), "hid_S": 8, "hid_T": 64, "N_S": 2, "N_T": 3}),
]


@pytest.mark.parametrize(("translator", "args"), CASES, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_same_numbers_and_gradients_as_published(rng, translator, args, mode):
    published, ours = pair(translator, rng, **args)
    published.train(mode == "train")
    ours.train(mode == "train")
    frames = torch.rand(2, *args["in_shape"], generator=rng, dtype=torch.float64)
    inputs = frames.clone().requires_grad_(), frames.clone().requires_grad_()
    expected, actual = published(inputs[0]), ours(inputs[1])
    torch.testing.assert_close(actual, expected, rtol=1e-8, atol=1e-9)
    for output in (expected, actual):
        output.square().mean().backward()
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad, rtol=1e-7, atol=1e-9)
    table = WSFVIT_VIDEO if translator == "wsf" else SIMVP
    theirs = dict(published.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs[table.to_published(name)].grad, rtol=1e-6, atol=1e-9)
    buffers = dict(published.named_buffers())
    for name, buffer in ours.named_buffers():
        if name.endswith("running_mean"):
            torch.testing.assert_close(buffer, buffers[table.to_published(name)], rtol=1e-8, atol=1e-9)


def test_float32_gradients_take_other_kernels_and_agree(rng):
    published, ours = (model.float() for model in pair("tau", rng, in_shape=(4, 1, 32, 32), hid_S=8, hid_T=32, N_T=2))
    frames = torch.rand(2, 4, 1, 32, 32, generator=rng)
    for model in (published.eval(), ours):
        model(frames).square().mean().backward()
    theirs = {name: p.grad for name, p in published.named_parameters()}
    for name, parameter in ours.named_parameters():
        expected = theirs[SIMVP.to_published(name)]
        assert (parameter.grad - expected).abs().max() <= 2e-4 * expected.abs().max() + 1e-7, name


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("simvp_gsta", 46_769_665),
        ("simvp_gsta_mmnist", 46_769_665),
        ("simvp_gsta_taxibj", 9_961_058),
        ("simvp_incepu", 57_946_113),
        ("simvp_incepu_taxibj", 13_794_914),
    ],
)
def test_parameter_counts(name, count):
    assert count_parameters(name) == count


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("simvp_gsta_kth", 15.6),
        ("simvp_gsta_kitticaltech", 15.6),
        ("simvp_gsta_human", 11.33),
        ("simvp_gsta_weather_t2m", 12.76),
        ("simvp_gsta_weather_mv_4_s6", 9.96),
        ("simvp_incepu_kth", 12.2),
        ("simvp_incepu_kitticaltech", 8.6),
        ("simvp_incepu_human", 41.16),
        ("simvp_incepu_weather_t2m", 14.67),
        ("simvp_incepu_weather_mv_4_s6", 13.8),
    ],
)
def test_parameter_counts_in_published_tables(name, millions):
    digits = len(str(millions).split(".")[1])
    assert round(count_parameters(name) / 1e6, digits) == millions


@pytest.mark.parametrize("name", subband.list_models("simvp*") + subband.list_models("tau*"))
def test_every_configuration_is_built_and_maps_to_the_published_layout(name):
    with torch.device("meta"):
        model = subband.create_model(name)
    published = [SIMVP.to_published(key) for key in model.state_dict()]
    assert None not in published
    assert len(set(published)) == len(published)


def count_parameters(name: str) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in subband.create_model(name).parameters())


def test_initialization_is_the_published_one():
    model = SimVP((10, 1, 64, 64), hid_S=32, hid_T=256, N_T=2)
    assert model.encoder.layers[1].conv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    block = model.translator.stages[0].block
    assert block.mlp.fc1.weight.std().item() == pytest.approx((2 / (8 * 320)) ** 0.5, rel=0.05)
    assert block.mlp.depthwise.weight.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.05)
    assert block.layer_scale_1.unique().tolist() == pytest.approx([0.01])
    assert not block.attn.proj_in.bias.any()


def test_stochastic_depth_rates(rng):
    model = SimVP((4, 1, 16, 16), hid_S=4, hid_T=16, N_S=2, N_T=3, drop_path=0.2)
    assert [stage.block.drop_path.rate for stage in model.translator.stages] == pytest.approx([0.01, 0.105, 0.2])
    model.set_drop_path_rate(0.0)
    assert [stage.block.drop_path.rate for stage in model.translator.stages] == pytest.approx([0.01, 0.005, 0.0])
    with pytest.raises(ValueError, match="drop path rate"):
        model.set_drop_path_rate(1.0)


def test_dropped_blocks_are_skipped_for_whole_samples(rng):
    model = SimVP(**TINY)
    block = model.translator.stages[1].block
    block.drop_path.rate = 0.5
    x = torch.randn(64, 16, 4, 4, generator=rng)
    unchanged = (block.train()(x) == x).flatten(1).all(1)
    assert 4 < unchanged.sum() < 32  # both branches dropped: a quarter of 64


@pytest.mark.parametrize("extra", [{}, {"translator": "incepu"}, {**WSF, "in_shape": (4, 1, 16, 16)}])
def test_checkpointing_gives_the_same_gradients(rng, extra):
    model = without_drop_path(SimVP(**{**TINY, **extra}))
    frames = torch.rand(2, *model.in_shape, generator=rng)
    gradients = []
    for enable in (False, True):
        model.set_grad_checkpointing(enable)
        gradients.append(torch.autograd.grad(model(frames).square().mean(), tuple(model.parameters())))
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-5, atol=1e-8)


def test_checkpointing_keeps_less_for_the_backward_pass(rng):
    model = SimVP(**TINY)
    frames = torch.rand(1, *model.in_shape, generator=rng)
    kept = []
    for enable in (False, True):
        model.set_grad_checkpointing(enable)
        tensors = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, into=tensors: into.append(t.numel()) or t, lambda t: t):
            model(frames)
        kept.append(sum(tensors))
    assert kept[1] < 0.5 * kept[0]


@pytest.mark.parametrize(("extra", "multiple"), [({}, 2), ({"N_S": 4}, 4), (WSF, 16)])
def test_other_sizes_are_padded_by_the_border_and_cropped(rng, extra, multiple):
    model = randomize(SimVP(**{**TINY, **extra}), rng).eval()
    frames = torch.rand(1, 4, 1, 13, 18, generator=rng)
    rows = torch.arange(-(-13 // multiple) * multiple).clamp(max=12)
    columns = torch.arange(-(-18 // multiple) * multiple).clamp(max=17)
    prediction = model(frames)
    assert prediction.shape == frames.shape
    torch.testing.assert_close(prediction, model(frames[..., rows, :][..., columns])[..., :13, :18])


def test_wrong_frames_are_refused_by_name():
    model = SimVP(**TINY, pad=False)
    with pytest.raises(ValueError, match="takes 4 frames"):
        model(torch.zeros(1, 5, 1, 16, 16))
    with pytest.raises(ValueError, match="channel"):
        model(torch.zeros(1, 4, 3, 16, 16))
    with pytest.raises(ValueError, match="multiples of 2 x 2"):
        model(torch.zeros(1, 4, 1, 15, 16))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"N_S": 3}, "N_S must be even"),
        ({"N_T": 1}, "N_T must be at least 2"),
        ({"N_T": 1, "translator": "incepu"}, "N_T must be at least 2"),
        ({"hid_S": 3}, "hid_S must be"),
        ({"spatio_kernel_enc": 4}, "spatio_kernel_enc must be odd"),
        ({"translator": "van"}, "translator must be one of gsta, incepu, tau, time_frequency, wsf"),
        ({"stem": "fourier"}, "stem must be 'wavelet' or None"),
        ({"translator": "wsf"}, "multiples of 32"),
        ({"translator": "incepu", "hid_T": 20}, None),
        ({"translator": "incepu", "hid_S": 2, "in_shape": (3, 1, 8, 8)}, "divisible by 8"),
        ({"drop_path": 1.0}, "drop path rate"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_by_name(args, message):
    if message is None:
        assert SimVP(**{**TINY, **args})
        return
    with pytest.raises(ValueError, match=message):
        SimVP(**{**TINY, **args})


def test_options_without_effect_warn():
    with pytest.warns(UserWarning, match="drop_path has no effect"):
        model = SimVP(**TINY, translator="incepu", drop_path=0.1)
    with pytest.raises(ValueError, match="no residual branches"):
        model.set_drop_path_rate(0.1)
    with pytest.warns(UserWarning, match="drop has no effect"):
        SimVP(**{**TINY, **WSF}, drop=0.1)


def test_roll_out_feeds_predictions_back(rng):
    model = randomize(SimVP(**TINY), rng).eval()
    frames = torch.rand(2, 4, 1, 16, 16, generator=rng)
    first = model(frames)
    second = model(first)
    torch.testing.assert_close(model.predict(frames, 3), first[:, :3])
    torch.testing.assert_close(model.predict(frames, 8), torch.cat([first, second], 1))
    torch.testing.assert_close(model.predict(frames, 10), torch.cat([first, second, model(second)[:, :2]], 1))
    earlier = torch.cat([torch.rand(2, 1, 1, 16, 16, generator=rng), frames], 1)
    torch.testing.assert_close(model.predict(earlier, 4), first)


def test_roll_out_has_a_gradient_through_every_pass(rng):
    model = randomize(SimVP(**TINY), rng).eval()
    frames = torch.rand(1, 4, 1, 16, 16, generator=rng).requires_grad_()
    (gradient,) = torch.autograd.grad(model.predict(frames, 8)[:, 4:].sum(), frames)
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("extra", [{}, {"translator": "tau"}, {"translator": "incepu"}, WSF])
def test_half_precision_autocast(rng, extra):
    model = SimVP(**{**TINY, **extra})
    frames = torch.rand(1, *model.in_shape, generator=rng)
    model.eval()
    with torch.autocast("cpu", torch.bfloat16):
        low = model(frames)
    exact = model(frames)
    assert (low.float() - exact).abs().max() < 0.05 * exact.abs().max()
    model.train()
    with torch.autocast("cpu", torch.bfloat16):
        model(frames).float().square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("extra", [{}, {"translator": "tau"}, {"translator": "incepu"}, WSF])
def test_export(rng, extra):
    model = randomize(SimVP(**{**TINY, **extra}), rng).eval()
    frames = torch.rand(2, *model.in_shape, generator=rng)
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(model, (frames,), dynamic_shapes=({0: batch},))
    more = torch.rand(3, *model.in_shape, generator=rng)
    torch.testing.assert_close(program.module()(more), model(more), rtol=1e-4, atol=1e-5)
