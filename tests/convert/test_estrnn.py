"""ESTRNN checkpoints: stored outputs of the published code, names in both directions, what surrounds the weights."""

import json

import numpy as np
import pytest
import torch
from fill import make_input, state_dict_from_manifest

import subband
from published.estrnn import Model

CASE = "estrnn_c16b15_t7_64"
OTHERS = [
    {"n_features": 8, "n_blocks": 3, "past_frames": 1, "future_frames": 1},
    {"n_features": 5, "n_blocks": 1, "past_frames": 0, "future_frames": 2},
    {"n_features": 6, "n_blocks": 2, "past_frames": 2, "future_frames": 1},
]


@pytest.fixture
def case(golden):
    """Published state dict and stored arrays."""
    path = golden / "video_deblurring" / CASE
    with np.load(path.with_suffix(".npz")) as stored:
        arrays = {key: torch.from_numpy(stored[key]) for key in stored.files}
    return state_dict_from_manifest(path.with_suffix(".json")), arrays


def as_saved(state):
    """A file of the repository: a wrapper's prefix, and the counters of a profiler in every module."""
    counters = ("module.total_ops", "module.model.total_params", "module.model.cell.F_B0.total_ops")
    weights = {f"module.model.{key}": value for key, value in state.items()}
    return {"epoch": 3, "state_dict": weights | {name: torch.zeros(1) for name in counters}}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.float32, 2e-5)])
def test_output_equals_the_stored_one(case, dtype, tolerance):
    state, stored = case
    model = subband.load_published("estrnn", as_saved(state)).to(dtype)
    frames = make_input(CASE, [1, 7, 3, 64, 64]).to(dtype) - 0.5
    with torch.no_grad():
        output, memory = model(frames), model.initial_state(frames[:, 0])
        for frame in frames.unbind(1):
            features, memory = model.step(frame, memory)
    for found, key in (
        (output, "output"),
        (memory, "last_hidden_state"),
        (features[:, ::8], "last_feature_slice"),
    ):
        assert (found - stored[key]).abs().max() <= tolerance * stored[key].abs().max()


def test_restore_is_the_published_convention(case):
    """RGB in [0, 1] in and out, all frames; the network sees BGR, half less, and the ends repeated."""
    state, _ = case
    model = subband.load_published("estrnn", state)
    clip = torch.rand(1, 3, 3, 16, 16)
    with torch.no_grad():
        restored = model.restore(clip)
        padded = torch.cat([clip[:, :1]] * 2 + [clip] + [clip[:, -1:]] * 2, 1)
        published = model(padded[:, :, [2, 1, 0]] - 0.5)
    assert restored.shape == clip.shape
    torch.testing.assert_close(restored, published[:, :, [2, 1, 0]] + 0.5)


def test_export_gives_the_checkpoint_back(case, golden):
    state, _ = case
    exported = subband.export_published(subband.load_published("estrnn", as_saved(state)))
    assert exported.keys() == state.keys()
    assert all(torch.equal(exported[key], value) for key, value in state.items())
    manifest = json.loads((golden / "video_deblurring" / f"{CASE}.json").read_text())
    assert sum(value.numel() for value in exported.values()) == manifest["params"] == 2_467_931


@pytest.mark.parametrize("options", OTHERS)
def test_other_sizes(options, rng):
    published = Model(**options).double().eval()
    model = subband.load_published("estrnn", published.state_dict(), **options).double()
    frames = torch.rand(2, 5, 3, 20, 24, generator=rng, dtype=torch.float64) - 0.5
    with torch.no_grad():
        wanted, found = published(frames), model(frames)
    assert found.shape == (2, 5 - options["past_frames"] - options["future_frames"], 3, 20, 24)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    exported = subband.export_published(model)
    assert all(torch.equal(exported[key], value) for key, value in published.state_dict().items())


def test_gradients_are_those_of_the_published_graph(rng):
    options = OTHERS[2]
    published = Model(**options).double()
    model = subband.load_published("estrnn", published.state_dict(), **options).double()
    frames = torch.rand(1, 5, 3, 16, 12, generator=rng, dtype=torch.float64) - 0.5
    for network in (published, model):
        network(frames).square().sum().backward()
    gradients = {key: value.grad for key, value in model.named_parameters()}
    table = subband.convert.published._key_map("estrnn")
    for key, value in published.named_parameters():
        torch.testing.assert_close(gradients[table.to_own(key)], value.grad, rtol=1e-9, atol=1e-12)


def test_another_size_is_named():
    state = Model(n_features=18, n_blocks=10).state_dict()
    with pytest.raises(ValueError, match="looks like estrnn_c90b10"):
        subband.load_published("estrnn", state)
    with pytest.raises(ValueError, match="past_frames and future_frames must not be negative"):
        subband.create_model("estrnn", past_frames=-1)
    with pytest.raises(ValueError, match="must be positive, got 16, 15 and 0"):
        subband.create_model("estrnn", past_frames=0, future_frames=0)
