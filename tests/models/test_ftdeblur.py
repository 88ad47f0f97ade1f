"""FTDeblur: parameter counts, the identity at first, windows, every part in frequency and in space."""

import pytest
import torch

import subband
from subband.models.complexity import count_parameters
from subband.models.ftdeblur import FTDeblur

TINY = {"channels": 16, "n_feat": 1, "n_rec": 4, "groups": 2}
SMALL = {"channels": 4, "n_feat": 1, "n_rec": 1, "groups": 2}


def noisy(model):
    for value in model.parameters():
        if not value.any():
            torch.nn.init.normal_(value, std=0.1)
    return model.eval()


def test_parameters_of_every_part():
    model = FTDeblur()
    parts = {name: count_parameters(part) for name, part in model.named_children()}
    assert parts == {
        "head": 75_648,
        "extraction": 576_960,
        "alignment": 1_490_256,
        "aggregation": 24_705,
        "reconstruction": 1_684_800,
        "upsampling": 2 * 147_712,
        "tail": 36_928 + 1_731,
    }
    assert count_parameters(model) == 4_186_452
    assert count_parameters(FTDeblur(**TINY)) == 150_216


@pytest.mark.parametrize("size", [(37, 50), (16, 16)])
def test_a_fresh_network_changes_nothing_and_has_gradients(rng, size):
    model = FTDeblur(**TINY)
    random = torch.rand(1, 5, 3, *size, generator=rng)
    for clip in (random, torch.zeros_like(random), torch.full_like(random, 0.5)):
        model.zero_grad()
        restored = model(clip)
        assert torch.equal(restored, clip[:, 2:3])
        (restored - 1).square().sum().backward()
        assert all(value.grad is None or value.grad.isfinite().all() for value in model.parameters())


def test_windows_slide(rng):
    model = noisy(FTDeblur(**SMALL))
    clip = torch.rand(1, 7, 3, 16, 16, generator=rng)
    with torch.no_grad():
        together = model(clip)
        apart = [model(clip[:, start : start + 5]) for start in range(3)]
    torch.testing.assert_close(together, torch.cat(apart, 1))
    assert model.frame_places(3) == [2, 1, 0, 1, 2, 1, 0]


@pytest.mark.parametrize(
    "options",
    [
        {"extraction": "space"},
        {"alignment": "space"},
        {"align_input": "differences"},
        {"agg": "space"},
        {"agg": "channel", "max_freq": 0.35},
        {"agg": "frame"},
        {"remove_mean": True},
        {"frames": 1},
        {"frames": 4},
        {"n_feat": 0, "n_rec": 4},
    ],
)
def test_every_part_can_be_exchanged(rng, options):
    torch.manual_seed(0)
    model = noisy(subband.create_model("ftdeblur", **{**SMALL, **options}))
    clip = torch.rand(1, max(model.min_frames, 5), 3, 16, 20, generator=rng)
    restored = model(clip)
    assert restored.shape == (1, clip.shape[1] - model.min_frames + 1, 3, 16, 20)
    torch.manual_seed(0)
    plain = noisy(subband.create_model("ftdeblur", **SMALL))(clip[:, :5])
    assert restored.shape != plain.shape or not torch.equal(restored, plain)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"extraction": "time"}, "extraction must be 'frequency' or 'space', got 'time'"),
        ({"alignment": "time"}, "alignment must be"),
        ({"align_input": "flow"}, "align_input must be"),
        ({"agg": "mean"}, "mode must be one of bin, channel, frame"),
        ({"max_freq": 0.35}, "max_freq must be positive and goes with"),
        ({"agg": "space", "max_freq": 0.35}, "not with 'space'"),
        ({"frames": 0}, "frames at least 1"),
        ({"groups": 3}, "groups must divide the 4 channels"),
    ],
)
def test_options_out_of_range_are_named(options, word):
    with pytest.raises(ValueError, match=word):
        subband.create_model("ftdeblur", **{**SMALL, **options})


def test_plain_networks():
    clip = torch.rand(1, 6, 3, 9, 10)
    assert torch.equal(subband.create_model("identity")(clip), clip)
    unet = subband.create_model("residual_unet", dims=(4, 8, 8), depth=1)
    assert unet.size_multiple == 4
    assert torch.equal(unet(clip), clip[:, 2:4])
    assert noisy(unet)(clip).shape == (1, 2, 3, 9, 10)
    with pytest.raises(ValueError, match="must be positive"):
        subband.create_model("residual_unet", dims=())


def test_small_presets_are_of_one_size():
    names = ("vd_diff_s", "estrnn_s", "ftdeblur_s", "residual_unet_s", "motion_unet_s")
    counts = [subband.models.registry.model_spec(name).params for name in names]
    assert max(counts) < 1.02 * min(counts)
