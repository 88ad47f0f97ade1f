"""OpenSTL checkpoints: stored outputs of the published code, names in both directions."""

import json

import numpy as np
import pytest
import torch
from fill import make_input, state_dict_from_manifest

import subband
from published.simvp import SimVPModel

CASES = {"simvp_gsta_mmnist": "gsta", "tau_mmnist": "tau"}


@pytest.fixture(params=CASES, scope="module")
def stored_case(request, golden):
    """Name, published state dict and stored arrays, which no test changes."""
    path = golden / "video_prediction" / request.param
    with np.load(path.with_suffix(".npz")) as stored:
        arrays = {key: torch.from_numpy(stored[key]) for key in stored.files}
    return request.param, state_dict_from_manifest(path.with_suffix(".json")), arrays


# The published code itself is 1e-5 of the largest value away from exact arithmetic on these weights; in float64 that is
# all the difference there may be, in float32 our own rounding comes on top.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.float32, 2e-5)])
def test_prediction_equals_the_stored_one(stored_case, dtype, tolerance):
    name, state, stored = stored_case
    model = subband.load_published(name, state).to(dtype)
    frames = make_input(name, [1, 10, 1, 64, 64]).to(dtype)
    with torch.no_grad():
        prediction = model(frames)
        embedding, _ = model.encoder(frames.flatten(0, 1), model.checkpointed)
    assert_near(prediction, stored["y"], tolerance)
    assert_near(embedding.mean((2, 3)), stored["enc_mean"], tolerance)


def assert_near(actual, expected, tolerance):
    assert (actual - expected).abs().max() <= tolerance * expected.abs().max()


def test_export_gives_the_checkpoint_back(stored_case):
    name, state, _ = stored_case
    exported = subband.export_published(subband.load_published(name, state))
    assert exported.keys() == state.keys()
    assert all(torch.equal(exported[key], value) for key, value in state.items())


def test_manifest_is_covered(golden):
    for name in CASES:
        manifest = json.loads((golden / "video_prediction" / f"{name}.json").read_text())
        with torch.device("meta"):
            model = subband.create_model(name)
        exported = subband.export_published(model)
        assert {entry["key"]: entry["shape"] for entry in manifest["state_dict"]} == {
            key: list(value.shape) for key, value in exported.items()
        }


@pytest.mark.parametrize(("translator", "name"), [("gsta", "simvp_gsta"), ("tau", "tau"), ("incepu", "simvp_incepu")])
def test_round_trip_of_small_models(translator, name):
    args = {"in_shape": (4, 2, 16, 16), "hid_S": 8, "hid_T": 32, "N_S": 4, "N_T": 3}
    state = SimVPModel(model_type=translator, **args).state_dict()
    lightning = {"state_dict": {f"model.{key}": value for key, value in state.items()}, "epoch": 3}
    for checkpoint in (state, lightning):
        exported = subband.export_published(subband.load_published(name, checkpoint, **args))
        assert exported.keys() == state.keys()
        assert all(torch.equal(exported[key], value) for key, value in state.items())


def test_checkpoints_of_other_sizes_are_refused():
    state = SimVPModel((4, 1, 16, 16), hid_S=8, hid_T=32, N_T=2).state_dict()
    with pytest.raises(ValueError, match="wrongly shaped"):
        subband.load_published("simvp_gsta", state, in_shape=(4, 1, 16, 16), hid_S=8, hid_T=16, N_T=2)
    with pytest.raises(ValueError, match=r"missing .*hid\.enc\.2"):
        subband.load_published("simvp_gsta", state, in_shape=(4, 1, 16, 16), hid_S=8, hid_T=32, N_T=3)
    state["extra"] = torch.zeros(1)
    with pytest.raises(ValueError, match="unexpected"):
        subband.load_published("simvp_gsta", state, in_shape=(4, 1, 16, 16), hid_S=8, hid_T=32, N_T=2)


@pytest.mark.parametrize("options", [{"stem": "wavelet"}, {"translator": "wsf"}])
def test_options_that_openstl_lacks_have_no_published_layout(options):
    model = subband.create_model("simvp_gsta", in_shape=(4, 1, 16, 16), hid_S=8, hid_T=32, N_T=2, **options)
    with pytest.raises(ValueError, match="no published layout"):
        subband.export_published(model)
