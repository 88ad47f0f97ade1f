"""FreqPose: what its parts compute, sizes in closed form, clips of any length, teacher and student, every backbone."""

import pytest
import torch

import subband
from subband.models.complexity import count_parameters
from subband.models.pose.backbones import build_pose_backbone
from subband.models.pose.clip_filters import ClipFilter, FrameAggregation, FrequencyClipBlock
from subband.models.pose.freqpose import FramePose, FreqPose, load_transformer
from subband.models.pose.motion import (
    FrequencyMotion,
    MatchMotion,
    global_correlation,
    local_correlation,
    motion_matrix,
)

SMALL = {"channels": 4, "groups": 2, "num_joints": 3, "num_frames": 3, "img_size": (32, 32)}
TRANSFORMER = {"backbone": "vitpose_s", "backbone_args": {"dim": 8, "depth": 1, "num_heads": 2}}


def lively(model):
    """The same network with noise where it begins as zeros."""
    torch.manual_seed(0)
    for value in model.parameters():
        if not value.any():
            torch.nn.init.normal_(value, std=0.1)
    return model


@pytest.mark.parametrize(
    ("options", "params"),
    [
        ({}, 939_111),
        ({"teacher": True}, 987_623),
        ({"teacher": True, "corr": "local"}, 1_007_271),
        ({"teacher": True, "gates": True}, 987_623 + 32 * 33),
    ],
)
def test_sizes(options, params):
    with torch.device("meta"):
        model = FreqPose(**options)
    assert count_parameters(model) == params
    assert count_parameters(model.backbone) == 187_904


@pytest.mark.parametrize("shape", [(1, 2, 9, 7), (4, 1, 16, 16), (5, 3, 6, 10)])
def test_the_clip_filter_is_a_filter_of_the_whole_spectrum(shape, rng):
    num_frames, channels, height, width = shape
    clip = torch.randn(2, *shape, generator=rng)
    layer = ClipFilter(channels, num_frames)
    torch.testing.assert_close(layer(clip), clip)
    # A filter that is the same at every place of the map needs no interpolation.
    gain = torch.randn(2, channels, num_frames, 1, 1, generator=rng)
    layer.weight.data.copy_(gain.expand_as(layer.weight))
    spectrum = torch.fft.rfftn(clip, dim=(1, 3, 4))
    factor = torch.complex(*gain)[..., 0, 0].mT[:, :, None, None]
    wanted = torch.fft.irfftn(spectrum * factor, (num_frames, height, width), dim=(1, 3, 4))
    torch.testing.assert_close(layer(clip), wanted, rtol=1e-4, atol=1e-5)


def test_the_block_is_silent_at_first_and_its_sum_over_frames_is_a_convolution(rng):
    clip = torch.randn(2, 4, 3, 6, 5, generator=rng)
    block = FrequencyClipBlock(3, 4)
    assert torch.equal(block(clip), clip)
    rows = clip.permute(0, 3, 4, 2, 1).flatten(0, 2)  # (B H W, C, T)
    wanted = torch.nn.functional.conv1d(rows, block.time.weight, block.time.bias, padding=1, groups=3)
    found = block._over_time(clip).permute(0, 3, 4, 2, 1).flatten(0, 2)
    torch.testing.assert_close(found, wanted)


def test_sharper_frames_weigh_more(rng):
    clip = torch.randn(1, 3, 4, 16, 16, generator=rng)
    clip[:, 1:] = torch.nn.functional.avg_pool2d(clip[:, 1:].flatten(0, 1), 5, 1, 2).unflatten(0, (1, 2))
    _, weights = FrameAggregation(4, 3)(clip)
    assert weights.sum().item() == pytest.approx(1)
    assert weights[0, 0] > 0.9


def test_the_motion_matrix_its_window_and_its_sums(rng):
    a, b = torch.randn(2, 2, 3, 6, 5, generator=rng, dtype=torch.float64)
    whole = motion_matrix(a, b)
    assert whole[1, 2, 3, 4, 0].item() == pytest.approx((a[1, :, 2, 3] @ b[1, :, 4, 0]).item() / 3**0.5)
    near = local_correlation(a, b, 1).unflatten(1, (3, 3))
    for dy, dx in ((-1, 0), (0, 1), (1, 1), (0, 0)):
        torch.testing.assert_close(near[:, dy + 1, dx + 1, 2, 3], whole[:, 2, 3, 2 + dy, 3 + dx])
    assert not near[:, 0, :, 0].any()  # beyond the border
    y, x = torch.meshgrid(torch.arange(6), torch.arange(5), indexing="ij")
    for dy, dx in ((0, 0), (1, 0), (5, 3)):
        wanted = whole[:, y, x, (y + dy) % 6, (x + dx) % 5].sum((1, 2))
        torch.testing.assert_close(global_correlation(a, b)[:, dy, dx], wanted)


@pytest.mark.parametrize("with_global", [False, True])
def test_matches_tell_where_things_moved(with_global, rng):
    first = torch.randn(1, 8, 9, 9, generator=rng)
    clip = torch.stack([first, first.roll((1, -2), (2, 3))], 1)
    motion = MatchMotion(8, 2, radius=2, with_global=with_global)
    seen = []
    motion.mix.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    motion(clip)
    for window in seen[0][0].unflatten(0, (-1, 5, 5)):
        assert window[:, :, 4, 4].argmax().item() == 3 * 5 + 0  # one row down, two columns left


def test_spectra_of_a_still_clip_do_not_change(rng):
    motion = FrequencyMotion(4, 3)
    clip = torch.randn(1, 1, 4, 8, 6, generator=rng).expand(1, 3, 4, 8, 6)
    seen = []
    motion.mix.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    motion(clip)
    changes = seen[0].unflatten(1, (5, -1))
    torch.testing.assert_close(changes[:, :3], torch.zeros_like(changes[:, :3]))
    torch.testing.assert_close(changes[:, 3], torch.ones_like(changes[:, 3]), rtol=0, atol=0.01)
    torch.testing.assert_close(changes[:, 4], torch.zeros_like(changes[:, 4]))


@pytest.mark.parametrize(
    "options",
    [{}, {"teacher": True, "corr": "global", "corr_radius": 1}, {"teacher": True, "gates": True}, TRANSFORMER],
)
def test_every_weight_learns(options, rng):
    model = lively(FreqPose(**{**SMALL, **options}))
    out = model.outputs(torch.randn(2, 3, 3, 32, 32, generator=rng))
    assert (out.motion is None) == (not model.teacher)
    maps = [x for x in out[:-1] if x is not None]
    assert all(x.shape[-2:] == (8, 8) for x in maps)
    sum(x.square().mean() for x in maps).backward()
    assert not [n for n, v in model.named_parameters() if v.grad is None or not v.grad.isfinite().all()]


def test_gates_split_the_motion_and_let_a_part_of_it_pass(rng):
    torch.manual_seed(0)
    split, plain = FreqPose(**SMALL, teacher=True, gates=True), FreqPose(**SMALL, teacher=True)
    split, plain = lively(split).eval(), lively(plain).eval()
    own = {name: value for name, value in split.state_dict().items() if not name.startswith("gates.")}
    plain.load_state_dict(own)  # all keys but those of the gates are the same
    assert set(split.student_state()) == set(FreqPose(**SMALL).state_dict())
    clips = torch.randn(2, 3, 3, 32, 32, generator=rng)
    with torch.no_grad():
        out, whole = split.outputs(clips), plain.outputs(clips)
        torch.testing.assert_close(out.motion + out.noise, whole.motion)
        share = split.gates(whole.motion)
        torch.testing.assert_close(out.motion, share * whole.motion)
        assert 0 < share.min() < share.max() < 1
        assert whole.noise is None
        assert not out.heatmaps.allclose(whole.heatmaps)
        split.gates[0].weight.zero_()
        split.gates[0].bias.fill_(100.0)
        torch.testing.assert_close(split.outputs(clips).heatmaps, whole.heatmaps)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_clips_have_finite_gradients(value):
    model = lively(FreqPose(**SMALL, teacher=True, corr="local", corr_radius=1))
    clips = torch.full((1, 3, 3, 36, 28), value, requires_grad=True)
    model(clips).sum().backward()
    assert clips.grad.isfinite().all()


def test_shorter_clips_repeat_their_edges(rng):
    model = lively(FreqPose(**{**SMALL, "num_frames": 4})).eval()
    clip = torch.randn(1, 3, 3, 32, 32, generator=rng)
    with torch.no_grad():
        for length, places in ((1, [0, 0, 0, 0]), (2, [0, 0, 1, 1]), (3, [0, 0, 1, 2])):
            torch.testing.assert_close(model(clip[:, :length]), model(clip[:, places]))
        assert (model(clip[:, :1]) - model(clip)).abs().max() > 1e-4
    for shape in ((1, 5, 3, 32, 32), (1, 0, 3, 32, 32), (1, 3, 1, 32, 32)):
        with pytest.raises(ValueError, match="with 1 to 4 frames"):
            model(torch.zeros(shape))


def test_other_frames_count(rng):
    model = lively(FreqPose(**SMALL)).eval()
    clip = torch.randn(1, 3, 3, 32, 32, generator=rng)
    other = clip.clone()
    other[:, 0] = 0
    with torch.no_grad():
        assert (model(clip) - model(other)).abs().max() > 1e-5


def test_what_does_not_decay():
    model = FreqPose(**SMALL, **TRANSFORMER)
    filters = {f"filters.{i}.filter.weight" for i in range(4)}
    assert model.no_weight_decay() == filters | {"backbone.network.pos_embed"}


def test_a_network_for_one_frame(rng):
    model = FreqPose(**{**SMALL, "num_frames": 1}).eval()
    assert model(torch.randn(2, 1, 3, 32, 32, generator=rng)).shape == (2, 3, 8, 8)


def test_a_student_begins_with_its_teacher():
    teacher, student = FreqPose(**SMALL, teacher=True, corr="local"), FreqPose(**SMALL)
    assert not [key for key in student.state_dict() if key.startswith(("motion", "matches"))]
    student.load_state_dict(teacher.student_state())
    assert torch.equal(student.guess[0].weight, teacher.guess[0].weight)


def test_a_transformer_takes_the_weights_of_a_vitpose():
    args = {"img_size": (32, 32)}
    vitpose = subband.create_model("vitpose_s", dim=8, depth=1, num_heads=2, **args)
    for model in (FreqPose(**SMALL, **TRANSFORMER), FramePose(num_joints=3, channels=4, **TRANSFORMER, **args)):
        load_transformer(model, vitpose)
        assert torch.equal(model.backbone.network.embed.weight, vitpose.backbone.embed.weight)
    with pytest.raises(ValueError, match="no transformer as backbone"):
        load_transformer(FreqPose(**SMALL), vitpose)
    with pytest.raises(ValueError, match="of another size"):
        load_transformer(model, subband.create_model("vitpose_s", dim=12, depth=1, num_heads=2, **args))


def test_backbones_of_timm():
    pytest.importorskip("timm")
    with torch.device("meta"):
        hrnet = build_pose_backbone("hrnet_w48", {}, (64, 64))
    assert hrnet.dims == (48, 96, 192, 384)
    assert count_parameters(hrnet) == pytest.approx(65.3e6, rel=0.002)
    plain = build_pose_backbone("timm:resnet10t", {}, (32, 32)).eval()
    maps = plain(torch.zeros(1, 3, 32, 64))
    assert [tuple(x.shape[1:]) for x in maps] == [(d, 8 >> i, 16 >> i) for i, d in enumerate(plain.dims)]


def test_one_crop(rng):
    model = FramePose(num_joints=3, channels=4, img_size=(32, 32)).eval()
    assert model(torch.randn(2, 3, 36, 28, generator=rng)).shape == (2, 3, 9, 7)
    for shape, words in (((1, 3, 30, 32), "multiples of 4, got 30 x 32"), ((1, 5, 3, 32, 32), r"must be \(B, 3")):
        with pytest.raises(ValueError, match=words):
            model(torch.zeros(shape))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"corr": "local"}, "goes with teacher=True"),
        ({"gates": True}, "gates are part of the motion branch: they go with teacher=True"),
        ({"corr": "full", "teacher": True}, "corr must be one of none, local, global"),
        ({"teacher": True, "num_frames": 1}, "num_frames of at least 2"),
        ({"num_frames": 0}, "num_frames must be positive"),
        ({"channels": 1, "groups": 1}, "channels must be at least 2"),
        ({"groups": 3}, "groups must divide"),
        ({"corr_radius": 0}, "corr_radius must be positive"),
        ({"backbone": "resnet"}, "backbone must be mini, vitpose_s, vitpose_b, hrnet_w48 or timm:NAME"),
        ({"img_size": (32,)}, r"img_size must be \(H, W\)"),
    ],
)
def test_options_out_of_range(options, words):
    with pytest.raises(ValueError, match=words):
        FreqPose(**{**SMALL, **options})


def test_bfloat16_stays_close(rng):
    model = lively(FreqPose(**SMALL, teacher=True)).eval()
    clip = torch.randn(1, 3, 3, 32, 32, generator=rng)
    with torch.no_grad():
        exact = model(clip)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = model(clip)
    assert (mixed.float() - exact).abs().max() <= 0.1 * exact.abs().max()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiles_into_one_graph(rng, monkeypatch):
    """With two sizes of maps: those between only repeat the finer one."""
    torch._dynamo.reset()
    monkeypatch.setattr("subband.models.pose.backbones.REDUCTIONS", (4, 8))
    model = lively(FreqPose(**{**SMALL, "num_frames": 2}, backbone_args={"dims": (8, 8)})).eval()
    clip = torch.randn(1, 2, 3, 32, 32, generator=rng)
    with torch.no_grad():
        found = torch.compile(model, fullgraph=True, backend="aot_eager")(clip)
        torch.testing.assert_close(found, model(clip), rtol=1e-4, atol=1e-5)
