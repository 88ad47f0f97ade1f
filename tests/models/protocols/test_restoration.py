"""What all networks for restoration share: borders in time and space, value ranges, errors; on every family."""

import pytest
import torch
from torch import Tensor

import subband
from subband.models.protocols.restoration import RestorationModel
from subband.models.registry import catalog
from subband.tasks import example_input, input_axes

VD_DIFF = {"num_feat": 4, "propagation_blocks": 1, "num_blocks": (1, 1), "heads": (1, 2), "prior_feat": 4}
SMALL = {
    "basicvsr_pp": {"channels": 4, "blocks": 1, "groups": 2},
    "basicvsr_pp_deblur": {"channels": 4, "blocks": 1, "groups": 2},
    "bicubic": {},
    "estrnn": {"n_features": 4, "n_blocks": 1},
    "ftdeblur": {"channels": 4, "n_feat": 1, "n_rec": 1, "groups": 2},
    "identity": {},
    "mfpi_no_teacher": {"channels": 4, "blocks": 1, "head_blocks": 1, "rec_blocks": 1, "groups": 2},
    "motion_unet": {"dims": (4, 8), "depth": 1},
    "residual_unet": {"dims": (4, 8), "depth": 1, "frames": 3},
    "vd_diff": VD_DIFF,
}


RECURRENT = ("basicvsr_pp", "basicvsr_pp_deblur", "mfpi_no_teacher", "vd_diff")  # one frame alone has no recurrence
WITHOUT_WEIGHTS = ("bicubic", "identity")
# For compilers, whose time grows with the number of operations: windows of one frame, one pass each way, two steps.
GRAPHS = {**SMALL, "ftdeblur": {**SMALL["ftdeblur"], "n_rec": 0, "frames": 1}}
GRAPHS["mfpi_no_teacher"] = {**SMALL["mfpi_no_teacher"], "passes": ("backward", "forward")}
GRAPHS["vd_diff"] = {**VD_DIFF, "timesteps": 2}
GRAPHS["residual_unet"] = {**SMALL["residual_unet"], "frames": 1}
GRAPHS["estrnn"] = {**SMALL["estrnn"], "past_frames": 0, "future_frames": 1}


class Recorder(RestorationModel):
    """Keeps what it was given."""

    value_range = (-1.0, 3.0)
    channel_order = "BGR"
    size_multiple = 4

    def forward_clip(self, frames: Tensor) -> Tensor:
        self.seen = frames
        return frames[:, self.past_frames : frames.shape[1] - self.future_frames]


def enlarged(model, shape):
    """Shape of what a network makes of clips."""
    return (*shape[:-2], *(model.scale * side for side in shape[-2:]))


@pytest.fixture(params=SMALL)
def model(request):
    model = subband.create_model(request.param, **SMALL[request.param])
    liven(model, request.param)
    return model.eval()


def liven(model, name):
    """Noise for zeros; little where it decides on offsets of many pixels again and again."""
    for value in model.parameters():
        if not value.any():
            torch.nn.init.normal_(value, std=0.01 if name in RECURRENT[:3] else 0.1)


@pytest.mark.parametrize(
    ("mode", "places"),
    [("replicate", [0, 0, 0, 1, 2, 2]), ("reflect", [2, 1, 0, 1, 2, 1])],
)
def test_frames_beyond_the_ends(mode, places):
    model = Recorder(past_frames=2, future_frames=1)
    model.border_mode = mode
    assert model.frame_places(3) == places
    assert model.frame_places(1) == [0, 0, 0, 0]
    assert model.min_frames == 4


def test_reflection_goes_on_where_a_video_is_short():
    model = Recorder(past_frames=3, future_frames=3)
    model.border_mode = "reflect"
    assert model.frame_places(2) == [1, 0, 1, 0, 1, 0, 1, 0]


def test_range_and_order_of_the_network(rng):
    model = Recorder(past_frames=1)
    clip = torch.rand(1, 2, 3, 6, 5, generator=rng)
    torch.testing.assert_close(model.restore(clip), clip)
    assert model.seen.shape == (1, 3, 3, 8, 8)
    torch.testing.assert_close(model.seen[:, 1:, :, :6, :5], 4 * clip.flip(2) - 1)
    torch.testing.assert_close(model.seen[..., 6, :5], 4 * clip.flip(2)[:, [0, 0, 1], :, 4] - 1)  # mirrored


@pytest.mark.parametrize("size", [(16, 16), (17, 21), (5, 3), (1, 1)])
@pytest.mark.parametrize("num_frames", [1, 2, 6])
def test_any_size_and_length_is_restored(model, rng, size, num_frames):
    clip = torch.rand(1, num_frames, 3, *size, generator=rng)
    with torch.no_grad():
        restored = model.restore(clip)
    assert restored.shape == enlarged(model, clip.shape)
    assert restored.isfinite().all()


def test_shortest_clip(model, rng):
    clip = torch.rand(2, model.min_frames, 3, 16, 16, generator=rng)
    with torch.no_grad():
        assert model(clip).shape == enlarged(model, (2, 1, 3, 16, 16))
    if model.min_frames > 1:
        with pytest.raises(ValueError, match=f"takes {model.min_frames} frames or more, got {model.min_frames - 1}"):
            model(clip[:, 1:])


def test_shapes_that_do_not_fit_are_named(model):
    for shape in ((1, 8, 4, 16, 16), (8, 3, 16, 16)):
        with pytest.raises(ValueError, match=r"frames must be \(B, T, 3, H, W\)"):
            model(torch.zeros(shape))
    with pytest.raises(ValueError, match="a frame at least"):
        model.restore(torch.zeros(1, 0, 3, 16, 16))


def test_samples_of_a_batch_do_not_mix(model, rng):
    clips = torch.rand(2, 6, 3, 16, 16, generator=rng)
    options = {"noise": torch.randn(2, 6, 16, generator=rng)} if "prior_dim" in vars(model) else {}
    with torch.no_grad():
        both = model.restore(clips, **options)
        one = model.restore(clips[1:], **{name: value[1:] for name, value in options.items()})
    torch.testing.assert_close(both[1:], one, rtol=0, atol=2e-5)


def test_gradients_reach_every_weight_and_checkpointing_changes_none(model, rng):
    if not list(model.parameters()):
        pytest.skip("nothing to train")
    num_frames = 1 if "prior_dim" in vars(model) else 3  # a recurrence of second order takes three
    clip = torch.rand(1, model.min_frames - 1 + num_frames, 3, 16, 16, generator=rng)
    slope = torch.randn(enlarged(model, (1, num_frames, 3, 16, 16)), generator=rng)
    found = []
    for enabled in (False, True):
        model.set_grad_checkpointing(enabled)
        model.zero_grad()
        arguments = (clip, torch.ones(1, 1, 16)) if "prior_dim" in vars(model) else (clip,)
        model(*arguments).backward(slope)
        found.append([value.grad.clone() for value in model.parameters()])
    assert all(grad.isfinite().all() for grad in found[0])
    for plain, again in zip(*found, strict=True):
        torch.testing.assert_close(plain, again)


def test_bfloat16_autocast(model, rng):
    clip = model.to_network(torch.rand(1, 6, 3, 32, 32, generator=rng))
    arguments = (clip, torch.zeros(1, 6, 16)) if "prior_dim" in vars(model) else (clip,)
    with torch.no_grad():
        wanted = model(*arguments)
        with torch.autocast("cpu", torch.bfloat16):
            found = model(*arguments)
    assert (found - wanted).abs().max() < 0.06 * wanted.abs().max()


def test_weights_in_bfloat16(model, rng):
    clip = model.to_network(torch.rand(1, 6, 3, 32, 32, generator=rng))
    arguments = (clip, torch.zeros(1, 6, 16)) if "prior_dim" in vars(model) else (clip,)
    with torch.no_grad():
        wanted = model(*arguments)
        found = model.bfloat16()(*(tensor.bfloat16() for tensor in arguments))
    assert found.dtype == torch.bfloat16
    assert (found - wanted).abs().max() < 0.1 * wanted.abs().max()


@pytest.mark.parametrize("name", [name for name, spec in catalog().items() if spec.task == "restoration"])
def test_every_name_says_what_it_is_called_with(name):
    with torch.device("meta"):
        model = subband.create_model(name)
    inputs = example_input(model, batch=2, height=32, width=48)
    clip = inputs[0] if isinstance(inputs, tuple) else inputs
    assert clip.shape[0] == 2
    assert clip.shape[2:] == (3, 32, 48)
    assert clip.shape[1] >= model.min_frames
    assert input_axes(model) == "B T C H W"
    with pytest.raises(ValueError, match="must be positive, got 0"):
        example_input(model, batch=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("name", [name for name in SMALL if name not in WITHOUT_WEIGHTS])
def test_compiles_into_one_graph(name, check_compiled, rng):
    model = subband.create_model(name, **GRAPHS[name]).eval()
    liven(model, name)
    clip = torch.rand(1, max(model.min_frames, 2 if name in RECURRENT else 1), 3, 16, 16, generator=rng)
    arguments = (clip, torch.zeros(1, clip.shape[1], 16)) if name == "vd_diff" else (clip,)
    check_compiled(model, arguments)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("name", [name for name in SMALL if name not in WITHOUT_WEIGHTS])
def test_exports_with_any_batch(name, check_export, rng):
    model = subband.create_model(name, **GRAPHS[name]).eval()
    clip = torch.rand(2, max(model.min_frames, 2 if name in RECURRENT else 1), 3, 16, 16, generator=rng)
    arguments = (clip, torch.zeros(2, clip.shape[1], 16)) if name == "vd_diff" else (clip,)
    check_export(model, arguments)
