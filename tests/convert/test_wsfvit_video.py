"""WSF-ViT video checkpoints: stored outputs of the published code, names in both directions."""

import json

import numpy as np
import pytest
import torch
from einops import rearrange
from fill import make_input, state_dict_from_manifest

import subband
from subband.layers.stationary import SWT2d

NAME = "wsfvit_video_mmnist"


@pytest.fixture
def state(golden):
    """Published state dict of the stored case, without its fixed filters."""
    return state_dict_from_manifest(golden / "video_prediction" / f"{NAME}.json")


def test_every_stage_equals_the_stored_one(golden, state):
    model = subband.load_published(NAME, state)
    frames = make_input(NAME, [1, 10, 1, 64, 64])
    with np.load(golden / "video_prediction" / f"{NAME}.npz") as file:
        stored = {key: torch.from_numpy(file[key]) for key in file.files}
    transform = SWT2d(layout="channels", order=("aa", "da", "ad", "dd"), signs=(1, -1, -1, 1))
    with torch.no_grad():
        embedding, _ = model.encoder(model.stem(frames[0]), model.checkpointed)
        stacked = model.translator(rearrange(embedding, "t d h w -> 1 (t d) h w"), model.checkpointed)
        found = {
            "y": model(frames),
            "bands": transform(frames[0, :2]),
            "enc_mean": embedding.mean((2, 3)),
            "hid_mean": rearrange(stacked.mean((2, 3)), "b (t d) -> b t d", t=10),
        }
    for key, actual in found.items():
        assert (actual - stored[key]).abs().max() <= 1e-5 * stored[key].abs().max(), key


def test_export_writes_the_filters_and_everything_else(golden, state):
    exported = subband.export_published(subband.load_published(NAME, state))
    manifest = json.loads((golden / "video_prediction" / f"{NAME}.json").read_text())
    assert {e["key"]: e["shape"] for e in manifest["state_dict"]} == {k: list(v.shape) for k, v in exported.items()}
    assert all(torch.equal(exported[key], value) for key, value in state.items())
    root = 0.5**0.5
    torch.testing.assert_close(exported["dwt_l2.w_l"], torch.tensor([[root, root]]))
    torch.testing.assert_close(exported["dwt_l2.w_h"], torch.tensor([[root, -root]]))


def test_filters_are_accepted_on_load(state):
    exported = subband.export_published(subband.load_published(NAME, state))
    again = subband.load_published(NAME, exported)
    assert torch.equal(again.stem.norm.weight, state["norm.weight"])
